//! One way to talk to any of the databases: statements with `?` for what is bound, three types of values, and what differs by dialect.
//!
//! Not `sqlx::Any`: it would want pools of its own, and our statements have to run inside transactions of the user's.

use std::future::Future;

use sqlx::pool::PoolConnection;
use sqlx::{
    Arguments as _, AssertSqlSafe, ColumnIndex, Connection as _, Decode, Encode, Executor, IntoArguments,
    Pool, Row as _, Transaction, Type,
};

/// What differs between databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
}

/// What is bound to a statement.
#[derive(Clone, Debug)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A text that may be null.
    Maybe(Option<String>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// What `sqlx` has no trait for.
pub trait Flavour: sqlx::Database {
    /// Which one it is.
    const DIALECT: Dialect;

    /// How many rows a statement was about.
    fn affected(result: &Self::QueryResult) -> u64;
}

#[cfg(feature = "postgres")]
impl Flavour for sqlx::Postgres {
    const DIALECT: Dialect = Dialect::Postgres;

    fn affected(result: &Self::QueryResult) -> u64 {
        result.rows_affected()
    }
}

#[cfg(feature = "mysql")]
impl Flavour for sqlx::MySql {
    const DIALECT: Dialect = Dialect::MySql;

    fn affected(result: &Self::QueryResult) -> u64 {
        result.rows_affected()
    }
}

#[cfg(feature = "sqlite")]
impl Flavour for sqlx::Sqlite {
    const DIALECT: Dialect = Dialect::Sqlite;

    fn affected(result: &Self::QueryResult) -> u64 {
        result.rows_affected()
    }
}

/// Statements on a connection. In this module, which is private, so that nobody else implements it.
pub trait Driver: Flavour {
    /// Runs one statement that stands in our sources, or is made of such and of marks; how many rows it was about.
    fn run(
        connection: &mut Self::Connection,
        sql: &str,
        values: Vec<Value>,
    ) -> impl Future<Output = sqlx::Result<u64>> + Send;

    /// Runs one query.
    fn rows(
        connection: &mut Self::Connection,
        sql: &str,
        values: Vec<Value>,
    ) -> impl Future<Output = sqlx::Result<Vec<Self::Row>>> + Send;

    /// Runs what cannot be prepared, as text. Whoever puts something into the text has to be sure of it.
    fn raw(connection: &mut Self::Connection, sql: &str) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// The same for a query.
    fn raw_rows(
        connection: &mut Self::Connection,
        sql: &str,
    ) -> impl Future<Output = sqlx::Result<Vec<Self::Row>>> + Send;

    /// A column as text. Bytes that are no UTF-8 are an error.
    fn text(row: &Self::Row, column: usize) -> sqlx::Result<String>;

    /// A column as text, or null.
    fn maybe_text(row: &Self::Row, column: usize) -> sqlx::Result<Option<String>>;

    /// A column as a number.
    fn number(row: &Self::Row, column: usize) -> sqlx::Result<i64>;

    /// A column as bytes.
    fn bytes(row: &Self::Row, column: usize) -> sqlx::Result<Vec<u8>>;
}

impl<DB> Driver for DB
where
    DB: Flavour,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    String: Type<DB> + for<'q> Encode<'q, DB>,
    Option<String>: for<'q> Encode<'q, DB>,
    i64: Type<DB> + for<'q> Encode<'q, DB> + for<'r> Decode<'r, DB>,
    Vec<u8>: Type<DB> + for<'q> Encode<'q, DB> + for<'r> Decode<'r, DB>,
    usize: ColumnIndex<DB::Row>,
{
    async fn run(connection: &mut Self::Connection, sql: &str, values: Vec<Value>) -> sqlx::Result<u64> {
        let query = sqlx::query_with(AssertSqlSafe(marks(DB::DIALECT, sql)), bound::<DB>(values)?);
        Ok(DB::affected(&query.execute(connection).await?))
    }

    async fn rows(
        connection: &mut Self::Connection,
        sql: &str,
        values: Vec<Value>,
    ) -> sqlx::Result<Vec<Self::Row>> {
        let query = sqlx::query_with(AssertSqlSafe(marks(DB::DIALECT, sql)), bound::<DB>(values)?);
        query.fetch_all(connection).await
    }

    async fn raw(connection: &mut Self::Connection, sql: &str) -> sqlx::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.map(drop)
    }

    async fn raw_rows(connection: &mut Self::Connection, sql: &str) -> sqlx::Result<Vec<Self::Row>> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await
    }

    fn text(row: &Self::Row, column: usize) -> sqlx::Result<String> {
        // As bytes: MySQL's texts of a binary kind are none to `sqlx`.
        let bytes: Vec<u8> = row.try_get_unchecked(column)?;
        String::from_utf8(bytes).map_err(|error| sqlx::Error::Decode(error.into()))
    }

    fn maybe_text(row: &Self::Row, column: usize) -> sqlx::Result<Option<String>> {
        let bytes: Option<Vec<u8>> = row.try_get_unchecked(column)?;
        bytes
            .map(|bytes| String::from_utf8(bytes).map_err(|error| sqlx::Error::Decode(error.into())))
            .transpose()
    }

    fn number(row: &Self::Row, column: usize) -> sqlx::Result<i64> {
        row.try_get(column)
    }

    fn bytes(row: &Self::Row, column: usize) -> sqlx::Result<Vec<u8>> {
        row.try_get_unchecked(column)
    }
}

