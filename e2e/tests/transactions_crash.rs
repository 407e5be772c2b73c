//! The real binary under load, killed with -9 at random moments and started again on the same data: what was acknowledged
//! is carried through, what was decided stays decided, and participants' own records agree.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use synod_e2e::participant::Received;
use synod_e2e::wait::{epoch_ms, wait_for};
use synod_e2e::{Connection, Participant, Random, Request, Synod};

/// After the last start everything that is open has to end within this time.
const HEAL: Duration = Duration::from_secs(40);
/// Clients at work at once.
const CLIENTS: u64 = 6;

fn rounds() -> u64 {
    if std::env::var_os("SYNOD_LONG").is_some() { 200 } else { 8 }
}

/// What a client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// The saga was accepted.
    Accepted,
    /// The message is prepared, and its sender's local transaction has committed: nothing was submitted.
    Prepared,
    /// As before, but the local transaction was rolled back.
    Abandoned,
    /// The TCC transaction was decided: confirm.
    Confirmed,
}

type Promises = Mutex<BTreeMap<String, Told>>;

fn dtm(node: &Synod) -> SocketAddr {
    node.addresses()["dtm_http"].parse().expect("an address")
}

/// A saga whose number is divisible by three is refused at its second step; back-checks tell what the sender did.
fn script(received: &Received) -> (u16, String) {
    let gid = received.parameter("gid");
    let number: u64 = gid.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0);
    match received.path.as_str() {
        "/a2" if number.is_multiple_of(3) => (409, "no money".into()),
        "/check" if gid.starts_with("abandoned") => (409, "rolled back".into()),
        _ => (200, String::new()),
    }
}

struct Client<'a> {
    connection: Connection,
    participant: &'a Participant,
    promises: &'a Promises,
}

impl Client<'_> {
    fn post(&mut self, operation: &str, body: &serde_json::Value) -> Option<()> {
        let request = Request::post_json(&format!("/api/dtmsvr/{operation}"), body.to_string());
        let reply = self.connection.send(&request).ok()?;
        assert_eq!(reply.status, 200, "{operation}: {}", reply.text());
        Some(())
    }

    fn promise(&self, gid: &str, told: Told) {
        self.promises.lock().expect("nobody panics with it").insert(gid.to_owned(), told);
    }

    fn saga(&mut self, gid: &str) -> Option<()> {
        let url = |path: &str| self.participant.url(path);
        let steps = json!([{"action": url("/a1"), "compensate": url("/c1")}, {"action": url("/a2"), "compensate": url("/c2")}]);
        let body = json!({"gid": gid, "trans_type": "saga", "steps": steps, "payloads": ["{}", "{}"], "retry_interval": 1});
        self.post("submit", &body)?;
        self.promise(gid, Told::Accepted);
        Some(())
    }

    fn message(&mut self, gid: &str, told: Told) -> Option<()> {
        let url = |path: &str| self.participant.url(path);
        let body = json!({
            "gid": gid, "trans_type": "msg", "query_prepared": url("/check"), "timeout_to_fail": 1, "retry_interval": 1,
            "steps": [{"action": url("/deliver")}], "payloads": ["{}"],
        });
        self.post("prepare", &body)?;
        self.promise(gid, told);
        Some(())
    }

    fn tcc(&mut self, gid: &str) -> Option<()> {
        let url = |path: &str| self.participant.url(path);
        self.post(
            "prepare",
            &json!({"gid": gid, "trans_type": "tcc", "timeout_to_fail": 5, "retry_interval": 1}),
        )?;
        for branch in ["01", "02"] {
            self.post(
                "registerBranch",
                &json!({
                    "gid": gid, "trans_type": "tcc", "branch_id": branch, "data": "{}",
                    "confirm": url("/confirm"), "cancel": url("/cancel"),
                }),
            )?;
        }
        self.post("submit", &json!({"gid": gid, "trans_type": "tcc"}))?;
        self.promise(gid, Told::Confirmed);
        Some(())
    }
}

