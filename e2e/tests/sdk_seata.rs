//! The SDK over Seata's protocol: with Synod and with Seata's own server, and in one transaction with a Java client.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is a test, its helpers too")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use synod_client::Xid;
use synod_client::registry;
use synod_client::rm::{self, Backend as _, BoxFuture, Branch, EndError, EnlistError, Kind, NewBranch};
use synod_client::seata::{Client, Config};
use synod_client::tm::{Backend as _, Decision, Error, Status};
use synod_e2e::wait::now;
use synod_e2e::{SeataClient, SeataServer, SeataVersion, Synod};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longer than any scenario.
const MINUTE: Duration = Duration::from_secs(60);
/// Longest time until phase two comes, again too.
const CALLED: Duration = Duration::from_secs(20);

#[tokio::test]
async fn every_scenario_with_synod() {
    every_scenario(&SeataServer::start()).await;
}

#[tokio::test]
async fn every_scenario_with_seatas_own_server() {
    every_scenario(&SeataServer::real()).await;
}

async fn every_scenario(server: &SeataServer) {
    let began = now();
    let mut shop = Shop::open(server).await;
    shop.commits().await;
    shop.rolls_back().await;
    shop.a_branch_that_fails_comes_again().await;
    shop.rows_are_held_until_the_decision(server).await;
    shop.nothing_is_committed_after_its_time_out().await;
    shop.nothing_is_committed_that_nobody_knows().await;
    println!("all scenarios in {:?}", began.elapsed());
}

/// A service with two TCC actions and a database of which Seata holds rows.
struct Shop {
    client: Client,
    calls: mpsc::Receiver<String>,
    plan: Plan,
}

/// What the next calls are answered; those behind it, yes.
type Plan = Arc<Mutex<VecDeque<EndError>>>;

/// A resource that says what it is called for.
struct Action {
    calls: mpsc::Sender<String>,
    plan: Plan,
}

impl Action {
    async fn called(&self, what: &str, branch: &Branch) -> Result<(), EndError> {
        let data = std::str::from_utf8(&branch.data).unwrap_or("?");
        let call = format!("{what} {} {} {data}", branch.resource, branch.xid);
        self.calls.send(call).await.map_err(|error| EndError::Again(error.to_string()))?;
        let next = self.plan.lock().map_err(|error| EndError::Never(error.to_string()))?.pop_front();
        next.map_or(Ok(()), Err)
    }
}

impl rm::Resource for Action {
    fn commit<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(self.called("commit", branch))
    }

    fn rollback<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(self.called("rollback", branch))
    }
}

async fn connect(server: &SeataServer, application: &str) -> Client {
    let config = Config::new([server.address().to_string()], application, "default_tx_group");
    Client::connect(config).await.unwrap()
}

fn new(xid: &Xid, resource: &str, kind: Kind, rows: &str) -> NewBranch {
    let data = Bytes::from(format!("{{\"actionContext\":{{\"text\":\"{resource}\"}}}}"));
    NewBranch { xid: xid.clone(), resource: resource.into(), kind, rows: rows.into(), data }
}

impl Shop {
    async fn open(server: &SeataServer) -> Self {
        let client = connect(server, "shop").await;
        let (sender, calls) = mpsc::channel(64);
        let plan = Plan::default();
        for (id, kind) in [("stock", Kind::Tcc), ("pay", Kind::Tcc), ("jdbc:synod", Kind::At)] {
            let action = Arc::new(Action { calls: sender.clone(), plan: Arc::clone(&plan) });
            client.register(id.into(), kind, action).await.unwrap();
        }
        Self { client, calls, plan }
    }

    /// Begins, and has both actions join.
    async fn order(&self, limit: Duration) -> Xid {
        let xid = self.client.begin("order", limit).await.unwrap();
        for action in ["stock", "pay"] {
            let branch = self.client.enlist(new(&xid, action, Kind::Tcc, "")).await.unwrap();
            assert!(branch.id.parse::<i64>().is_ok_and(|id| id > 0), "{branch:?}");
        }
        xid
    }

    /// The next calls, sorted; servers differ in the order of rollbacks.
    async fn calls(&mut self, count: usize) -> Vec<String> {
        let mut calls = Vec::new();
        for _ in 0..count {
            calls.push(timeout(CALLED, self.calls.recv()).await.expect("a call comes").expect("there are"));
        }
        calls.sort();
        calls
    }

