//! What makes the load of one row.

use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::histogram::Latency;

/// Since a load began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Transfers that were made, and whose branches have ended.
    pub(super) finished: u64,
    /// Transfers that were undone, because accounts did not get free.
    pub(super) rolled_back: u64,
    /// The money of those that were made.
    pub(super) moved: i64,
}

/// What happened while it was measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Window {
    /// Until it began.
    pub(super) before: Counts,
    /// Until it ended.
    pub(super) after: Counts,
    pub(super) seconds: f64,
    /// From begin to where the client knows that the transfer is made.
    pub(super) answered: Latency,
    /// From begin to where the branches have ended.
    pub(super) ended: Latency,
}

/// Clients, each of which makes one transfer after the other.
pub(super) trait Driver {
    /// Lets them go on for a while.
    ///
    /// # Errors
    /// When a transfer fails, or nobody knows whether it was made.
    fn measure(&mut self, time: Duration) -> Result<Window>;

    /// Has them end the transfers that they are at. What ends branches, or cleans up, goes on.
    ///
    /// # Errors
    /// As [`Self::measure`].
    fn stop(&mut self) -> Result<Counts>;

    /// The process that makes the load.
    fn pid(&self) -> u32;
}
