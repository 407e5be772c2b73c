//! The replicated state: one table of transactions, one of rows that they hold, the outcomes of those that ended, the topics.

use std::sync::Arc;

use synod_base::xid::Xid;

use super::lock::{HeldRow, Locks, Rows};
use super::model::{End, Limits, Status, Txn};
use super::outcomes::{Outcomes, PAGE_IDS, Past};
use super::sharded::{Place, Sharded};
use super::topic::{Topic, Topics};

/// What looking up a transaction finds.
#[derive(Clone, Debug)]
pub enum Found {
    /// It has not ended.
    Open(Arc<Txn>),
    /// It ended like this, under this id.
    Ended(Xid, End),
    /// It may have ended in any way; that is forgotten.
    Forgotten,
    /// It has never been begun, and so has not committed.
    Unknown,
}

impl Place for Xid {
    fn place(&self) -> u64 {
        self.number()
    }
}

impl Place for str {
    fn place(&self) -> u64 {
        synod_base::hash::stable64(self.as_bytes())
    }
}

impl Place for Box<str> {
    fn place(&self) -> u64 {
        str::place(self)
    }
}

/// See the module. A copy costs next to nothing and stays as it is: it is how a snapshot is taken.
#[derive(Clone, Debug)]
pub struct State {
    pub(super) limits: Limits,
    /// What this node is configured to refuse. Not replicated.
    pub(super) configured: Limits,
    pub(super) open: Sharded<Xid, Arc<Txn>>,
    pub(super) gids: Sharded<Box<str>, Xid>,
    /// Of branches of open transactions.
    pub(super) locks: Locks,
    pub(super) outcomes: Outcomes,
    pub(super) topics: Arc<Topics>,
    /// Sequence numbers below this one may be given out.
    pub(super) reserved: u64,
    /// The stamp of the last batch.
    pub(super) stamp_ms: u64,
    /// The greatest id that was ever begun. Not in a snapshot: that transaction is open or its page is there, as its page is
    /// spared.
    pub(super) begun: u64,
}

impl State {
    /// Nothing yet. `limits` hold until a [`Limit`](super::Command::Limit) says otherwise, which a leader proposes first.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            configured: limits,
            open: Sharded::default(),
            gids: Sharded::default(),
            locks: Locks::default(),
            outcomes: Outcomes::default(),
            topics: Arc::default(),
            reserved: 0,
            stamp_ms: 0,
            begun: 0,
        }
    }

    /// What is refused.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The transaction, if it has not ended.
    pub fn open(&self, xid: Xid) -> Option<&Arc<Txn>> {
        self.open.get(&xid)
    }

    /// How many have not ended.
    pub fn open_len(&self) -> usize {
        self.open.len()
    }

    /// All that have not ended, in no order that means anything, but the same on every node.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Txn>> {
        self.open.iter().map(|(_, txn)| txn)
    }

    /// Looks up a transaction by its id.
    pub fn find(&self, xid: Xid) -> Found {
        if let Some(txn) = self.open.get(&xid) {
            return Found::Open(Arc::clone(txn));
        }
        match self.outcomes.of(xid) {
            Past::Ended(end) => Found::Ended(xid, end),
            Past::Forgotten => Found::Forgotten,
            Past::Unknown => Found::Unknown,
        }
    }

    /// Looks up a transaction by the id that its initiator chose. What is forgotten cannot be told from what never was.
    pub fn find_gid(&self, gid: &str) -> Found {
        if let Some(xid) = self.gids.get(gid) {
            return self.find(*xid);
        }
        match self.outcomes.of_gid(gid) {
            Some(ended) => Found::Ended(ended.xid, ended.end),
            None => Found::Unknown,
        }
    }

    /// Another transaction that holds one of these rows, and whether it is being rolled back.
    pub fn conflict(&self, xid: Xid, rows: &Rows) -> Option<(Xid, bool)> {
        let holder = self.locks.conflict(xid, rows)?;
        let rolling_back = self.open(holder).is_some_and(|txn| txn.status == Status::RollingBack);
        Some((holder, rolling_back))
    }

    /// Who holds the first of these rows that somebody holds.
    pub fn holder(&self, rows: &Rows) -> Option<Xid> {
        self.locks.holder(rows)
    }

    /// The first of these rows that a certain transaction holds.
    pub fn held_by<'a>(&self, holder: Xid, rows: &'a Rows) -> Option<HeldRow<&'a str>> {
        self.locks.held_by(holder, rows)
    }

    /// How many rows are held.
    pub fn locks_len(&self) -> usize {
        self.locks.len()
    }

    /// What is remembered of ended transactions.
    pub fn outcomes(&self) -> &Outcomes {
        &self.outcomes
    }

    /// A topic.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    /// All topics, by name.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// The first sequence number that may not be given out yet. A leader that takes over starts here.
    pub fn reserved(&self) -> u64 {
        self.reserved
    }

    /// The stamp of the last batch; the next one's is greater.
    pub fn stamp_ms(&self) -> u64 {
        self.stamp_ms
    }

    /// Whether ids of this page of outcomes are open or may still be begun. They are given out in order, in blocks that are
    /// much longer than a page: that a page is reserved does not mean that its ids have been used.
    pub(super) fn is_busy(&self, page: u64) -> bool {
        let ids = page * PAGE_IDS..(page + 1) * PAGE_IDS;
        // Comparing numbers is comparing sequences as long as there is one transaction group.
        self.begun < ids.end || ids.filter_map(Xid::from_number).any(|xid| self.open.get(&xid).is_some())
    }
}
