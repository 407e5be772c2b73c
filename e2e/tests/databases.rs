//! The databases that participants get: they answer, keep a prepared transaction, and leave nothing behind.

use std::net::TcpStream;

use synod_e2e::{MariaDb, Postgres};

#[test]
fn postgres_prepares_transactions() {
    let database = Postgres::start();
    database.sql("create table t(i int, s text)");
    let script = "begin; insert into t values(1, 'a'); prepare transaction 'x'";
    assert_eq!(database.sql(script), [""; 0]);
    assert_eq!(database.sql("select gid from pg_prepared_xacts"), ["x"]);
    assert_eq!(database.sql("select * from t"), [""; 0]);
    database.sql("commit prepared 'x'");
    assert_eq!(database.sql("select * from t"), ["1|a"]);
    let address = database.address();
    drop(database);
    assert!(TcpStream::connect(address).is_err(), "somebody still listens on {address}");
}

#[test]
fn mariadb_keeps_xa_beyond_the_session() {
    let database = MariaDb::start();
    database.sql("create table bank.t(i int, s text)");
    database.sql("xa start 'x'; insert into bank.t values(1, 'a'); xa end 'x'; xa prepare 'x'");
    assert_eq!(database.sql("xa recover"), ["1\t1\t0\tx"]);
    assert_eq!(database.sql("select * from bank.t"), [""; 0]);
    database.sql("xa commit 'x'");
    assert_eq!(database.sql("select * from bank.t"), ["1\ta"]);
    assert!(database.url().starts_with("mysql://root@127.0.0.1:"));
}
