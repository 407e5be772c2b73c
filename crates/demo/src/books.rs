//! The tables of a bank, and what an auditor reads in them: plain SQL, beside the banks' services.

use anyhow::Context as _;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::database::{Connection, Database, Dialect};

/// Where AT keeps what undoes its changes.
pub(crate) const UNDO_TABLE: &str = "synod_demo_undo_log";
/// Tables that the SDK makes, and that others may use too.
const SHARED: [&str; 2] = ["synod_barrier", "synod_outbox"];

const DROP: [&str; 2] =
    ["drop table if exists synod_demo_account", "drop table if exists synod_demo_undo_log"];
const CREATE: &str = "create table synod_demo_account (id bigint primary key, balance bigint not null, \
     frozen bigint not null, incoming bigint not null, closed bigint not null)";
const LOOK: &str = "select balance, frozen, incoming from synod_demo_account order by id";
/// Without the rows that merely keep out a statement that comes after its rollback (as Seata has them): nobody can tell when that
/// can no longer come, and they go when they are old.
const UNDO: &str = "select xid from synod_demo_undo_log where log_status = 0";
const WAITING: &str = "select id from synod_outbox";
/// What the SDK calls what it prepares.
const PREPARED: &str =
    "select gid from pg_prepared_xacts where database = current_database() and gid like '9752\\_%'";
const FORMAT: i64 = 9752;

/// What accounts hold, and what is left of transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) balance: i64,
    /// Of the balance, promised to be taken.
    pub(crate) frozen: i64,
    /// Beside the balance, promised to come.
    pub(crate) incoming: i64,
    /// Prepared transactions that nobody has ended.
    pub(crate) prepared: usize,
    /// Undo logs that nobody has used or thrown away.
    pub(crate) undo: usize,
}

/// Makes the tables anew, and so many accounts.
pub(crate) async fn create(database: &Database, accounts: i64) -> anyhow::Result<()> {
    let mut connection = database.open().await?;
    for statement in DROP.into_iter().chain([CREATE, undo_log(database.dialect)]) {
        connection.raw(statement).await.context("the tables of a bank cannot be made")?;
    }
    for account in 0..accounts {
        let row = format!("insert into synod_demo_account values ({account}, 0, 0, 0, 0)");
        connection.raw(&row).await?;
    }
    Ok(connection.close().await?)
}

/// As Seata has it.
const fn undo_log(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres | Dialect::Sqlite => {
            "create table synod_demo_undo_log (id serial primary key, branch_id bigint not null, \
             xid varchar(128) not null, context varchar(128) not null, rollback_info bytea not null, \
             log_status int not null, log_created timestamp(0) not null, log_modified timestamp(0) not null, \
             unique (xid, branch_id))"
        }
        Dialect::MariaDb => {
            "create table synod_demo_undo_log (branch_id bigint not null, xid varchar(128) not null, \
             context varchar(128) not null, rollback_info longblob not null, log_status int not null, \
             log_created datetime(6) not null, log_modified datetime(6) not null, \
             unique key ux_undo_log (xid, branch_id), key ix_log_created (log_created))"
        }
    }
}

/// The tables of the SDK that are not there yet: if it makes them, that is because of us.
pub(crate) async fn missing(database: &Database) -> anyhow::Result<Vec<&'static str>> {
    let mut connection = database.open().await?;
    let mut missing = Vec::new();
    for table in SHARED {
        if connection.raw(&format!("select 1 from {table} where 1 = 0")).await.is_err() {
            missing.push(table);
        }
    }
    connection.close().await?;
    Ok(missing)
}

/// Takes the tables away: our own, and these of the SDK's.
pub(crate) async fn remove(database: &Database, shared: &[&str]) -> anyhow::Result<()> {
    let mut connection = database.open().await?;
    for statement in DROP {
        connection.raw(statement).await?;
    }
    for table in shared {
        connection.raw(&format!("drop table if exists {table}")).await?;
    }
    Ok(connection.close().await?)
}

/// Puts all accounts as they are to be before a transfer.
pub(crate) async fn reset(database: &Database, balance: i64, closed: bool) -> anyhow::Result<()> {
    let closed = i64::from(closed);
    let values = format!("balance = {balance}, frozen = 0, incoming = 0, closed = {closed}");
    set(database, &values).await
}

/// Closes all accounts, or opens them.
pub(crate) async fn close_accounts(database: &Database, closed: bool) -> anyhow::Result<()> {
    set(database, &format!("closed = {}", i64::from(closed))).await
}

async fn set(database: &Database, values: &str) -> anyhow::Result<()> {
    let mut connection = database.open().await?;
    connection.raw(&format!("update synod_demo_account set {values}")).await?;
    Ok(connection.close().await?)
}

/// Reads what all accounts hold together.
pub(crate) async fn audit(database: &Database) -> anyhow::Result<Balance> {
    let mut connection = database.open().await?;
    let (prepared, undo) = (prepared(&mut connection).await?, connection.rows(UNDO).await?.len());
    let mut sum = Balance { prepared, undo, ..Balance::default() };
    for row in connection.rows(LOOK).await? {
        sum.balance += row.try_get::<i64, _>(0)?;
        sum.frozen += row.try_get::<i64, _>(1)?;
        sum.incoming += row.try_get::<i64, _>(2)?;
    }
    connection.close().await?;
    Ok(sum)
}

/// Reads what each account holds.
pub(crate) async fn balances(database: &Database) -> anyhow::Result<Vec<i64>> {
    let mut connection = database.open().await?;
    let rows = connection.rows(LOOK).await?;
    connection.close().await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<sqlx::Result<_>>()?)
}

/// How many messages nobody has given to Synod yet.
pub(crate) async fn waiting(database: &Database) -> anyhow::Result<usize> {
    let mut connection = database.open().await?;
    let waiting = connection.rows(WAITING).await?.len();
    connection.close().await?;
    Ok(waiting)
}

/// How many transactions of the SDK's are prepared.
async fn prepared(connection: &mut Connection) -> anyhow::Result<usize> {
    Ok(match connection.dialect {
        Dialect::Postgres => connection.rows(PREPARED).await?.len(),
        Dialect::MariaDb => {
            let rows = connection.raw_rows("xa recover").await?;
            let formats: sqlx::Result<Vec<i64>> = rows.iter().map(format_id).collect();
            formats?.into_iter().filter(|format| *format == FORMAT).count()
        }
        Dialect::Sqlite => 0,
    })
}

fn format_id(row: &AnyRow) -> sqlx::Result<i64> {
    row.try_get("formatID")
}
