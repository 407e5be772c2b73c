//! Global transactions under fire: the real state, codec, batcher and driver on virtual time, among participants and
//! initiators that crash, over a network that loses, repeats and delays, over the real log and snapshots on a disk that loses power,
//! tears writes, fails to flush and fills up.
//!
//! One seed derives the whole run. First everything goes wrong that the [`plan`] has in store, then it heals: nothing is lost
//! any more, whoever is down comes back, and everything that was begun has to end within [`plan::HEAL_MS`].
//!
//! | module | part |
//! |---|---|
//! | [`plan`] | what a seed stands for |
//! | [`world`] | the loop over events, the coordinator with its log on a bad disk, the network |
//! | [`participant`] | who takes part, and its own record of what it did |
//! | [`database`] | the rows that participants change and restore, and what ought to be in them |
//! | [`client`] | who begins, enlists and decides, and what it believes |
//! | [`record`] | what was promised and called, against which things are held |
//! | [`oracle`] | one file for each thing that must hold |
//!
//! What counts is the participants' own record, never what the coordinator says of itself.

pub mod client;
pub mod database;
pub mod oracle;
pub mod participant;
pub mod plan;
pub mod record;
pub mod world;

pub use oracle::Violation;
pub use plan::{Breakage, Plan};
pub use world::{Report, World};

/// Runs one seed. The error says what was violated and when, and holds the timeline.
pub fn run(seed: u64, verbose: bool) -> Result<Report, Box<Violation>> {
    World::new(Plan::new(seed), verbose).run()
}

/// Runs one seed with something broken on purpose.
pub fn run_broken(seed: u64, breakage: Breakage) -> Result<Report, Box<Violation>> {
    World::new(Plan { breakage, ..Plan::new(seed) }, false).run()
}
