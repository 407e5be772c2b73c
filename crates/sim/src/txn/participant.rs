//! A participant: a service with a database of its own. What it commits there survives its crashes, and is what counts.
//!
//! It keeps the contract: repeated requests have no second effect, undoing what was not done does nothing, and what comes
//! after it was undone is not done any more.

use std::collections::BTreeMap;

use synod_base::xid::Xid;
use synod_core::txn::{Mode, Way};

/// What a participant is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Phase one, by the initiator: try, or prepare.
    Try,
    /// Action, confirm, commit, delivery.
    Forward,
    /// Compensate, cancel, rollback.
    Backward,
}

/// What it has done for one branch, from its database.
#[derive(Clone, Debug)]
pub struct Deed {
    /// Of which kind the transaction is.
    pub mode: Mode,
    /// Phase one took effect.
    pub tried: bool,
    /// Forward took effect.
    pub forward: bool,
    /// Backward took effect, or was noted because there was nothing to undo.
    pub backward: bool,
    /// When phase one took effect.
    pub tried_ms: u64,
}

/// A branch's name: of which transaction, and its id.
pub type Name = (Xid, Box<str>);

/// See the module.
#[derive(Debug, Default)]
pub struct Participant {
    /// Whether it is up, and which of its lives this is.
    pub up: bool,
    /// Counts its starts.
    pub life: u32,
    /// Its database.
    pub deeds: BTreeMap<Name, Deed>,
}

/// How it answers when it has done its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// It is done.
    Done,
    /// It will not be done.
    Refused,
}

impl Participant {
    /// Does what it is asked, in one local transaction.
    pub fn commit(&mut self, name: Name, mode: Mode, op: Op, now_ms: u64) -> Says {
        let fresh = Deed { mode, tried: false, forward: false, backward: false, tried_ms: 0 };
        let deed = self.deeds.entry(name).or_insert(fresh);
        match op {
            // It was decided, or undone, before it was begun: too late.
            Op::Try if deed.forward || deed.backward => return Says::Refused,
            Op::Try if !deed.tried => (deed.tried, deed.tried_ms) = (true, now_ms),
            Op::Try => {}
            Op::Forward if is_undone(deed) => {}
            Op::Forward => deed.forward = true,
            Op::Backward => deed.backward = true,
        }
        Says::Done
    }

    /// Branches of whose decision it has not heard for long.
    pub fn in_doubt(&self, before_ms: u64) -> Vec<Name> {
        let waits = |deed: &Deed| deed.tried && !deed.forward && !deed.backward && deed.tried_ms < before_ms;
        self.deeds.iter().filter(|(_, deed)| waits(deed)).map(|(name, _)| name.clone()).collect()
    }

    /// What it was told about a branch that it was in doubt about.
    pub fn settle(&mut self, name: &Name, way: Way) {
        if let Some(deed) = self.deeds.get_mut(name) {
            match way {
                Way::Forward => deed.forward = true,
                Way::Backward => deed.backward = true,
            }
        }
    }
}

/// An action that comes behind its compensation does nothing. A decision that comes behind the other one is another matter:
/// it is carried out, and found.
fn is_undone(deed: &Deed) -> bool {
    matches!(deed.mode, Mode::Saga | Mode::Workflow) && deed.backward && !deed.forward
}
