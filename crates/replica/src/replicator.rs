//! The seam between the coordinator and whatever agrees.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use synod_core::txn::Batch;
use thiserror::Error;

use crate::machine::{Applied, Tidings};

/// Something that will be there later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Makes batches durable and applies them, on this node and on all others.
pub trait Replicator: fmt::Debug + Send + Sync {
    /// Proposes a batch. One at a time: the next one when this one's answer is there.
    ///
    /// New work ([`Command::is_new_work`]) in it is refused, and only that, while the disk has room for nothing but what was
    /// accepted before: its outcomes are then `Refusal::Busy`.
    ///
    /// The answer comes after the batch's tidings have gone to the [`Sink`]. Dropping the future takes nothing back.
    ///
    /// [`Command::is_new_work`]: synod_core::txn::Command::is_new_work
    fn propose(&self, batch: Batch) -> Later<'_, Result<Applied, ProposeError>>;

    /// Returns once the state on this node shows everything that was acknowledged anywhere before the call.
    fn read_barrier(&self) -> Later<'_, Result<(), ReadError>>;

    /// What this node is right now.
    fn role(&self) -> Role;

    /// Returns the role once it is another than `seen`.
    fn role_after(&self, seen: Role) -> Later<'_, Role>;

    /// What can be measured.
    fn metrics(&self) -> Metrics;
}

/// Takes what applying brought about, in the order of the log, one entry at a time. Whoever applies waits for it: its queue
/// has a limit, and what empties the queue must not wait for a proposal.
pub trait Sink: fmt::Debug + Send + Sync {
    /// Takes the tidings of one entry. When this is called the state shows them.
    fn take(&self, tidings: Tidings) -> Later<'_, ()>;
}

/// What a node is in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Proposes. Everything that earlier leaders have had acknowledged is applied here.
    Leader {
        /// The term for which it leads: greater than that of any earlier leader.
        term: u64,
    },
    /// Follows, or looks for a leader.
    Follower {
        /// The leader, by its number, if there is one.
        leader: Option<u64>,
    },
    /// Follows without a vote.
    Learner {
        /// The leader, by its number, if there is one.
        leader: Option<u64>,
    },
    /// Has ended.
    Stopped,
}

impl Role {
    /// Whether it proposes.
    pub fn is_leader(self) -> bool {
        matches!(self, Self::Leader { .. })
    }
}

/// What the disk has room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Room {
    /// Anything.
    #[default]
    Any,
    /// To finish what was accepted; new work is refused.
    Reserve,
    /// Nothing until somebody makes room.
    Nothing,
}

/// Why a batch has no outcomes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProposeError {
    /// Another node has to propose it. It was not proposed here and will not take effect.
    #[error("this node is not the leader")]
    NotLeader {
        /// The leader, by its number, if there is one.
        leader: Option<u64>,
    },
    /// There is no room on the disk, not even to finish what was accepted. It was not proposed and will not take effect.
    #[error("no room on the disk")]
    Full,
    /// It may take effect or not. Nobody may be told anything, and it is not proposed again.
    #[error("the outcome is unknown")]
    Unknown,
    /// Consensus or log have failed; this node ends. Whether it takes effect is not known.
    #[error("consensus has failed: {0}")]
    Fatal(Box<str>),
}

/// Why the state on this node may lack something.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// Another node has to be asked.
    #[error("this node is not the leader")]
    NotLeader {
        /// The leader, by its number, if there is one.
        leader: Option<u64>,
    },
    /// The other nodes do not answer.
    #[error("too few nodes answer")]
    NoQuorum,
    /// Consensus or log have failed; this node ends.
    #[error("consensus has failed: {0}")]
    Fatal(Box<str>),
}

/// What can be measured of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// What the node is.
    pub role: Role,
    /// The term.
    pub term: u64,
    /// Index of the last entry in the log.
    pub last_index: u64,
    /// Index of the last entry that was applied.
    pub applied_index: u64,
    /// Index of the last entry that the last snapshot holds.
    pub snapshot_index: u64,
    /// Index of the first entry in the log.
    pub first_index: u64,
    /// Bytes of log since the last snapshot.
    pub log_bytes: u64,
    /// Bytes of the last snapshot.
    pub snapshot_bytes: u64,
    /// Bytes that log and snapshots take on the disk.
    pub disk_bytes: u64,
    /// What the disk has room for.
    pub room: Room,
}
