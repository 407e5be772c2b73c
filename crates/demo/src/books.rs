//! The tables of a bank, and what an auditor reads in them: plain SQL, beside the banks' services.

use anyhow::Context as _;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::database::{Connection, Database, Dialect, Value};

/// What prepared transactions of ours are called, so that those of others are left alone.
pub(crate) const PREPARED_PREFIX: &str = "synod-demo:";

const DROP: [&str; 2] =
    ["drop table if exists synod_demo_account", "drop table if exists synod_demo_barrier"];
const CREATE: [&str; 2] = [
    "create table synod_demo_account (name varchar(32) primary key, balance bigint not null, \
     frozen bigint not null, incoming bigint not null, closed bigint not null)",
    "create table synod_demo_barrier (xid varchar(64) not null, branch varchar(64) not null, \
     step varchar(16) not null, cause varchar(16) not null, primary key (xid, branch, step))",
];
const OPEN: &str =
    "insert into synod_demo_account (name, balance, frozen, incoming, closed) values ('main', ?, 0, 0, 0)";
const RESET: &str = "update synod_demo_account set balance = ?, frozen = 0, incoming = 0, closed = ?";
const CLOSED: &str = "update synod_demo_account set closed = ?";
const LOOK: &str = "select balance, frozen, incoming from synod_demo_account";
const PREPARED: &str =
    "select gid from pg_prepared_xacts where database = current_database() and gid like 'synod-demo:%'";

/// A bank's account, and what is left of transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) balance: i64,
    /// Of the balance, promised to be taken.
    pub(crate) frozen: i64,
    /// Beside the balance, promised to come.
    pub(crate) incoming: i64,
    /// Prepared transactions that nobody has ended.
    pub(crate) prepared: usize,
}

/// Makes the tables anew, and the account.
pub(crate) async fn create(database: &Database) -> anyhow::Result<()> {
    let mut connection = database.open().await?;
    for statement in DROP.into_iter().chain(CREATE) {
        connection.run(statement, &[]).await.context("the tables of a bank cannot be made")?;
    }
    connection.run(OPEN, &[Value::Number(0)]).await?;
    Ok(connection.close().await?)
}

/// Takes the tables away.
pub(crate) async fn remove(database: &Database) -> anyhow::Result<()> {
    let mut connection = database.open().await?;
    for statement in DROP {
        connection.run(statement, &[]).await?;
    }
    Ok(connection.close().await?)
}

/// Puts the account as it is to be before a transfer.
pub(crate) async fn reset(database: &Database, balance: i64, closed: bool) -> anyhow::Result<()> {
    let mut connection = database.open().await?;
    connection.run(RESET, &[Value::Number(balance), Value::Number(closed.into())]).await?;
    Ok(connection.close().await?)
}

/// Closes the account, or opens it.
pub(crate) async fn close_account(database: &Database, closed: bool) -> anyhow::Result<()> {
    let mut connection = database.open().await?;
    connection.run(CLOSED, &[Value::Number(closed.into())]).await?;
    Ok(connection.close().await?)
}

/// Reads the account.
pub(crate) async fn audit(database: &Database) -> anyhow::Result<Account> {
    let mut connection = database.open().await?;
    let rows = connection.rows(LOOK, &[]).await?;
    let row = rows.first().context("the account is gone")?;
    let account = Account {
        balance: row.try_get(0)?,
        frozen: row.try_get(1)?,
        incoming: row.try_get(2)?,
        prepared: prepared(&mut connection).await?.len(),
    };
    connection.close().await?;
    Ok(account)
}

/// The names of our prepared transactions.
pub(crate) async fn prepared(connection: &mut Connection) -> anyhow::Result<Vec<String>> {
    let names = match connection.dialect {
        Dialect::Postgres => names::<String>(&connection.rows(PREPARED, &[]).await?, "gid")?,
        // They may be any bytes, and are told as such.
        Dialect::MariaDb => {
            let rows = connection.raw_rows("xa recover").await?;
            let names = names::<Vec<u8>>(&rows, "data")?;
            names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
        }
        Dialect::Sqlite => Vec::new(),
    };
    Ok(names.into_iter().filter(|name| name.starts_with(PREPARED_PREFIX)).collect())
}

fn names<'r, T>(rows: &'r [AnyRow], column: &str) -> sqlx::Result<Vec<T>>
where
    T: sqlx::Decode<'r, sqlx::Any> + sqlx::Type<sqlx::Any>,
{
    rows.iter().map(|row| row.try_get(column)).collect()
}
