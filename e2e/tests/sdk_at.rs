//! AT in Rust, over MariaDB and PostgreSQL at once and with a real coordinator, alone and together with Seata's Java clients: each
//! undoes what the other has written, and keeps away from what the other holds.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

use std::sync::Arc;
use std::time::Duration;

use sqlx::{MySql, Postgres};
use synod_client::at::{DataSource, Dialect, Error, Options, Package};
use synod_client::rm::Backend;
use synod_client::seata::{Client, Config};
use synod_client::tm::{Backend as _, Status};
use synod_client::{Context, Xid, context};
use synod_e2e::wait::now;
use synod_e2e::{Ledger, Mode, SeataClient, SeataServer, SeataVersion};

/// Longer than any scenario.
const MINUTE: Duration = Duration::from_secs(60);
/// Longest time until an end is told.
const ENDED: Duration = Duration::from_secs(20);

/// A table with a value of every type that both sides know the way back of. Java's loses the parts of seconds on MariaDB, and there is
/// none for years and for numbers that fit only without a sign, nor for bits on PostgreSQL.
const MARIADB_KINDS: &str = "create table kinds(a int not null, b varchar(20) not null, i8 tinyint, i1 tinyint(1), i2 smallint, \
    i3 mediumint, i bigint, u int unsigned, ub bigint unsigned, d decimal(10,2), f float, g double, c char(5), t text, \
    bt bit(1), b8 bit(8), da date, ti time, dt datetime(6), ts timestamp(6) null, bi binary(4), vb varbinary(10), bl blob, \
    lt longtext, js json, en enum('x','y'), `order` int, primary key(a, b)); \
    insert into kinds values (1, 'k', -5, 1, 300, 70000, 9000000000, 2000000000, 9000000000000000000, 12.50, 1.5, 2.25, 'ab', \
    'it''s \"text\" \u{e9}', b'1', b'10000001', '2024-02-03', '12:13:14', '2024-02-03 04:05:06', \
    '2024-02-03 04:05:06', x'01020304', x'ff00', x'0102ff', 'long', '{\"a\":1}', 'x', 1), \
    (1, 'nulls', null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, \
    null, null, null, null, null, null);";
const POSTGRES_KINDS: &str = "create table kinds(a int not null, b varchar(20) not null, i2 smallint, i bigint, d numeric(10,2), \
    f real, g double precision, c char(5), t text, bo boolean, da date, ti time, ts timestamp, tstz timestamptz, \
    by bytea, js json, jb jsonb, uu uuid, \"order\" int, primary key(a, b)); \
    insert into kinds values (1, 'k', 300, 9000000000, 12.50, 1.5, 2.25, 'ab', 'it''s \"text\" \u{e9}', true, '2024-02-03', \
    '12:13:14', '2024-02-03 04:05:06.789', '2024-02-03 04:05:06.123456+00', '\\x01ff', '{\"a\":1}', '{\"a\":1}', \
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 1); insert into kinds(a, b) values (1, 'nulls');";
const MARIADB_UPDATE: &str = "update kinds set i8 = 1, i1 = 0, i2 = 1, i3 = 1, i = 1, u = 1, ub = 1, d = 1, f = 1, g = 1, c = 'x', \
    t = 'x', bt = b'0', b8 = b'1', da = '2000-01-01', ti = '01:01:01', dt = '2000-01-01', ts = '2000-01-01', bi = 'a', \
    vb = 'a', bl = 'a', lt = 'x', js = '[]', en = 'y', `order` = 2 where a = 1";
const POSTGRES_UPDATE: &str = "update kinds set i2 = 1, i = 1, d = 1, f = 1, g = 1, c = 'x', t = 'x', bo = false, \
    da = '2000-01-01', ti = '01:01:01', ts = '2000-01-01', tstz = '2000-01-01', by = 'a', uu = null where a = 1";

/// A service in Rust on both databases.
struct Service {
    client: Client,
    maria: DataSource<MySql>,
    postgres: DataSource<Postgres>,
}

impl Service {
    async fn open(server: &SeataServer, maria: &Ledger, postgres: &Ledger, package: Package) -> Self {
        let client = connect(server, "service").await;
        let backend: Arc<dyn Backend> = Arc::new(client.clone());
        let mut options = Options::default();
        options.package = package;
        let url = format!("mysql://root@{}/bank", maria.address());
        let pool = sqlx::MySqlPool::connect(&url).await.unwrap();
        let maria = DataSource::register(pool, Arc::clone(&backend), options.clone()).await.unwrap();
        let url = format!("postgres://synod@{}/postgres", postgres.address());
        let pool = sqlx::PgPool::connect(&url).await.unwrap();
        let postgres = DataSource::register(pool, backend, options).await.unwrap();
        Self { client, maria, postgres }
    }

