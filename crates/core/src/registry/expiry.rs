//! Which leases and tombs may have run out.
//!
//! Each lease has one ticket, filed under the second in which it was to end when the ticket was written. Renewals do not
//! touch tickets: when its second comes, a lease that was renewed is filed anew. The work is one look-up per lease and
//! lease time, whatever the rate of renewals.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A ticket that came up.
#[derive(Clone, Debug)]
pub struct Due {
    /// Application.
    pub app: Arc<str>,
    /// Instance.
    pub id: Arc<str>,
    /// The ticket's number; the lease or tomb that it stood for may have another by now.
    pub ticket: u64,
}

/// Tickets by the second in which they come up.
#[derive(Debug, Default)]
pub struct Expiry {
    seconds: BTreeMap<u64, Vec<Due>>,
    overdue: Vec<Due>,
    last_ticket: u64,
}

impl Expiry {
    /// Files a ticket for the first whole second after `deadline_mono`; returns its number and second.
    pub fn file(&mut self, app: &Arc<str>, id: &Arc<str>, deadline_mono: u64) -> (u64, u64) {
        self.last_ticket += 1;
        let due = Due { app: Arc::clone(app), id: Arc::clone(id), ticket: self.last_ticket };
        (self.last_ticket, self.refile(due, deadline_mono))
    }

    /// Files a ticket again, with its number; returns its second.
    pub fn refile(&mut self, due: Due, deadline_mono: u64) -> u64 {
        let second = second_of(deadline_mono);
        self.seconds.entry(second).or_default().push(due);
        second
    }

    /// Puts back a ticket whose lease ran out but may not be evicted yet.
    pub fn keep_overdue(&mut self, due: Due) {
        self.overdue.push(due);
    }

    /// Leases that ran out and were not evicted when last looked at.
    pub fn overdue(&self) -> usize {
        self.overdue.len()
    }

    /// Takes out what came up until `mono_ms`, with everything overdue.
    pub fn take(&mut self, mono_ms: u64) -> Vec<Due> {
        let later = self.seconds.split_off(&(mono_ms / 1_000 + 1));
        let came_up = std::mem::replace(&mut self.seconds, later);
        let mut due = std::mem::take(&mut self.overdue);
        due.extend(came_up.into_values().flatten());
        due
    }
}

/// The first whole second at which a deadline has passed.
pub(super) fn second_of(deadline_mono: u64) -> u64 {
    deadline_mono / 1_000 + 1
}
