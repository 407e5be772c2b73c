//! Phase one: local transactions that remember how they are undone.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::sleep;

use super::change;
use super::dialect::Dialect;
use super::error::{Error, Result, refused};
use super::jackson;
use super::parse::{Parsed, Plan, parse};
use super::record::{Change, Log};
use super::source::Shared;
use super::text::Text;
use super::undo_log::{self, Key};
use super::value::Value;
use crate::rm::{Branch, EnlistError, Kind, NewBranch};
use crate::{Xid, context};

/// A transaction that nobody is in: who asks with it is held up by all locks.
const NOBODY: &str = "none:0:9223372036854775807";

/// A local transaction. Dropped before it is committed, it is rolled back.
///
/// In a global transaction each statement is looked at, and the rows it changes are remembered as they were. Outside of one it is a
/// local transaction as any other, unless [`Transaction::mind_locks`] says that it has to keep away from rows that a global one holds.
pub struct Transaction<D: Dialect> {
    pub(super) shared: Arc<Shared<D>>,
    pub(super) local: sqlx::Transaction<'static, D>,
    xid: Option<Xid>,
    pub(super) changes: Vec<Change>,
    /// The rows that were changed, as the coordinator is told of them.
    pub(super) rows: Vec<String>,
    minds_locks: bool,
    /// There is one statement in it, which is done again when it meets a lock.
    alone: bool,
    /// Why it cannot be committed any more: what was done is not known well enough to be undone.
    spoiled: bool,
    /// The statement that is run now may have changed something.
    pub(super) touched: bool,
}

/// What a statement has done.
pub(super) struct Outcome<D: Dialect> {
    pub(super) rows: Vec<D::Row>,
    pub(super) count: u64,
}

impl<D: Dialect> fmt::Debug for Transaction<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("xid", &self.xid)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl<D: Dialect> Transaction<D> {
    pub(super) async fn begin(shared: &Arc<Shared<D>>, alone: bool) -> Result<Self> {
        let local = shared.pool.begin().await?;
        let (shared, xid) = (Arc::clone(shared), context::current().xid);
        let (changes, rows) = (Vec::new(), Vec::new());
        Ok(Self {
            shared,
            local,
            xid,
            changes,
            rows,
            minds_locks: false,
            alone,
            spoiled: false,
            touched: false,
        })
    }

    /// Outside of a global transaction: has it keep away from rows that a global one holds, as Seata's `@GlobalLock`. They are looked
    /// for at [`Transaction::commit`], and by `SELECT … FOR UPDATE`.
    pub fn mind_locks(&mut self) -> &mut Self {
        self.minds_locks = true;
        self
    }

    /// Runs a statement: `INSERT`, `UPDATE`, `DELETE`, or one that reads. Placeholders are `$1` in PostgreSQL and `?` in MariaDB.
    /// Returns how many rows it has found.
    ///
    /// # Errors
    /// [`Error::Refused`] before the database is asked, for what could not be undone; then only the statement has failed. After any
    /// other error the transaction can only be rolled back.
    pub async fn execute(&mut self, sql: &str, arguments: &[Value]) -> Result<u64> {
        self.run(sql, arguments, false).await.map(|outcome| outcome.count)
    }

    /// Runs a statement that has rows. `SELECT … FOR UPDATE` waits until no other global transaction holds one of them, and their rows
    /// end with the columns of the key, once more.
    ///
    /// # Errors
    /// As [`Transaction::execute`]; [`Error::Conflict`] when somebody holds a row for too long.
    pub async fn fetch(&mut self, sql: &str, arguments: &[Value]) -> Result<Vec<D::Row>> {
        self.run(sql, arguments, true).await.map(|outcome| outcome.rows)
    }

    pub(super) async fn run(&mut self, sql: &str, arguments: &[Value], rows: bool) -> Result<Outcome<D>> {
        if self.spoiled {
            return refused("a transaction in which a statement has failed: roll it back");
        }
        if self.xid.is_none() && !self.minds_locks {
            let text = Text::cut(sql, &*D::grammar())?;
            count(text.arguments(), arguments)?;
            return change::plain(self, &text.all(), arguments, rows).await;
        }
        let Parsed { text, arguments: wanted, plan } = parse(sql, &*D::grammar())?;
        count(wanted, arguments)?;
        // Should this not come to its end, nobody knows what it has done.
        (self.spoiled, self.touched) = (true, false);
        let outcome = match &plan {
            Plan::Read => change::plain(self, &text, arguments, rows).await,
            Plan::Lock(lock) => change::lock(self, lock, arguments).await,
            Plan::Insert(insert) => change::insert(self, insert, &text, arguments).await,
            Plan::Update(update) => change::update(self, update, &text, arguments).await,
            Plan::Delete(delete) => change::delete(self, delete, &text, arguments).await,
        };
        match &outcome {
            Ok(_) => self.spoiled = false,
            Err(Error::Refused(_)) => self.spoiled = self.touched,
            // A table may not be any more what it was.
            Err(Error::Database(_)) => self.shared.forget_tables(),
            Err(_) => {}
        }
        outcome
    }

