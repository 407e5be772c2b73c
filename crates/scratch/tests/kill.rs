//! A server that is killed comes back where it was, with what it had promised to keep.

use std::net::TcpStream;

use synod_scratch::{Error, Kind, Server};

fn killed_and_back(
    kind: Kind,
    prepare: &str,
    prepared: &str,
    commit: &str,
    table: &str,
) -> Result<(), Error> {
    let mut server = Server::start(kind)?;
    let address = server.address();
    server.sql(&format!("create table {table}(i int primary key)"))?;
    server.sql(prepare)?;
    server.kill();
    assert!(TcpStream::connect(address).is_err());
    server.restart()?;
    assert_eq!(server.address(), address);
    assert_eq!(server.sql(prepared)?.len(), 1);
    server.sql(commit)?;
    assert_eq!(server.sql(&format!("select i from {table}"))?, ["1"]);
    Ok(())
}

#[test]
fn postgres() -> Result<(), Error> {
    let prepare = "begin; insert into t values(1); prepare transaction 'x'";
    let prepared = "select gid from pg_prepared_xacts";
    killed_and_back(Kind::Postgres, prepare, prepared, "commit prepared 'x'", "t")
}

#[test]
fn mariadb() -> Result<(), Error> {
    let prepare = "xa start 'x'; insert into bank.t values(1); xa end 'x'; xa prepare 'x'";
    killed_and_back(Kind::MariaDb, prepare, "xa recover", "xa commit 'x'", "bank.t")
}