    /// Runs statements, one branch each, on both databases or on one.
    async fn run(&self, xid: &Xid, ledger: &Ledger, statements: &[String]) {
        for statement in statements {
            let changed = match ledger {
                Ledger::MariaDb(_) => within(xid, self.maria.execute(statement, &[])).await,
                Ledger::Postgres(_) => within(xid, self.postgres.execute(statement, &[])).await,
            };
            assert!(changed.unwrap() > 0, "{statement}");
        }
    }
}

async fn connect(server: &SeataServer, application: &str) -> Client {
    let config = Config::new([server.address().to_string()], application, "synod");
    Client::connect(config).await.unwrap()
}

async fn within<T>(xid: &Xid, work: impl Future<Output = T>) -> T {
    context::scope(Context { xid: Some(xid.clone()), ..Context::default() }, work).await
}

fn add(number: u32, amount: i64) -> String {
    format!("update account set balance = balance + {amount} where id = {number}")
}

/// Waits until a transaction has ended.
async fn ended(client: &Client, xid: &Xid, wanted: Status) {
    let patience = now() + ENDED;
    loop {
        let status = client.status(xid).await.unwrap();
        // Seata's own server forgets.
        if status == wanted || status == Status::Unknown {
            return;
        }
        assert!(now() < patience, "{xid} is {status:?} and not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The rows of the table with all types, as text.
fn kinds(ledger: &Ledger) -> Vec<String> {
    match ledger {
        Ledger::MariaDb(_) => ledger.sql(
            "select a, b, i8, i1, i2, i3, i, u, ub, d, f, g, c, t, hex(bt), hex(b8), da, ti, dt, ts, hex(bi), hex(vb), hex(bl), \
             lt, js, en, `order` from kinds order by a, b",
        ),
        Ledger::Postgres(_) => ledger.sql("select * from kinds order by a, b"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_alone() {
    let (server, maria, postgres) = (SeataServer::start(), Ledger::mariadb(), Ledger::postgres());
    let began = now();
    let service = Service::open(&server, &maria, &postgres, Package::Apache).await;
    a_transfer(&service, &maria, &postgres).await;
    several_statements(&service, &maria, &postgres).await;
    rows_are_held(&service, &service.maria, &maria).await;
    rows_are_held(&service, &service.postgres, &postgres).await;
    a_dirty_write_is_reported(&service, &maria).await;
    println!("Rust alone: all scenarios in {:?}", began.elapsed());
}

/// Moves 30 from MariaDB to PostgreSQL.
async fn a_transfer(service: &Service, maria: &Ledger, postgres: &Ledger) {
    for commit in [true, false] {
        let ([from], [to]) = (maria.accounts(), postgres.accounts());
        let xid = service.client.begin("transfer", MINUTE).await.unwrap();
        let statement = "update account set balance = balance - ? where id = ?";
        let changed = within(&xid, service.maria.execute(statement, &[30.into(), from.into()])).await;
        assert_eq!(changed.unwrap(), 1);
        let statement = "update account set balance = balance + $1 where id = $2";
        let changed = within(&xid, service.postgres.execute(statement, &[30.into(), to.into()])).await;
        assert_eq!(changed.unwrap(), 1);
        assert_eq!((maria.balances(&[from])[&from], postgres.balances(&[to])[&to]), (70, 130));
        for ledger in [maria, postgres] {
            assert_eq!(ledger.undo_log(), [format!("{xid}|0")]);
        }
        if commit {
            service.client.commit(&xid).await.unwrap();
            let took = (maria.settles(&[(from, 70)], &[]), postgres.settles(&[(to, 130)], &[]));
            println!("undo logs are empty {took:?} after the commit");
        } else {
            service.client.rollback(&xid).await.unwrap();
            maria.settles(&[(from, 100)], &[]);
            postgres.settles(&[(to, 100)], &[]);
        }
    }
}

async fn several_statements(service: &Service, maria: &Ledger, postgres: &Ledger) {
    for ledger in [maria, postgres] {
        for commit in [true, false] {
            let ([a, b, deleted], [new]) = (ledger.accounts(), Ledger::numbers());
            let xid = service.client.begin("several", MINUTE).await.unwrap();
            let statements = [
                format!("update account set balance = balance * 2, owner = 'it''s' where id in ({a}, {b})"),
                format!("insert into account(id, owner, balance) values ({new}, 'new', 7)"),
                format!("delete from account where id = {deleted}"),
                add(a, 1),
            ];
            service.run(&xid, ledger, &statements).await;
            assert_eq!(ledger.undo_log().len(), 4);
            if commit {
                service.client.commit(&xid).await.unwrap();
                ledger.settles(&[(a, 201), (b, 200), (new, 7)], &[deleted]);
            } else {
                service.client.rollback(&xid).await.unwrap();
                ledger.settles(&[(a, 100), (b, 100), (deleted, 100)], &[new]);
            }
        }
    }
}

/// Who changes a row keeps other transactions from it, and from reading it for update.
async fn rows_are_held<D: Dialect>(service: &Service, source: &DataSource<D>, ledger: &Ledger) {
    let [number] = ledger.accounts();
    let holder = service.client.begin("holder", MINUTE).await.unwrap();
    service.run(&holder, ledger, &[add(number, 1)]).await;
    let other = service.client.begin("other", MINUTE).await.unwrap();
    let refused = within(&other, source.execute(&add(number, 10), &[])).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    let read = format!("select balance from account where id = {number} for update");
    let refused = within(&other, source.fetch(&read, &[])).await;
    assert!(matches!(&refused, Err(Error::Conflict(_))), "{:?}", refused.err());
    // A rollback frees the row while somebody waits for it.
    let statement = add(number, 10);
    let waiting = within(&other, async {
        loop {
            match source.execute(&statement, &[]).await {
                Err(Error::Conflict(_)) => {}
                done => break done,
            }
        }
    });
    let (done, ended) = tokio::join!(waiting, service.client.rollback(&holder));
    ended.unwrap();
    assert_eq!(done.unwrap(), 1);
    let rows = within(&other, source.fetch(&read, &[])).await.unwrap();
    assert_eq!(rows.len(), 1);
    service.client.commit(&other).await.unwrap();
    ledger.settles(&[(number, 110)], &[]);
}

async fn a_dirty_write_is_reported(service: &Service, ledger: &Ledger) {
    let [number] = ledger.accounts();
    let xid = service.client.begin("dirty", MINUTE).await.unwrap();
    service.run(&xid, ledger, &[add(number, 1)]).await;
    ledger.sql(&format!("update account set balance = 500 where id = {number}"));
    let said = service.client.rollback(&xid).await;
    println!("a dirty write: {said:?}");
    ended(&service.client, &xid, Status::NeedsAttention).await;
    assert_eq!(ledger.balances(&[number])[&number], 500);
    assert_eq!(ledger.undo_log(), [format!("{xid}|0")]);
    ledger.sql("delete from undo_log");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_newest_java_client() {
    together(SeataVersion::NEWEST, (Package::Apache, false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_types_with_the_newest_java_client() {
    together(SeataVersion::NEWEST, (Package::Apache, true)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_oldest_java_client() {
    together(SeataVersion::OLDEST, (Package::Io, false)).await;
}

async fn together(version: SeataVersion, (package, kinds): (Package, bool)) {
    let (server, maria, postgres) = (SeataServer::start(), Ledger::mariadb(), Ledger::postgres());
    maria.sql(MARIADB_KINDS);
    postgres.sql(POSTGRES_KINDS);
    let began = now();
    let manager = connect(&server, "manager").await;
    for ledger in [&maria, &postgres] {
        let mut java = open_java(version, &server, &maria, &postgres);
        java_undoes(&manager, &server, (&maria, &postgres), (ledger, package, kinds), &mut java).await;
        rust_undoes(&manager, &server, (&maria, &postgres), (ledger, package, kinds), java).await;
    }
    let mut java = open_java(version, &server, &maria, &postgres);
    let service = Service::open(&server, &maria, &postgres, package).await;
    for ledger in [&maria, &postgres] {
        one_transaction_of_both(&service, &mut java, ledger).await;
        each_keeps_the_other_out(&service, &mut java, ledger).await;
    }
    println!("{version} and Rust: all scenarios in {:?}", began.elapsed());
}

fn open_java(version: SeataVersion, server: &SeataServer, maria: &Ledger, postgres: &Ledger) -> SeataClient {
    let mut java = SeataClient::start(version, "bank", server.address());
    maria.open(&mut java, Mode::At);
    postgres.open(&mut java, Mode::At);
    java
}

/// What both sides write: rows of each kind of statement, and all types where this Java client can have them.
struct Written {
    statements: Vec<String>,
    there: Vec<(u32, i64)>,
    gone: Vec<u32>,
    kinds: Vec<String>,
}

impl Written {
    fn new(ledger: &Ledger, types: bool) -> Self {
        let ([a, b], [new]) = (ledger.accounts(), Ledger::numbers());
        let mut statements = vec![
            format!("update account set balance = balance * 2, owner = 'it''s' where id in ({a}, {b})"),
            format!("insert into account(id, owner, balance) values ({new}, null, 7), ({new}000, 'x', 8)"),
            format!("delete from account where id = {b}"),
            add(a, 1),
        ];
        if types {
            let update = if ledger.name() == "mariadb" { MARIADB_UPDATE } else { POSTGRES_UPDATE };
            statements.push(update.to_owned());
            statements.push("delete from kinds where a = 1".to_owned());
            statements.push("insert into kinds(a, b, d) values (1, 'k', 1.10), (2, 'k', null)".to_owned());
        }
        let (there, gone) = (vec![(a, 100), (b, 100)], vec![new, new * 1000]);
        Self { statements, there, gone, kinds: kinds(ledger) }
    }

    #[track_caller]
    fn is_undone(&self, ledger: &Ledger, what: &str) {
        let took = ledger.settles(&self.there, &self.gone);
        assert_eq!(kinds(ledger), self.kinds);
        println!(
            "{what} on {}: {} branches undone, {took:?} after the answer",
            ledger.name(),
            self.statements.len()
        );
    }
}

/// Rust writes and is gone; the rollback goes to Java.
async fn java_undoes(
    manager: &Client,
    server: &SeataServer,
    (maria, postgres): (&Ledger, &Ledger),
    (ledger, package, kinds): (&Ledger, Package, bool),
    java: &mut SeataClient,
) {
    let written = Written::new(ledger, kinds);
    let xid = manager.begin("rust, then java", MINUTE).await.unwrap();
    let service = Service::open(server, maria, postgres, package).await;
    service.run(&xid, ledger, &written.statements).await;
    assert_eq!(ledger.undo_log().len(), written.statements.len());
    drop(service);
    manager.rollback(&xid).await.unwrap();
    written.is_undone(ledger, &format!("Rust wrote, {} undid", java.version()));
}

/// Java writes and is killed; the rollback goes to Rust.
async fn rust_undoes(
    manager: &Client,
    server: &SeataServer,
    (maria, postgres): (&Ledger, &Ledger),
    (ledger, package, kinds): (&Ledger, Package, bool),
    mut java: SeataClient,
) {
    let mut written = Written::new(ledger, kinds);
    // This Java client's driver on PostgreSQL does not know the way back for all of it.
    written.statements.retain(|statement| !statement.contains("000, 'x'") || ledger.name() == "mariadb");
    let xid = manager.begin("java, then rust", MINUTE).await.unwrap();
    java.ask("s", &["bind", xid.as_str()]);
    for statement in &written.statements {
        java.sql("s", ledger.name(), statement);
    }
    assert_eq!(ledger.undo_log().len(), written.statements.len());
    let version = java.version();
    java.kill9();
    drop(java);
    let service = Service::open(server, maria, postgres, package).await;
    manager.rollback(&xid).await.unwrap();
    written.is_undone(ledger, &format!("{version} wrote, Rust undid"));
    drop(service);
}

/// A global transaction with a branch of each.
async fn one_transaction_of_both(service: &Service, java: &mut SeataClient, ledger: &Ledger) {
    for commit in [true, false] {
        let [a, b] = ledger.accounts();
        let xid = service.client.begin("both", MINUTE).await.unwrap();
        service.run(&xid, ledger, &[add(a, -30)]).await;
        java.ask("s", &["bind", xid.as_str()]);
        java.sql("s", ledger.name(), &add(b, 30));
        // The row that the other has changed, in the same transaction.
        java.sql("s", ledger.name(), &add(a, 1));
        service.run(&xid, ledger, &[add(b, 1)]).await;
        java.ask("s", &["unbind"]);
        if commit {
            service.client.commit(&xid).await.unwrap();
            ledger.settles(&[(a, 71), (b, 131)], &[]);
        } else {
            service.client.rollback(&xid).await.unwrap();
            ledger.settles(&[(a, 100), (b, 100)], &[]);
        }
    }
}

/// Both name their rows alike.
async fn each_keeps_the_other_out(service: &Service, java: &mut SeataClient, ledger: &Ledger) {
    let [number] = ledger.accounts();
    let first = service.client.begin("first", MINUTE).await.unwrap();
    service.run(&first, ledger, &[add(number, 1)]).await;
    let second = service.client.begin("second", MINUTE).await.unwrap();
    java.ask("s", &["bind", second.as_str()]);
    let refused = java.attempt("s", &["sql", ledger.name(), &add(number, 10)]).expect_err("Rust has the row");
    assert!(refused.contains("Global lock wait timeout"), "{refused}");
    service.client.commit(&first).await.unwrap();
    assert_eq!(java.sql("s", ledger.name(), &add(number, 10))["changed"], 1);
    java.ask("s", &["unbind"]);
    let third = service.client.begin("third", MINUTE).await.unwrap();
    let statement = add(number, 100);
    let refused = match ledger {
        Ledger::MariaDb(_) => within(&third, service.maria.execute(&statement, &[])).await,
        Ledger::Postgres(_) => within(&third, service.postgres.execute(&statement, &[])).await,
    };
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    for xid in [&second, &third] {
        service.client.rollback(xid).await.unwrap();
    }
    ledger.settles(&[(number, 101)], &[]);
}
