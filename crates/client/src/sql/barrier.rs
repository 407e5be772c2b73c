//! The barrier: a row for each step in the service's own database, written in the transaction that does the step's work. It makes a step
//! that is asked for twice happen once, a step back whose step forward never came harmless, and that step forward impossible when
//! it comes late.

use std::time::Duration;

use sqlx::{Pool, Transaction};

use super::Database;
use super::driver::{self, Dialect, Held, Value};

/// Longest id of a transaction, a message or a branch, in bytes.
const ID_BYTES_MAX: usize = 255;
/// How often a transaction is begun that has done nothing yet and ran into a deadlock.
const ATTEMPTS: usize = 5;

/// The barrier of a database: its table `synod_barrier`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Barrier;

/// What the barrier tells apart: a branch of a transaction, or a message and who takes it. Both parts have 1 to 255 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key<'a> {
    scope: &'a str,
    branch: &'a str,
}

/// A step of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Op {
    /// TCC: reserves.
    Try,
    /// TCC: makes the reservation final.
    Confirm,
    /// TCC: gives it back. Undoes [`Op::Try`].
    Cancel,
    /// Saga: does it.
    Action,
    /// Saga: undoes [`Op::Action`].
    Compensate,
    /// XA: the work before it is prepared.
    Prepare,
    /// XA: commit.
    Commit,
    /// XA: undoes [`Op::Prepare`].
    Rollback,
    /// Message: the local transaction beside it.
    Send,
    /// Message: the question whether [`Op::Send`] has committed, after which it no longer can.
    Check,
    /// Message: taken by a receiver.
    Deliver,
}

/// What there is to do for a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// It is new: do its work.
    Fresh,
    /// It has happened: say so again.
    Repeated,
    /// What it would undo has never happened, and now never will: there is nothing to do, and that is a success.
    Empty,
    /// It comes after what undoes it: refuse.
    TooLate,
}

/// How [`Barrier::run`] went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran<T> {
    /// The work was done, and has committed.
    Done(T),
    /// It was not done, for this reason; never [`Entry::Fresh`].
    Skipped(Entry),
}

impl<'a> Key<'a> {
    /// A branch, by the text of the transaction's XID (or gid) and the branch's id within it.
    pub const fn branch(xid: &'a str, branch: &'a str) -> Self {
        Self { scope: xid, branch }
    }

    /// A message, by its id, and the name of who takes it: two receivers in one database each take it once.
    pub const fn message(id: &'a str, receiver: &'a str) -> Self {
        Self { scope: id, branch: receiver }
    }

    fn check(self) -> sqlx::Result<()> {
        // MySQL's `insert ignore` would cut what is too long, and call it the same then.
        if [self.scope, self.branch].iter().all(|id| (1..=ID_BYTES_MAX).contains(&id.len())) {
            return Ok(());
        }
        Err(sqlx::Error::InvalidArgument(format!("ids have 1 to {ID_BYTES_MAX} bytes: {self:?}")))
    }
}

#[cfg(any(feature = "native", feature = "seata"))]
impl<'a> From<&'a crate::rm::Branch> for Key<'a> {
    fn from(branch: &'a crate::rm::Branch) -> Self {
        Self::branch(branch.xid.as_str(), &branch.id)
    }
}

impl Op {
    /// As it is written in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Try => "try",
            Self::Confirm => "confirm",
            Self::Cancel => "cancel",
            Self::Action => "action",
            Self::Compensate => "compensate",
            Self::Prepare => "prepare",
            Self::Commit => "commit",
            Self::Rollback => "rollback",
            Self::Send => "send",
            Self::Check => "check",
            Self::Deliver => "deliver",
        }
    }

    /// The step that this one undoes.
    pub const fn undoes(self) -> Option<Self> {
        match self {
            Self::Cancel => Some(Self::Try),
            Self::Compensate => Some(Self::Action),
            Self::Rollback => Some(Self::Prepare),
            Self::Check => Some(Self::Send),
            _ => None,
        }
    }
}

impl Barrier {
    /// Makes the table, unless it is there.
    ///
    /// # Errors
    /// The database's.
    pub async fn create_table<DB: Database>(pool: &Pool<DB>) -> sqlx::Result<()> {
        driver::create_table(pool, "synod_barrier", schema(DB::DIALECT)).await
    }

