//! The AP registry: who is there, until when, and what changed.
//!
//! [`Registry`] is the one entry. Behind it:
//!
//! | module | concern |
//! |---|---|
//! | [`instance`] | what a client says of itself, and the record the registry makes of it |
//! | [`rules`] | which status is shown, which version wins |
//! | [`lease`] | leases of one application and the graves of those that left |
//! | [`expiry`] | which leases may have run out, found without touching a timer on renewal |
//! | [`preserve`] | self-preservation, measured |
//! | [`listing`] | the versioned, chunked list that readers see, with its counts and changes |
//!
//! # Invariants
//!
//! - A renewal changes two atomics and nothing else: no version, no list, no allocation.
//! - Each other change raises the version by one, and list, counts, and version change under one lock: a snapshot is
//!   of exactly one version.
//! - Locks are taken in the order application shard, then listing or expiry, never the other way round, and no guard
//!   leaves a function of this module.

pub mod change;
pub mod evict;
pub mod expiry;
pub mod instance;
pub mod lane;
pub mod lease;
pub mod link;
pub mod listing;
pub mod merge;
pub mod preserve;
pub mod rules;
mod store;
pub mod survey;
pub mod sync;
pub mod tally;

pub use change::{Origin, Refusal};
pub use instance::{Action, DataCenter, Instance, Port, Rare, Record, Status};
pub use listing::{Change, ChangeKind, Chunk, Edit, Listed, Recent, Snapshot, Totals, Vip};
pub use store::{Found, Registry, Renewal, Settings};
