//! The end of a branch: on any connection, as often as it is asked for, and before the branch has come.

use std::time::Duration;

use sqlx::Pool;

use super::{Name, TwoPhase};
use crate::rm::{self, BoxFuture, EndError};
use crate::sql::barrier::{self, Key, Op};
use crate::sql::driver::{Dialect, Held};

/// Waits for a branch that is still at work end after this, so that the coordinator is answered, and asks again.
const POSTGRES_PATIENCE: &str = "set local lock_timeout = '2s'";
const MYSQL_PATIENCE: &str = "set session innodb_lock_wait_timeout = 2";
/// MySQL takes a moment to notice that the connection that has prepared a branch is gone.
const PAUSES_MS: [u64; 8] = [1, 5, 10, 20, 50, 100, 200, 400];

/// Which way a branch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Commit,
    Rollback,
}

/// The resource that the coordinator calls.
#[derive(Debug)]
pub(super) struct Ends<DB: TwoPhase> {
    pub(super) pool: Pool<DB>,
}

impl<DB: TwoPhase> rm::Resource for Ends<DB> {
    fn commit<'a>(&'a self, branch: &'a rm::Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(end(&self.pool, branch, Way::Commit))
    }

    fn rollback<'a>(&'a self, branch: &'a rm::Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(end(&self.pool, branch, Way::Rollback))
    }
}

/// Ends a branch, whatever there is of it.
async fn end<DB: TwoPhase>(pool: &Pool<DB>, branch: &rm::Branch, way: Way) -> Result<(), EndError> {
    let name = Name::new(&branch.xid, &branch.id).map_err(|error| EndError::Never(error.to_string()))?;
    let ended = finish(pool, &name, way).await.map_err(|error| EndError::Again(error.to_string()))?;
    if ended { Ok(()) } else { without_prepared(pool, branch, way).await }
}

/// Ends what is prepared; false if nothing is.
pub(super) async fn finish<DB: TwoPhase>(pool: &Pool<DB>, name: &Name, way: Way) -> sqlx::Result<bool> {
    let sql = match way {
        Way::Commit => name.commit(DB::DIALECT),
        Way::Rollback => name.rollback(DB::DIALECT),
    };
    let mut connection = pool.acquire().await?;
    let mut pauses = PAUSES_MS.into_iter();
    loop {
        let error = match DB::raw(&mut connection, &sql).await {
            Ok(()) => return Ok(true),
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
            return Ok(false);
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
