//! What must never happen, one file each.
//!
//! | file | it holds that |
//! |---|---|
//! | [`atomicity`] | all branches of a transaction went the same way, by the participants' own records |
//! | [`decision`] | no decision is reversed, neither in the state nor as told to anybody |
//! | [`turned`] | no action is called after a compensation of its saga was |
//! | [`ends`] | everything that was begun ends once nothing goes wrong any more |
//! | [`silence`] | nobody is called after the end |
//! | [`contract`] | nobody is called more often, earlier or in another order than the contract says |
//! | [`survival`] | what was acknowledged survives every crash |
//! | [`delivery`] | a message is delivered if and only if its initiator's local transaction committed |
//! | [`rows`] | no two hold a row, none is held beyond its branch, whoever has changed one may undo it, and what is in it is right |
//! | [`ids`] | no id is given out twice |

pub mod atomicity;
pub mod contract;
pub mod decision;
pub mod delivery;
pub mod ends;
pub mod ids;
pub mod rows;
pub mod silence;
pub mod survival;
pub mod turned;

use std::fmt;

use synod_core::txn::drive::Call;

use super::plan::Plan;
use super::world::World;

/// What did not hold.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Which oracle.
    pub oracle: &'static str,
    /// The id of the transaction in question, or empty.
    pub subject: String,
    /// What was seen.
    pub what: String,
}

impl Broken {
    /// A finding.
    pub fn new(oracle: &'static str, subject: impl ToString, what: String) -> Self {
        Self { oracle, subject: subject.to_string(), what }
    }
}

/// A run that went wrong.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Reproduces it.
    pub seed: u64,
    /// Virtual time.
    pub at_ms: u64,
    /// What the seed stands for.
    pub plan: Plan,
    /// What did not hold.
    pub broken: Broken,
    /// What happened before.
    pub timeline: String,
}

impl Violation {
    /// How to see it again.
    pub fn reproduce(&self) -> String {
        format!("reproduce: cargo run -p synod-sim -- txn --seed {} --verbose", self.seed)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, at_ms, plan, broken, timeline } = self;
        let seconds = *at_ms as f64 / 1_000.0;
        write!(
            f,
            "{timeline}seed {seed}: `{}` broken after {seconds:.3} s, transaction {}: {}\n{plan:?}",
            broken.oracle, broken.subject, broken.what
        )
    }
}

impl std::error::Error for Violation {}

/// The coordinator makes a call.
pub(super) fn call_made(world: &mut World, call: &Call) -> Result<(), Broken> {
    silence::made(world, call)?;
    turned::made(world, call)?;
    contract::made(world, call)
}

/// All is over.
pub(super) fn at_the_end(world: &World) -> Result<(), Broken> {
    ends::all(world)?;
    survival::at_the_end(world)?;
    atomicity::at_the_end(world)?;
    delivery::at_the_end(world)?;
    rows::at_the_end(world)
}