    /// Synod remembers what Seata has forgotten.
    async fn ended(&self, xid: &Xid, end: Status, decision: Decision) {
        let patience = now() + CALLED;
        loop {
            let (status, told) =
                (self.client.status(xid).await.unwrap(), self.client.decision(xid).await.unwrap());
            let is_known = (status, told) == (end, decision);
            if is_known || (status, told) == (Status::Unknown, Decision::Forgotten) {
                return;
            }
            assert!(now() < patience, "{xid} is {status:?}, {told:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn commits(&mut self) {
        let xid = self.order(MINUTE).await;
        assert_eq!(self.client.status(&xid).await.unwrap(), Status::Active);
        assert_eq!(self.client.decision(&xid).await.unwrap(), Decision::Undecided);
        assert_eq!(self.client.commit(&xid).await.unwrap(), Status::Committed);
        assert_eq!(self.calls(2).await, both("commit", &xid));
        self.ended(&xid, Status::Committed, Decision::Commit).await;
        match self.client.commit(&xid).await {
            Ok(Status::Committed) | Err(Error::Otherwise(Status::Unknown)) => {}
            other => panic!("a repeated commit: {other:?}"),
        }
        match self.client.rollback(&xid).await {
            Err(Error::Otherwise(Status::Committed | Status::Unknown)) => {}
            other => panic!("a rollback after the commit: {other:?}"),
        }
    }

    async fn rolls_back(&mut self) {
        let xid = self.order(MINUTE).await;
        assert_eq!(self.client.rollback(&xid).await.unwrap(), Status::RolledBack);
        assert_eq!(self.calls(2).await, both("rollback", &xid));
        self.ended(&xid, Status::RolledBack, Decision::Rollback).await;
        let late = self.client.enlist(new(&xid, "pay", Kind::Tcc, "")).await;
        assert!(matches!(late, Err(EnlistError::NotActive(_))), "{late:?}");
        match self.client.commit(&xid).await {
            Err(Error::Otherwise(Status::RolledBack | Status::Unknown)) => {}
            other => panic!("a commit after the rollback: {other:?}"),
        }
    }

    async fn a_branch_that_fails_comes_again(&mut self) {
        self.plan.lock().unwrap().push_back(EndError::Again("told to".into()));
        let xid = self.order(MINUTE).await;
        let status = self.client.commit(&xid).await.unwrap();
        assert!(matches!(status, Status::Committing | Status::Committed), "{status:?}");
        let calls = self.calls(3).await;
        assert_eq!(calls.iter().filter(|call| call.starts_with("commit stock")).count(), 2, "{calls:?}");
        self.ended(&xid, Status::Committed, Decision::Commit).await;
    }

    async fn rows_are_held_until_the_decision(&mut self, server: &SeataServer) {
        let other = connect(server, "other").await;
        let (one, two) =
            (self.client.begin("one", MINUTE).await.unwrap(), other.begin("two", MINUTE).await.unwrap());
        let at = |xid: &Xid| new(xid, "jdbc:synod", Kind::At, "account:1,2");
        let branch = self.client.enlist(at(&one)).await.unwrap();
        assert_eq!(branch.kind, Kind::At);
        let conflict = other.enlist(at(&two)).await;
        assert!(matches!(conflict, Err(EnlistError::Conflict(_))), "{conflict:?}");
        assert!(!other.is_free(&two, "jdbc:synod", "account:2").await.unwrap());
        assert!(other.is_free(&one, "jdbc:synod", "account:2").await.unwrap(), "the holder's own");
        assert!(other.is_free(&two, "jdbc:synod", "account:3").await.unwrap());
        let committed = self.client.commit(&one).await.unwrap();
        assert!(matches!(committed, Status::Committed | Status::Committing), "{committed:?}");
        other.enlist(at(&two)).await.expect("rows are free once it is decided");
        assert_eq!(self.calls(1).await, [call("commit", "jdbc:synod", &one)]);
        // It has failed locally: there is nothing to undo, and nobody is told to.
        let failed = other.enlist(new(&two, "jdbc:synod", Kind::At, "account:9")).await.unwrap();
        other.failed(&failed).await.unwrap();
        let status = other.rollback(&two).await.unwrap();
        assert!(matches!(status, Status::RolledBack | Status::RollingBack), "{status:?}");
        assert_eq!(self.calls(1).await, [call("rollback", "jdbc:synod", &two)]);
        self.ended(&two, Status::RolledBack, Decision::Rollback).await;
    }

    async fn nothing_is_committed_after_its_time_out(&mut self) {
        let xid = self.order(Duration::from_secs(1)).await;
        assert_eq!(self.calls(2).await, both("rollback", &xid));
        match self.client.commit(&xid).await {
            Err(Error::Otherwise(Status::RollingBack | Status::RolledBack | Status::Unknown)) => {}
            other => panic!("a commit after the time-out: {other:?}"),
        }
        self.ended(&xid, Status::RolledBack, Decision::Rollback).await;
    }

    async fn nothing_is_committed_that_nobody_knows(&self) {
        let xid: Xid = "127.0.0.1:8091:9223372036854770000".parse().unwrap();
        let joined = self.client.enlist(new(&xid, "pay", Kind::Tcc, "")).await;
        assert!(matches!(joined, Err(EnlistError::NotActive(_))), "{joined:?}");
        for ended in [self.client.commit(&xid).await, self.client.rollback(&xid).await] {
            assert!(matches!(ended, Err(Error::Otherwise(Status::Unknown))), "{ended:?}");
        }
        assert_eq!(self.client.decision(&xid).await.unwrap(), Decision::Forgotten);
    }
}

fn call(what: &str, resource: &str, xid: &Xid) -> String {
    format!("{what} {resource} {xid} {{\"actionContext\":{{\"text\":\"{resource}\"}}}}")
}

fn both(what: &str, xid: &Xid) -> [String; 2] {
    [call(what, "pay", xid), call(what, "stock", xid)]
}

/// The node is its own registry, and says there where its Seata face is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_are_found_in_the_registry() {
    let node = Synod::start(&["face.seata.listen=127.0.0.1:0", "face.seata.cluster=shop-tc"]);
    let servers = registry::Servers::new([node.url()]);
    let consumer = registry::Consumer::start(registry::Config::new(servers)).unwrap();
    let config = Config::from_registry(&consumer, "shop-tc", "shop", "default_tx_group");
    let config = timeout(CALLED, config).await.expect("it is found");
    assert_eq!(config.servers, [node.addresses()["seata"].clone()]);
    let client = Client::connect(config).await.unwrap();
    let xid = client.begin("order", MINUTE).await.unwrap();
    assert_eq!(client.rollback(&xid).await.unwrap(), Status::RolledBack);
}

/// Commits and rolls back a transaction with a branch of either language, begun by either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_and_java_in_one_transaction() {
    for version in [SeataVersion::NEWEST, SeataVersion::OLDEST] {
        let server = SeataServer::start();
        let mut java = SeataClient::start(version, "java-shop", server.address());
        java.ask("open", &["action", "ship"]);
        let mut shop = Shop::open(&server).await;
        for (phase, end) in [("commit", Status::Committed), ("rollback", Status::RolledBack)] {
            // Rust begins, Java joins.
            let xid = shop.order(MINUTE).await;
            java.ask("s", &["bind", xid.as_str()]);
            java.ask("s", &["try", "ship", "parcel"]);
            java.ask("s", &["unbind"]);
            let ended = match phase {
                "commit" => shop.client.commit(&xid).await,
                _ => shop.client.rollback(&xid).await,
            };
            assert_eq!(ended.unwrap(), end);
            assert_eq!(shop.calls(2).await, both(phase, &xid));
            let event = java.event(CALLED);
            assert_eq!((&event["event"], &event["action"]), (&phase.into(), &"ship".into()), "{event}");
            assert_eq!((&event["xid"], &event["text"]), (&xid.as_str().into(), &"parcel".into()), "{event}");

            // Java begins, Rust joins.
            let xid: Xid = java.begin("s", MINUTE).parse().unwrap();
            java.ask("s", &["try", "ship", "parcel"]);
            for action in ["stock", "pay"] {
                shop.client.enlist(new(&xid, action, Kind::Tcc, "")).await.unwrap();
            }
            let ticket = java.send("s", &[phase]);
            assert_eq!(shop.calls(2).await, both(phase, &xid));
            let answer = java.answer(ticket).unwrap();
            let code = if phase == "commit" { "CommitDone" } else { "RollbackDone" };
            assert_eq!(answer["code"], code, "{answer}");
            assert_eq!(java.event(CALLED)["event"], phase);
            shop.ended(&xid, end, if phase == "commit" { Decision::Commit } else { Decision::Rollback })
                .await;
        }
    }
}

