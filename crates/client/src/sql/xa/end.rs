//! The end of a branch: on any connection, as often as it is asked for, and before the branch has come.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Pool;

use super::kept::Kept;
use super::name::Way;
use super::{Name, TwoPhase};
use crate::rm::{self, BoxFuture, EndError};
use crate::sql::barrier::{self, Key, Op};
use crate::sql::driver::{Dialect, Held, Value};

/// Waits for a branch that is still at work end after this, so that the coordinator is answered, and asks again.
const POSTGRES_PATIENCE: &str = "set local lock_timeout = '2s'";
const MYSQL_PATIENCE: &str = "set session innodb_lock_wait_timeout = 2";
/// MySQL takes a moment to notice that the connection that has prepared a branch is gone.
const PAUSES_MS: [u64; 8] = [1, 5, 10, 20, 50, 100, 200, 400];

/// MariaDB hands a branch over to other connections before its own has let go of it, and an end that comes in between is answered with
/// success and does nothing (seen with 10.11).
const LOST: &str =
    "the database has taken the commit and not made it; it knows the branch again when it is restarted";

/// The resource that the coordinator calls.
#[derive(Debug)]
pub(super) struct Ends<DB: TwoPhase> {
    pub(super) pool: Pool<DB>,
    pub(super) kept: Arc<Kept<DB>>,
}

impl<DB: TwoPhase> rm::Resource for Ends<DB> {
    fn commit<'a>(&'a self, branch: &'a rm::Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(self.end(branch, Way::Commit))
    }

    fn rollback<'a>(&'a self, branch: &'a rm::Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(self.end(branch, Way::Rollback))
    }
}

impl<DB: TwoPhase> Ends<DB> {
    /// Ends a branch, whatever there is of it.
    async fn end(&self, branch: &rm::Branch, way: Way) -> Result<(), EndError> {
        let name = Name::new(&branch.xid, &branch.id).map_err(|error| EndError::Never(error.to_string()))?;
        let again = |error: sqlx::Error| EndError::Again(error.to_string());
        let finished = finish(&self.pool, &self.kept, &name, way).await.map_err(again)?;
        match (finished, way) {
            (Finished::Here, _) => Ok(()),
            (Finished::Elsewhere, _) if DB::DIALECT != Dialect::MySql => Ok(()),
            (Finished::Elsewhere, Way::Commit) => match has_committed(&self.pool, branch).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(EndError::Again(LOST.to_owned())),
                Err(error) => Err(again(error)),
            },
            // After a rollback the row cannot be written while the work still holds it.
            (Finished::Elsewhere, Way::Rollback) | (Finished::NotPrepared, _) => {
                without_prepared(&self.pool, branch, way).await
            }
        }
    }
}

/// Whether the branch's work can be seen.
async fn has_committed<DB: TwoPhase>(pool: &Pool<DB>, branch: &rm::Branch) -> sqlx::Result<bool> {
    const LOOK: &str = "select cause from synod_barrier where xid = ? and branch = ? and op = 'prepare'";
    let mut connection = pool.acquire().await?;
    let values = [branch.xid.as_str(), &branch.id].map(Value::from).to_vec();
    Ok(!DB::rows(&mut connection, LOOK, values).await?.is_empty())
}

/// Where something prepared has been ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finished {
    /// Over the connection that has prepared it.
    Here,
    /// Over another one.
    Elsewhere,
    /// There is nothing.
    NotPrepared,
}

/// Ends what is prepared.
pub(super) async fn finish<DB: TwoPhase>(
    pool: &Pool<DB>,
    kept: &Kept<DB>,
    name: &Name,
    way: Way,
) -> sqlx::Result<Finished> {
    let sql = name.end(DB::DIALECT, way);
    if let Some(mut held) = kept.take(name) {
        let ended = DB::raw(held.connection()?, &sql).await;
        // What is in doubt now another connection finds out, when this is asked for again.
        held.close().await;
        return ended.map(|()| Finished::Here);
    }
    let mut connection = pool.acquire().await?;
    let mut pauses = PAUSES_MS.into_iter();
    loop {
        let error = match DB::raw(&mut connection, &sql).await {
            Ok(()) => return Ok(Finished::Elsewhere),
            Err(error) => error,
        };
        let code = error.as_database_error().and_then(|error| error.code());
        // PostgreSQL's undefined_object, MySQL's XAER_NOTA.
        if !matches!(code.as_deref(), Some("42704" | "XAE04")) {
            return Err(error);
        }
        // MySQL says the same of one that another connection holds; but it lists it.
        if DB::DIALECT != Dialect::MySql
            || !super::reap::list::<DB>(&mut connection).await?.iter().any(|(listed, _)| listed == name)
        {
            return Ok(Finished::NotPrepared);
        }
        let Some(pause) = pauses.next() else { return Err(error) };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// Nothing is prepared. The barrier's row tells why: it has been ended, or is still at work, or has never come. In the last case
/// the row is written, and it never will.
async fn without_prepared<DB: TwoPhase>(
    pool: &Pool<DB>,
    branch: &rm::Branch,
    way: Way,
) -> Result<(), EndError> {
    let op = if way == Way::Commit { Op::Commit } else { Op::Rollback };
    let by = cause(pool, branch, op).await.map_err(|error| EndError::Again(error.to_string()))?;
    match (way, by.as_str()) {
        (Way::Commit, "prepare") | (Way::Rollback, "rollback" | "commit") => Ok(()),
        (Way::Commit, "rollback") => Err(EndError::Never("it has been rolled back".to_owned())),
        (Way::Commit, _) => Err(EndError::Never("nothing was ever prepared".to_owned())),
        (Way::Rollback, _) => Err(EndError::Never("it has been committed".to_owned())),
    }
}

/// Who has written the row of the branch's work: it, or who wanted to end it; in the end we have.
async fn cause<DB: TwoPhase>(pool: &Pool<DB>, branch: &rm::Branch, op: Op) -> sqlx::Result<String> {
    let mut held = Held::of(pool).await?;
    if DB::DIALECT == Dialect::MySql {
        DB::raw(held.connection()?, MYSQL_PATIENCE).await?;
    }
    let mut tx = held.begin().await?;
    if DB::DIALECT == Dialect::Postgres {
        DB::raw(&mut tx, POSTGRES_PATIENCE).await?;
    }
    let key = Key::from(branch);
    let by = if barrier::mark(&mut tx, key, Op::Prepare, op).await? {
        op.as_str().to_owned()
    } else {
        barrier::cause(&mut tx, key, Op::Prepare).await?.ok_or(sqlx::Error::RowNotFound)?
    };
    tx.commit().await?;
    // On MySQL it has a setting now that others do not expect.
    if DB::DIALECT == Dialect::MySql {
        held.close().await
    } else {
        held.give_back()
    }
    Ok(by)
}
