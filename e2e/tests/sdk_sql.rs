//! The SDK's participants over SQL against the real binary: XA over PostgreSQL and MariaDB, and the outbox, through the deaths of
//! everybody who takes part.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use synod_client::native::{Client, Participants, Standing, Subscriber};
use synod_client::rm::EndError;
use synod_client::sql::outbox::{Message, Outbox};
use synod_client::sql::sqlx::{self, MySql, MySqlPool, PgPool, Postgres};
use synod_client::sql::xa::{Reaping, Rules, Xa};
use synod_client::sql::{Barrier, Entry, Key, Op};
use synod_client::{Xid, rm, tm};
use synod_e2e::process::{Process, free_port};
use synod_e2e::{MariaDb, Synod, tools, wait_until};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

const LIMIT: Duration = Duration::from_secs(20);

/// Starts `examples/sdk_sql_child.rs`.
fn child(arguments: &[&str], home: &tempfile::TempDir) -> Process {
    let path = tools::target().join("debug/examples/sdk_sql_child");
    assert!(path.exists(), "no child; run `cargo build -p synod-e2e --example sdk_sql_child`");
    let mut command = Command::new(path);
    command.args(arguments);
    Process::start("sdk_sql_child", command, &home.path().join("child"))
}

fn url(synod: &Synod) -> String {
    format!("http://{}", synod.address())
}

/// A client whose participants answer on `port`.
fn client(runtime: &Runtime, synod: &Synod, port: u16) -> (Arc<Client>, Arc<Participants>, JoinHandle<()>) {
    let participants = Participants::new(&format!("http://127.0.0.1:{port}")).unwrap();
    let client = Client::new([url(synod)]).unwrap().participants(Arc::clone(&participants));
    let client = Arc::new(client.retry_interval(Duration::from_millis(100)));
    let serving = serve(runtime, &participants, port);
    (client, participants, serving)
}

fn serve(runtime: &Runtime, participants: &Arc<Participants>, port: u16) -> JoinHandle<()> {
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", port))).unwrap();
    runtime.spawn(Arc::clone(participants).serve(listener))
}

/// Two banks of one account each, 100 in both.
struct Banks {
    runtime: Runtime,
    client: Arc<Client>,
    a: Xa<Postgres>,
    b: Xa<MySql>,
    postgres: synod_e2e::Postgres,
    mariadb: MariaDb,
    /// What they should have by now.
    balances: [i64; 2],
}

impl Banks {
    fn open(runtime: Runtime, synod: &Synod, port: u16) -> (Self, Arc<Participants>, JoinHandle<()>) {
        let (postgres, mariadb) = (synod_e2e::Postgres::start(), MariaDb::start());
        postgres.sql("create table accounts (balance bigint not null); insert into accounts values (100)");
        mariadb.sql(
            "create table bank.accounts (balance bigint not null); insert into bank.accounts values (100)",
        );
        let (client, participants, serving) = client(&runtime, synod, port);
        let (a, b) = runtime.block_on(async {
            let (a, b) = (
                PgPool::connect(&postgres.url()).await.unwrap(),
                MySqlPool::connect(&mariadb.url()).await.unwrap(),
            );
            Barrier::create_table(&a).await.unwrap();
            Barrier::create_table(&b).await.unwrap();
            let backend = || Arc::clone(&client) as Arc<dyn rm::Backend>;
            (
                Xa::register("bank-a", a, backend()).await.unwrap(),
                Xa::register("bank-b", b, backend()).await.unwrap(),
            )
        });
        let banks = Self { runtime, client, a, b, postgres, mariadb, balances: [100, 100] };
        (banks, participants, serving)
    }

    fn begin(&self, timeout: Duration) -> Xid {
        self.runtime.block_on(tm::Backend::begin(&*self.client, "transfer", timeout)).unwrap()
    }

    fn debit(&self, xid: &Xid) {
        let work = self.a.run(xid, async |tx| {
            sqlx::query("update accounts set balance = balance - 30").execute(&mut **tx).await
        });
        self.runtime.block_on(work).unwrap();
    }

    fn credit(&self, xid: &Xid) {
        let work = self.b.run(xid, async |tx| {
            sqlx::query("update accounts set balance = balance + 30").execute(&mut **tx).await
        });
        self.runtime.block_on(work).unwrap();
    }

    /// Both branches, up to where both ways are possible.
    fn prepare(&self) -> Xid {
        let xid = self.begin(Duration::from_secs(30));
        self.debit(&xid);
        self.credit(&xid);
        assert_eq!(self.prepared(), [1, 1]);
        xid
    }

    fn commit(&mut self, xid: &Xid) {
        self.runtime.block_on(tm::Backend::commit(&*self.client, xid)).unwrap();
        self.balances = [self.balances[0] - 30, self.balances[1] + 30];
    }

    fn prepared(&self) -> [usize; 2] {
        [self.postgres.sql("select gid from pg_prepared_xacts").len(), self.mariadb.sql("xa recover").len()]
    }

    /// Waits for the end of a transaction, after which nothing is left of it.
    fn has_ended(&self, xid: &Xid, standing: Standing) {
        let ended = self.runtime.block_on(self.client.wait(xid.as_str(), LIMIT)).unwrap();
        assert_eq!((ended.standing, ended.ended), (standing, true), "{ended:?}");
        assert_eq!(self.prepared(), [0, 0]);
        self.balances_are_right();
    }

    fn balances_are_right(&self) {
        let balance = |rows: Vec<String>| rows[0].parse::<i64>().unwrap();
        let a = balance(self.postgres.sql("select balance from accounts"));
        let b = balance(self.mariadb.sql("select balance from bank.accounts"));
        assert_eq!([a, b], self.balances);
    }

