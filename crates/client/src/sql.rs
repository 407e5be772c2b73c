//! Participants over SQL databases: barrier, XA, outbox.
//!
//! What a service does for a global transaction belongs into the transactions of its own database. Three tools for that, over the
//! pools and transactions of `sqlx` that the service has already:
//!
//! | tool | for | databases |
//! |---|---|---|
//! | [`Barrier`] | steps that are called twice, late, or in the wrong order: TCC, sagas, messages | all |
//! | [`xa`] (with `native` or `seata`) | work that the database keeps prepared until the transaction is decided | PostgreSQL, MariaDB, MySQL |
//! | [`outbox`] | messages that leave if and only if the local transaction commits | all |
//!
//! Their tables are made by `create_table`, or by hand from `docs/sdk-sql.md`.
//!
//! ```no_run
//! # async fn f(pool: sqlx::SqlitePool) -> Result<(), sqlx::Error> {
//! use synod_client::sql::{Barrier, Key, Op, Ran};
//!
//! let key = Key::branch("10.0.0.1:8091:42", "debit");
//! let ran = Barrier.run(&pool, key, Op::Try, async |tx| {
//!     sqlx::query("update accounts set frozen = frozen + 30 where id = 1").execute(&mut **tx).await
//! });
//! match ran.await? {
//!     Ran::Done(_) => {}      // done now
//!     Ran::Skipped(_) => {}   // done before, or not to be done any more
//! }
//! # Ok(()) }
//! ```

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

mod barrier;
mod driver;
pub mod outbox;
#[cfg(any(feature = "native", feature = "seata"))]
pub mod xa;

pub use barrier::{Barrier, Entry, Key, Op, Ran};
/// The version whose pools and transactions this takes.
pub use sqlx;

/// A future of a trait that is used as an object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A database that all of this works with. Implemented for `sqlx::Postgres`, `sqlx::MySql` (MariaDB too) and `sqlx::Sqlite`, each
/// with its feature, and for nothing else.
pub trait Database: driver::Driver + Debug {}

#[cfg(feature = "postgres")]
impl Database for sqlx::Postgres {}
#[cfg(feature = "mysql")]
impl Database for sqlx::MySql {}
#[cfg(feature = "sqlite")]
impl Database for sqlx::Sqlite {}
