//! A database of any of the three kinds, as the auditor sees it: beside the banks, and without the SDK.

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

/// A connection.
pub(crate) struct Connection {
    any: AnyConnection,
    pub(crate) dialect: Dialect,
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
    /// Runs one query.
    pub(crate) async fn rows(&mut self, sql: &'static str) -> sqlx::Result<Vec<AnyRow>> {
        sqlx::query(sql).fetch_all(&mut self.any).await
    }

    /// Runs a statement as text. Whoever puts something into the text has to be sure of it.
    pub(crate) async fn raw(&mut self, sql: &str) -> sqlx::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.any).await.map(drop)
    }

    /// Runs a query that cannot be prepared.
    pub(crate) async fn raw_rows(&mut self, sql: &'static str) -> sqlx::Result<Vec<AnyRow>> {
        sqlx::raw_sql(sql).fetch_all(&mut self.any).await
    }

    /// Ends it in good order; one that is dropped is cut.
    pub(crate) async fn close(self) -> sqlx::Result<()> {
        self.any.close().await
    }
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
}
