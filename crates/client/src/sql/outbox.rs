//! The outbox: messages that leave if and only if the local transaction commits.
//!
//! [`Outbox::put`] writes a message beside the business rows, in the same transaction. A [`Relay`], here or in any process on the
//! same database, takes what has committed and gives it to a [`Sink`]: Synod, or a broker. It does so at least once: whoever receives
//! keeps out the second time with [`Barrier`](super::Barrier) and [`Key::message`](super::Key::message), by the message's id.
//!
//! Messages are taken in the order in which they were put. Several relays, and a message that failed and waits for its next attempt,
//! let later ones go first: who needs an order has it in the message.
//!
//! ```no_run
//! # use synod_client::sql::outbox::{Message, Outbox, Relay, Rules, Sink};
//! # async fn f(pool: sqlx::SqlitePool, sink: std::sync::Arc<dyn Sink>) -> sqlx::Result<()> {
//! let outbox = Outbox::default();
//! let relay = Relay::start(&outbox, pool.clone(), sink, Rules::default());
//!
//! let mut tx = pool.begin().await?;
//! sqlx::query("update accounts set balance = balance - 30 where id = 1").execute(&mut *tx).await?;
//! outbox.put(&mut tx, &Message::new("order-1-paid", "orders", r#"{"order": 1}"#)).await?;
//! tx.commit().await?;
//! outbox.notify();
//!
//! relay.stop().await;
//! # Ok(()) }
//! ```

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sqlx::{Pool, Transaction};
use thiserror::Error;
use tokio::sync::Notify;

use super::Database;
use super::driver::{self, Dialect, Value};

mod headers;
mod queue;
mod relay;
#[cfg(feature = "native")]
mod synod;
#[cfg(test)]
mod tests;

pub use relay::{Relay, Rules};

/// Longest id and topic, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// Longest headers of a message, all together, in bytes.
const HEADERS_BYTES_MAX: usize = 16 << 10;
/// Longest payload, in bytes: what Synod takes, and what databases take in one packet by default.
const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// The outbox of a database: its table `synod_outbox`. Clones wake the same relays.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    wake: Arc<Notify>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Names it, for ever, wherever it goes: 1 to 255 bytes.
    pub id: String,
    /// What it is about: 1 to 255 bytes.
    pub topic: String,
    /// What goes along, the context of a trace for example; names as HTTP has them, values without line breaks, at most 16 KiB together.
    pub headers: Vec<(String, String)>,
    /// What it says, at most 1 MiB.
    pub payload: Bytes,
}

/// Where messages go.
pub trait Sink: Send + Sync {
    /// Delivers a message; it counts as delivered when this returns `Ok`. The same one may come again. Dropped when it takes longer
    /// than the relay's rules allow.
    fn deliver<'a>(&'a self, message: &'a Message) -> super::BoxFuture<'a, Result<(), Undelivered>>;
}

/// Why a message has not been delivered.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Undelivered {
    /// Not now: it is tried again, and parked after so many attempts as the relay's rules say.
    #[error("not now: {0}")]
    Again(String),
    /// Never: it is parked at once.
    #[error("never: {0}")]
    Never(String),
}

/// A message that takes somebody to look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The message.
    pub message: Message,
    /// How often it was tried.
    pub attempts: u32,
    /// What was said last.
    pub problem: String,
}

/// How full the outbox is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages that will be delivered.
    pub waiting: u64,
    /// Messages that will not, unless somebody looks.
    pub parked: u64,
    /// Since when the oldest of those that wait does so.
    pub oldest: Duration,
}

impl Message {
    /// One without headers.
    pub fn new(id: impl Into<String>, topic: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self { id: id.into(), topic: topic.into(), headers: Vec::new(), payload: payload.into() }
    }
}

impl Outbox {
    /// Makes the table, unless it is there.
    ///
    /// # Errors
    /// The database's.
    pub async fn create_table<DB: Database>(pool: &Pool<DB>) -> sqlx::Result<()> {
        driver::create_table(pool, "synod_outbox", schema(DB::DIALECT)).await
    }

    /// Puts a message into the outbox. It leaves when the transaction has committed.
    ///
    /// # Errors
    /// The database's, also when there is a message with this id; and `InvalidArgument` when a part of it is too long.
    pub async fn put<DB: Database>(
        &self,
        tx: &mut Transaction<'_, DB>,
        message: &Message,
    ) -> sqlx::Result<()> {
        let is_name = |text: &str| (1..=NAME_BYTES_MAX).contains(&text.len());
        if !is_name(&message.id) || !is_name(&message.topic) || message.payload.len() > PAYLOAD_BYTES_MAX {
            let why = "a message has an id and a topic of 1 to 255 bytes, and a payload of at most 1 MiB";
            return Err(sqlx::Error::InvalidArgument(why.to_owned()));
        }
        let headers = headers::write(&message.headers)?;
        let now = DB::DIALECT.now_ms();
        let sql = format!(
            "insert into synod_outbox (id, topic, headers, payload, attempts, due_ms, put_ms) values (?, ?, ?, ?, 0, {now}, {now})"
        );
        let names = [message.id.as_str(), message.topic.as_str(), &headers].map(Value::from);
        let values = names.into_iter().chain([Value::Bytes(message.payload.to_vec())]).collect();
        DB::run(tx, &sql, values).await.map(drop)
    }

    /// Has a relay of this process look now instead of at its next turn. To be called after the commit.
    pub fn notify(&self) {
        self.wake.notify_one();
    }

    /// The messages that were given up, the oldest first, at most `limit`.
    ///
    /// # Errors
    /// The database's.
    pub async fn parked<DB: Database>(&self, pool: &Pool<DB>, limit: u32) -> sqlx::Result<Vec<Parked>> {
        queue::parked::<DB>(&mut *pool.acquire().await?, limit).await
    }

    /// Has a parked message tried again, from the first attempt; false if there is none with this id.
    ///
    /// # Errors
    /// The database's.
    pub async fn retry<DB: Database>(&self, pool: &Pool<DB>, id: &str) -> sqlx::Result<bool> {
        let sql = format!(
            "update synod_outbox set parked_ms = null, attempts = 0, due_ms = {} where id = ? and parked_ms is not null",
            DB::DIALECT.now_ms()
        );
        let found = DB::run(&mut *pool.acquire().await?, &sql, vec![Value::from(id)]).await? == 1;
        self.notify();
        Ok(found)
    }

    /// Throws a parked message away; false if there is none with this id.
    ///
    /// # Errors
    /// The database's.
    pub async fn discard<DB: Database>(&self, pool: &Pool<DB>, id: &str) -> sqlx::Result<bool> {
        let sql = "delete from synod_outbox where id = ? and parked_ms is not null";
        Ok(DB::run(&mut *pool.acquire().await?, sql, vec![Value::from(id)]).await? == 1)
    }

    /// How many messages there are, for a metric or an alarm.
    ///
    /// # Errors
    /// The database's.
    pub async fn depth<DB: Database>(&self, pool: &Pool<DB>) -> sqlx::Result<Depth> {
        queue::depth::<DB>(&mut *pool.acquire().await?).await
    }
}

const fn schema(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => include_str!("outbox/postgres.sql"),
        Dialect::MySql => include_str!("outbox/mysql.sql"),
        Dialect::Sqlite => include_str!("outbox/sqlite.sql"),
    }
}
