//! The two databases of a transfer, and what is done to an account there.

use serde::{Deserialize, Serialize};
use synod_client::at;
use synod_client::sql::sqlx::{self, MySql, Postgres, Transaction};
use synod_client::sql::xa::TwoPhase;

/// What an account gets, or gives if it is negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) account: i32,
    pub(super) amount: i64,
}

/// What is done to an account in one local transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// All of it at once.
    Add,
    /// Sets aside what is to go, or notes what is to come.
    Try,
    Confirm,
    Cancel,
}

/// One of the two databases: money goes out of PostgreSQL and into MariaDB.
pub(super) trait Side: TwoPhase + at::Dialect {
    /// The statement of [`Step::Add`]; amount and account are bound.
    const ADD: &'static str;

    /// Does it in a local transaction.
    ///
    /// # Errors
    /// The database's; `RowNotFound` when the account does not have the money.
    fn step(
        tx: &mut Transaction<'_, Self>,
        step: Step,
        change: Change,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;
}

impl Side for Postgres {
    const ADD: &'static str = "update account set balance = balance + $1 where id = $2";

    async fn step(tx: &mut Transaction<'_, Self>, step: Step, change: Change) -> sqlx::Result<()> {
        let sql = match step {
            Step::Add => Self::ADD,
            Step::Try => "update account set held = held - $1 where id = $2 and balance - held + $1 >= 0",
            Step::Confirm => "update account set balance = balance + $1, held = held + $1 where id = $2",
            Step::Cancel => "update account set held = held + $1 where id = $2",
        };
        let done = sqlx::query(sql).bind(change.amount).bind(change.account).execute(&mut **tx).await?;
        one(done.rows_affected())
    }
}

impl Side for MySql {
    const ADD: &'static str = "update account set balance = balance + ? where id = ?";

    async fn step(tx: &mut Transaction<'_, Self>, step: Step, change: Change) -> sqlx::Result<()> {
        let sql = match step {
            Step::Add => Self::ADD,
            Step::Try => "update account set held = held + ? where id = ?",
            Step::Confirm => "update account set balance = balance + ?, held = held - ? where id = ?",
            Step::Cancel => "update account set held = held - ? where id = ?",
        };
        let query = sqlx::query(sql).bind(change.amount);
        let query = if step == Step::Confirm { query.bind(change.amount) } else { query };
        one(query.bind(change.account).execute(&mut **tx).await?.rows_affected())
    }
}

fn one(rows: u64) -> sqlx::Result<()> {
    if rows == 1 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}
