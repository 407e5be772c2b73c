//! What is remembered of transactions that ended: two bits per id, and a digest per id that a client chose.
//!
//! An outcome is kept for a time that the leader's [`Forget`] commands set, and never dropped for want of space: begins are
//! refused instead. What is forgotten is known to be forgotten, so that nobody is told "aborted" of a transaction that
//! committed long ago.
//!
//! [`Forget`]: super::Command::Forget

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_base::hash::stable128;
use synod_base::xid::Xid;

use super::model::End;
use super::sharded::{Place, Sharded};

/// Ids in one page.
pub(super) const PAGE_IDS: u64 = 4_096;
/// The last page there can be.
pub(super) const PAGE_LAST: u64 = i64::MAX as u64 / PAGE_IDS;
const PAGE_BYTES: usize = PAGE_IDS as usize / 4;
/// Digests are dropped by the minute in which their transactions ended.
const MINUTE_MS: u64 = 60_000;

/// The digest of a client's own id.
pub type GidDigest = [u8; 16];

/// What is known of an id that is not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// It ended like this.
    Ended(End),
    /// It may have ended in any way; that is forgotten.
    Forgotten,
    /// It has never been begun.
    Unknown,
}

/// A transaction that ended under a client's own id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedGid {
    /// Its id.
    pub xid: Xid,
    /// How.
    pub end: End,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The digest of what it was begun with.
    pub digest: u64,
}

impl Place for GidDigest {
    fn place(&self) -> u64 {
        let [.., a, b] = *self;
        u64::from(u16::from_le_bytes([a, b]))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) bits: [u8; PAGE_BYTES],
    pub(super) newest_ms: u64,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Outcomes {
    pub(super) pages: BTreeMap<u64, Arc<Page>>,
    /// Pages that are forgotten, as disjoint ranges: first and last.
    pub(super) gone: BTreeMap<u64, u64>,
    pub(super) gids: Sharded<GidDigest, EndedGid>,
    minutes: BTreeMap<u64, Arc<Vec<GidDigest>>>,
}

fn bits_of(end: End) -> u8 {
    match end {
        End::Committed => 1,
        End::RolledBack => 2,
        End::Stopped => 3,
    }
}

fn end_of(bits: u8) -> Option<End> {
    match bits & 3 {
        1 => Some(End::Committed),
        2 => Some(End::RolledBack),
        3 => Some(End::Stopped),
        _ => None,
    }
}

impl Outcomes {
    /// Outcomes remembered under clients' own ids.
    pub fn gids(&self) -> usize {
        self.gids.len()
    }

    /// Whether there is nothing to forget.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty() && self.gids.len() == 0
    }

    /// What is known of an id that is not open.
    pub fn of(&self, xid: Xid) -> Past {
        let (page, slot) = place(xid);
        let Some(bits) = self.pages.get(&page).map(|page| page.bits[slot / 4] >> (slot % 4 * 2)) else {
            return if self.is_gone(page) { Past::Forgotten } else { Past::Unknown };
        };
        end_of(bits).map_or(Past::Unknown, Past::Ended)
    }

    /// What is known of a client's own id.
    pub fn of_gid(&self, gid: &str) -> Option<&EndedGid> {
        self.gids.get(&stable128(gid.as_bytes()))
    }

    /// The greatest id whose end is remembered.
    pub(super) fn last(&self) -> Option<u64> {
        let (number, page) = self.pages.last_key_value()?;
        let slot = (0..PAGE_IDS).rev().find(|slot| {
            let at = *slot as usize;
            page.bits[at / 4] >> (at % 4 * 2) & 3 != 0
        });
        Some(number * PAGE_IDS + slot.unwrap_or(0))
    }

    fn is_gone(&self, page: u64) -> bool {
        self.gone.range(..=page).next_back().is_some_and(|(_, last)| page <= *last)
    }

    /// Remembers an end.
    pub(super) fn record(&mut self, xid: Xid, end: End, at_ms: u64) {
        let (page, slot) = place(xid);
        let fresh = || Arc::new(Page { bits: [0; PAGE_BYTES], newest_ms: 0 });
        let page = Arc::make_mut(self.pages.entry(page).or_insert_with(fresh));
        page.bits[slot / 4] |= bits_of(end) << (slot % 4 * 2);
        page.newest_ms = page.newest_ms.max(at_ms);
    }

