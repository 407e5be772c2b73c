//! Transaction managers: who begins global transactions and decides them.
//!
//! [`global_tx`] does both around a piece of work: commit when it succeeds, rollback when it fails, panics, or is dropped half-way.
//! [`Options`] says more, above all what happens when there is a transaction already ([`Propagation`]). [`GlobalTx`] is for
//! those who decide by hand.

mod global;
mod propagation;
mod run;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use crate::context::suspend;
pub use global::{CommitError, GlobalTx};
pub use propagation::Propagation;
pub use run::{Options, Tx, TxError, global_tx};

use thiserror::Error;

use crate::Xid;
use crate::rm::BoxFuture;

/// How a transaction stands, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// Nobody has decided.
    Active,
    /// Decided to go forward; branches are still being told.
    Committing,
    /// Decided to go back; branches are still being told.
    RollingBack,
    /// All branches have committed.
    Committed,
    /// All branches have been rolled back.
    RolledBack,
    /// It was decided, and it takes a person to end it.
    NeedsAttention,
    /// It is not known (any more).
    Unknown,
}

/// What a coordinator that knows says to a participant in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Decision {
    /// Make it final.
    Commit,
    /// Undo it.
    Rollback,
    /// Wait, and ask again.
    Undecided,
    /// It ended too long ago, or somebody stopped it by hand: a person has to find out. Never a reason to undo anything.
    Forgotten,
}

/// Why a transaction was not begun, or why what became of it is not what was asked for.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The coordinator refused.
    #[error("refused: {0}")]
    Refused(String),
    /// The opposite has been decided, by its time-out perhaps.
    #[error("it was decided otherwise: {0:?}")]
    Otherwise(Status),
    /// Nobody knows whether the request was carried out. Asking again with the same id tells.
    #[error("the coordinator cannot be asked: {0}")]
    Unreachable(String),
}

/// A coordinator, as transaction managers see it. Cheap to share.
pub trait Backend: Send + Sync {
    /// Begins a transaction that is rolled back if it is not decided within `timeout`.
    fn begin<'a>(&'a self, name: &'a str, timeout: Duration) -> BoxFuture<'a, Result<Xid, Error>>;

    /// Decides to commit. `Ok` once it can no longer be rolled back.
    fn commit<'a>(&'a self, xid: &'a Xid) -> BoxFuture<'a, Result<Status, Error>>;

    /// Decides to roll back. `Ok` once it can no longer be committed.
    fn rollback<'a>(&'a self, xid: &'a Xid) -> BoxFuture<'a, Result<Status, Error>>;

    /// What a participant in doubt has to do with its prepared work.
    fn decision<'a>(&'a self, xid: &'a Xid) -> BoxFuture<'a, Result<Decision, Error>>;

    /// How it stands.
    fn status<'a>(&'a self, xid: &'a Xid) -> BoxFuture<'a, Result<Status, Error>>;
}
