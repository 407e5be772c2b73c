//! A database of any of the three kinds, and what differs between them.

use anyhow::{Context as _, bail};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};

/// Waits for a lock end after this, so that a call that waits is answered and repeated.
const POSTGRES_OPENING: &str = "set lock_timeout = '2s'";
const MARIADB_OPENING: &str = "set innodb_lock_wait_timeout = 2";

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    MariaDb,
    Sqlite,
}

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) dialect: Dialect,
}

/// A connection; its statements have `?` for what is bound to them.
pub(crate) struct Connection {
    any: AnyConnection,
    pub(crate) dialect: Dialect,
}

/// What is bound to a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Text(&'a str),
    Number(i64),
}

impl Database {
    /// Understands `postgres://…`, `mysql://…`, `mariadb://…` and `sqlite://…`.
    pub(crate) fn parse(url: &str) -> anyhow::Result<Self> {
        let dialect = match url.split(':').next() {
            Some("postgres" | "postgresql") => Dialect::Postgres,
            Some("mysql" | "mariadb") => Dialect::MariaDb,
            Some("sqlite") => Dialect::Sqlite,
            _ => bail!("{url:?} is no address of a database: postgres://, mysql:// or sqlite://"),
        };
        Ok(Self { url: url.to_owned(), dialect })
    }

    pub(crate) async fn open(&self) -> anyhow::Result<Connection> {
        let any = AnyConnection::connect(&self.url).await;
        let any = any.with_context(|| format!("{} cannot be reached", self.dialect.name()))?;
        let mut connection = Connection { any, dialect: self.dialect };
        match self.dialect {
            Dialect::Postgres => connection.raw(POSTGRES_OPENING).await?,
            Dialect::MariaDb => connection.raw(MARIADB_OPENING).await?,
            Dialect::Sqlite => {}
        }
        Ok(connection)
    }
}

impl Dialect {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
            Self::Sqlite => "SQLite",
        }
    }
}

impl Connection {
    /// Runs one statement; how many rows it was about.
    pub(crate) async fn run(&mut self, sql: &'static str, values: &[Value<'_>]) -> sqlx::Result<u64> {
        let query = query(self.dialect, sql, values);
        Ok(query.execute(&mut self.any).await?.rows_affected())
    }

    /// Runs one query.
    pub(crate) async fn rows(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> sqlx::Result<Vec<AnyRow>> {
        query(self.dialect, sql, values).fetch_all(&mut self.any).await
    }

    /// Runs what cannot be prepared, as text: transactions, and branches of them. Whoever puts something into the text
    /// has to be sure of it.
    pub(crate) async fn raw(&mut self, sql: &str) -> sqlx::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.any).await.map(drop)
    }

    /// The same for a query.
    pub(crate) async fn raw_rows(&mut self, sql: &'static str) -> sqlx::Result<Vec<AnyRow>> {
        sqlx::raw_sql(sql).fetch_all(&mut self.any).await
    }

    pub(crate) async fn begin(&mut self) -> sqlx::Result<()> {
        // SQLite's plain `begin` takes its lock too late: two that read first would both have to give up.
        self.raw(if self.dialect == Dialect::Sqlite { "begin immediate" } else { "begin" }).await
    }

    pub(crate) async fn commit(&mut self) -> sqlx::Result<()> {
        self.raw("commit").await
    }

    pub(crate) async fn rollback(&mut self) -> sqlx::Result<()> {
        self.raw("rollback").await
    }

    /// Ends it in good order; one that is dropped is cut.
    pub(crate) async fn close(self) -> sqlx::Result<()> {
        self.any.close().await
    }
}

fn query<'q>(
    dialect: Dialect,
    sql: &'static str,
    values: &[Value<'_>],
) -> sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments> {
    // Only the marks are changed in a text that stands in our own sources.
    let mut query = sqlx::query(AssertSqlSafe(marks(dialect, sql)));
    for value in values {
        query = match *value {
            Value::Text(text) => query.bind(text.to_owned()),
            Value::Number(number) => query.bind(number),
        };
    }
    query
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
    fn addresses_say_what_they_lead_to() {
        let dialect = |url| Database::parse(url).map(|database| database.dialect).ok();
        assert_eq!(dialect("postgres://u@h:1/d"), Some(Dialect::Postgres));
        assert_eq!(dialect("mariadb://u@h:1/d"), Some(Dialect::MariaDb));
        assert_eq!(dialect("sqlite:///f?mode=rwc"), Some(Dialect::Sqlite));
        assert_eq!(dialect("oracle://h"), None);
        assert_eq!(dialect(""), None);
    }

    #[test]
    fn marks_are_numbered_where_they_have_to_be() {
        assert_eq!(marks(Dialect::Postgres, "a = ? and b = ?"), "a = $1 and b = $2");
        assert_eq!(marks(Dialect::MariaDb, "a = ? and b = ?"), "a = ? and b = ?");
        assert_eq!(marks(Dialect::Postgres, "none"), "none");
    }
}
