//! Real databases for participants, as [`synod_scratch`] starts them; here a failure ends the test.

use std::net::SocketAddr;

use synod_scratch::{Kind, Server};

/// A PostgreSQL with two-phase commit allowed.
#[derive(Debug)]
pub struct Postgres(Database);

/// A MariaDB.
#[derive(Debug)]
pub struct MariaDb(Database);

/// A server whose log is printed when the test fails.
#[derive(Debug)]
struct Database(Server);

impl Postgres {
    /// Makes a new one and waits until it answers.
    ///
    /// # Panics
    /// PostgreSQL is missing, or does not start.
    #[track_caller]
    pub fn start() -> Self {
        Self(Database::start(Kind::Postgres))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.0.address()
    }

    /// `postgres://user@host:port/database`.
    pub fn url(&self) -> String {
        self.0.0.url()
    }

    /// Runs statements; the rows of the last one, a line each with `|` between the columns.
    ///
    /// # Panics
    /// One of them fails.
    #[track_caller]
    pub fn sql(&self, statements: &str) -> Vec<String> {
        self.0.sql(statements)
    }
}

impl MariaDb {
    /// Makes a new one and waits until it answers.
    ///
    /// # Panics
    /// MariaDB is missing, or does not start.
    #[track_caller]
    pub fn start() -> Self {
        Self(Database::start(Kind::MariaDb))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.0.address()
    }

    /// `mysql://user@host:port/database`.
    pub fn url(&self) -> String {
        self.0.0.url()
    }

    /// Runs statements; the rows, a line each with tabs between the columns.
    ///
    /// # Panics
    /// One of them fails.
    #[track_caller]
    pub fn sql(&self, statements: &str) -> Vec<String> {
        self.0.sql(statements)
    }
}

impl Database {
    #[track_caller]
    fn start(kind: Kind) -> Self {
        Self(Server::start(kind).unwrap_or_else(|error| panic!("{error}")))
    }

    #[track_caller]
    fn sql(&self, statements: &str) -> Vec<String> {
        self.0.sql(statements).unwrap_or_else(|error| panic!("{statements}: {error}"))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of {}\n{}\n---", self.0.url(), self.0.log());
        }
    }
}