/// Clients work until the node is gone.
fn load(
    address: SocketAddr,
    participant: &Participant,
    promises: &Promises,
    next: &AtomicU64,
    stop: &AtomicBool,
) {
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let Ok(connection) = Connection::open(address) else { return };
                let mut client = Client { connection, participant, promises };
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let done = match number % 4 {
                        0 => client.message(&format!("prepared-{number}"), Told::Prepared),
                        1 => client.message(&format!("abandoned-{number}"), Told::Abandoned),
                        2 => client.tcc(&format!("tcc-{number}")),
                        _ => client.saga(&format!("saga-{number}")),
                    };
                    if done.is_none() {
                        return;
                    }
                }
            });
        }
    });
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let participant = Participant::start(script);
    let (promises, next) = (Promises::default(), AtomicU64::new(1));
    let mut random = Random::new(epoch_ms());
    let sets = ["face.dtm.http.listen=127.0.0.1:0", "txn.retry=200ms", "registry.snapshot_interval=0s"];
    let mut node = Synod::start(&sets);
    for _ in 0..rounds() {
        let (address, stop) = (dtm(&node), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| load(address, &participant, &promises, &next, &stop));
            // The moment of the kill is what the test is about.
            std::thread::sleep(Duration::from_millis(20 + random.below(400) as u64));
            node.kill9();
            stop.store(true, Ordering::Relaxed);
        });
        node = node.restart();
    }
    let promises = promises.into_inner().expect("nobody panics with it");
    let (calls, took) = wait_for(HEAL, || {
        let calls = by_gid(&participant.record());
        let missing: Vec<_> =
            promises.iter().filter_map(|(gid, told)| unkept(gid, *told, calls.get(gid))).take(5).collect();
        if missing.is_empty() { Ok(calls) } else { Err(missing.join("\n")) }
    });
    for (gid, calls) in &calls {
        contradiction(gid, calls);
    }
    wait_for(HEAL, || {
        let open = node.metric("synod_transactions_open");
        if open == 0.0 { Ok(()) } else { Err(format!("{open} transactions are still open")) }
    });
    println!(
        "{} promises kept over {} kills, the last {took:?} after the last start",
        promises.len(),
        rounds()
    );
    assert!(promises.len() as u64 > rounds() * 4, "too little was under way: {}", promises.len());
}

fn by_gid(record: &[Received]) -> BTreeMap<String, Vec<String>> {
    let mut calls: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for received in record {
        calls.entry(received.parameter("gid").to_owned()).or_default().push(received.path.clone());
    }
    calls
}

fn is_refused(gid: &str) -> bool {
    gid.rsplit('-').next().and_then(|number| number.parse::<u64>().ok()).is_some_and(|n| n.is_multiple_of(3))
}

/// What has been promised and not been done yet.
fn unkept(gid: &str, told: Told, calls: Option<&Vec<String>>) -> Option<String> {
    let empty = Vec::new();
    let calls = calls.unwrap_or(&empty);
    let count = |path: &str| calls.iter().filter(|call| *call == path).count();
    let kept = match told {
        Told::Accepted if is_refused(gid) => count("/c1") > 0 && count("/c2") > 0,
        Told::Accepted => count("/a1") > 0 && count("/a2") > 0,
        Told::Prepared => count("/check") > 0 && count("/deliver") > 0,
        Told::Abandoned => count("/check") > 0,
        Told::Confirmed => count("/confirm") >= 2,
    };
    (!kept).then(|| format!("{gid}: {told:?}, but there were {calls:?}"))
}

/// What must never happen, promised or not.
fn contradiction(gid: &str, calls: &[String]) {
    let seen: BTreeSet<&str> = calls.iter().map(String::as_str).collect();
    assert!(!(seen.contains("/confirm") && seen.contains("/cancel")), "{gid} went both ways: {calls:?}");
    assert!(!(gid.starts_with("abandoned") && seen.contains("/deliver")), "{gid} was delivered: {calls:?}");
    if gid.starts_with("saga") {
        let turned = calls.iter().position(|call| call.starts_with("/c"));
        let late = turned.is_some_and(|at| calls[at..].iter().any(|call| call.starts_with("/a")));
        assert!(!late, "an action of {gid} was called after a compensation: {calls:?}");
        assert!(is_refused(gid) || turned.is_none(), "{gid} was compensated without a reason: {calls:?}");
    }
}
