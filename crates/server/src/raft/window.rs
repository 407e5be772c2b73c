//! The newest entries in memory: those that are not durable yet, and as many behind them as there is room for.

use std::collections::VecDeque;
use std::ops::Range;

use super::types::{Entry, Payload};

/// See the module. Indexes below `base` are in the log only.
#[derive(Debug)]
pub(super) struct Window {
    entries: VecDeque<Entry>,
    /// Index of the first of them, or of the next one.
    base: u64,
    /// Entries below this index are durable.
    durable: u64,
    bytes: usize,
    bytes_max: usize,
}

fn size(entry: &Entry) -> usize {
    let payload = match &entry.payload {
        Payload::Normal(proposal) => proposal.bytes.len(),
        Payload::Blank | Payload::Membership(_) => 0,
    };
    size_of::<Entry>() + payload
}

impl Window {
    /// Nothing in memory of a log that ends before `next`.
    pub(super) fn new(next: u64, bytes_max: usize) -> Self {
        Self { entries: VecDeque::new(), base: next, durable: next, bytes: 0, bytes_max }
    }

    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// Index of the next entry.
    pub(super) fn next(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    /// Goes on at another index, with nothing in memory.
    pub(super) fn skip_to(&mut self, next: u64) {
        *self = Self::new(next, self.bytes_max);
    }

    /// Adds the next entry.
    pub(super) fn push(&mut self, entry: Entry) {
        debug_assert_eq!(entry.log_id.index, self.next(), "a log has no holes");
        self.bytes += size(&entry);
        self.entries.push_back(entry);
    }

    /// Takes note of what is durable, and lets go of what need not be kept.
    pub(super) fn set_durable(&mut self, next: u64) {
        self.durable = next;
        while self.bytes > self.bytes_max && self.base < self.durable && self.pop_front() {}
    }

    /// Drops the entries from `from` on.
    pub(super) fn truncate(&mut self, from: u64) {
        while self.next() > from
            && let Some(last) = self.entries.pop_back()
        {
            self.bytes -= size(&last);
        }
        if self.next() > from {
            self.skip_to(from);
        }
        self.durable = self.durable.min(from);
    }

    /// Drops the entries up to and including `up_to`, which may be beyond the last.
    pub(super) fn purge(&mut self, up_to: u64) {
        while self.base <= up_to && self.pop_front() {}
        if self.base <= up_to {
            self.skip_to(up_to + 1);
        }
    }

    fn pop_front(&mut self) -> bool {
        let Some(first) = self.entries.pop_front() else { return false };
        self.bytes -= size(&first);
        self.base += 1;
        true
    }

    /// The entries of `range` in memory, up to the one with which they exceed `bytes_max`; at least one if there is one.
    pub(super) fn read(&self, range: Range<u64>, bytes_max: usize, into: &mut Vec<Entry>) {
        let from = (range.start.saturating_sub(self.base) as usize).min(self.entries.len());
        let until = (range.end.saturating_sub(self.base) as usize).clamp(from, self.entries.len());
        let mut bytes = 0;
        for entry in self.entries.range(from..until) {
            bytes += size(entry);
            if bytes > bytes_max && !into.is_empty() {
                return;
            }
            into.push(entry.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use openraft::CommittedLeaderId;

    use super::super::types::{LogId, Proposal};
    use super::*;

    fn entry(index: u64) -> Entry {
        let log_id = LogId { leader_id: CommittedLeaderId::new(1, 1), index };
        Entry { log_id, payload: Payload::Normal(Proposal::read(Bytes::from_static(&[0; 1_000]))) }
    }

    fn indexes(window: &Window, range: Range<u64>, bytes_max: usize) -> Vec<u64> {
        let mut entries = Vec::new();
        window.read(range, bytes_max, &mut entries);
        entries.into_iter().map(|entry| entry.log_id.index).collect()
    }

    #[test]
    fn what_is_not_durable_stays() {
        let mut window = Window::new(5, 3_500);
        (5..15).for_each(|index| window.push(entry(index)));
        assert_eq!((window.base(), window.next()), (5, 15), "above its limit, but not durable");
        window.set_durable(7);
        assert_eq!(window.base(), 7);
        window.set_durable(15);
        assert_eq!((window.base(), window.next()), (12, 15));
        assert_eq!(indexes(&window, 0..100, usize::MAX), [12, 13, 14]);
        assert_eq!(indexes(&window, 13..14, usize::MAX), [13]);
        assert_eq!(indexes(&window, 12..15, 2_500), [12, 13]);
        assert_eq!(indexes(&window, 12..15, 0), [12]);
        assert_eq!(indexes(&window, 2..9, usize::MAX), [0; 0]);
    }

    #[test]
    fn both_ends_can_be_cut_beyond_what_is_in_memory() {
        let mut window = Window::new(0, usize::MAX);
        (0..10).for_each(|index| window.push(entry(index)));
        window.truncate(8);
        window.purge(2);
        assert_eq!((window.base(), window.next()), (3, 8));
        window.truncate(1);
        assert_eq!((window.base(), window.next()), (1, 1));
        window.push(entry(1));
        window.purge(20);
        assert_eq!((window.base(), window.next(), window.bytes), (21, 21, 0));
    }
}
