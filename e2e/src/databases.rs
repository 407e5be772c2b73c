//! Real databases for participants: PostgreSQL and MariaDB from the system's packages, each in a directory of its own, on a
//! loopback port, as somebody who is not root, and gone when dropped.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, getuid, kill_process};
use tempfile::TempDir;

use crate::process::{Process, free_port};
use crate::wait::now;

/// Longest time from start to the first answer, on two busy cores.
const START: Duration = Duration::from_secs(60);
/// Longest time for an orderly end; then it is killed.
const STOP: Duration = Duration::from_secs(10);
/// Somebody else may take a port between its choice and its use.
const ATTEMPTS: usize = 3;

/// A running server of either kind.
#[derive(Debug)]
struct Server {
    process: Process,
    port: u16,
    /// What ends it without leaving anything behind.
    stop: Signal,
    _home: Home,
}

/// A PostgreSQL with two-phase commit allowed.
#[derive(Debug)]
pub struct Postgres(Server);

/// A MariaDB.
#[derive(Debug)]
pub struct MariaDb(Server);

impl Postgres {
    /// Makes a new one and waits until it answers.
    ///
    /// # Panics
    /// PostgreSQL is missing, or does not start.
    #[track_caller]
    pub fn start() -> Self {
        let programs = postgres_programs();
        let home = Home::new(&["postgres", "nobody"]);
        let data = home.path().join("data");
        let mut init = home.command(&programs.join("initdb"));
        init.args([
            "--username=synod",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
            "--pgdata",
        ]);
        finish(init.arg(&data));
        let spawn = |port: u16, log: &Path| {
            let mut server = home.command(&programs.join("postgres"));
            server.arg("-D").arg(&data);
            for set in [
                &format!("port={port}"),
                "listen_addresses=127.0.0.1",
                "unix_socket_directories=",
                "max_prepared_transactions=100",
                "max_connections=200",
                "shared_buffers=32MB",
            ] {
                server.args(["-c", set]);
            }
            Process::start_logging("postgres", server, log)
        };
        // Killed, it would leave its shared memory; told to quit at once, it does not.
        let (process, port) = launch(&home, spawn, |port| try_postgres(port, "select 1"));
        Self(Server { process, port, stop: Signal::QUIT, _home: home })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// `postgres://user@host:port/database`.
    pub fn url(&self) -> String {
        format!("postgres://synod@{}/postgres", self.address())
    }

    /// Runs statements; the rows of the last one, a line each with `|` between the columns.
    ///
    /// # Panics
    /// One of them fails.
    #[track_caller]
    pub fn sql(&self, statements: &str) -> Vec<String> {
        lines(try_postgres(self.0.port, statements), statements)
    }
}

impl MariaDb {
    /// Makes a new one and waits until it answers.
    ///
    /// # Panics
    /// MariaDB is missing, or does not start.
    #[track_caller]
    pub fn start() -> Self {
        let server = Path::new("/usr/sbin/mariadbd");
        assert!(server.exists(), "missing: mariadbd. Install with `apt-get install mariadb-server`");
        let home = Home::new(&["mysql", "nobody"]);
        let data = home.path().join("data");
        let mut init = home.command(Path::new("mariadb-install-db"));
        init.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        init.args(["--skip-name-resolve", "--innodb-buffer-pool-size=32M"]);
        finish(init.arg(format!("--datadir={}", data.display())));
        let spawn = |port: u16, log: &Path| {
            let mut command = home.command(server);
            command.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve"]);
            command.args([
                "--innodb-buffer-pool-size=32M",
                "--max-connections=200",
                &format!("--port={port}"),
            ]);
            for (option, file) in [("datadir", "data"), ("socket", "socket"), ("pid-file", "pid")] {
                command.arg(format!("--{option}={}", home.path().join(file).display()));
            }
            Process::start_logging("mariadbd", command, log)
        };
        let (process, port) = launch(&home, spawn, |port| try_mariadb(port, "select 1"));
        let started = Self(Server { process, port, stop: Signal::KILL, _home: home });
        started.sql("create database bank");
        started
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// `mysql://user@host:port/database`.
    pub fn url(&self) -> String {
        format!("mysql://root@{}/bank", self.address())
    }

    /// Runs statements; the rows, a line each with tabs between the columns.
    ///
    /// # Panics
    /// One of them fails.
    #[track_caller]
    pub fn sql(&self, statements: &str) -> Vec<String> {
        lines(try_mariadb(self.0.port, statements), statements)
    }
}

impl Server {
    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = i32::try_from(self.process.pid()).ok().and_then(Pid::from_raw);
        if self.process.exit().is_some() || pid.is_none_or(|pid| kill_process(pid, self.stop).is_err()) {
            return;
        }
        let began = now();
        while self.process.exit().is_none() && began.elapsed() < STOP {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The newest PostgreSQL of Debian's packages, which keep it out of the path.
fn postgres_programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let programs = versions.map(|version| version.path().join("bin"));
    programs
        .filter(|programs| programs.join("initdb").exists())
        .max()
        .unwrap_or_else(|| panic!("missing: initdb. Install with `apt-get install postgresql`"))
}

/// A directory and who may write to it: database servers refuse to run as root.
#[derive(Debug)]
struct Home {
    folder: TempDir,
    account: Option<(u32, u32)>,
}

impl Home {
    /// Of the first of `names` that has an account, if we are root; of ourselves otherwise.
    fn new(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a directory can be made");
        let account = if getuid().is_root() { Some(account(names)) } else { None };
        if let Some((user, group)) = account {
            chown(folder.path(), Some(user), Some(group)).expect("root may give a directory away");
        }
        Self { folder, account }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("LC_ALL", "C")
            .env("TMPDIR", self.path());
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command
    }
}

fn account(names: &[&str]) -> (u32, u32) {
    let accounts = fs::read_to_string("/etc/passwd").expect("accounts are listed");
    let found = names.iter().find_map(|name| {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    found.unwrap_or_else(|| panic!("none of the accounts {names:?} exists"))
}

/// Starts on a free port and waits for the first answer.
#[track_caller]
fn launch(
    home: &Home,
    spawn: impl Fn(u16, &Path) -> Process,
    ask: impl Fn(u16) -> Result<String, String>,
) -> (Process, u16) {
    let log = home.path().join("log");
    for _ in 0..ATTEMPTS {
        let port = free_port();
        let mut process = spawn(port, &log);
        let began = now();
        while process.exit().is_none() {
            let error = match ask(port) {
                // Somebody else may have answered, while ours could not listen.
                Ok(_) if process.exit().is_none() => return (process, port),
                Ok(_) => break,
                Err(error) => error,
            };
            assert!(began.elapsed() < START, "no answer after {START:?}: {error}\n{}", process.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        eprintln!("a database ended before it answered; its log: {}", process.log());
    }
    panic!("a database does not start; its log is above");
}

fn try_postgres(port: u16, statements: &str) -> Result<String, String> {
    let mut client = Command::new("psql");
    client.args([
        "-X",
        "-q",
        "-A",
        "-t",
        "-v",
        "ON_ERROR_STOP=1",
        "-h",
        "127.0.0.1",
        "-p",
        &port.to_string(),
    ]);
    client.args(["-U", "synod", "-d", "postgres", "-c", statements]);
    output(client.env("LC_ALL", "C"))
}

fn try_mariadb(port: u16, statements: &str) -> Result<String, String> {
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "-N", "-B", "--protocol=TCP", "-h", "127.0.0.1", "-P", &port.to_string()]);
    client.args(["-u", "root", "-e", statements]);
    output(&mut client)
}

fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[track_caller]
fn lines(result: Result<String, String>, statements: &str) -> Vec<String> {
    let text = result.unwrap_or_else(|error| panic!("{statements}: {error}"));
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[track_caller]
fn finish(command: &mut Command) {
    output(command).unwrap_or_else(|error| panic!("{command:?} failed: {error}"));
}
