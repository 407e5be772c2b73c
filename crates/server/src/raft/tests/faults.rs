//! Full disks, failing disks, disks in use.

use std::process::Command as Process;
use std::sync::atomic::{AtomicBool, Ordering};

use synod_replica::{ProposeError, Room};

use super::*;

/// The first segment is there, and the one that is kept: nothing is written beside the log.
async fn spare(disk: &MemDisk) {
    until("the spare segment", || disk.used() > 12 << 20).await;
    let (mut before, mut quiet) = (disk.counts(), 0);
    until("rest", || {
        let now = disk.counts();
        quiet = if std::mem::replace(&mut before, now) == now { quiet + 1 } else { 0 };
        quiet > 10
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_new_work_then_everything_then_nothing() {
    let disk = MemDisk::new(1);
    let node = leader(&disk).await;
    spare(&disk).await;
    disk.set_capacity(Some(disk.used()));
    within("a shortage", async {
        while node.room() == Room::Any {
            node.propose(bulk()).await.unwrap();
        }
    })
    .await;
    assert_eq!(node.room(), Room::Reserve);
    let mixed = vec![subscribe(), Command::Reserve { below: 5 }, subscribe()];
    let outcomes = node.propose(Batch { at_ms: 1, commands: mixed }).await.unwrap().outcomes;
    assert!(is_busy(&outcomes[0]) && outcomes[1].is_ok() && is_busy(&outcomes[2]), "{outcomes:?}");
    let new = Batch { at_ms: 1, commands: vec![subscribe()] };
    assert!(is_busy(&node.propose(new.clone()).await.unwrap().outcomes[0]));

    let enough = Arc::new(AtomicBool::new(false));
    let accepted = {
        let (node, enough) = (node.clone(), Arc::clone(&enough));
        crate::task::spawn("test", async move {
            while !enough.load(Ordering::Relaxed) {
                node.propose(bulk()).await?;
            }
            Ok::<(), ProposeError>(())
        })
    };
    until("nothing", || node.room() == Room::Nothing).await;
    enough.store(true, Ordering::Relaxed);
    assert_eq!(node.propose(reserve(6)).await, Err(ProposeError::Full));
    assert_eq!(reserved(&node), 5);
    disk.set_capacity(None);
    // It is finished, not lost.
    within("what was accepted", accepted).await.unwrap().unwrap();
    until("room", || node.room() == Room::Any).await;
    assert!(node.propose(new).await.unwrap().outcomes[0].is_ok());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_room() {
    let disk = MemDisk::new(1);
    let node = leader(&disk).await;
    spare(&disk).await;
    disk.set_capacity(Some(disk.used()));
    let stuck = {
        let node = node.clone();
        crate::task::spawn("test", async move { while node.propose(bulk()).await.is_ok() {} })
    };
    until("nothing", || node.room() == Room::Nothing).await;
    within("the stop", node.stop()).await;
    within("the end", stuck).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_flush_is_told_and_nothing_goes_on() {
    let disk = MemDisk::new(1);
    let (options, told) = options(&disk, ear());
    let node = start(options).await.unwrap();
    node.lead().await.unwrap();
    spare(&disk).await;
    disk.fail_sync(1);
    let failed = node.propose(reserve(1)).await.unwrap_err();
    assert!(matches!(failed, ProposeError::Fatal(_)), "{failed:?}");
    until("told", || told.lock().unwrap().len() == 2).await;
    let told = told.lock().unwrap().clone();
    assert_eq!(told.iter().map(|(part, _)| *part).collect::<Vec<_>>(), ["log", "consensus"]);
    assert!(told[0].1.contains("cannot sync"), "{told:?}");
    assert!(node.propose(reserve(2)).await.is_err());
    assert!(node.read_barrier().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_in_use_or_of_another_node_is_refused() {
    let disk = MemDisk::new(1);
    let node = leader(&disk).await;
    let error = try_start(&disk).await.unwrap_err();
    assert!(error.exit_code() == 3 && error.to_string().contains("in use"), "{error}");
    node.stop().await;
    let (mut other, _) = options(&disk, ear());
    other.node_id = NodeId(1);
    let error = start(other).await.unwrap_err();
    assert!(error.exit_code() == 3 && error.to_string().contains("belongs to log"), "{error}");
}

/// Set in the process that is to end.
const DOOMED: &str = "SYNOD_TEST_DOOMED_LOG";

/// Runs itself again, as a process that may end.
#[test]
fn a_failed_flush_and_a_panic_in_apply_end_the_process() {
    match std::env::var(DOOMED).as_deref() {
        Ok("flush") => return runtime().block_on(fail_flush()),
        Ok("apply") => return runtime().block_on(panic_in_apply()),
        _ => {}
    }
    for (how, why) in [("flush", "cannot sync"), ("apply", "task=\"apply\"")] {
        let mut again = Process::new(std::env::current_exe().unwrap());
        let name = "raft::tests::faults::a_failed_flush_and_a_panic_in_apply_end_the_process";
        again.args(["--exact", name, "--nocapture"]);
        let ended = again.env(DOOMED, how).output().unwrap();
        let log = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{log}");
        assert!(log.contains(why), "{log}");
    }
}

async fn fail_flush() {
    crate::telemetry::init(&crate::config::Config::default().log).unwrap();
    let disk = MemDisk::new(1);
    let (options, _) = options(&disk, ear());
    let node = start(Options { on_fatal: OnFatal::end_process(), ..options }).await.unwrap();
    node.lead().await.unwrap();
    spare(&disk).await;
    disk.fail_sync(1);
    node.propose(reserve(1)).await.unwrap();
}

/// Whoever is told panics, within apply.
#[derive(Debug)]
struct Panics;

impl Sink for Panics {
    fn take(&self, _: Tidings) -> synod_replica::Later<'_, ()> {
        panic!("in apply")
    }
}

async fn panic_in_apply() {
    crate::telemetry::init(&crate::config::Config::default().log).unwrap();
    let (options, _) = options(&MemDisk::new(1), Arc::new(Panics));
    let node = start(options).await.unwrap();
    node.lead().await.unwrap();
    node.propose(reserve(1)).await.unwrap();
}
