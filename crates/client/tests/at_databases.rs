//! AT on real databases, with a coordinator in memory.
#![cfg(all(feature = "at", feature = "postgres", feature = "mysql"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

#[path = "at_databases/fake.rs"]
mod fake;
#[path = "at_databases/tables.rs"]
mod tables;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fake::Fake;
use sqlx::{MySql, Postgres, Row};
use synod_client::at::{DataSource, Dialect, Error, Options, Value};
use synod_client::rm::{self, Backend, Branch, EndError};
use synod_client::{Context, Xid, context};
use synod_scratch::{Kind, Server};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// A database, what works on it, and who decides.
struct Bench<D: Dialect> {
    kind: Kind,
    server: Server,
    source: DataSource<D>,
    fake: Arc<Fake>,
}

fn new_xid() -> Xid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("127.0.0.1:8091:{}", NEXT.fetch_add(1, Ordering::Relaxed)).parse().unwrap()
}

/// In a global transaction.
async fn within<T>(xid: &Xid, work: impl Future<Output = T>) -> T {
    context::scope(Context { xid: Some(xid.clone()), ..Context::default() }, work).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    let server = Server::start(Kind::Postgres).unwrap();
    let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
    let bench = Bench::<Postgres>::new(Kind::Postgres, server, pool, tables::POSTGRES).await;
    assert_eq!(bench.source.resource_id(), format!("jdbc:postgresql://{}/postgres", bench.server.address()));
    bench.all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb() {
    let server = Server::start(Kind::MariaDb).unwrap();
    let pool = sqlx::MySqlPool::connect(&server.url()).await.unwrap();
    let bench = Bench::<MySql>::new(Kind::MariaDb, server, pool, tables::MARIADB).await;
    assert_eq!(bench.source.resource_id(), format!("jdbc:mysql://{}/bank", bench.server.address()));
    bench.all().await;
}

/// Whoever is killed after the answer leaves nothing behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_is_answered_when_its_log_is_gone() {
    const BRANCHES: u64 = 2_500;
    let server = Server::start(Kind::Postgres).unwrap();
    let xid = new_xid();
    server.sql(tables::POSTGRES).unwrap();
    let logs = "select n, '{xid}', '', '', 0, now(), now() from generate_series(1, 2500) as n";
    let columns = "branch_id, xid, context, rollback_info, log_status, log_created, log_modified";
    server.sql(&format!("insert into undo_log({columns}) {}", logs.replace("{xid}", xid.as_str()))).unwrap();

    let fake = Arc::new(Fake::default());
    let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
    let source = DataSource::register(pool, fake.clone() as Arc<dyn Backend>, Options::default());
    let source = source.await.unwrap();
    let mut answers = JoinSet::new();
    for number in 1..=BRANCHES {
        let (id, resource) = (number.to_string().into(), fake.resource_id());
        let branch = Branch { xid: xid.clone(), id, resource, kind: rm::Kind::At, data: Bytes::new() };
        let fake = Arc::clone(&fake);
        answers.spawn(async move { fake.end_branch(&branch, true).await });
    }
    assert!(answers.join_all().await.into_iter().all(|answer| answer.is_ok()));
    assert_eq!(server.sql("select count(*) from undo_log").unwrap(), ["0"]);
    drop(source);
}

impl<D: Dialect> Bench<D> {
    async fn new(kind: Kind, server: Server, pool: sqlx::Pool<D>, tables: &str) -> Self {
        let fake = Arc::new(Fake::default());
        let mut options = Options::default();
        options.cleaning_interval = Duration::from_millis(20);
        let backend: Arc<dyn Backend> = fake.clone();
        let source = DataSource::register(pool, backend, options).await.unwrap();
        let bench = Self { kind, server, source, fake };
        bench.sql(tables);
        bench
    }

    async fn all(&self) {
        self.everything_comes_back().await;
        self.a_commit_removes_the_log().await;
        self.only_what_was_touched_is_kept().await;
        self.new_rows_get_their_keys().await;
        self.a_dirty_row_stops_the_undo().await;
        self.a_rollback_before_the_commit_keeps_its_place().await;
        self.a_held_row_is_waited_for().await;
        self.a_locking_read_waits().await;
        self.without_a_transaction_it_is_a_local_one().await;
        self.what_could_not_be_undone_is_refused().await;
        self.one_transaction_has_one_branch().await;
        self.other_writers_logs().await;
        self.old_logs_are_removed().await;
    }

