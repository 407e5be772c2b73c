//! What must never happen, one file each.
//!
//! | file | it holds that |
//! |---|---|
//! | [`convergence`] | (a) after the faults stop, all nodes come to show the same list, and the right one |
//! | [`eviction`] | (b) nobody is taken off, or missing, whose renewals arrive at a node that can be reached |
//! | [`departed`] | (c) nobody who left or died is listed after two leases |
//! | [`lease`] | (d) no lease is longer than the signs of life that clients really gave |
//! | [`hash`] | (e) the hash is that of the content, at each node, at every step |
//! | [`preserved`] | (f) self-preservation: a fleet that is cut off is not evicted |

pub mod convergence;
pub mod departed;
pub mod eviction;
pub mod hash;
pub mod lease;
pub mod preserved;

use std::fmt;

use crate::plan::Plan;
use crate::world::World;

/// What did not hold.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Which invariant.
    pub invariant: &'static str,
    /// The id of the instance in question, or empty.
    pub subject: String,
    /// What was seen.
    pub what: String,
}

impl Broken {
    /// A finding.
    pub fn new(invariant: &'static str, subject: &str, what: String) -> Self {
        Self { invariant, subject: subject.to_owned(), what }
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
        let kind = self.plan.kind.as_str();
        format!("reproduce: cargo run -p synod-sim -- --world {kind} --seed {} --verbose", self.seed)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, at_ms, plan, broken, timeline } = self;
        write!(
            f,
            "{timeline}seed {seed}: invariant `{}` broken after {:.3} s: {}\n{plan:?}",
            broken.invariant,
            *at_ms as f64 / 1_000.0,
            broken.what
        )
    }
}

impl std::error::Error for Violation {}

/// What is checked at each node once a second.
pub(crate) fn each_second(world: &World, node: usize) -> Result<(), Broken> {
    eviction::missing(world, node)?;
    departed::check(world, node)?;
    lease::check(world, node)
}