    /// Marks a step as happening, in the transaction that does its work: the mark counts if and when that commits. Waits for
    /// whoever is at the same step, or at the one that undoes it, as long as the database has one wait for a lock.
    ///
    /// Commit after [`Entry::Empty`] too: its rows are what keeps the late step out.
    ///
    /// # Errors
    /// The database's, a lock's time-out and a deadlock among them; and `InvalidArgument` for an id that is too long. The
    /// transaction must be rolled back.
    pub async fn enter<'k, DB: Database>(
        self,
        tx: &mut Transaction<'_, DB>,
        key: impl Into<Key<'k>>,
        op: Op,
    ) -> sqlx::Result<Entry> {
        let key = key.into();
        key.check()?;
        if let Some(undone) = op.undoes()
            && mark(tx, key, undone, op).await?
        {
            mark(tx, key, op, op).await?;
            return Ok(Entry::Empty);
        }
        if mark(tx, key, op, op).await? {
            return Ok(Entry::Fresh);
        }
        let own = cause(tx, key, op).await?.is_none_or(|cause| cause == op.as_str());
        Ok(if own { Entry::Repeated } else { Entry::TooLate })
    }

    /// Does a step in a transaction of its own, if it is to be done. If `work` fails nothing has happened, and the step may be
    /// asked for again.
    ///
    /// # Errors
    /// Those of `work`, of [`Barrier::enter`], and of the commit; after an error of the commit nobody knows whether the step has
    /// happened, and asking for it again is the way to find out.
    pub async fn run<'k, DB: Database, T, E: From<sqlx::Error>>(
        self,
        pool: &Pool<DB>,
        key: impl Into<Key<'k>>,
        op: Op,
        work: impl AsyncFnOnce(&mut Transaction<'_, DB>) -> Result<T, E>,
    ) -> Result<Ran<T>, E> {
        let key = key.into();
        let mut attempt = 1;
        loop {
            let mut held = Held::of(pool).await?;
            let mut tx = held.begin().await?;
            let ran = match self.enter(&mut tx, key, op).await {
                Ok(Entry::Fresh) => work(&mut tx).await.map(Ran::Done),
                Ok(entry) => Ok(Ran::Skipped(entry)),
                // It has cost nothing yet: it is tried again here.
                Err(error) if attempt < ATTEMPTS && driver::is_worth_repeating(&error) => {
                    attempt += 1;
                    continue;
                }
                Err(error) => Err(error.into()),
            };
            match ran {
                Ok(_) => tx.commit().await?,
                // If this fails the connection is gone, and with it the transaction.
                Err(error) => {
                    if tx.rollback().await.is_ok() {
                        held.give_back();
                    }
                    return Err(error);
                }
            }
            held.give_back();
            return ran;
        }
    }

    /// Whether the local transaction that entered as [`Op::Send`] has committed: the answer to a back-check. If it has not, it never
    /// will: it cannot enter any more. Waits for one that is still running.
    ///
    /// # Errors
    /// As [`Barrier::enter`]; then there is no answer.
    pub async fn was_sent<'k, DB: Database>(
        self,
        pool: &Pool<DB>,
        key: impl Into<Key<'k>>,
    ) -> sqlx::Result<bool> {
        let key = key.into();
        let mut held = Held::of(pool).await?;
        let mut tx = held.begin().await?;
        let sent = match self.enter(&mut tx, key, Op::Check).await? {
            Entry::Empty | Entry::TooLate => false,
            Entry::Fresh | Entry::Repeated => cause(&mut tx, key, Op::Send).await?.as_deref() == Some("send"),
        };
        tx.commit().await?;
        held.give_back();
        Ok(sent)
    }

    /// Deletes at most `rows_max` rows that are older than `age` by the database's clock; how many. A step whose row is gone can happen
    /// again: `age` must be well above the time for which anybody repeats calls or asks back. Days, not minutes.
    ///
    /// # Errors
    /// The database's.
    pub async fn clean<DB: Database>(
        self,
        pool: &Pool<DB>,
        age: Duration,
        rows_max: u32,
    ) -> sqlx::Result<u64> {
        let now = DB::DIALECT.now_ms();
        let old = format!("where entered_ms <= {now} - ? order by entered_ms limit ?");
        let of = match DB::DIALECT {
            Dialect::Postgres => {
                format!(
                    "where ctid = any(array(select ctid from synod_barrier {old} for update skip locked))"
                )
            }
            Dialect::MySql => old,
            Dialect::Sqlite => format!("where rowid in (select rowid from synod_barrier {old})"),
        };
        let sql = format!("delete from synod_barrier {of}");
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX / 2);
        let mut connection = pool.acquire().await?;
        DB::run(&mut connection, &sql, vec![Value::Number(age_ms), Value::Number(rows_max.into())]).await
    }
}

/// Writes the row of `op`; false if it is there. Waits for whoever is writing the same one.
pub(super) async fn mark<DB: Database>(
    tx: &mut Transaction<'_, DB>,
    key: Key<'_>,
    op: Op,
    cause: Op,
) -> sqlx::Result<bool> {
    let (insert, conflict) = match DB::DIALECT {
        Dialect::Postgres | Dialect::Sqlite => ("insert", " on conflict do nothing"),
        Dialect::MySql => ("insert ignore", ""),
    };
    let now = DB::DIALECT.now_ms();
    let sql = format!(
        "{insert} into synod_barrier (xid, branch, op, cause, entered_ms) values (?, ?, ?, ?, {now}){conflict}"
    );
    let values = [key.scope, key.branch, op.as_str(), cause.as_str()].map(Value::from).to_vec();
    Ok(DB::run(tx, &sql, values).await? == 1)
}

/// The step that wrote the row of `op`.
pub(super) async fn cause<DB: Database>(
    tx: &mut Transaction<'_, DB>,
    key: Key<'_>,
    op: Op,
) -> sqlx::Result<Option<String>> {
    // A transaction of MySQL that has read before would not see a row that was committed since, unless it locks it.
    let lock = if DB::DIALECT == Dialect::MySql { " for update" } else { "" };
    let sql = format!("select cause from synod_barrier where xid = ? and branch = ? and op = ?{lock}");
    let rows = DB::rows(tx, &sql, [key.scope, key.branch, op.as_str()].map(Value::from).to_vec()).await?;
    rows.first().map(|row| DB::text(row, 0)).transpose()
}

const fn schema(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => include_str!("barrier/postgres.sql"),
        Dialect::MySql => include_str!("barrier/mysql.sql"),
        Dialect::Sqlite => include_str!("barrier/sqlite.sql"),
    }
}
