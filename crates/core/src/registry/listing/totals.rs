//! What can be said of the list without looking at it: counts that change with it.

use crate::registry::instance::{Record, Status};

/// Counts over the whole list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    statuses: [u64; 5],
    /// Applications with at least one instance.
    pub applications: u64,
    /// Instances that were restored and not heard of since.
    pub provisional: u64,
    /// Renewals per million seconds that all confirmed instances together mean to send.
    pub renewals_per_megasecond: u64,
}

impl Totals {
    /// Instances with this status.
    pub fn of(&self, status: Status) -> u64 {
        self.statuses[status as usize]
    }

    /// All instances.
    pub fn instances(&self) -> u64 {
        self.statuses.iter().sum()
    }

    /// Eureka's list hash: `STATUS_count_` in the order of the names, empty when there is nobody (`eureka.md` 3.7).
    pub fn hash(&self) -> String {
        let present = Status::ALL.into_iter().filter(|status| self.of(*status) > 0);
        present.map(|status| format!("{status}_{}_", self.of(status))).collect()
    }

    /// Counts one more record.
    pub fn add(&mut self, record: &Record) {
        self.count(record, 1);
    }

    pub(super) fn count(&mut self, record: &Record, sign: i64) {
        let step = |counter: &mut u64, by: u64| *counter = counter.wrapping_add_signed(sign * by as i64);
        step(&mut self.statuses[record.status as usize], 1);
        if record.provisional {
            step(&mut self.provisional, 1);
        } else {
            step(
                &mut self.renewals_per_megasecond,
                1_000_000 / u64::from(record.instance.renewal_interval_s.max(1)),
            );
        }
    }
}
