//! Prepared work that nobody ends: its process is gone, and the coordinator has told who could not hear.
//!
//! Prepared work holds its locks for ever, so somebody has to look for it. But only a coordinator that knows may say which way it
//! goes, and only about its own: whatever is not certainly ours is left alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Pool;
use tokio::sync::watch;
use tokio::time::Instant;

use super::end::{Finished, finish};
use super::kept::Kept;
use super::name::Way;
use super::{Name, TwoPhase};
use crate::sql::driver::Dialect;
use crate::task::Task;
use crate::tm::{self, Decision};
use crate::{Xid, clock};

/// Most that is asked about in one pass; the next one goes on from there, so that what waits for long keeps nobody from being ended.
const PASS_MAX: usize = 1_000;

/// What is left over, and how often somebody looks.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The addresses (`host:port`) in the XIDs of this coordinator, all that it has or ever had. Work with another one is never
    /// touched.
    pub addresses: Vec<String>,
    /// Work that has been prepared for less is not asked about: it is being ended in the usual way.
    pub grace: Duration,
    /// Between two passes.
    pub every: Duration,
}

impl Rules {
    /// For a coordinator with these addresses: a minute of grace, a pass every 30 s.
    pub fn new<T: Into<String>>(addresses: impl IntoIterator<Item = T>) -> Self {
        let addresses = addresses.into_iter().map(Into::into).collect();
        Self { addresses, grace: Duration::from_secs(60), every: Duration::from_secs(30) }
    }
}

/// Prepared work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// What it is called.
    pub name: Name,
    /// For how long it has been prepared, at least.
    pub age: Duration,
}

/// What a pass has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orphans {
    /// Committed now.
    pub committed: Vec<Prepared>,
    /// Rolled back now.
    pub rolled_back: Vec<Prepared>,
    /// Not decided yet, or the coordinator could not be asked, or the database failed: looked at again.
    pub waiting: Vec<Prepared>,
    /// Nobody knows any more which way it was to go. Somebody has to find out and end it by hand.
    pub forgotten: Vec<Prepared>,
}

/// Ends what is left over.
pub struct Reaper<DB: TwoPhase> {
    pool: Pool<DB>,
    kept: Arc<Kept<DB>>,
    coordinator: Arc<dyn tm::Backend>,
    rules: Rules,
    /// All of ours that the database has.
    seen: BTreeMap<Name, Seen>,
    /// Up to where the last pass came.
    last: Option<Name>,
}

/// Where a database does not say when something was prepared.
#[derive(Clone, Copy)]
struct Seen {
    first: Instant,
    warned: bool,
}

/// A [`Reaper`] at work; it ends when this is dropped.
#[derive(Debug)]
pub struct Reaping {
    last: watch::Receiver<Orphans>,
    _task: Task,
}

impl<DB: TwoPhase> Reaper<DB> {
    /// For one database.
    pub fn new(pool: Pool<DB>, coordinator: Arc<dyn tm::Backend>, rules: Rules) -> Self {
        Self::beside(pool, Arc::default(), coordinator, rules)
    }

    /// One that knows of connections which are kept here.
    pub(super) fn beside(
        pool: Pool<DB>,
        kept: Arc<Kept<DB>>,
        coordinator: Arc<dyn tm::Backend>,
        rules: Rules,
    ) -> Self {
        Self { pool, kept, coordinator, rules, seen: BTreeMap::new(), last: None }
    }

    /// Looks once, at 1,000 at most, and the next time at those that come after them. MySQL does not say when something was prepared: there, time counts from the first pass that sees it.
    ///
    /// # Errors
    /// The database does not list what it has.
    pub async fn pass(&mut self) -> sqlx::Result<Orphans> {
        let due = self.due().await?;
        let mut decisions: BTreeMap<Xid, Option<Decision>> = BTreeMap::new();
        let mut orphans = Orphans::default();
        for prepared in due {
            let xid = prepared.name.xid();
            let decision = match decisions.get(xid) {
                Some(decision) => *decision,
                None => {
                    let decision = self.decision(xid).await;
                    decisions.insert(xid.clone(), decision);
                    decision
                }
            };
            match decision {
                Some(Decision::Commit) => self.end(prepared, Way::Commit, &mut orphans).await,
                Some(Decision::Rollback) => self.end(prepared, Way::Rollback, &mut orphans).await,
                Some(Decision::Forgotten) => {
                    self.warn(&prepared);
                    orphans.forgotten.push(prepared);
                }
                Some(Decision::Undecided) | None => orphans.waiting.push(prepared),
            }
        }
        Ok(orphans)
    }

    /// Looks now, and from then on as often as the rules say.
    pub fn start(mut self) -> Reaping {
        let (sender, last) = watch::channel(Orphans::default());
        let task = Task::spawn(async move {
            loop {
                match self.pass().await {
                    Ok(orphans) => drop(sender.send_replace(orphans)),
                    Err(error) => tracing::warn!(%error, "prepared transactions cannot be listed"),
                }
                tokio::time::sleep(self.rules.every).await;
            }
        });
        Reaping { last, _task: task }
    }

