//! Who waits for whom: transactions that asked for rows which another one holds.
//!
//! Nobody waits here. Whoever is refused a row asks again by itself, up to a few hundred times a second, and nothing of that is in
//! the log. So a wait is what was refused lately, remembered on the node that refused it, for people who look for who is in the
//! way.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use synod_base::xid::Xid;
use synod_core::txn::lock::HeldRow;

/// Waits that are remembered; of more than that the oldest go.
const REMEMBERED: usize = 512;
/// Bytes that are kept of a name in a row's.
const NAME_BYTES_MAX: usize = 256;

/// One transaction was refused a row of another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Who asked.
    pub waiter: Xid,
    /// Who had the row.
    pub holder: Xid,
    /// The database.
    pub resource: Box<str>,
    /// The table.
    pub table: Box<str>,
    /// The row's key in it.
    pub key: Box<str>,
    /// How often it was refused, since this holder was in the way.
    pub count: u64,
    /// When for the first time, in milliseconds since 1970.
    pub first_ms: u64,
    /// When for the last time.
    pub last_ms: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Conflicts(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// In the order in which they began, from `next` on around.
    ring: Vec<Conflict>,
    next: usize,
    /// Places in the ring. A transaction waits for one other at a time.
    by_waiter: HashMap<Xid, usize>,
}

impl Conflicts {
    /// A transaction was refused a row. `row` says which, and is asked only when that is not known already.
    pub(super) fn note(
        &self,
        waiter: Xid,
        holder: Xid,
        now_ms: u64,
        row: impl FnOnce() -> Option<HeldRow<Box<str>>>,
    ) {
        let again = self.with(|inner| {
            let known = inner.known(waiter).filter(|known| known.holder == holder)?;
            known.count += 1;
            known.last_ms = now_ms;
            Some(())
        });
        if again.is_some() {
            return;
        }
        // Not under the lock: it looks at the state. Gone meanwhile, it is nobody's way any more.
        let Some(row) = row() else { return };
        let [resource, table, key] = [row.resource, row.table, row.key].map(shortened);
        let (first_ms, last_ms) = (now_ms, now_ms);
        self.with(|inner| {
            inner.put(Conflict { waiter, holder, resource, table, key, count: 1, first_ms, last_ms });
        });
    }

    /// All that are remembered, those that were refused last first.
    pub(super) fn all(&self) -> Vec<Conflict> {
        let mut all = self.with(|inner| inner.ring.clone());
        all.sort_by_key(|conflict| std::cmp::Reverse(conflict.last_ms));
        all
    }

    fn with<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn known(&mut self, waiter: Xid) -> Option<&mut Conflict> {
        self.ring.get_mut(*self.by_waiter.get(&waiter)?)
    }

    fn put(&mut self, new: Conflict) {
        if let Some(known) = self.known(new.waiter) {
            *known = new;
            return;
        }
        let at = self.next;
        self.next = (at + 1) % REMEMBERED;
        self.by_waiter.insert(new.waiter, at);
        match self.ring.get_mut(at) {
            None => self.ring.push(new),
            Some(old) => {
                self.by_waiter.remove(&old.waiter);
                *old = new;
            }
        }
    }
}

fn shortened(name: Box<str>) -> Box<str> {
    if name.len() <= NAME_BYTES_MAX {
        return name;
    }
    format!("{}…", &name[..name.floor_char_boundary(NAME_BYTES_MAX)]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xid(number: u64) -> Xid {
        Xid::from_number(number).unwrap()
    }

    fn row(key: &str) -> Option<HeldRow<Box<str>>> {
        Some(HeldRow { resource: "db".into(), table: "t".into(), key: key.into() })
    }

    #[test]
    fn repeated_refusals_are_one_wait_until_another_is_in_the_way() {
        let conflicts = Conflicts::default();
        conflicts.note(xid(2), xid(1), 10, || row("a"));
        conflicts.note(xid(2), xid(1), 30, || panic!("the row is known"));
        conflicts.note(xid(3), xid(1), 20, || row("b"));
        let seen = |conflicts: &Conflicts| -> Vec<(u64, u64, String, u64, u64, u64)> {
            let all = conflicts.all().into_iter();
            all.map(|c| (c.waiter.number(), c.holder.number(), c.key.into(), c.count, c.first_ms, c.last_ms))
                .collect()
        };
        assert_eq!(seen(&conflicts), [(2, 1, "a".into(), 2, 10, 30), (3, 1, "b".into(), 1, 20, 20)]);
        conflicts.note(xid(2), xid(4), 40, || row("c"));
        assert_eq!(seen(&conflicts)[0], (2, 4, "c".into(), 1, 40, 40));
        conflicts.note(xid(5), xid(4), 50, || None);
        assert_eq!(conflicts.all().len(), 2, "whose row is free again does not wait");
    }

    #[test]
    fn there_are_never_more_than_so_many_and_the_first_ones_go() {
        let conflicts = Conflicts::default();
        let last = REMEMBERED as u64 + 10;
        for number in 1..=last {
            conflicts.note(xid(number), xid(1_000_000), number, || row("a"));
        }
        let numbers = |conflicts: &Conflicts| -> Vec<u64> {
            conflicts.all().iter().map(|conflict| conflict.waiter.number()).collect()
        };
        assert_eq!(numbers(&conflicts), (11..=last).rev().collect::<Vec<_>>());
        conflicts.note(xid(11), xid(1_000_000), last + 1, || panic!("it is remembered"));
        conflicts.note(xid(1), xid(1_000_000), last + 2, || row("a"));
        // The new one took the place of 11, the oldest wait.
        assert_eq!(numbers(&conflicts)[..2], [1, last]);
        conflicts.with(|inner| assert_eq!(inner.by_waiter.len(), inner.ring.len()));
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let long: Box<str> = "ü".repeat(NAME_BYTES_MAX).into();
        assert_eq!(&*shortened(long), format!("{}…", "ü".repeat(NAME_BYTES_MAX / 2)));
        assert_eq!(&*shortened("short".into()), "short");
    }
}
