//! Database servers of the system's packages in scratch folders: PostgreSQL and MariaDB, each in a directory of its own, on a
//! loopback port, as somebody who is not root, and gone when dropped. For demonstrations and tests.

use std::net::SocketAddr;
use std::time::Instant;

mod child;
mod home;
mod mariadb;
mod port;
mod postgres;
mod server;

pub use port::free_port;
pub use server::Server;

/// A kind of database server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// PostgreSQL, with prepared transactions allowed.
    Postgres,
    /// MariaDB.
    MariaDb,
}

/// Why there is no database server, or no answer from it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its programs are not on this machine.
    #[error("missing: {program}. Install with `apt-get install {package}`")]
    Missing {
        /// The program that was looked for.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A scratch folder cannot be made or given to the server's account.
    #[error("no scratch folder: {0}")]
    Folder(#[source] std::io::Error),
    /// No account that the server may run as: none of them runs as root.
    #[error("none of the accounts {0:?} exists, and no database server runs as root")]
    NoAccount(&'static [&'static str]),
    /// No port is free.
    #[error("no free port on 127.0.0.1")]
    NoPort,
    /// A program cannot be started or has failed.
    #[error("{program}: {said}")]
    Program {
        /// Which.
        program: String,
        /// What it said.
        said: String,
    },
    /// It does not start.
    #[error("{program} does not start: {error}; its log:\n{log}")]
    NoStart {
        /// Which.
        program: &'static str,
        /// What was said when it was asked last.
        error: String,
        /// What it wrote.
        log: String,
    },
}

impl Kind {
    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
        }
    }

    /// Whether its programs are on this machine.
    ///
    /// # Errors
    /// They are not; the error names the package.
    pub fn installed(self) -> Result<(), Error> {
        match self {
            Self::Postgres => postgres::programs().map(drop),
            Self::MariaDb => mariadb::programs(),
        }
    }

    fn url(self, address: SocketAddr) -> String {
        match self {
            Self::Postgres => format!("postgres://synod@{address}/postgres"),
            Self::MariaDb => format!("mysql://root@{address}/bank"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a program takes to start is measured here")]
fn now() -> Instant {
    Instant::now()
}
