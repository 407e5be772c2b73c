//! What happened to the transactions of a load, as far as their clients can see it.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::histogram::Histogram;

/// Counts since a load began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Transactions whose commit was answered with success.
    pub(super) acknowledged: u64,
    /// Of these, those of which every branch was told to commit.
    pub(super) finished: u64,
    /// Transactions that were rolled back because rows did not get free.
    pub(super) rolled_back: u64,
    /// Answers that somebody else has a row.
    pub(super) conflicts: u64,
    /// Branches that were told what to do once more than that.
    pub(super) repeated: u64,
    /// Branches that were told the contrary of what their client was told.
    pub(super) wrong: u64,
}

impl Counts {
    /// Those that are acknowledged and not finished.
    pub(super) fn backlog(&self) -> u64 {
        self.acknowledged.saturating_sub(self.finished)
    }

    /// What came in between.
    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            acknowledged: self.acknowledged - before.acknowledged,
            finished: self.finished - before.finished,
            rolled_back: self.rolled_back - before.rolled_back,
            conflicts: self.conflicts - before.conflicts,
            repeated: self.repeated - before.repeated,
            wrong: self.wrong - before.wrong,
        }
    }
}

/// Transactions by client and number within it.
type Key = u64;

/// Of a transaction that is not finished.
#[derive(Debug)]
struct Open {
    branches_left: usize,
    is_acknowledged: bool,
}

/// Follows every branch from its registration to its end.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) counts: Counts,
    /// Of transactions whose commit was answered while [`Self::is_measuring`].
    pub(super) latency: Histogram,
    pub(super) is_measuring: bool,
    branches: HashMap<i64, Key>,
    open: HashMap<Key, Open>,
}

impl Ledger {
    /// A branch was registered.
    pub(super) fn registered(&mut self, transaction: Key, branch: i64) {
        self.branches.insert(branch, transaction);
        let fresh = || Open { branches_left: 0, is_acknowledged: false };
        self.open.entry(transaction).or_insert_with(fresh).branches_left += 1;
    }

    /// A branch was told to commit.
    pub(super) fn committed(&mut self, branch: i64) {
        let Some(transaction) = self.branches.remove(&branch) else {
            self.counts.repeated += 1;
            return;
        };
        let Some(open) = self.open.get_mut(&transaction) else {
            self.counts.wrong += 1;
            return;
        };
        open.branches_left -= 1;
        self.close_if_finished(transaction);
    }

    /// A commit was answered with success.
    pub(super) fn acknowledged(&mut self, transaction: Key, latency: Duration) {
        self.counts.acknowledged += 1;
        if self.is_measuring {
            self.latency.record(latency);
        }
        let without_branches = || Open { branches_left: 0, is_acknowledged: true };
        self.open.entry(transaction).or_insert_with(without_branches).is_acknowledged = true;
        self.close_if_finished(transaction);
    }

    /// A transaction was rolled back. Its branches may hear of it later.
    pub(super) fn rolled_back(&mut self, transaction: Key) {
        self.counts.rolled_back += 1;
        self.open.remove(&transaction);
    }

    /// A branch was told to roll back.
    pub(super) fn undone(&mut self, branch: i64) {
        match self.branches.remove(&branch).and_then(|transaction| self.open.get(&transaction)) {
            None => {}
            Some(open) => self.counts.wrong += u64::from(open.is_acknowledged),
        }
    }

    fn close_if_finished(&mut self, transaction: Key) {
        if self.open.get(&transaction).is_some_and(|open| open.is_acknowledged && open.branches_left == 0) {
            self.open.remove(&transaction);
            self.counts.finished += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_is_what_is_acknowledged_and_told_to_every_branch() {
        let mut ledger = Ledger::default();
        ledger.registered(1, 11);
        ledger.registered(1, 12);
        ledger.committed(12);
        ledger.acknowledged(1, Duration::from_millis(1));
        assert_eq!((ledger.counts.acknowledged, ledger.counts.finished, ledger.counts.backlog()), (1, 0, 1));
        ledger.committed(11);
        ledger.committed(11);
        assert_eq!((ledger.counts.finished, ledger.counts.repeated), (1, 1));
        assert_eq!(ledger.counts.wrong, 0);
    }

    #[test]
    fn one_without_branches_is_finished_at_once() {
        let mut ledger = Ledger { is_measuring: true, ..Ledger::default() };
        ledger.acknowledged(1, Duration::from_millis(1));
        assert_eq!((ledger.counts.finished, ledger.latency.count()), (1, 1));
    }

    #[test]
    fn one_that_was_rolled_back_is_no_backlog() {
        let mut ledger = Ledger::default();
        ledger.registered(1, 11);
        ledger.undone(11);
        ledger.rolled_back(1);
        assert_eq!((ledger.counts.backlog(), ledger.counts.rolled_back, ledger.counts.wrong), (0, 1, 0));
    }

    #[test]
    fn branches_that_go_the_other_way_are_wrong() {
        let mut ledger = Ledger::default();
        ledger.registered(1, 11);
        ledger.acknowledged(1, Duration::from_millis(1));
        ledger.undone(11);
        ledger.registered(2, 21);
        ledger.rolled_back(2);
        ledger.committed(21);
        assert_eq!(ledger.counts.wrong, 2);
    }
}
