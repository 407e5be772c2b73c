//! What the cases need of any database.

use std::future::Future;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Pool};
use synod_client::sql::Database;

pub(crate) trait Kit: Database {
    /// Runs a statement.
    fn exec(connection: &mut Self::Connection, sql: &str) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Runs a query for one number.
    fn count(connection: &mut Self::Connection, sql: &str) -> impl Future<Output = i64> + Send;

    /// Counts those who wait for a lock.
    const WAITING: &str;

    /// Counts what is prepared.
    fn prepared(connection: &mut Self::Connection) -> impl Future<Output = usize> + Send;
}

impl Kit for sqlx::Postgres {
    const WAITING: &str = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";

    async fn exec(connection: &mut Self::Connection, sql: &str) -> sqlx::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.map(drop)
    }

    async fn count(connection: &mut Self::Connection, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap()
    }

    async fn prepared(connection: &mut Self::Connection) -> usize {
        sqlx::raw_sql("select 1 from pg_prepared_xacts").fetch_all(connection).await.unwrap().len()
    }
}

impl Kit for sqlx::MySql {
    const WAITING: &str = "select count(*) from information_schema.innodb_trx where trx_state = 'LOCK WAIT'";

    async fn exec(connection: &mut Self::Connection, sql: &str) -> sqlx::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.map(drop)
    }

    async fn count(connection: &mut Self::Connection, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap()
    }

    async fn prepared(connection: &mut Self::Connection) -> usize {
        sqlx::raw_sql("xa recover").fetch_all(connection).await.unwrap().len()
    }
}

impl Kit for sqlx::Sqlite {
    const WAITING: &str = "select 0";

    async fn exec(connection: &mut Self::Connection, sql: &str) -> sqlx::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.map(drop)
    }

    async fn count(connection: &mut Self::Connection, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap()
    }

    async fn prepared(_: &mut Self::Connection) -> usize {
        0
    }
}

pub(crate) async fn exec<DB: Kit>(pool: &Pool<DB>, sql: &str) {
    DB::exec(&mut *pool.acquire().await.unwrap(), sql).await.unwrap();
}

pub(crate) async fn number<DB: Kit>(pool: &Pool<DB>, sql: &str) -> i64 {
    DB::count(&mut *pool.acquire().await.unwrap(), sql).await
}

pub(crate) async fn prepared<DB: Kit>(pool: &Pool<DB>) -> usize {
    DB::prepared(&mut *pool.acquire().await.unwrap()).await
}

/// How often a piece of work has been done, as others see it.
pub(crate) async fn work<DB: Kit>(pool: &Pool<DB>, name: &str) -> i64 {
    number(pool, &format!("select count(*) from work where name = '{name}'")).await
}

/// The work itself.
pub(crate) fn do_work(name: &str) -> String {
    format!("insert into work (name) values ('{name}')")
}

/// Waits until somebody waits for a lock.
pub(crate) async fn until_waiting<DB: Kit>(pool: &Pool<DB>) {
    // MariaDB tells what it told before to whoever asks again within 100 ms.
    every(Duration::from_millis(120), async || number(pool, DB::WAITING).await > 0).await;
}

/// Waits until it is so.
pub(crate) async fn until(condition: impl AsyncFn() -> bool) {
    every(Duration::from_millis(5), condition).await;
}

async fn every(pause: Duration, condition: impl AsyncFn() -> bool) {
    let waited = async {
        while !condition().await {
            tokio::time::sleep(pause).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waited).await.expect("it should have come about by now");
}
