//! What was measured, as it is kept from run to run: each row has the date, the machine and the command of its own.

use serde::{Deserialize, Serialize};

use super::server::System;
use super::work::Work;
use super::{Bench, report, rows};
use crate::histogram::Latency;
use crate::result::Origin;
use crate::suite;

/// Cores that others may use meanwhile before a row says that it was not alone.
const OTHERS_CORES_MAX: f64 = 0.05;

/// What Synod has to reach at this load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Goal {
    pub(super) per_second: f64,
    pub(super) p99_ms: Option<f64>,
    pub(super) cpu_per_1000: Option<f64>,
}

impl Goal {
    /// What the issue asks for, by the number of clients.
    pub(super) fn at(clients: usize) -> Option<Self> {
        match clients {
            1 => Some(Self { per_second: 1_200.0, p99_ms: None, cpu_per_1000: None }),
            8 => Some(Self { per_second: 6_000.0, p99_ms: Some(5.0), cpu_per_1000: Some(0.12) }),
            64 => Some(Self { per_second: 7_500.0, p99_ms: Some(20.0), cpu_per_1000: Some(0.10) }),
            _ => None,
        }
    }

    /// The parts that are missed.
    pub(super) fn missed(&self, row: &Row) -> Vec<&'static str> {
        let above = |limit: Option<f64>, value: Option<f64>| {
            limit.zip(value).is_some_and(|(limit, value)| value > limit)
        };
        let mut missed = Vec::new();
        if row.measured.per_second < self.per_second {
            missed.push("tx/s");
        }
        if above(self.p99_ms, Some(row.measured.latency.p99_ms)) {
            missed.push("p99");
        }
        if above(self.cpu_per_1000, row.measured.cpu_per_1000) {
            missed.push("CPU");
        }
        missed
    }
}

/// The figures of a row.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Measured {
    /// Finished transactions.
    pub(super) per_second: f64,
    /// From the first request of a transaction to its end.
    pub(super) latency: Latency,
    /// CPU seconds of the server's processes for 1,000 transactions.
    pub(super) cpu_per_1000: Option<f64>,
    /// Flushes of the disk's cache for each transaction.
    pub(super) flushes: Option<f64>,
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

/// Many open transactions at one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) system: System,
    pub(super) open: usize,
    pub(super) resident_mib: f64,
    /// From the start of the process after `kill -9`.
    pub(super) ready_seconds: f64,
    /// The same, to the first call of a branch; none: it did not come in time.
    pub(super) first_call_seconds: Option<f64>,
    /// The same, to the end of the last transaction; none: it did not come in time.
    pub(super) all_seconds: Option<f64>,
    /// Finished transactions per second from the first call on.
    pub(super) backlog_per_second: f64,
    pub(super) notes: Vec<String>,
    pub(super) origin: Origin,
}

/// One of both.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Row(Box<Row>),
    Open(Box<Open>),
}

/// All that is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Results {
    pub(super) rows: Vec<Row>,
    pub(super) open: Vec<Open>,
}

impl Bench {
    /// A finished row.
    pub(super) fn row(
        &self,
        work: Work,
        clients: usize,
        system: System,
        measured: Measured,
        mut notes: Vec<String>,
    ) -> Row {
        if measured.others_cores > OTHERS_CORES_MAX {
            notes.push(format!("NOT ALONE: others used {:.2} cores meanwhile", measured.others_cores));
        }
        Row {
            id: rows::id(work, clients),
            work: work.text().into(),
            clients,
            system,
            measured,
            goal: Goal::at(clients).filter(|_| system == System::Synod),
            notes,
            origin: self.origin.clone(),
        }
    }
}

impl suite::Results for Results {
    const NAME: &'static str = "txn";
    type Found = Found;

    fn put(&mut self, found: Found) {
        match found {
            Found::Row(row) => suite::replace(&mut self.rows, *row, |row| {
                (rows::position(&row.id), row.id.clone(), row.system as usize)
            }),
            Found::Open(open) => suite::replace(&mut self.open, *open, |open| open.system as usize),
        }
    }

    fn len(&self) -> usize {
        self.rows.len() + self.open.len()
    }

    fn text(&self) -> String {
        report::text(self)
    }

    fn markdown(&self) -> String {
        report::markdown(self)
    }
}
