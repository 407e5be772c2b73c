//! What openraft is told about our entries, nodes and snapshots.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use synod_log::snapshot::Snapshots;
use synod_replica::Applied;

openraft::declare_raft_types!(
    /// The types of our group.
    pub(super) Types:
        D = Proposal,
        R = Reply,
        NodeId = u64,
        Node = Peer,
        Entry = openraft::Entry<Types>,
        SnapshotData = Content,
);

pub(super) type Raft = openraft::Raft<Types>;
pub(super) type Entry = openraft::Entry<Types>;
pub(super) type Payload = openraft::EntryPayload<Types>;
pub(super) type LogId = openraft::LogId<u64>;
pub(super) type Vote = openraft::Vote<u64>;
pub(super) type Membership = openraft::Membership<u64, Peer>;
pub(super) type StoredMembership = openraft::StoredMembership<u64, Peer>;
pub(super) type SnapshotMeta = openraft::SnapshotMeta<u64, Peer>;
pub(super) type StorageError = openraft::StorageError<u64>;
pub(super) type StorageIoError = openraft::StorageIOError<u64>;

/// One encoded batch, the content of an entry.
#[derive(Clone, Debug)]
pub(super) struct Proposal {
    pub(super) bytes: Bytes,
    /// Set once this node has taken it into its log. Not there when it was read from the log.
    logged: Option<Arc<AtomicBool>>,
}

impl Proposal {
    /// A new one, and what tells whether it has come into the log.
    pub(super) fn new(bytes: Bytes) -> (Self, Arc<AtomicBool>) {
        let logged = Arc::new(AtomicBool::new(false));
        (Self { bytes, logged: Some(Arc::clone(&logged)) }, logged)
    }

    /// One that was read from a log.
    pub(super) fn read(bytes: Bytes) -> Self {
        Self { bytes, logged: None }
    }

    pub(super) fn mark_logged(&self) {
        if let Some(logged) = &self.logged {
            logged.store(true, Ordering::Release);
        }
    }
}

impl PartialEq for Proposal {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

/// What applying an entry gives whoever proposed it.
#[derive(Debug)]
pub(super) enum Reply {
    /// It was not a batch.
    Nothing,
    /// The outcomes.
    Applied(Applied),
}

/// A node, as the others reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Peer {
    /// `host:port` of its `cluster.listen`; empty while it listens nowhere.
    pub(super) address: String,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// Where the content of a snapshot lies.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Nowhere: a snapshot that was asked for and could not be made, or is still to be received.
    Nowhere,
    /// In a snapshot file.
    File { snapshots: Snapshots, number: u64 },
}
