//! What was measured, as it is kept from run to run: each row has the date, the machine and the command of its own.

use serde::{Deserialize, Serialize};

use super::limits::Limits;
use super::{report, rows};
use crate::coordinator::System;
use crate::histogram::Latency;
use crate::result::Origin;
use crate::suite;

/// Unfinished transactions, per client, that are under way and no backlog.
const UNDER_WAY: u64 = 4;
/// Resident memory that Synod may have, and how much more for each outcome that it has to remember.
const RESIDENT_MIB: f64 = 100.0;
const OUTCOME_BYTES: f64 = 40.0;

/// What Synod has to reach at this load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Goal {
    pub(super) per_second: f64,
    pub(super) p99_ms: Option<f64>,
    pub(super) cpu_per_1000: Option<f64>,
}

impl Goal {
    /// The parts that are missed.
    pub(super) fn missed(&self, row: &Row) -> Vec<&'static str> {
        let above = |limit: Option<f64>, value: f64| limit.is_some_and(|limit| value > limit);
        let measured = &row.measured;
        let memory = RESIDENT_MIB + measured.remembered as f64 * OUTCOME_BYTES / f64::from(1 << 20);
        let parts = [
            (measured.finished_per_second < self.per_second, "tx/s"),
            (above(self.p99_ms, measured.latency.p99_ms), "p99"),
            (above(self.cpu_per_1000, measured.cpu_per_1000), "CPU"),
            (measured.backlog_after > UNDER_WAY * row.clients as u64, "backlog"),
            (measured.resident_mib > memory, "memory"),
        ];
        parts.into_iter().filter(|(is_missed, _)| *is_missed).map(|(_, name)| name).collect()
    }
}

/// The figures of a row.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Measured {
    /// Transactions whose commit was answered and whose branches were all told.
    pub(super) finished_per_second: f64,
    /// Transactions whose commit was answered.
    pub(super) acknowledged_per_second: f64,
    /// What clients could do that waited for disk and network only.
    pub(super) limit_per_second: f64,
    /// What that is made of.
    pub(super) limits: Limits,
    /// From begin to the answer to the commit.
    pub(super) latency: Latency,
    /// CPU seconds of the server for 1,000 finished transactions, until the last was finished.
    pub(super) cpu_per_1000: f64,
    /// CPU seconds of the load generator for 1,000 acknowledged ones.
    pub(super) load_cpu_per_1000: f64,
    /// Cores that the load generator left to the server.
    pub(super) cores_left: f64,
    /// Flushes of the disk's cache for each finished transaction.
    pub(super) flushes: Option<f64>,
    /// Acknowledged and not finished, when measuring began and when it ended.
    pub(super) backlog_before: u64,
    pub(super) backlog_after: u64,
    /// After that, until all were finished.
    pub(super) drain_seconds: f64,
    /// Never finished.
    pub(super) left: u64,
    /// Outcomes that the server may have to remember: of all since it was started.
    pub(super) remembered: u64,
    pub(super) resident_mib: f64,
    pub(super) ready_ms: f64,
    /// Cores that neither the server nor the load generator used meanwhile, at least.
    pub(super) others_cores: f64,
}

/// A load at one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) work: String,
    pub(super) clients: usize,
    pub(super) system: System,
    pub(super) measured: Measured,
    pub(super) goal: Option<Goal>,
    pub(super) notes: Vec<String>,
    pub(super) origin: Origin,
}

/// All that is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Results {
    pub(super) rows: Vec<Row>,
}

impl suite::Results for Results {
    const NAME: &'static str = "seata";
    type Found = Row;

    fn put(&mut self, row: Row) {
        suite::replace(&mut self.rows, row, |row| {
            (rows::position(&row.id), row.id.clone(), row.system as usize)
        });
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn text(&self) -> String {
        report::text(self)
    }

    fn markdown(&self) -> String {
        report::markdown(self)
    }
}
