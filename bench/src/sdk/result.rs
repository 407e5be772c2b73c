//! What was measured, as it is kept from run to run: each row has the date, the machine and the command of its own.

use serde::{Deserialize, Serialize};

use super::{report, scenario};
use crate::coordinator::System;
use crate::histogram::Latency;
use crate::result::Origin;
use crate::suite;

/// The figures of a row.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Measured {
    /// Transfers that are made, and whose branches have ended.
    pub(super) per_second: f64,
    /// From begin to where the client knows that the transfer is made.
    pub(super) answered: Latency,
    /// From begin to where the branches have ended, and the client makes the next one.
    pub(super) ended: Latency,
    /// CPU seconds for 1,000 finished transfers, until nothing was left of them.
    pub(super) client_cpu_per_1000: f64,
    pub(super) coordinator_cpu_per_1000: f64,
    pub(super) databases_cpu_per_1000: f64,
    /// Flushes of the disk's cache for each, by databases and coordinator.
    pub(super) flushes: Option<f64>,
    /// After the load, until nothing was left: undo logs, messages, what was prepared.
    pub(super) drain_seconds: f64,
    /// Cores that neither of the programs used meanwhile, at least.
    pub(super) others_cores: f64,
}

/// What a row is compared with: the plain transactions of the same language, clients and run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Base {
    per_second: f64,
    p50_ms: f64,
    cpu_per_1000: f64,
}

impl Base {
    pub(super) fn of(measured: &Measured) -> Self {
        Self {
            per_second: measured.per_second,
            p50_ms: measured.answered.p50_ms,
            cpu_per_1000: measured.cpu_per_1000(),
        }
    }
}

impl Measured {
    /// Of all programs.
    pub(super) fn cpu_per_1000(&self) -> f64 {
        self.client_cpu_per_1000 + self.coordinator_cpu_per_1000 + self.databases_cpu_per_1000
    }

    /// How much longer the client waits for its answer, in ms; how many times as long a transfer takes altogether, and how
    /// many times as much CPU.
    pub(super) fn overhead(&self, base: &Base) -> (f64, f64, f64) {
        let longer_ms = self.answered.p50_ms - base.p50_ms;
        (longer_ms, base.per_second / self.per_second, self.cpu_per_1000() / base.cpu_per_1000)
    }
}

/// A way to make transfers, at one number of clients.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) work: String,
    pub(super) clients: usize,
    pub(super) system: Option<System>,
    pub(super) measured: Measured,
    pub(super) base: Option<Base>,
    pub(super) notes: Vec<String>,
    pub(super) origin: Origin,
}

/// All that is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Results {
    pub(super) rows: Vec<Row>,
}

impl suite::Results for Results {
    const NAME: &'static str = "sdk";
    type Found = Row;

    fn put(&mut self, row: Row) {
        suite::replace(&mut self.rows, row, |row| (scenario::position(&row.id), row.id.clone()));
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
