//! What makes the load of one row.

use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::ledger::Counts;
use crate::histogram::Latency;

/// What happened while it was measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Window {
    /// Until it began.
    pub(super) before: Counts,
    /// Until it ended.
    pub(super) after: Counts,
    pub(super) seconds: f64,
    /// From begin to the answer to the commit.
    pub(super) latency: Latency,
}

/// The end of a load.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Drained {
    /// All that happened.
    pub(super) counts: Counts,
    /// Until no transaction was unfinished, or until one had waited long enough.
    pub(super) seconds: f64,
}

/// A load generator, under way since it was made.
pub(super) trait Driver {
    /// Goes on for a while.
    ///
    /// # Errors
    /// When a client was answered something that it must not be.
    fn measure(&mut self, time: Duration) -> Result<Window>;

    /// Begins no more transactions and waits, up to a limit, until all have finished.
    ///
    /// # Errors
    /// As [`Self::measure`].
    fn drain(&mut self, limit: Duration) -> Result<Drained>;

    /// The process that makes the load, when it is not this one.
    fn pid(&self) -> Option<u32>;
}
