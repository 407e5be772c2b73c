//! A running server of either kind.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::child::Child;
use crate::home::Home;
use crate::{Error, Kind, free_port, mariadb, now, postgres};

/// Longest time from start to the first answer, on two busy cores.
const START: Duration = Duration::from_secs(60);
/// Somebody else may take a port between its choice and its use.
const ATTEMPTS: usize = 3;

/// A database server that was started here, and ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    child: Child,
    port: u16,
    // After the process, which writes to it to its end.
    _home: Home,
}

impl Server {
    /// Makes a new database in a scratch folder and waits until it answers.
    ///
    /// # Errors
    /// The programs are missing, or it does not start.
    pub fn start(kind: Kind) -> Result<Self, Error> {
        match kind {
            Kind::Postgres => postgres::start(),
            Kind::MariaDb => mariadb::start(),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        address(self.port)
    }

    /// `scheme://user@host:port/database`.
    pub fn url(&self) -> String {
        self.kind.url(self.address())
    }

    /// Runs statements with the server's own command line client; the rows of their results, a line each.
    ///
    /// # Errors
    /// One of them fails.
    pub fn sql(&self, statements: &str) -> Result<Vec<String>, Error> {
        let text = ask(self.kind, self.port, statements)?;
        Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// Everything it wrote to its log.
    pub fn log(&self) -> String {
        self.child.log()
    }

    /// Starts on a free port and waits for the first answer.
    pub(crate) fn launch(
        kind: Kind,
        home: Home,
        spawn: impl Fn(&Home, u16, &Path) -> Result<Child, Error>,
    ) -> Result<Self, Error> {
        let log = home.path().join("log");
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let port = free_port().ok_or(Error::NoPort)?;
            let mut child = spawn(&home, port, &log)?;
            let began = now();
            while !child.has_ended() && began.elapsed() < START {
                match ask(kind, port, "select 1") {
                    // Somebody else may have answered, while ours could not listen.
                    Ok(_) if !child.has_ended() => return Ok(Self { kind, child, port, _home: home }),
                    Ok(_) => break,
                    Err(error) => last = error.to_string(),
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        Err(Error::NoStart { program: kind.name(), error: last, log })
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn ask(kind: Kind, port: u16, statements: &str) -> Result<String, Error> {
    match kind {
        Kind::Postgres => postgres::ask(port, statements),
        Kind::MariaDb => mariadb::ask(port, statements),
    }
}