    fn reap(&self, xid: &Xid) -> Reaping {
        let ms = Duration::from_millis;
        let rules = Rules { grace: ms(10), every: ms(50), ..Rules::new([xid.address()]) };
        let _guard = self.runtime.enter();
        self.a.reaper(self.client.clone(), rules).start()
    }
}

#[test]
fn xa_survives_everybody() {
    let runtime = Runtime::new().unwrap();
    let mut synod = Synod::start(&[]);
    let port = free_port();
    let (mut banks, participants, serving) = Banks::open(runtime, &synod, port);

    // Both ways.
    let xid = banks.prepare();
    banks.commit(&xid);
    banks.has_ended(&xid, Standing::Committed);
    let xid = banks.prepare();
    banks.runtime.block_on(tm::Backend::rollback(&*banks.client, &xid)).unwrap();
    banks.has_ended(&xid, Standing::RolledBack);

    // The coordinator dies before it has decided.
    let xid = banks.prepare();
    synod.kill9();
    synod = synod.restart();
    banks.commit(&xid);
    banks.has_ended(&xid, Standing::Committed);

    // It dies when it has decided and told nobody.
    let xid = banks.prepare();
    serving.abort();
    banks.runtime.block_on(serving).unwrap_err();
    banks.commit(&xid);
    synod.kill9();
    assert_eq!(banks.prepared(), [1, 1]);
    synod = synod.restart();
    let _serving = serve(&banks.runtime, &participants, port);
    banks.has_ended(&xid, Standing::Committed);

    a_dead_participant_s_work_is_reaped(&mut banks, &synod);
}

/// Its process is killed when it has prepared, and nobody answers for it.
fn a_dead_participant_s_work_is_reaped(banks: &mut Banks, synod: &Synod) {
    let home = tempfile::tempdir().unwrap();
    for commits in [true, false] {
        let port = free_port();
        // One that is never decided runs into its time-out.
        let xid = banks.begin(Duration::from_secs(if commits { 30 } else { 3 }));
        let texts = (banks.postgres.url(), url(synod), port.to_string());
        let mut child = child(&["prepare", &texts.0, &texts.1, &texts.2, xid.as_str()], &home);
        let (_, out) = child.pipes();
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).unwrap();
        assert_eq!(line, "prepared\n", "{}", child.log());
        child.kill9();
        banks.credit(&xid);
        if commits {
            banks.commit(&xid);
        }
        assert_eq!(banks.prepared()[0], 1);
        let reaping = banks.reap(&xid);
        wait_until(LIMIT, "the orphan is reaped", || banks.prepared()[0] == 0);
        let found = reaping.last();
        drop(reaping);
        assert!(found.forgotten.is_empty());
        // Its successor is told as well, and has nothing to do.
        let (other, _participants, _serving) = client(&banks.runtime, synod, port);
        let pool = banks.runtime.block_on(PgPool::connect(&banks.postgres.url())).unwrap();
        banks.runtime.block_on(Xa::register("bank-a", pool, other)).unwrap();
        banks.has_ended(&xid, if commits { Standing::Committed } else { Standing::RolledBack });
    }
}

#[test]
fn the_outbox_delivers_once_through_kills() {
    const MESSAGES: i64 = 150;
    let runtime = Runtime::new().unwrap();
    let mut synod = Synod::start(&[]);
    let postgres = synod_e2e::Postgres::start();
    let home = tempfile::tempdir().unwrap();
    let (client, participants, _serving) = client(&runtime, &synod, free_port());
    let pool = runtime.block_on(PgPool::connect(&postgres.url())).unwrap();
    postgres.sql("create table stock (message varchar(255) not null)");
    let receiver = pool.clone();
    participants.on_message("stock", move |asked| {
        let pool = receiver.clone();
        async move {
            let id = asked.gid.unwrap_or_default();
            take(&pool, &id).await.map_err(|error| EndError::Again(error.to_string()))
        }
    });
    runtime.block_on(async {
        Barrier::create_table(&pool).await.unwrap();
        Outbox::create_table(&pool).await.unwrap();
        let subscriber = Subscriber { url: participants.url("stock"), remark: String::new() };
        client.declare_topic("orders", &[subscriber]).await.unwrap();
        for number in 0..MESSAGES {
            let mut tx = pool.begin().await.unwrap();
            let message = Message::new(format!("order-{number}"), "orders", number.to_string());
            Outbox::default().put(&mut tx, &message).await.unwrap();
            tx.commit().await.unwrap();
        }
    });
    let count =
        |what: &str| postgres.sql(&format!("select count({what}) from stock"))[0].parse::<i64>().unwrap();
    let reaches = |number: i64| wait_until(LIMIT, "messages arrive", || count("*") >= number);
    let relay = || child(&["relay", &postgres.url(), &url(&synod)], &home);

    let mut first = relay();
    reaches(20);
    first.kill9();
    let (mut second, _third) = (relay(), relay());
    reaches(50);
    second.kill9();
    reaches(70);
    assert!(count("*") < MESSAGES, "all was over before anybody could be killed");
    synod.kill9();
    let synod = synod.restart();
    wait_until(LIMIT, "the outbox is empty", || postgres.sql("select id from synod_outbox").is_empty());
    reaches(MESSAGES);
    assert_eq!((count("*"), count("distinct message")), (MESSAGES, MESSAGES));
    drop(synod);
}

/// The receiver's part: what comes twice is taken once.
async fn take(pool: &PgPool, id: &str) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    if Barrier.enter(&mut tx, Key::message(id, "stock"), Op::Deliver).await? == Entry::Fresh {
        sqlx::query("insert into stock values ($1)").bind(id).execute(&mut *tx).await?;
    }
    tx.commit().await
}