    /// Commits it. In a global transaction, and if rows were changed, a branch joins first: it holds them until the global transaction
    /// ends.
    ///
    /// # Errors
    /// It is rolled back then, but for [`Error::InDoubt`].
    pub async fn commit(self) -> Result<()> {
        if self.spoiled {
            self.rollback().await?;
            return refused("a transaction in which a statement has failed: it is rolled back");
        }
        if self.rows.is_empty() {
            return Ok(self.local.commit().await?);
        }
        match self.xid.clone() {
            Some(xid) => self.commit_branch(xid).await,
            None => match self.wait_until_free(&self.rows.join(";")).await {
                Ok(()) => Ok(self.local.commit().await?),
                Err(error) => self.rollback().await.and(Err(error)),
            },
        }
    }

    /// Rolls it back.
    ///
    /// # Errors
    /// The database cannot be reached; it does so by itself then.
    pub async fn rollback(self) -> Result<()> {
        Ok(self.local.rollback().await?)
    }

    async fn commit_branch(mut self, xid: Xid) -> Result<()> {
        let branch = match self.enlist(&xid).await {
            Ok(branch) => branch,
            Err(error) => return self.rollback().await.and(Err(error)),
        };
        if let Err(error) = self.write_log(&branch).await {
            let rolled_back = self.local.rollback().await;
            let said = self.shared.backend.failed(&branch).await;
            tracing::debug!(?rolled_back, ?said, xid = %xid, branch = %branch.id, "no undo log, no branch");
            return Err(error);
        }
        match self.local.commit().await {
            Ok(()) => Ok(()),
            Err(error @ sqlx::Error::Database(_)) => {
                // The database has said no. Whatever comes of this, the undo log is not there.
                let said = self.shared.backend.failed(&branch).await;
                tracing::debug!(?said, xid = %xid, branch = %branch.id, "not committed");
                Err(error.into())
            }
            // Were it called failed now, and is committed all the same, nobody would undo it.
            Err(error) => Err(Error::InDoubt(error)),
        }
    }

    async fn write_log(&mut self, branch: &Branch) -> Result<()> {
        let Some(key) = Key::of(branch) else {
            return refused(format!("the branch {}, which has no number as in Seata", branch.id));
        };
        let options = &self.shared.options;
        let changes = std::mem::take(&mut self.changes);
        let log = Log { xid: key.xid.clone(), branch: key.branch, changes };
        let text = jackson::encode(&log, options.package, options.zone_seconds)?;
        if text.len() > options.undo_bytes_max {
            return refused(format!("changes that take {} bytes to undo", text.len()));
        }
        undo_log::insert::<D>(&mut self.local, &options.undo_table, &key, Some(text.into_bytes())).await?;
        Ok(())
    }

    /// Joins. An explicit transaction keeps its local locks and asks again, as Seata's Java client has it; one that is alone lets go of
    /// them first, and is done again as a whole.
    async fn enlist(&self, xid: &Xid) -> Result<Branch> {
        let branch = NewBranch {
            xid: xid.clone(),
            resource: Arc::clone(&self.shared.resource),
            kind: Kind::At,
            rows: self.rows.join(";"),
            data: self.application_data(),
        };
        let mut left = if self.alone { 0 } else { self.shared.options.lock_retries };
        loop {
            match self.shared.backend.enlist(branch.clone()).await {
                Ok(branch) => return Ok(branch),
                Err(EnlistError::Conflict(_)) if left > 0 => left -= 1,
                Err(EnlistError::Conflict(why) | EnlistError::ConflictWithRollback(why)) => {
                    return Err(Error::Conflict(why));
                }
                Err(error) => return Err(Error::Branch(error)),
            }
            sleep(self.shared.options.lock_interval).await;
        }
    }

    /// What Java's client tells the coordinator with a branch: whether it lets go of its local locks before it asks again, and whether
    /// all the rows are new, so that nobody can hold them.
    fn application_data(&self) -> Bytes {
        let new = self.changes.iter().all(|change| change.before.rows.is_empty());
        let text: &'static str = match (self.alone, new) {
            (true, false) => "",
            (true, true) => r#"{"skipCheckLock":true}"#,
            (false, false) => r#"{"autoCommit":false}"#,
            (false, true) => r#"{"autoCommit":false,"skipCheckLock":true}"#,
        };
        Bytes::from_static(text.as_bytes())
    }

    /// Asks until no other transaction holds one of the rows.
    async fn wait_until_free(&self, rows: &str) -> Result<()> {
        let mut left = if self.alone { 0 } else { self.shared.options.lock_retries };
        while !self.is_free(rows).await? {
            if left == 0 {
                return Err(Error::Conflict(rows.to_owned()));
            }
            left -= 1;
            sleep(self.shared.options.lock_interval).await;
        }
        Ok(())
    }

    /// Whether no other global transaction holds one of the rows.
    pub(super) async fn is_free(&self, rows: &str) -> Result<bool> {
        let xid = match &self.xid {
            Some(xid) => xid.clone(),
            None => Xid::parse(NOBODY).map_err(|error| Error::Refused(error.to_string()))?,
        };
        self.shared.backend.is_free(&xid, &self.shared.resource, rows).await.map_err(Error::Branch)
    }

    /// How often, and how far apart, a locking read is tried again: not at all if all of the transaction is.
    pub(super) fn lock_retries(&self) -> u32 {
        if self.alone { 0 } else { self.shared.options.lock_retries }
    }
}

fn count(wanted: usize, given: &[Value]) -> Result<()> {
    if wanted == given.len() {
        return Ok(());
    }
    refused(format!("{} arguments where there are {wanted} placeholders", given.len()))
}
