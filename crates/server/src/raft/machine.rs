//! openraft's state machine over ours: applies batches, tells the sink, takes and installs snapshots.

use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::{RaftSnapshotBuilder, RaftStateMachine, Snapshot};
use openraft::{AnyError, OptionalSend};
use synod_core::txn::State;
use synod_log::snapshot::SnapshotError;
use synod_replica::{Applied, Machine, Sink, Tidings, View};
use tokio::sync::watch;

use super::depot::{self, Depot, Held, LoadError};
use super::types::{
    Content, Entry, LogId, Payload, Reply, SnapshotMeta, StorageError, StorageIoError, StoredMembership,
    Types,
};
use crate::task;

/// See the module.
#[derive(Debug)]
pub(super) struct StateMachine {
    machine: Arc<Machine>,
    depot: Arc<Depot>,
    sink: Arc<dyn Sink>,
    /// Whether anybody listens yet: what is applied again at a start is no news.
    live: watch::Receiver<bool>,
    /// Index of the next entry to apply.
    next: watch::Sender<u64>,
    applied: Option<LogId>,
    membership: StoredMembership,
}

impl StateMachine {
    /// Goes on from the newest snapshot, whose state is in `machine` already. Also tells the index of the next entry to be
    /// applied.
    pub(super) fn new(
        machine: Arc<Machine>,
        depot: Arc<Depot>,
        sink: Arc<dyn Sink>,
        live: watch::Receiver<bool>,
    ) -> (Self, watch::Receiver<u64>) {
        let meta = depot.newest().map(|newest| newest.meta).unwrap_or_default();
        let (next, seen) = watch::channel(after(meta.last_log_id));
        let (applied, membership) = (meta.last_log_id, meta.last_membership);
        (Self { machine, depot, sink, live, next, applied, membership }, seen)
    }

    async fn apply_batch(&self, log_id: LogId, bytes: &Bytes) -> Result<Applied, StorageError> {
        let applied = self.machine.apply(log_id.index, bytes);
        let (applied, tidings) =
            applied.map_err(|damage| StorageIoError::apply(log_id, AnyError::new(&damage)))?;
        self.tell(tidings).await;
        Ok(applied)
    }

    async fn tell(&self, tidings: Tidings) {
        let live = *self.live.borrow();
        if live {
            self.sink.take(tidings).await;
        }
    }
}

fn after(log_id: Option<LogId>) -> u64 {
    log_id.map_or(0, |log_id| log_id.index + 1)
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Reply>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut replies = Vec::new();
        for Entry { log_id, payload } in entries {
            let reply = match payload {
                Payload::Normal(proposal) => {
                    // openraft would not notice a panic there.
                    let applied = task::guarded("apply", self.apply_batch(log_id, &proposal.bytes)).await?;
                    Reply::Applied(applied)
                }
                Payload::Blank => {
                    self.machine.pass(log_id.index);
                    Reply::Nothing
                }
                Payload::Membership(membership) => {
                    self.machine.pass(log_id.index);
                    self.membership = StoredMembership::new(Some(log_id), membership);
                    Reply::Nothing
                }
            };
            self.applied = Some(log_id);
            self.next.send_replace(log_id.index + 1);
            replies.push(reply);
        }
        Ok(replies)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        let View { state, .. } = self.machine.copy();
        let id = self.applied.map_or_else(|| "empty".to_owned(), |applied| applied.to_string());
        let meta = SnapshotMeta {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
            snapshot_id: id,
        };
        Builder { depot: Arc::clone(&self.depot), state: Some(state), meta }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Content>, StorageError> {
        Ok(Box::new(Content::Nowhere))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        content: Box<Content>,
    ) -> Result<(), StorageError> {
        let (depot, limits, written) = (Arc::clone(&self.depot), *self.machine.limits(), meta.clone());
        let install = move || {
            let state = depot::read(&content, limits)?;
            depot.write(&state, written)?;
            Ok::<State, LoadError>(state)
        };
        let state = blocking(install).await.map_err(|error| write_error(meta, &error))?;
        let state = state.map_err(|error| write_error(meta, &AnyError::new(&error)))?;
        let tidings = self.machine.replace(state, meta.last_log_id.map_or(0, |last| last.index));
        (self.applied, self.membership) = (meta.last_log_id, meta.last_membership.clone());
        self.tell(tidings).await;
        self.next.send_replace(after(self.applied));
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, StorageError> {
        Ok(self.depot.newest().map(|newest| snapshot(&self.depot, newest)))
    }
}

/// Writes one snapshot, from a copy of the state that stays as it is.
#[derive(Debug)]
pub(super) struct Builder {
    depot: Arc<Depot>,
    state: Option<State>,
    meta: SnapshotMeta,
}

impl RaftSnapshotBuilder<Types> for Builder {
    /// Without room on the disk there is none. That is no disaster, so the answer is the one from before.
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, StorageError> {
        let Some(state) = self.state.take() else { return Ok(self.before()) };
        let (depot, meta) = (Arc::clone(&self.depot), self.meta.clone());
        let write = move || {
            let written = task::or_end("snapshot", || depot.write(&state, meta));
            // Letting go of the copy takes as long as the state is large.
            drop(state);
            written
        };
        match blocking(write).await.map_err(|error| write_error(&self.meta, &error))? {
            Ok(held) => {
                tracing::info!(index = held.number, bytes = held.bytes, "took a snapshot");
                Ok(snapshot(&self.depot, held))
            }
            Err(error @ SnapshotError::Full { .. }) => {
                tracing::error!(%error, "no snapshot could be taken");
                Ok(self.before())
            }
            Err(error) => Err(write_error(&self.meta, &AnyError::new(&error))),
        }
    }
}

impl Builder {
    fn before(&self) -> Snapshot<Types> {
        match self.depot.newest() {
            Some(newest) => snapshot(&self.depot, newest),
            None => Snapshot { meta: SnapshotMeta::default(), snapshot: Box::new(Content::Nowhere) },
        }
    }
}

fn snapshot(depot: &Depot, held: Held) -> Snapshot<Types> {
    Snapshot { snapshot: Box::new(depot.content(held.number)), meta: held.meta }
}

/// Runs something that takes a while, or waits for the disk.
async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Result<T, AnyError> {
    tokio::task::spawn_blocking(run).await.map_err(|error| AnyError::new(&error))
}

fn write_error(meta: &SnapshotMeta, error: &AnyError) -> StorageError {
    StorageIoError::write_snapshot(Some(meta.signature()), error.clone()).into()
}
