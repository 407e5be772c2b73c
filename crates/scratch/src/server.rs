//! A running server of either kind.

use std::net::SocketAddr;
use std::time::Duration;

use crate::child::Child;
use crate::home::Home;
use crate::{Error, Kind, free_port, mariadb, now, postgres};

/// Longest time from start to the first answer, on two busy cores.
const START: Duration = Duration::from_secs(60);
/// Somebody else may take a port between its choice and its use.
const ATTEMPTS: usize = 3;
const PAUSE: Duration = Duration::from_millis(50);
/// What it writes, in its home.
const LOG: &str = "log";

/// A database server that was started here, and ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    child: Child,
    port: u16,
    // After the process, which writes to it to its end.
    home: Home,
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

    /// Its first process, of which the others are children.
    pub fn pid(&self) -> u32 {
        self.child.pid()
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

    /// Kills it, as a power cut would (`kill -9`). What it holds stays.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Starts it again where it was, and waits until it answers: it repairs itself first.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.child.kill();
        let began = now();
        loop {
            self.child = spawn(self.kind, &self.home, self.port)?;
            match answers(self.kind, &mut self.child, self.port) {
                Ok(()) => return Ok(()),
                // What is left of the one that was killed may not be gone yet.
                Err(_) if began.elapsed() < START => std::thread::sleep(PAUSE),
                Err(error) => return Err(no_start(self.kind, error, &self.home)),
            }
        }
    }

    /// Starts on a free port and waits for the first answer.
    pub(crate) fn launch(kind: Kind, home: Home) -> Result<Self, Error> {
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let port = free_port().ok_or(Error::NoPort)?;
            let mut child = spawn(kind, &home, port)?;
            match answers(kind, &mut child, port) {
                Ok(()) => return Ok(Self { kind, child, port, home }),
                Err(error) => last = error,
            }
        }
        Err(no_start(kind, last, &home))
    }
}

fn spawn(kind: Kind, home: &Home, port: u16) -> Result<Child, Error> {
    let log = home.path().join(LOG);
    match kind {
        Kind::Postgres => postgres::spawn(home, port, &log),
        Kind::MariaDb => mariadb::spawn(home, port, &log),
    }
}

/// Waits for the first answer; what was said last if there is none.
fn answers(kind: Kind, child: &mut Child, port: u16) -> Result<(), String> {
    let (began, mut last) = (now(), "it has ended".to_owned());
    while !child.has_ended() && began.elapsed() < START {
        match ask(kind, port, "select 1") {
            // Somebody else may have answered, while ours could not listen.
            Ok(_) if !child.has_ended() => return Ok(()),
            Ok(_) => break,
            Err(error) => last = error.to_string(),
        }
        std::thread::sleep(PAUSE);
    }
    Err(last)
}

fn no_start(kind: Kind, error: String, home: &Home) -> Error {
    let log = std::fs::read_to_string(home.path().join(LOG)).unwrap_or_default();
    Error::NoStart { program: kind.name(), error, log }
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
