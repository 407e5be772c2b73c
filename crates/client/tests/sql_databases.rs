//! Barrier, XA and outbox on real databases: one server of each kind for all of it.
#![cfg(all(
    feature = "postgres",
    feature = "mysql",
    feature = "sqlite",
    any(feature = "native", feature = "seata")
))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests spawn what runs beside them, and measure")]

use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use synod_client::sql::Barrier;
use synod_client::sql::outbox::Outbox;
use synod_scratch::{Kind, Server};

#[path = "sql_databases/barrier.rs"]
mod barrier;
#[path = "sql_databases/coordinator.rs"]
mod coordinator;
#[path = "sql_databases/kit.rs"]
mod kit;
#[path = "sql_databases/outbox.rs"]
mod outbox;
#[path = "sql_databases/reaper.rs"]
mod reaper;
#[path = "sql_databases/xa.rs"]
mod xa;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    let mut server = Server::start(Kind::Postgres).unwrap();
    let options = PgPoolOptions::new().max_connections(20);
    let pool = options.connect(&server.url()).await.unwrap();
    tables(&pool, "varchar(64)").await;
    barrier::all(&pool).await;
    barrier::with_locks(&pool).await;
    xa::all(&pool, &PgPoolOptions::new().max_connections(1).connect(&server.url()).await.unwrap()).await;
    xa::what_failed_unseen_is_not_prepared(&pool).await;
    server.sql("begin; insert into work values ('foreign'); prepare transaction 'foreign'").unwrap();
    reaper::all(&pool, 1).await;
    assert_eq!(server.sql("select gid from pg_prepared_xacts").unwrap(), ["foreign"]);
    outbox::all(&pool).await;
    reaper::survives_a_crash(&pool, &mut server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb() {
    let mut server = Server::start(Kind::MariaDb).unwrap();
    let options = MySqlPoolOptions::new().max_connections(20);
    let pool = options.connect(&server.url()).await.unwrap();
    tables(&pool, "varbinary(64)").await;
    barrier::all(&pool).await;
    barrier::with_locks(&pool).await;
    outbox::all(&pool).await;
    xa::all(&pool, &MySqlPoolOptions::new().max_connections(1).connect(&server.url()).await.unwrap()).await;
    server.sql("xa start 'foreign'; insert into bank.work values ('foreign'); xa end 'foreign'; xa prepare 'foreign'").unwrap();
    reaper::all(&pool, 1).await;
    assert_eq!(server.sql("xa recover").unwrap(), ["1\t7\t0\tforeign"]);
    reaper::survives_a_crash(&pool, &mut server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new().filename(folder.path().join("file")).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal);
    let pool = SqlitePoolOptions::new().max_connections(8).connect_with(options).await.unwrap();
    tables(&pool, "varchar(64)").await;
    barrier::all(&pool).await;
    outbox::all(&pool).await;
}

async fn tables<DB: kit::Kit>(pool: &sqlx::Pool<DB>, text: &str) {
    // Twice, as every start of a service does it.
    for _ in 0..2 {
        Barrier::create_table(pool).await.unwrap();
        Outbox::create_table(pool).await.unwrap();
    }
    kit::exec(pool, &format!("create table work (name {text} not null)")).await;
}