/// Runs `schema`, unless the table is there.
///
/// `if not exists` alone would do harm: PostgreSQL locks a table against all writers before it sees that an index is there already, and
/// waits behind prepared transactions for that. Whoever starts while there are such would hold up everybody, perhaps for ever: himself
/// too, who is to end them.
pub(super) async fn create_table<DB: Driver>(pool: &Pool<DB>, table: &str, schema: &str) -> sqlx::Result<()> {
    let mut connection = pool.acquire().await?;
    let is_there = DB::raw(&mut connection, &format!("select 1 from {table} where 1 = 0")).await.is_ok();
    // If that has failed for another reason, this tells.
    if is_there { Ok(()) } else { DB::raw(&mut connection, schema).await }
}

/// A connection that is closed unless it is given back.
///
/// `sqlx` does not know of a `begin` that was dropped half-way: such a connection would come back to the pool inside a transaction, and
/// what the next one writes with it would be lost. The same goes for one that dies between the start and the end of XA.
pub(crate) struct Held<DB: Driver>(Option<PoolConnection<DB>>);

impl<DB: Driver> Held<DB> {
    pub(crate) async fn of(pool: &Pool<DB>) -> sqlx::Result<Self> {
        Ok(Self(Some(pool.acquire().await?)))
    }

    pub(crate) fn connection(&mut self) -> sqlx::Result<&mut DB::Connection> {
        self.0.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    pub(crate) async fn begin(&mut self) -> sqlx::Result<Transaction<'_, DB>> {
        let connection = self.connection()?;
        match DB::DIALECT {
            // SQLite's plain `begin` takes its lock too late: two that read first would both have to give up.
            // Not as the text itself: rustc would not let a future that holds it be sent.
            Dialect::Sqlite => connection.begin_with(AssertSqlSafe("begin immediate".to_owned())).await,
            Dialect::Postgres | Dialect::MySql => connection.begin().await,
        }
    }

    pub(crate) fn give_back(mut self) {
        drop(self.0.take());
    }

    pub(crate) async fn close(mut self) {
        if let Some(connection) = self.0.take() {
            // One that cannot be closed in good order is cut, which is as good.
            connection.close().await.ok();
        }
    }
}

impl<DB: Driver> Drop for Held<DB> {
    fn drop(&mut self) {
        if let Some(mut connection) = self.0.take() {
            connection.close_on_drop();
        }
    }
}

impl Dialect {
    /// The database's clock, as an expression: milliseconds since 1970.
    pub(crate) const fn now_ms(self) -> &'static str {
        match self {
            Self::Postgres => "(extract(epoch from clock_timestamp()) * 1000)::bigint",
            Self::MySql => "cast(unix_timestamp(current_timestamp(3)) * 1000 as signed)",
            Self::Sqlite => "cast(unixepoch('subsec') * 1000 as integer)",
        }
    }
}

/// Whether the same again, from the begin of the transaction, may well succeed: a deadlock, or a conflict of snapshots.
pub(crate) fn is_worth_repeating(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("40001" | "40P01"))
}

fn bound<DB: sqlx::Database>(values: Vec<Value>) -> sqlx::Result<DB::Arguments>
where
    String: Type<DB> + for<'q> Encode<'q, DB>,
    Option<String>: for<'q> Encode<'q, DB>,
    i64: Type<DB> + for<'q> Encode<'q, DB>,
    Vec<u8>: Type<DB> + for<'q> Encode<'q, DB>,
{
    let mut arguments = DB::Arguments::default();
    for value in values {
        match value {
            Value::Text(text) => arguments.add(text),
            Value::Number(number) => arguments.add(number),
            Value::Bytes(bytes) => arguments.add(bytes),
            Value::Maybe(text) => arguments.add(text),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// PostgreSQL numbers what is bound: `$1` instead of the first `?`.
fn marks(dialect: Dialect, sql: &str) -> String {
    if dialect != Dialect::Postgres {
        return sql.to_owned();
    }
    let mut parts = sql.split('?');
    let mut marked = parts.next().unwrap_or_default().to_owned();
    for (index, part) in parts.enumerate() {
        marked += &format!("${}{part}", index + 1);
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_numbered_where_they_have_to_be() {
        assert_eq!(marks(Dialect::Postgres, "a = ? and b = ?"), "a = $1 and b = $2");
        assert_eq!(marks(Dialect::MySql, "a = ? and b = ?"), "a = ? and b = ?");
        assert_eq!(marks(Dialect::Postgres, "none"), "none");
    }
}
