//! Doubts: runs several registry nodes on virtual time, over a network that misbehaves, and checks what must never happen.
//!
//! One seed derives the whole run: how many nodes and clients there are, how the network misbehaves, what clients and
//! operators do, which nodes crash, whose clock is wrong. [`run`] of the same seed is the same run, event by event.
//!
//! A run has two phases. First everything goes wrong that the [`plan`] has in store, while every [`invariant`] is checked
//! at each step or each second. Then the faults stop and nobody does anything new (the *heal* phase): within
//! [`Plan::heal_ms`] of virtual time all nodes must have come to show the same list, and the right one.
//!
//! | module | part |
//! |---|---|
//! | [`plan`] | what a seed stands for |
//! | [`world`] | the loop over events, and who is in it |
//! | [`node`] | one node: the real `core::registry` with a link to each peer, as the server's shell drives them |
//! | [`java`] | one Java Eureka server, from its specification |
//! | [`client`] | what an instance does: registers, renews, fails over, leaves, dies |
//! | [`net`] | loss, delay, duplicates, cuts |
//! | [`truth`] | what really happened, against which the lists are held |
//! | [`invariant`] | one file for each thing that must hold |
//!
//! Self-preservation and the cap on evictions are switched off but in worlds of their own ([`Kind::Preserve`]): they hold back
//! evictions on purpose, so that "a dead instance is gone after two leases" is no promise while they act.
//!
//! How it is known that the checks bite: see `README.md`.

pub mod client;
mod dialect;
pub mod invariant;
pub mod java;
pub mod net;
pub mod node;
pub mod plan;
mod serve;
pub mod timeline;
pub mod truth;
pub mod txn;
pub mod world;

pub use invariant::Violation;
pub use plan::{Kind, Plan};
pub use world::{Report, World};

/// Runs one seed of a kind of worlds. The error says what was violated and when, and holds the timeline.
pub fn run(kind: Kind, seed: u64, verbose: bool) -> Result<Report, Box<Violation>> {
    World::new(Plan::new(kind, seed), verbose).run()
}