    /// Runs plain SQL as another program.
    #[track_caller]
    fn sql(&self, statements: &str) -> Vec<String> {
        let statements = match self.kind {
            Kind::MariaDb => format!("set names utf8mb4; use bank; {statements}"),
            Kind::Postgres => statements.to_owned(),
        };
        self.server.sql(&statements).unwrap_or_else(|error| panic!("{statements}: {error}"))
    }

    /// `?` as this database has placeholders.
    fn marked(&self, sql: &str) -> String {
        let mut parts = sql.split('?');
        let mut text = parts.next().unwrap().to_owned();
        for (index, part) in parts.enumerate() {
            let mark = if self.kind == Kind::Postgres { format!("${}", index + 1) } else { "?".into() };
            text.push_str(&mark);
            text.push_str(part);
        }
        text
    }

    async fn execute(&self, sql: &str, arguments: &[Value]) -> Result<u64, Error> {
        self.source.execute(&self.marked(sql), arguments).await
    }

    fn logs(&self) -> Vec<String> {
        self.sql("select branch_id, log_status from undo_log order by branch_id")
    }

    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let wait = async {
            while !holds(self) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(10), wait).await.unwrap_or_else(|_| panic!("not in time: {what}"));
    }

    /// Every type, inserted, changed and removed, each as it was after its rollback.
    async fn everything_comes_back(&self) {
        let all = format!("select {} from wide order by a, b", tables::shown(self.kind));
        let (insert, update) = (tables::insert(self.kind), tables::update(self.kind));
        self.sql(&format!("{insert}; insert into wide(a, b) values (1, 'nothing')"));
        let before = self.sql(&all);
        let other = insert.replacen("(1,", "(2,", 1);
        for statement in [other.as_str(), update, "delete from wide where a = 1", "update wide set a2 = 1"] {
            let xid = new_xid();
            let changed = within(&xid, self.execute(statement, &[])).await.unwrap();
            assert!(changed > 0, "{statement}");
            assert_ne!(self.sql(&all), before, "{statement}");
            let branch = self.fake.branches().pop().unwrap();
            self.fake.end(&xid, false).await.unwrap();
            assert_eq!(self.sql(&all), before, "{statement}");
            // Again, as when the answer was lost.
            self.fake.end_branch(&branch, false).await.unwrap();
            assert_eq!(self.sql(&all), before, "{statement}");
            self.sql("delete from undo_log");
        }
        // All of it in one transaction, two statements on one row.
        let xid = new_xid();
        let work = async {
            let mut local = self.source.begin().await.unwrap();
            for statement in [update, "update wide set a2 = a2 + 1 where a = 1", "delete from wide", &other] {
                local.execute(statement, &[]).await.unwrap();
            }
            local.commit().await.unwrap();
        };
        within(&xid, work).await;
        let rows = fake::rows(&self.fake.said().0).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(rows.into_iter().collect::<Vec<_>>(), ["wide:1_k", "wide:1_nothing", "wide:2_k"]);
        self.fake.end(&xid, false).await.unwrap();
        assert_eq!(self.sql(&all), before);
        assert!(self.logs().is_empty());
    }

    async fn a_commit_removes_the_log(&self) {
        self.sql("insert into account values (1, 'a', 100), (2, 'b', 100)");
        let xid = new_xid();
        let arguments = [Value::from(30), Value::from(1), Value::from(2)];
        let statement = "update account set balance = balance - ? where id in (?, ?)";
        assert_eq!(within(&xid, self.execute(statement, &arguments)).await.unwrap(), 2);
        assert_eq!(self.fake.said(), ("account:1,2".to_owned(), String::new()));
        let branch = self.fake.branches().pop().unwrap();
        assert_eq!(self.logs().len(), 1);
        self.fake.end(&xid, true).await.unwrap();
        self.until("the log is removed", |bench| bench.logs().is_empty()).await;
        // Again, and for one that never did anything.
        self.fake.end_branch(&branch, true).await.unwrap();
        self.fake.end_branch(&self.fake.unknown(&xid, "5"), true).await.unwrap();
        assert_eq!(self.sql("select balance from account order by id"), ["70", "70"]);
        // Nothing changed, nothing joined.
        let none = within(&xid, self.execute("delete from account where id = 77", &[])).await.unwrap();
        assert_eq!((none, self.fake.branches().len()), (0, 0));
    }

    /// Columns that no statement has set may be changed by others.
    async fn only_what_was_touched_is_kept(&self) {
        let xid = new_xid();
        within(&xid, self.execute("update account set balance = 1 where id = 1", &[])).await.unwrap();
        self.sql("update account set owner = 'other' where id = 1");
        self.fake.end(&xid, false).await.unwrap();
        let row = self.sql("select balance, owner from account where id = 1");
        assert_eq!(row, [if self.kind == Kind::Postgres { "70|other" } else { "70\tother" }]);
    }

    async fn new_rows_get_their_keys(&self) {
        let xid = new_xid();
        let work = async {
            let mut local = self.source.begin().await.unwrap();
            let insert = self.marked("insert into numbered(name) values (?), ('y')");
            assert_eq!(local.execute(&insert, &["x".into()]).await.unwrap(), 2);
            let insert = self.marked("insert into numbered(id, name) values (?, 'z')");
            assert_eq!(local.execute(&insert, &[50.into()]).await.unwrap(), 1);
            local
                .execute("insert into pairs values ('k1', 'it''s', 1), ('k2', 'b', null)", &[])
                .await
                .unwrap();
            local.commit().await.unwrap();
        };
        within(&xid, work).await;
        let (rows, data) = self.fake.said();
        assert_eq!(rows, "numbered:1,2;numbered:50;pairs:k1_it's,k2_b");
        assert_eq!(data, r#"{"autoCommit":false,"skipCheckLock":true}"#);
        let counts = "select (select count(*) from numbered) + (select count(*) from pairs)";
        assert_eq!(self.sql(counts), ["5"]);
        self.fake.end(&xid, false).await.unwrap();
        assert_eq!(self.sql(counts), ["0"]);
    }

    async fn a_dirty_row_stops_the_undo(&self) {
        let xid = new_xid();
        within(&xid, self.execute("update account set balance = 5 where id in (1, 2)", &[])).await.unwrap();
        self.sql("update account set balance = 6 where id = 2");
        let said = self.fake.end(&xid, false).await.unwrap_err();
        assert!(matches!(&said, EndError::Never(why) if why.contains("account")), "{said:?}");
        // Nothing of it was undone, and the log stays.
        assert_eq!(self.sql("select balance from account order by id"), ["5", "6"]);
        assert_eq!(self.logs().len(), 1);
        // Somebody has put both rows right: there is nothing left to do.
        self.sql("update account set balance = 70");
        self.fake.end(&xid, false).await.unwrap();
        assert!(self.logs().is_empty());
        assert_eq!(self.sql("select balance from account order by id"), ["70", "70"]);
    }

    async fn a_rollback_before_the_commit_keeps_its_place(&self) {
        let (xid, failed) = (new_xid(), self.fake.failed());
        self.fake.roll_back_next();
        let late = within(&xid, self.execute("update account set balance = 1 where id = 1", &[])).await;
        assert!(matches!(late, Err(Error::Database(_))), "{late:?}");
        assert_eq!(self.fake.failed(), failed + 1);
        assert_eq!(self.sql("select balance from account where id = 1"), ["70"]);
        assert_eq!(self.sql("select log_status from undo_log"), ["1"]);
        self.sql("delete from undo_log");
    }

    async fn a_held_row_is_waited_for(&self) {
        let (holder, xid) = (new_xid(), new_xid());
        let statement = "update account set balance = balance + 1 where id = 1";
        self.fake.hold("account:1", &holder);
        // An explicit transaction asks for its lock 31 times, and is rolled back.
        let before = self.fake.questions();
        let work = async {
            let mut local = self.source.begin().await?;
            local.execute(statement, &[]).await?;
            local.commit().await
        };
        let refused = within(&xid, work).await;
        assert!(matches!(&refused, Err(Error::Conflict(row)) if row == "account:1"), "{refused:?}");
        assert_eq!(self.fake.questions() - before, 31);
        // When the holder needs the local lock to undo, at once.
        self.fake.set_rolling_back(true);
        let before = self.fake.questions();
        let work = async {
            let mut local = self.source.begin().await?;
            local.execute(statement, &[]).await?;
            local.commit().await
        };
        assert!(matches!(within(&xid, work).await, Err(Error::Conflict(_))));
        assert_eq!(self.fake.questions() - before, 1);
        self.fake.set_rolling_back(false);
        // A statement alone lets go of the row each time: others can write it.
        let release = async {
            while self.fake.questions() < before + 4 {
                sleep(Duration::from_millis(1)).await;
            }
            self.execute("update account set balance = 200 where id = 1", &[]).await.unwrap();
            self.fake.let_go("account:1");
        };
        let (done, ()) = tokio::join!(within(&xid, self.execute(statement, &[])), release);
        assert_eq!(done.unwrap(), 1);
        assert_eq!(self.sql("select balance from account where id = 1"), ["201"]);
        self.fake.end(&xid, false).await.unwrap();
        assert_eq!(self.sql("select balance from account where id = 1"), ["200"]);
    }

    async fn a_locking_read_waits(&self) {
        let (holder, xid) = (new_xid(), new_xid());
        let read = "select owner from account as x where id <= 2 order by id for update";
        self.fake.hold("account:2", &holder);
        let refused = within(&xid, self.source.fetch(read, &[])).await;
        assert!(matches!(&refused, Err(Error::Conflict(_))), "{:?}", refused.err());
        let before = self.fake.questions();
        let work = async {
            let mut local = self.source.begin().await.unwrap();
            let rows = local.fetch(read, &[]).await.unwrap();
            // The key comes last.
            assert_eq!((rows.len(), rows[0].len()), (2, 2));
            let rows = local.fetch("select count(*) from account", &[]).await.unwrap();
            assert_eq!(rows.len(), 1);
            local.commit().await.unwrap();
        };
        let release = async {
            while self.fake.questions() < before + 3 {
                sleep(Duration::from_millis(1)).await;
            }
            self.fake.let_go("account:2");
        };
        tokio::join!(within(&xid, work), release);
        assert!(self.fake.branches().is_empty());
    }

    async fn without_a_transaction_it_is_a_local_one(&self) {
        let (holder, questions) = (new_xid(), self.fake.questions());
        self.fake.hold("account:1", &holder);
        let statement = "update account set balance = ? where id = 1";
        assert_eq!(self.execute(statement, &[7.into()]).await.unwrap(), 1);
        // What has no undo is nobody's concern.
        self.execute("truncate table keyless", &[]).await.unwrap();
        assert_eq!((self.fake.questions(), self.logs().len()), (questions, 0));
        // Unless it is to keep away from held rows.
        let mut local = self.source.begin().await.unwrap();
        local.mind_locks().execute(&self.marked(statement), &[8.into()]).await.unwrap();
        assert!(matches!(local.commit().await, Err(Error::Conflict(_))));
        assert_eq!(self.sql("select balance from account where id = 1"), ["7"]);
        self.fake.let_go("account:1");
        let mut local = self.source.begin().await.unwrap();
        local.mind_locks().execute(&self.marked(statement), &[8.into()]).await.unwrap();
        local.commit().await.unwrap();
        assert_eq!(self.sql("select balance from account where id = 1"), ["8"]);
        assert!(self.fake.branches().is_empty() && self.logs().is_empty());
    }

    async fn what_could_not_be_undone_is_refused(&self) {
        let xid = new_xid();
        for (statement, why) in [
            ("truncate table account", "neither"),
            ("update account set id = 9 where id = 1", "key id"),
            ("update account set nothing = 9", "no column nothing"),
            ("insert into keyless values (1)", "no primary key"),
            ("delete from nowhere", "no table"),
            ("insert into odd values (1, '12:13:14.5')", "12:13:14.5"),
            ("insert into pairs values ('a,b', 'c', 1)", "comma"),
        ] {
            let refused = within(&xid, self.execute(statement, &[])).await;
            assert!(
                matches!(&refused, Err(Error::Refused(text)) if text.contains(why)),
                "{statement}: {refused:?}"
            );
        }
        let one = within(&xid, self.execute("update account set balance = 1", &[1.into()])).await;
        assert!(matches!(&one, Err(Error::Refused(text)) if text.contains("1 arguments")), "{one:?}");
        // A statement that is not understood is as if it had not been; one that fails takes the transaction with it.
        let work = async {
            let mut local = self.source.begin().await.unwrap();
            local.execute("update account set balance = 9 where id = 1", &[]).await.unwrap();
            assert!(local.execute("drop table account", &[]).await.is_err());
            assert!(local.execute("update account set id = 9 where id = 1", &[]).await.is_err());
            local.commit().await.unwrap();
            let mut local = self.source.begin().await.unwrap();
            local.execute("update account set balance = 10 where id = 1", &[]).await.unwrap();
            assert!(local.execute("insert into account values (1, 'twice', 1)", &[]).await.is_err());
            assert!(matches!(local.commit().await, Err(Error::Refused(_))));
        };
        within(&xid, work).await;
        assert_eq!(self.sql("select balance from account where id = 1"), ["9"]);
        assert_eq!(self.sql("select count(*) from odd"), ["0"]);
        self.fake.end(&xid, false).await.unwrap();
        assert_eq!(self.sql("select balance from account where id = 1"), ["8"]);
    }

    async fn one_transaction_has_one_branch(&self) {
        let xid = new_xid();
        for amount in [1, 10] {
            let statement = "update account set balance = balance + ? where id = 1";
            within(&xid, self.execute(statement, &[amount.into()])).await.unwrap();
        }
        assert_eq!(self.fake.branches().len(), 2);
        // Dropped, it is as if it had not been.
        let work = async {
            let mut local = self.source.begin().await.unwrap();
            local.execute("update account set balance = 0", &[]).await.unwrap();
        };
        within(&xid, work).await;
        assert_eq!((self.fake.branches().len(), self.logs().len()), (2, 2));
        self.fake.end(&xid, false).await.unwrap();
        assert_eq!(self.sql("select balance from account where id = 1"), ["8"]);
    }

    /// Logs that others write: packed, or in a way that nobody here reads.
    async fn other_writers_logs(&self) {
        let xid = new_xid();
        within(&xid, self.execute("update account set balance = 3 where id = 1", &[])).await.unwrap();
        self.sql("update undo_log set context = 'serializer=fastjson&compressorType=NONE'");
        let said = self.fake.end(&xid, false).await.unwrap_err();
        assert!(matches!(&said, EndError::Never(why) if why.contains("fastjson")), "{said:?}");
        self.sql("update undo_log set context = 'serializer=jackson&compressorType=SEVENZ'");
        let said = self.fake.end(&xid, false).await.unwrap_err();
        assert!(matches!(&said, EndError::Never(why) if why.contains("SEVENZ")), "{said:?}");
        self.sql("update undo_log set context = 'serializer=jackson&compressorType=GZIP&map=1'");
        let said = self.fake.end(&xid, false).await.unwrap_err();
        assert!(matches!(&said, EndError::Never(why) if why.contains("gzip")), "{said:?}");
        self.sql("update undo_log set context = 'serializer=jackson&compressorType=NONE&map=16777216'");
        self.fake.end(&xid, false).await.unwrap();
        assert_eq!(self.sql("select balance from account where id = 1"), ["8"]);
    }

    async fn old_logs_are_removed(&self) {
        let xid = new_xid();
        for id in [501, 502] {
            self.fake.end_branch(&self.fake.unknown(&xid, &id.to_string()), false).await.unwrap();
        }
        let old = match self.kind {
            Kind::Postgres => "now() - interval '8 days'",
            Kind::MariaDb => "now() - interval 8 day",
        };
        self.sql(&format!("update undo_log set log_created = {old} where branch_id = 501"));
        self.fake.tidy(Duration::from_secs(7 * 86_400)).await;
        assert_eq!(self.sql("select branch_id from undo_log"), ["502"]);
        self.sql("delete from undo_log");
    }
}
