//! A full disk, on a real file system: new work is refused in time, what was accepted is finished, and once there is room
//! again everything goes on, all of that in one process.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use synod_e2e::synod::{command, run};
use synod_e2e::wait::wait_for;
use synod_e2e::{Connection, Participant, Reply, Request, Synod};

const DISK: u64 = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(30);
/// Transactions that wait for their decision.
const TCC: usize = 10;

/// Fills a file system to the last byte; how many there were.
fn fill(path: &Path) -> u64 {
    let mut file = File::create(path).expect("a file can be made");
    let mut block = vec![1; 1 << 20];
    let mut written = 0;
    while !block.is_empty() {
        match file.write(&block) {
            Err(error) if error.kind() == ErrorKind::StorageFull => block.truncate(block.len() / 2),
            other => written += other.expect("nothing else is wrong with the disk") as u64,
        }
    }
    written
}

/// Refused, in the documented words.
fn is_full(reply: &Reply) -> bool {
    if reply.status != 503 {
        return false;
    }
    let problem = reply.json();
    assert_eq!(problem["code"], "E2006", "{problem}");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("room on the disk"), "{problem}");
    assert!(reply.header("Retry-After").is_some());
    true
}

struct Client {
    connection: Connection,
    participant: Participant,
}

impl Client {
    fn post(&mut self, path: &str, body: &Value) -> Reply {
        let request = Request::post_json(&format!("/v1/transactions{path}"), body.to_string());
        self.connection.send(&request).expect("it answers")
    }

    fn begin_tcc(&mut self) {
        for number in 0..TCC {
            let gid = format!("tcc-{number}");
            self.post("", &json!({"gid": gid, "mode": "tcc", "timeout": "10m"})).expect(201);
            self.enlist(&gid, "01").expect(200);
        }
    }

    fn enlist(&mut self, gid: &str, id: &str) -> Reply {
        let url = |path: &str| self.participant.url(path);
        let branch = json!({"id": id, "confirm": url("/confirm"), "cancel": url("/cancel")});
        self.post(&format!("/{gid}/branches"), &branch)
    }

    fn commit_tcc(&mut self) {
        for number in 0..TCC {
            let decided = self.post(&format!("/tcc-{number}/commit"), &json!({})).expect(200).json();
            let is_decided = ["committing", "committed"].iter().any(|status| decided["status"] == *status);
            assert!(is_decided, "{decided}");
        }
    }

    fn saga(&mut self, gid: &str, payload_bytes: usize) -> Reply {
        let url = |path: &str| self.participant.url(path);
        let payload = "x".repeat(payload_bytes);
        let branch =
            json!({"action": url("/action"), "compensate": url("/compensate"), "payload_text": payload});
        self.post("", &json!({"gid": gid, "mode": "saga", "submit": true, "branches": [branch]}))
    }

    /// Fills the segment in use, and the one in reserve up to where that is noticed. How many were accepted, and what was
    /// said then.
    fn sagas_until_refused(&mut self) -> (usize, String) {
        let refused = (0..200).find_map(|accepted| {
            let reply = self.saga(&format!("saga-{accepted}"), 200_000);
            if is_full(&reply) {
                return Some((accepted, reply.text()));
            }
            reply.expect(201);
            None
        });
        refused.expect("the disk is full, and nothing is refused")
    }
}

#[test]
fn a_full_disk_refuses_new_work_finishes_the_rest_and_recovers() {
    let may_end = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&may_end);
    let participant = Participant::start(move |received| match received.path.as_str() {
        "/action" if !told.load(Ordering::Relaxed) => (425, String::new()),
        _ => (200, String::new()),
    });
    let sets = [
        "raft.segment_bytes=8MiB",
        "txn.retry=200ms",
        "txn.retry_max=500ms",
        "registry.snapshot_interval=0s",
    ];
    let mut node = Synod::start_on_small_disk(DISK, &sets);
    let mut client = Client { connection: node.connect(), participant: participant.clone() };
    client.begin_tcc();

    let filler = node.data().join("filler");
    let filled = fill(&filler);
    let (sagas, refused) = client.sagas_until_refused();
    println!("{filled} bytes filled the disk; {sagas} more sagas were accepted, then: {refused}");
    assert_eq!(node.metric("synod_log_room"), 1.0);
    assert!(is_full(&client.post("", &json!({"mode": "tcc"}))));
    assert!(is_full(&client.enlist("tcc-0", "02")), "one more branch is new work");

    // What was accepted is finished.
    client.commit_tcc();
    may_end.store(true, Ordering::Relaxed);
    wait_for(PATIENCE, || match node.metric("synod_transactions_open") {
        0.0 => Ok(()),
        open => Err(format!("{open} transactions are still open")),
    });
    let record = participant.record();
    let count = |path: &str| record.iter().filter(|received| received.path == path).count();
    assert!(
        count("/action") >= sagas && count("/confirm") >= TCC,
        "{} {}",
        count("/action"),
        count("/confirm")
    );
    assert_eq!(count("/compensate") + count("/cancel"), 0);
    assert!(is_full(&client.saga("still-full", 1_000)), "there is no more room than before");

    // There is room again, and nobody has to start anything.
    std::fs::remove_file(&filler).expect("it can be deleted");
    let (accepted, took) = wait_for(PATIENCE, || match client.saga("after", 1_000) {
        reply if is_full(&reply) => Err("there is room on the disk, and work is still refused".to_owned()),
        reply => Ok(reply),
    });
    accepted.expect(201);
    println!("accepted {took:?} after there was room");
    wait_for(PATIENCE, || {
        let stand = node.send(&Request::get("/v1/transactions/after")).expect(200).json();
        if stand["status"] == "committed" { Ok(()) } else { Err(stand.to_string()) }
    });
    assert_eq!(node.metric("synod_log_room"), 2.0);
    assert!(node.process().exit().is_none(), "it is still the same process");
    let data = node.data();
    let inspected = run(command(&["log", "inspect", data.to_str().expect("the path is UTF-8")]));
    assert_eq!(inspected.code, 0, "{}{}", inspected.out, inspected.err);
    println!("{}", inspected.out);
    node.stop();
}
