//! openraft's conformance suite.

use std::sync::Arc;
use std::thread::JoinHandle;

use openraft::testing::{StoreBuilder, Suite};
use synod_core::txn::Limits;
use synod_log::Log;
use synod_log::disk::{Disk, RealDisk};
use synod_replica::{Later, Machine, Sink, Tidings};
use tempfile::TempDir;
use tokio::sync::watch;

use super::super::depot::Depot;
use super::super::machine::StateMachine;
use super::super::store::Store;
use super::super::types::{StorageError, Types};
use crate::task::OnFatal;

struct Builder;

/// A directory, and the thread that works in it: it ends first.
struct Place {
    thread: Option<JoinHandle<()>>,
    _dir: TempDir,
}

impl Drop for Place {
    fn drop(&mut self) {
        // The storage is gone by now, and so the thread has nothing to wait for.
        self.thread.take().map(JoinHandle::join).transpose().unwrap();
    }
}

#[derive(Debug)]
struct Nobody;

impl Sink for Nobody {
    fn take(&self, _: Tidings) -> Later<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl StoreBuilder<Types, Store, StateMachine, Place> for Builder {
    async fn build(&self) -> Result<(Place, Store, StateMachine), StorageError> {
        let dir = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(dir.path()).unwrap());
        // Small, so that the suite reads from the disk too.
        let settings = synod_log::Settings {
            segment_bytes: 256 << 10,
            first_segment_bytes: 64 << 10,
            cache_bytes: 0,
            ..synod_log::Settings::default()
        };
        let log = Log::open(Arc::clone(&disk), settings).unwrap();
        let (depot, state) = Depot::open(disk, 0, Limits::default()).unwrap();
        assert!(state.is_none());
        let on_fatal = OnFatal::new(|part, reason| panic!("{part}: {reason}"));
        let (store, thread) = Store::start(log, 1_000, 1_000, on_fatal).unwrap();
        let machine = Arc::new(Machine::new(Limits::default()));
        let (_, live) = watch::channel(true);
        let (machine, _) = StateMachine::new(machine, depot, Arc::new(Nobody), live);
        Ok((Place { thread: Some(thread), _dir: dir }, store, machine))
    }
}

#[test]
fn our_storage_passes_openrafts_suite() {
    Suite::test_all(Builder).unwrap();
}
