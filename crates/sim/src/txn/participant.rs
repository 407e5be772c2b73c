//! A participant: a service with a database of its own. What it commits there survives its crashes, and is what counts.
//!
//! It keeps the contract: repeated requests have no second effect, undoing what was not done does nothing, and what comes
//! after it was undone is not done any more.

use std::collections::BTreeMap;

use synod_base::xid::Xid;
use synod_core::txn::{Mode, Way};

use super::database::{Database, RowSet};

/// What a participant is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Changes rows in a local transaction, for a branch that restores them itself if need be.
    Change(RowSet),
    /// Rolls that local transaction back.
    Abandon,
    /// Phase one, by the initiator: try, or prepare, or commit the local transaction.
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
    /// Its database: what it has done.
    pub deeds: BTreeMap<Name, Deed>,
    /// And the rows in it that branches change and restore.
    pub database: Database,
}

/// How it answers when it has done its part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// It is done.
    Done,
    /// It will not be done.
    Refused,
    /// Not now: a row is in a local transaction of somebody else.
    Busy,
    /// Somebody has changed a row that only this branch may change.
    Dirty(String),
}

impl Participant {
    /// Does what it is asked, in one local transaction.
    pub fn commit(&mut self, name: Name, mode: Mode, op: Op, now_ms: u64) -> Says {
        match op {
            Op::Change(rows) => return self.database.change(&name, rows, now_ms),
            Op::Abandon => {
                self.database.abandon(&name);
                return Says::Done;
            }
            Op::Try | Op::Forward | Op::Backward if self.database.changes.contains_key(&name) => {
                return self.commit_rows(name, mode, op, now_ms);
            }
            Op::Try | Op::Forward | Op::Backward => {}
        }
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
            Op::Change(_) | Op::Abandon => {}
        }
        Says::Done
    }

    /// The same for a branch that has changed rows.
    fn commit_rows(&mut self, name: Name, mode: Mode, op: Op, now_ms: u64) -> Says {
        let undone = self.deeds.get(&name).is_some_and(|deed| deed.backward);
        let says = match op {
            // What was undone before is kept out.
            Op::Try if undone => {
                self.database.abandon(&name);
                Says::Refused
            }
            Op::Try if self.database.commit(&name) => Says::Done,
            Op::Try => Says::Refused,
            Op::Backward => self.database.undo(&name),
            _ => {
                self.database.finish(&name);
                Says::Done
            }
        };
        if says == Says::Done {
            let fresh = Deed { mode, tried: false, forward: false, backward: false, tried_ms: now_ms };
            let deed = self.deeds.entry(name).or_insert(fresh);
            match op {
                Op::Try => deed.tried = true,
                Op::Backward => deed.backward = true,
                _ => deed.forward = true,
            }
        }
        says
    }

    /// It refuses. Whether it can: what is in its database already is there, and it says so.
    pub fn refuse(&mut self, name: &Name, op: Op) -> bool {
        match op {
            Op::Try if self.database.changes.contains_key(name) => self.database.abandon(name),
            Op::Change(_) => self.database.abandon(name),
            Op::Abandon => false,
            Op::Try | Op::Forward | Op::Backward => true,
        }
    }

    /// It goes down, with its local transactions.
    pub fn crash(&mut self) {
        self.up = false;
        self.life += 1;
        self.database.abandon_all(u64::MAX);
    }

    /// Branches of whose decision it has not heard for long.
    pub fn in_doubt(&self, before_ms: u64) -> Vec<Name> {
        let waits = |deed: &Deed| deed.tried && !deed.forward && !deed.backward && deed.tried_ms < before_ms;
        self.deeds.iter().filter(|(_, deed)| waits(deed)).map(|(name, _)| name.clone()).collect()
    }

    /// What it was told about a branch that it was in doubt about.
    pub fn settle(&mut self, name: &Name, way: Way) {
        match way {
            Way::Forward => self.database.finish(name),
            // Of what was rolled back it has been told already: this one was stopped.
            Way::Backward => self.database.leave(name),
        }
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
