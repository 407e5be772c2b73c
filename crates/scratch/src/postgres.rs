//! How PostgreSQL is started, and asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::child::{Child, output};
use crate::home::Home;
use crate::{Error, Kind, Server};

/// The newest of Debian's packages, which keep it out of the path.
pub(crate) fn programs() -> Result<PathBuf, Error> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let programs = versions.map(|version| version.path().join("bin"));
    programs
        .filter(|programs| programs.join("initdb").exists())
        .max()
        .ok_or(Error::Missing { program: "initdb", package: "postgresql" })
}

pub(crate) fn start() -> Result<Server, Error> {
    let programs = programs()?;
    let home = Home::new(&["postgres", "nobody"])?;
    let data = home.path().join("data");
    let mut init = home.command(&programs.join("initdb"));
    init.args(["--username=synod", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]);
    output(init.arg("--pgdata").arg(&data))?;
    Server::launch(Kind::Postgres, home)
}

pub(crate) fn spawn(home: &Home, port: u16, log: &Path) -> Result<Child, Error> {
    let mut server = home.command(&programs()?.join("postgres"));
    server.arg("-D").arg(home.path().join("data"));
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
    // Killed, it would leave its shared memory; told to quit at once, it does not.
    Child::start(server, log, Signal::QUIT)
}

pub(crate) fn ask(port: u16, statements: &str) -> Result<String, Error> {
    let mut client = Command::new(Path::new("psql"));
    client.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"]);
    client.args(["-p", &port.to_string(), "-U", "synod", "-d", "postgres", "-c", statements]);
    output(client.env("LC_ALL", "C"))
}