    /// Remembers an end under a client's own id.
    pub(super) fn record_gid(&mut self, gid: &str, ended: EndedGid) {
        self.put_gid(stable128(gid.as_bytes()), ended);
    }

    pub(super) fn put_gid(&mut self, digest: GidDigest, ended: EndedGid) {
        self.gids.insert(digest, ended);
        Arc::make_mut(self.minutes.entry(ended.at_ms / MINUTE_MS).or_default()).push(digest);
    }

    /// Forgets what ended before `before_ms`. A page is spared while `busy` says that one of its ids is open or not given
    /// out yet.
    pub(super) fn forget(&mut self, before_ms: u64, busy: impl Fn(u64) -> bool) {
        let old = |page: &Page| page.newest_ms < before_ms;
        let pages: Vec<u64> =
            self.pages.iter().filter(|(n, page)| old(page) && !busy(**n)).map(|(n, _)| *n).collect();
        for page in pages {
            self.pages.remove(&page);
            self.set_gone(page);
        }
        // The whole minute must be over.
        let later = self.minutes.split_off(&(before_ms / MINUTE_MS));
        for digest in std::mem::replace(&mut self.minutes, later).values().flat_map(|minute| minute.iter()) {
            // The id may have been used again since, and ended again.
            if self.gids.get(digest).is_some_and(|ended| ended.at_ms < before_ms) {
                self.gids.remove(digest);
            }
        }
    }

    fn set_gone(&mut self, page: u64) {
        let (mut first, mut last) = (page, page);
        if let Some((before, until)) = self.gone.range(..page).next_back().map(|(a, b)| (*a, *b))
            && until + 1 == page
        {
            first = before;
        }
        if let Some(until) = self.gone.remove(&(page + 1)) {
            last = until;
        }
        self.gone.insert(first, last);
    }
}

fn place(xid: Xid) -> (u64, usize) {
    (xid.number() / PAGE_IDS, (xid.number() % PAGE_IDS) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xid(number: u64) -> Xid {
        Xid::from_number(number).unwrap()
    }

    #[test]
    fn what_is_forgotten_is_not_unknown() {
        let mut outcomes = Outcomes::default();
        let page = |n: u64| xid(n * PAGE_IDS + 5);
        for n in 0..5 {
            outcomes.record(page(n), End::Committed, 1_000 * n);
        }
        outcomes.forget(3_500, |n| n == 1);
        let told: Vec<_> = (0..7).map(|n| outcomes.of(page(n))).collect();
        let committed = Past::Ended(End::Committed);
        assert_eq!(
            told,
            [
                Past::Forgotten,
                committed,
                Past::Forgotten,
                Past::Forgotten,
                committed,
                Past::Unknown,
                Past::Unknown
            ]
        );
        assert_eq!(outcomes.of(xid(1 + PAGE_IDS)), Past::Unknown, "never ended, page still there");
        outcomes.forget(3_500, |_| false);
        assert_eq!(outcomes.gone.iter().collect::<Vec<_>>(), [(&0, &3)], "neighbours are one range");
    }

    #[test]
    fn neighbours_in_a_page_do_not_disturb_each_other() {
        let mut outcomes = Outcomes::default();
        let ends = [End::Committed, End::RolledBack, End::Stopped];
        for n in 1..60 {
            if n % 4 != 3 {
                outcomes.record(xid(n), ends[n as usize % 3], n);
            }
        }
        for n in 1..60 {
            let expect = if n % 4 == 3 { Past::Unknown } else { Past::Ended(ends[n as usize % 3]) };
            assert_eq!(outcomes.of(xid(n)), expect, "{n}");
        }
    }

    #[test]
    fn a_clients_id_is_remembered_for_its_time() {
        let mut outcomes = Outcomes::default();
        for minute in 0..4 {
            let ended = EndedGid {
                xid: xid(minute + 1),
                end: End::RolledBack,
                at_ms: minute * MINUTE_MS + 10,
                digest: minute,
            };
            outcomes.record_gid(&format!("order-{minute}"), ended);
        }
        outcomes.forget(2 * MINUTE_MS + 5, |_| true);
        let known: Vec<_> = (0..4).map(|n| outcomes.of_gid(&format!("order-{n}")).is_some()).collect();
        assert_eq!(known, [false, false, true, true]);
        assert_eq!(outcomes.gids(), 2);
    }
}
