//! Clients at work, what they are promised, and how participants' own records are held against that.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::json;
use synod_e2e::participant::Received;
use synod_e2e::{Connection, Participant, Request};

/// Clients at work at once.
const CLIENTS: u64 = 6;

/// What a client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The saga was accepted.
    Accepted,
    /// The message is prepared, and its sender's local transaction has committed: nothing was submitted.
    Prepared,
    /// As before, but the local transaction was rolled back.
    Abandoned,
    /// The TCC transaction was decided: confirm.
    Confirmed,
    /// The workflow is prepared; its initiator says nothing more until it is called.
    Started,
}

pub(crate) type Promises = Mutex<BTreeMap<String, Told>>;

/// What participants were called with, by gid.
pub(crate) type Calls = BTreeMap<String, Vec<String>>;

/// A saga whose number is divisible by three is refused at its second step; back-checks tell what the sender did.
pub(crate) fn script(received: &Received) -> (u16, String) {
    let gid = received.parameter("gid");
    match received.path.as_str() {
        "/a2" if is_refused(gid) => (409, "no money".into()),
        "/check" if gid.starts_with("abandoned") => (409, "rolled back".into()),
        _ => (200, String::new()),
    }
}

/// What the clients share.
pub(crate) struct Work {
    pub(crate) participant: Participant,
    pub(crate) promises: Promises,
    /// Bytes that each saga and message carries.
    payload: usize,
    next: AtomicU64,
}

impl Work {
    /// With so many bytes in each saga and message: the more, the faster the log grows.
    pub(crate) fn new(payload: usize) -> Self {
        Self {
            participant: Participant::start(script),
            promises: Promises::default(),
            payload,
            next: AtomicU64::new(1),
        }
    }

    /// Clients work until the node is gone.
    pub(crate) fn load(&self, address: SocketAddr, stop: &AtomicBool) {
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let Ok(connection) = Connection::open(address) else { return };
                    let mut client = Client { connection, work: self };
                    while !stop.load(Ordering::Relaxed) && client.step().is_some() {}
                });
            }
        });
    }

    pub(crate) fn promised(&self) -> BTreeMap<String, Told> {
        self.promises.lock().expect("nobody panics with it").clone()
    }

    pub(crate) fn calls(&self) -> Calls {
        let mut calls = Calls::new();
        for received in self.participant.record() {
            calls.entry(received.parameter("gid").to_owned()).or_default().push(received.path.clone());
        }
        calls
    }

    /// What has been promised and not been done yet.
    pub(crate) fn unkept(&self) -> Vec<String> {
        let calls = self.calls();
        self.promised().iter().filter_map(|(gid, told)| unkept(gid, *told, calls.get(gid))).collect()
    }

    /// Says of all workflows that were called that they have succeeded, as their initiators would.
    pub(crate) fn finish_workflows(&self, address: SocketAddr) {
        let Ok(mut connection) = Connection::open(address) else { return };
        let calls = self.calls();
        for gid in
            calls.iter().filter(|(_, calls)| calls.iter().any(|call| call == "/run")).map(|(gid, _)| gid)
        {
            let body = json!({"gid": gid, "trans_type": "workflow", "req_extra": {"status": "succeed"}});
            // One that has ended already is refused.
            connection.send(&Request::post_json("/api/dtmsvr/submit", body.to_string())).ok();
        }
    }
}

struct Client<'a> {
    connection: Connection,
    work: &'a Work,
}

impl Client<'_> {
    fn step(&mut self) -> Option<()> {
        let number = self.work.next.fetch_add(1, Ordering::Relaxed);
        match number % 5 {
            0 => self.message(&format!("prepared-{number}"), Told::Prepared),
            1 => self.message(&format!("abandoned-{number}"), Told::Abandoned),
            2 => self.tcc(&format!("tcc-{number}")),
            3 => self.workflow(&format!("workflow-{number}")),
            _ => self.saga(&format!("saga-{number}")),
        }
    }

    fn post(&mut self, operation: &str, body: &serde_json::Value) -> Option<()> {
        let request = Request::post_json(&format!("/api/dtmsvr/{operation}"), body.to_string());
        let reply = self.connection.send(&request).ok()?;
        assert_eq!(reply.status, 200, "{operation}: {}", reply.text());
        Some(())
    }

    fn url(&self, path: &str) -> String {
        self.work.participant.url(path)
    }

    fn promise(&self, gid: &str, told: Told) {
        self.work.promises.lock().expect("nobody panics with it").insert(gid.to_owned(), told);
    }

    fn saga(&mut self, gid: &str) -> Option<()> {
        let steps = json!([
            {"action": self.url("/a1"), "compensate": self.url("/c1")},
            {"action": self.url("/a2"), "compensate": self.url("/c2")},
        ]);
        let payload = json!({"fill": "x".repeat(self.work.payload)}).to_string();
        self.post(
            "submit",
            &json!({
                "gid": gid, "trans_type": "saga", "steps": steps, "payloads": [payload, "{}"], "retry_interval": 1,
            }),
        )?;
        self.promise(gid, Told::Accepted);
        Some(())
    }

    fn message(&mut self, gid: &str, told: Told) -> Option<()> {
        let payload = json!({"fill": "x".repeat(self.work.payload)}).to_string();
        let body = json!({
            "gid": gid, "trans_type": "msg", "query_prepared": self.url("/check"), "timeout_to_fail": 1,
            "retry_interval": 1, "steps": [{"action": self.url("/deliver")}], "payloads": [payload],
        });
        self.post("prepare", &body)?;
        self.promise(gid, told);
        Some(())
    }

    fn workflow(&mut self, gid: &str) -> Option<()> {
        let body = json!({
            "gid": gid, "trans_type": "workflow", "query_prepared": self.url("/run"), "timeout_to_fail": 1,
            "retry_interval": 1, "custom_data": "{\"name\":\"w\",\"data\":\"\"}",
        });
        self.post("prepareWorkflow", &body)?;
        self.promise(gid, Told::Started);
        Some(())
    }

    fn tcc(&mut self, gid: &str) -> Option<()> {
        self.post(
            "prepare",
            &json!({"gid": gid, "trans_type": "tcc", "timeout_to_fail": 5, "retry_interval": 1}),
        )?;
        for branch in ["01", "02"] {
            self.post(
                "registerBranch",
                &json!({
                    "gid": gid, "trans_type": "tcc", "branch_id": branch, "data": "{}",
                    "confirm": self.url("/confirm"), "cancel": self.url("/cancel"),
                }),
            )?;
        }
        self.post("submit", &json!({"gid": gid, "trans_type": "tcc"}))?;
        self.promise(gid, Told::Confirmed);
        Some(())
    }
}

fn is_refused(gid: &str) -> bool {
    let number = gid.rsplit('-').next().and_then(|number| number.parse::<u64>().ok());
    gid.starts_with("saga") && number.is_some_and(|number| number.is_multiple_of(3))
}

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
        Told::Started => count("/run") > 0,
    };
    (!kept).then(|| format!("{gid}: {told:?}, but there were {calls:?}"))
}

/// What must never happen, promised or not.
///
/// # Panics
/// It has happened.
pub(crate) fn contradiction(gid: &str, calls: &[String]) {
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