    /// What is ours and old enough.
    async fn due(&mut self) -> sqlx::Result<Vec<Prepared>> {
        let mut listed = list::<DB>(&mut *self.pool.acquire().await?).await?;
        listed.retain(|(name, _)| self.rules.addresses.iter().any(|address| address == name.xid().address()));
        let now = clock::now();
        let seen = listed.iter().map(|(name, _)| {
            let before = self.seen.get(name).copied();
            (name.clone(), before.unwrap_or(Seen { first: now, warned: false }))
        });
        self.seen = seen.collect();
        let aged = listed.into_iter().filter_map(|(name, age)| {
            let first = self.seen.get(&name)?.first;
            Some(Prepared { name, age: age.unwrap_or(now - first) })
        });
        let due = aged.filter(|prepared| prepared.age >= self.rules.grace).collect();
        let turn = in_turn(due, self.last.as_ref(), PASS_MAX);
        self.last = turn.last().map(|prepared| prepared.name.clone());
        Ok(turn)
    }

    /// `None` when the coordinator does not say.
    async fn decision(&self, xid: &Xid) -> Option<Decision> {
        match self.coordinator.decision(xid).await {
            Ok(decision) => Some(decision),
            Err(error) => {
                tracing::debug!(%xid, %error, "nobody says what became of it");
                None
            }
        }
    }

    async fn end(&self, prepared: Prepared, way: Way, orphans: &mut Orphans) {
        match finish(&self.pool, &self.kept, &prepared.name, way).await {
            Ok(Finished::Here | Finished::Elsewhere) => {
                tracing::info!(name = %prepared.name, age = ?prepared.age, ?way, "ended what was left over");
                match way {
                    Way::Commit => orphans.committed.push(prepared),
                    Way::Rollback => orphans.rolled_back.push(prepared),
                }
            }
            // Somebody else was faster.
            Ok(Finished::NotPrepared) => {}
            Err(error) => {
                tracing::warn!(name = %prepared.name, %error, "cannot end what was left over");
                orphans.waiting.push(prepared);
            }
        }
    }

    /// Once for each.
    fn warn(&mut self, prepared: &Prepared) {
        if let Some(seen) = self.seen.get_mut(&prepared.name)
            && !seen.warned
        {
            seen.warned = true;
            let name = &prepared.name;
            tracing::warn!(%name, age = ?prepared.age, "prepared, and nobody knows any more what for: end it by hand");
        }
    }
}

impl Reaping {
    /// What the last pass has found; empty before the first.
    pub fn last(&self) -> Orphans {
        self.last.borrow().clone()
    }
}

impl<DB: TwoPhase> std::fmt::Debug for Reaper<DB> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reaper").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// The next ones after `last` in the order of their names, and then from the beginning; `most` at most.
fn in_turn(mut due: Vec<Prepared>, last: Option<&Name>, most: usize) -> Vec<Prepared> {
    due.sort_by(|a, b| a.name.cmp(&b.name));
    let next = due.partition_point(|prepared| Some(&prepared.name) <= last);
    due.rotate_left(next);
    due.truncate(most);
    due
}

/// What a database has prepared and a name of ours, with its age where that is known.
pub(super) async fn list<DB: TwoPhase>(
    connection: &mut DB::Connection,
) -> sqlx::Result<Vec<(Name, Option<Duration>)>> {
    if DB::DIALECT == Dialect::MySql {
        let rows = DB::raw_rows(connection, "XA RECOVER").await?;
        let names = rows.iter().map(|row| {
            Ok(Name::from_parts(DB::number(row, 0)?, DB::number(row, 1)?, &DB::bytes(row, 3)?)
                .map(|name| (name, None)))
        });
        return names.filter_map(sqlx::Result::transpose).collect();
    }
    let sql = "select gid, (extract(epoch from clock_timestamp() - prepared) * 1000)::bigint \
               from pg_prepared_xacts where database = current_database() order by prepared";
    let rows = DB::rows(connection, sql, Vec::new()).await?;
    let names = rows.iter().map(|row| {
        let age = Duration::from_millis(u64::try_from(DB::number(row, 1)?).unwrap_or(0));
        Ok(Name::parse(&DB::text(row, 0)?).map(|name| (name, Some(age))))
    });
    names.filter_map(sqlx::Result::transpose).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(number: u64) -> Prepared {
        let xid = Xid::parse(&format!("h:1:{number}")).unwrap();
        Prepared { name: Name::new(&xid, "1").unwrap(), age: Duration::ZERO }
    }

    #[test]
    fn everybody_has_a_turn_though_nobody_goes() {
        let mut last: Option<Name> = None;
        let mut turns = Vec::new();
        for _ in 0..4 {
            let turn = in_turn([3, 1, 5, 2, 4].map(prepared).into(), last.as_ref(), 2);
            last = turn.last().map(|prepared| prepared.name.clone());
            turns.extend(turn);
        }
        assert_eq!(turns, [1, 2, 3, 4, 5, 1, 2, 3].map(prepared));
        // The one that was the last may be gone.
        let gone = prepared(3).name;
        assert_eq!(in_turn([1, 4].map(prepared).into(), Some(&gone), 2), [4, 1].map(prepared));
        assert_eq!(in_turn(Vec::new(), Some(&gone), 2), []);
    }
}
