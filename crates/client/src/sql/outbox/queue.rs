//! The table as a queue. Who takes messages pushes back when they are due, by as long as its lease lasts, and counts an attempt: whoever dies with
//! them has them come again by themselves, and a message that kills its relay is given up like any other.
//!
//! Not by locks that are held while a message is delivered: that would keep a transaction open over somebody else's network.

use std::time::Duration;

use sqlx::Pool;

use super::{Depth, Message, Parked, headers};
use crate::sql::Database;
use crate::sql::driver::{Dialect, Held, Value};

const COLUMNS: &str = "seq, id, topic, headers, payload, attempts";
/// Longest of what is kept of an error, in characters.
const PROBLEM_CHARS_MAX: usize = 1_000;

/// A message that was taken.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) message: Message,
    /// How often it was taken, this time included. Nobody else has taken it since as long as the row says the same.
    pub(super) attempts: i64,
    seq: i64,
}

/// Takes at most `limit` messages that are due, the oldest first, for as long as `lease`.
pub(super) async fn take<DB: Database>(
    pool: &Pool<DB>,
    limit: u32,
    lease: Duration,
) -> sqlx::Result<Vec<Taken>> {
    let mut held = Held::of(pool).await?;
    if DB::DIALECT == Dialect::MySql {
        // For the next transaction. Otherwise it would lock the gaps as well, and hold up those who put messages.
        DB::raw(held.connection()?, "set transaction isolation level read committed").await?;
    }
    let mut tx = held.begin().await?;
    let skip = if DB::DIALECT == Dialect::Sqlite { "" } else { " for update skip locked" };
    let now = DB::DIALECT.now_ms();
    let sql = format!(
        "select {COLUMNS} from synod_outbox where parked_ms is null and due_ms <= {now} order by seq limit ?{skip}"
    );
    let rows = DB::rows(&mut tx, &sql, vec![Value::Number(limit.into())]).await?;
    let taken: Vec<Taken> = rows.iter().map(read::<DB>).collect::<sqlx::Result<_>>()?;
    if !taken.is_empty() {
        let marks = vec!["?"; taken.len()].join(", ");
        let sql = format!(
            "update synod_outbox set attempts = attempts + 1, due_ms = {now} + ? where seq in ({marks})"
        );
        let values = [millis(lease)].into_iter().chain(taken.iter().map(|taken| taken.seq));
        DB::run(&mut tx, &sql, values.map(Value::Number).collect()).await?;
    }
    tx.commit().await?;
    held.give_back();
    Ok(taken.into_iter().map(|taken| Taken { attempts: taken.attempts + 1, ..taken }).collect())
}

/// It has been delivered.
pub(super) async fn delivered<DB: Database>(pool: &Pool<DB>, taken: &Taken) -> sqlx::Result<()> {
    let sql = "delete from synod_outbox where seq = ?";
    DB::run(&mut *pool.acquire().await?, sql, vec![Value::Number(taken.seq)]).await.map(drop)
}

/// It has not been delivered: try again after a pause.
pub(super) async fn again<DB: Database>(
    pool: &Pool<DB>,
    taken: &Taken,
    pause: Duration,
    problem: &str,
) -> sqlx::Result<()> {
    let now = DB::DIALECT.now_ms();
    let sql =
        format!("update synod_outbox set due_ms = {now} + ?, problem = ? where seq = ? and attempts = ?");
    let values = vec![
        Value::Number(millis(pause)),
        short(problem),
        Value::Number(taken.seq),
        Value::Number(taken.attempts),
    ];
    DB::run(&mut *pool.acquire().await?, &sql, values).await.map(drop)
}

/// It was not tried: as if it had not been taken.
pub(super) async fn put_back<DB: Database>(pool: &Pool<DB>, taken: &Taken) -> sqlx::Result<()> {
    let now = DB::DIALECT.now_ms();
    let sql = format!(
        "update synod_outbox set due_ms = {now}, attempts = attempts - 1 where seq = ? and attempts = ?"
    );
    let values = vec![Value::Number(taken.seq), Value::Number(taken.attempts)];
    DB::run(&mut *pool.acquire().await?, &sql, values).await.map(drop)
}

/// It is given up, until somebody looks.
pub(super) async fn park<DB: Database>(
    pool: &Pool<DB>,
    taken: &Taken,
    problem: Option<&str>,
) -> sqlx::Result<()> {
    let now = DB::DIALECT.now_ms();
    let sql = format!(
        "update synod_outbox set parked_ms = {now}, problem = coalesce(?, problem) where seq = ? and attempts = ?"
    );
    let problem = problem.map_or(Value::Maybe(None), short);
    let values = vec![problem, Value::Number(taken.seq), Value::Number(taken.attempts)];
    DB::run(&mut *pool.acquire().await?, &sql, values).await.map(drop)
}

pub(super) async fn parked<DB: Database>(
    connection: &mut DB::Connection,
    limit: u32,
) -> sqlx::Result<Vec<Parked>> {
    let sql = format!(
        "select {COLUMNS}, problem from synod_outbox where parked_ms is not null order by seq limit ?"
    );
    let rows = DB::rows(connection, &sql, vec![Value::Number(limit.into())]).await?;
    let parked = rows.iter().map(|row| {
        let Taken { message, attempts, .. } = read::<DB>(row)?;
        let problem = DB::maybe_text(row, 6)?.unwrap_or_default();
        Ok(Parked { message, attempts: u32::try_from(attempts).unwrap_or(u32::MAX), problem })
    });
    parked.collect()
}

pub(super) async fn depth<DB: Database>(connection: &mut DB::Connection) -> sqlx::Result<Depth> {
    let now = DB::DIALECT.now_ms();
    let of = |parked: &str| {
        format!(
            "select count(*), coalesce({now} - min(put_ms), 0) from synod_outbox where parked_ms is {parked}"
        )
    };
    let number = |number: i64| u64::try_from(number).unwrap_or(0);
    let waiting = DB::rows(connection, &of("null"), Vec::new()).await?;
    let parked = DB::rows(connection, &of("not null"), Vec::new()).await?;
    let mut depth = Depth::default();
    if let Some(row) = waiting.first() {
        depth.waiting = number(DB::number(row, 0)?);
        depth.oldest = Duration::from_millis(number(DB::number(row, 1)?));
    }
    if let Some(row) = parked.first() {
        depth.parked = number(DB::number(row, 0)?);
    }
    Ok(depth)
}

fn read<DB: Database>(row: &DB::Row) -> sqlx::Result<Taken> {
    let message = Message {
        id: DB::text(row, 1)?,
        topic: DB::text(row, 2)?,
        headers: headers::read(&DB::text(row, 3)?),
        payload: DB::bytes(row, 4)?.into(),
    };
    Ok(Taken { message, attempts: DB::number(row, 5)?, seq: DB::number(row, 0)? })
}

fn short(problem: &str) -> Value {
    // PostgreSQL's texts cannot have a zero.
    Value::Maybe(Some(problem.chars().filter(|&char| char != '\0').take(PROBLEM_CHARS_MAX).collect()))
}

fn millis(duration: Duration) -> i64 {
    // Far from where adding it to a time would overflow.
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).min(i64::MAX / 4)
}
