//! Consensus over a disk in memory, with the faults of one; and openraft's own suite over our storage.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use synod_base::xid::Xid;
use synod_core::txn::{Batch, Command, Done, Limits, Outcome};
use synod_log::disk::MemDisk;
use synod_replica::{Replicator, Sink, Tidings};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::{Consensus, Options, Settings, StartError, channel, start};
use crate::data_dir::NodeId;
use crate::task::OnFatal;

mod faults;
mod group;
mod inspect;
mod restart;
mod suite;

const NODE: NodeId = NodeId(0x1234_5678_9abc_def0_0fed_cba9_8765_4321);

/// Failures that were told: which part and why.
type Told = Arc<Mutex<Vec<(&'static str, String)>>>;

fn options(disk: &MemDisk, sink: Arc<dyn Sink>) -> (Options, Told) {
    let told = Told::default();
    let on_fatal = {
        let told = Arc::clone(&told);
        OnFatal::new(move |part, reason| told.lock().unwrap().push((part, reason.to_owned())))
    };
    let options = Options {
        disk: Arc::new(disk.clone()),
        node_id: NODE,
        address: String::new(),
        settings: Settings { segment_bytes: 8 << 20, snapshot_bytes: 256 << 20, keep_bytes: 1 << 30 },
        limits: Limits::default(),
        sink,
        on_fatal,
    };
    (options, told)
}

/// A sink that is emptied all the time.
fn ear() -> Arc<dyn Sink> {
    let (sink, mut tidings) = channel(16);
    crate::task::spawn("ear", async move { while tidings.recv().await.is_some() {} });
    sink
}

async fn try_start(disk: &MemDisk) -> Result<Consensus, StartError> {
    start(options(disk, ear()).0).await
}

/// A node that leads.
async fn leader(disk: &MemDisk) -> Consensus {
    let consensus = try_start(disk).await.unwrap();
    consensus.lead().await.unwrap();
    consensus
}

/// A runtime of its own; dropping it is what `kill -9` does to tasks.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn reserve(below: u64) -> Batch {
    Batch { at_ms: below, commands: vec![Command::Reserve { below }] }
}

async fn reserve_all(consensus: &Consensus, below: impl IntoIterator<Item = u64>) {
    for below in below {
        let applied = consensus.propose(reserve(below)).await.unwrap();
        assert_eq!(applied.outcomes, [Ok(Done::Recorded)]);
    }
}

fn reserved(consensus: &Consensus) -> u64 {
    consensus.machine().read(|view| view.state.reserved())
}

/// A megabyte that finishes what was accepted: it is refused by the state, but it is in the log.
fn bulk() -> Batch {
    let xid = Xid::new(0, 1).unwrap();
    let stop = || Command::Stop { xid, reason: "x".repeat(4_000).into() };
    Batch { at_ms: 1, commands: (0..250).map(|_| stop()).collect() }
}

fn subscribe() -> Command {
    Command::Subscribe { topic: "topic".into(), url: "http://localhost/".into(), remark: "".into() }
}

/// Waits for something that has no future.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    within(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(60), future).await;
    waited.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

fn indexes(tidings: &mut mpsc::Receiver<Tidings>) -> Vec<u64> {
    std::iter::from_fn(|| tidings.try_recv().ok())
        .map(|tidings| match tidings {
            Tidings::Applied { index, .. } | Tidings::Replaced { index } => index,
        })
        .collect()
}

fn is_busy(outcome: &Outcome) -> bool {
    matches!(outcome, Err(synod_core::txn::Refusal::Busy(_)))
}
