//! How MariaDB is started, and asked.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::child::{Child, output};
use crate::home::Home;
use crate::{Error, Kind, Server};

const SERVER: &str = "/usr/sbin/mariadbd";

pub(crate) fn programs() -> Result<(), Error> {
    let missing = Error::Missing { program: "mariadbd", package: "mariadb-server" };
    if Path::new(SERVER).exists() { Ok(()) } else { Err(missing) }
}

pub(crate) fn start() -> Result<Server, Error> {
    programs()?;
    let home = Home::new(&["mysql", "nobody"])?;
    let data = home.path().join("data");
    let mut init = home.command(Path::new("mariadb-install-db"));
    init.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
    init.args(["--skip-name-resolve", "--innodb-buffer-pool-size=32M"]);
    output(init.arg(format!("--datadir={}", data.display())))?;
    let server = Server::launch(Kind::MariaDb, home)?;
    server.sql("create database bank")?;
    Ok(server)
}

pub(crate) fn spawn(home: &Home, port: u16, log: &Path) -> Result<Child, Error> {
    let mut server = home.command(Path::new(SERVER));
    server.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve"]);
    server.args(["--innodb-buffer-pool-size=32M", "--max-connections=200", &format!("--port={port}")]);
    for (option, file) in [("datadir", "data"), ("socket", "socket"), ("pid-file", "pid")] {
        server.arg(format!("--{option}={}", home.path().join(file).display()));
    }
    Child::start(server, log, Signal::KILL)
}

pub(crate) fn ask(port: u16, statements: &str) -> Result<String, Error> {
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "-N", "-B", "--protocol=TCP", "-h", "127.0.0.1", "-P", &port.to_string()]);
    client.args(["-u", "root", "-e", statements]);
    output(&mut client)
}