/// The server is killed when a commit is decided and one branch has not been told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phase_two_comes_after_the_server_was_killed() {
    let mut server = SeataServer::start();
    let mut shop = Shop::open(&server).await;
    // So often that it cannot be over before the kill.
    for _ in 0..3 {
        shop.plan.lock().unwrap().push_back(EndError::Again("told to".into()));
    }
    let xid = shop.order(MINUTE).await;
    let open = shop.order(MINUTE).await;
    let status = shop.client.commit(&xid).await.unwrap();
    assert!(matches!(status, Status::Committing), "{status:?}");
    server.kill9();
    let restarting = tokio::task::spawn_blocking(move || server.restart());
    // Asked while nobody is there, answered when somebody is.
    let again = shop.client.commit(&xid).await.unwrap();
    assert!(matches!(again, Status::Committing | Status::Committed), "{again:?}");
    let server = restarting.await.unwrap();
    let calls = shop.calls(5).await;
    assert_eq!(calls.iter().filter(|call| call.contains(" stock ")).count(), 4, "{calls:?}");
    shop.ended(&xid, Status::Committed, Decision::Commit).await;
    // What was open before is open still, and ends as it is told.
    assert_eq!(shop.client.status(&open).await.unwrap(), Status::Active);
    assert_eq!(shop.client.rollback(&open).await.unwrap(), Status::RolledBack);
    assert_eq!(shop.calls(2).await, both("rollback", &open));
    drop(server);
}

/// How many transactions one client gets through, for the figures of a report; the limit is far below what any machine does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once() {
    const WORKERS: usize = 64;
    const EACH: usize = 100;
    let server = SeataServer::start();
    let client = connect(&server, "load").await;
    let began = now();
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..WORKERS {
        let client = client.clone();
        workers.spawn(async move {
            for _ in 0..EACH {
                let xid = client.begin("load", MINUTE).await.unwrap();
                assert_eq!(client.commit(&xid).await.unwrap(), Status::Committed);
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{:.0} transactions a second, begun and committed by one client",
        (WORKERS * EACH) as f64 / seconds
    );
    assert!(seconds < 60.0, "{seconds} s");
}
