//! What was promised, what was called, what was seen: outside of everything that can crash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use synod_base::xid::Xid;
use synod_core::txn::mode::Errand;
use synod_core::txn::{End, Mode, Rows, Status, Txn, Way};

/// The last call of one errand.
#[derive(Clone, Copy, Debug)]
pub struct Called {
    /// When it left.
    pub made_ms: u64,
    /// In which life of the coordinator.
    pub life: u32,
    /// Whether it is under way.
    pub flying: bool,
    /// When it ended.
    pub ended_ms: u64,
    /// Whether it ended with "done".
    pub done: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Record {
    /// Begins that were acknowledged durably: whose.
    pub begun: BTreeMap<Xid, usize>,
    /// Every id that was given out, and to whom.
    pub given: BTreeMap<Xid, (usize, u64)>,
    /// Branches whose joining was acknowledged.
    pub enlisted: BTreeSet<(Xid, Box<str>)>,
    /// And the rows that it was granted with that.
    pub granted: BTreeMap<(Xid, Box<str>), Rows>,
    /// Decisions that somebody was told.
    pub told: BTreeMap<Xid, Way>,
    /// How transactions stood when they were applied last.
    pub stood: BTreeMap<Xid, (Mode, Status)>,
    /// How they ended.
    pub ended: BTreeMap<Xid, Arc<Txn>>,
    /// Sagas that have turned.
    pub turned: BTreeSet<Xid>,
    /// Sagas of which a compensation was called.
    pub undoing: BTreeSet<Xid>,
    /// Of which it was said that everybody has been told, in which life of the coordinator.
    pub through: BTreeMap<Xid, u32>,
    /// The last call of each errand.
    pub calls: BTreeMap<(Xid, Errand), Called>,
    /// Transactions that an operator wanted tried at once, and when.
    pub hurried: BTreeMap<Xid, u64>,
}

/// The decision that `status` stands for, if it can never be another one.
pub fn decided(mode: Mode, status: Status) -> Option<Way> {
    match (mode, status) {
        (_, Status::Ended(End::Committed)) => Some(Way::Forward),
        (_, Status::Ended(End::RolledBack) | Status::RollingBack) => Some(Way::Backward),
        (Mode::Xa | Mode::Tcc | Mode::Mixed | Mode::Message, Status::Committing) => Some(Way::Forward),
        _ => None,
    }
}
