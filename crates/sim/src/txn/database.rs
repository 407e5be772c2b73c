//! The rows of a participant's database, and what a resource manager of branches that restore rows (AT) does with them: it
//! changes them in a local transaction that keeps others off until it ends, writes down how they were before and after, and
//! takes that for undoing; a local transaction that comes behind the undoing of its branch does not commit.
//!
//! The value of a row is whose changes are in it. So it can be seen at any time what ought to be there, and a write that was
//! lost or that rests on what was undone is a wrong value.

use std::collections::BTreeMap;
use std::fmt;

use synod_core::txn::Rows;

use super::participant::{Name, Says};

/// Rows of each database. That they are few is why transactions meet.
pub const ROWS: u8 = 3;
/// A local transaction that has not ended after so long is rolled back: whoever had begun it is gone.
const LOCAL_MS: u64 = 4_000;

/// Some of the rows of a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowSet(pub u8);

impl RowSet {
    /// The numbers of the rows.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..ROWS).filter(move |row| self.0 & (1 << row) != 0)
    }

    /// As the coordinator knows them: two rows in one table, the third in another.
    pub fn named(self, participant: usize) -> Rows {
        let of = |rows: &[u8]| {
            let keys = rows.iter().filter(|row| self.iter().any(|own| own == **row));
            keys.map(|row| row.to_string()).collect::<Vec<_>>().join(",")
        };
        let tables = [("accounts", of(&[0, 1])), ("orders", of(&[2]))];
        let parts = tables.iter().filter(|(_, keys)| !keys.is_empty());
        let parts: Vec<String> = parts.map(|(table, keys)| format!("{table}:{keys}")).collect();
        Rows { resource: format!("db{participant}").into(), keys: parts.join(";").into() }
    }
}

/// Whose changes are in a row, in the order in which they came there.
pub type Value = Vec<Name>;

/// How far the changes of a branch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// In a local transaction since then.
    Open(u64),
    /// The local transaction was rolled back, for good.
    Dropped,
    /// Committed locally, with what it takes to undo it.
    Logged,
    /// For good: what it takes to undo it has been deleted.
    Final,
    /// Undone.
    Undone,
    /// An operator has stopped the transaction; they are left as they are.
    Left,
}

impl Stage {
    /// Whether the changes are in the rows.
    pub fn is_there(self) -> bool {
        matches!(self, Self::Logged | Self::Final | Self::Left)
    }
}

struct Image {
    row: u8,
    before: Value,
    after: Value,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}: {} to {}", self.row, in_words(&self.before), in_words(&self.after))
    }
}

/// The changes of one branch.
#[derive(Debug)]
pub struct Changes {
    /// Of which rows.
    pub rows: RowSet,
    /// How far they are.
    pub stage: Stage,
    images: Vec<Image>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Database {
    /// What is committed.
    pub values: BTreeMap<u8, Value>,
    /// What branches have changed.
    pub changes: BTreeMap<Name, Changes>,
}

impl Database {
    fn is_taken(&self, rows: RowSet, name: &Name) -> bool {
        let mut others = self.changes.iter().filter(|(other, _)| *other != name);
        others.any(|(_, it)| matches!(it.stage, Stage::Open(_)) && it.rows.0 & rows.0 != 0)
    }

    fn value(&self, row: u8) -> Value {
        self.values.get(&row).cloned().unwrap_or_default()
    }

    /// Changes rows in a local transaction.
    pub fn change(&mut self, name: &Name, rows: RowSet, now_ms: u64) -> Says {
        if let Some(known) = self.changes.get(name) {
            return match known.stage {
                Stage::Open(_) | Stage::Logged => Says::Done,
                _ => Says::Refused,
            };
        }
        if self.is_taken(rows, name) {
            return Says::Busy;
        }
        let image = |row: u8| {
            let before = self.value(row);
            let after = before.iter().chain([name]).cloned().collect();
            Image { row, before, after }
        };
        let images = rows.iter().map(image).collect();
        self.changes.insert(name.clone(), Changes { rows, stage: Stage::Open(now_ms), images });
        Says::Done
    }

    /// Commits the local transaction. Whether it did, now or before.
    pub fn commit(&mut self, name: &Name) -> bool {
        let Some(changes) = self.changes.get_mut(name) else { return false };
        match changes.stage {
            Stage::Open(_) => {
                for image in &changes.images {
                    self.values.insert(image.row, image.after.clone());
                }
                changes.stage = Stage::Logged;
                true
            }
            Stage::Logged => true,
            _ => false,
        }
    }

    /// Rolls the local transaction back, if it has not committed. Whether that is so.
    pub fn abandon(&mut self, name: &Name) -> bool {
        let none = Changes { rows: RowSet::default(), stage: Stage::Dropped, images: Vec::new() };
        let changes = self.changes.entry(name.clone()).or_insert(none);
        if let Stage::Open(_) = changes.stage {
            changes.stage = Stage::Dropped;
        }
        changes.stage == Stage::Dropped
    }

    /// All local transactions that were begun before then are rolled back.
    pub fn abandon_all(&mut self, before_ms: u64) {
        for changes in self.changes.values_mut() {
            if matches!(changes.stage, Stage::Open(since_ms) if since_ms < before_ms) {
                changes.stage = Stage::Dropped;
            }
        }
    }

    /// Those whose initiator has been silent for too long are rolled back.
    pub fn expire(&mut self, now_ms: u64) {
        self.abandon_all(now_ms.saturating_sub(LOCAL_MS));
    }

    /// Nobody will want them undone any more.
    pub fn finish(&mut self, name: &Name) {
        self.pass(name, Stage::Final);
    }

    /// Nobody knows any more what ought to become of them.
    pub fn leave(&mut self, name: &Name) {
        self.pass(name, Stage::Left);
    }

    fn pass(&mut self, name: &Name, stage: Stage) {
        if let Some(changes) = self.changes.get_mut(name).filter(|changes| changes.stage == Stage::Logged) {
            changes.stage = stage;
        }
    }

    /// Puts rows back to what they were before.
    pub fn undo(&mut self, name: &Name) -> Says {
        let Some(changes) = self.changes.get(name).filter(|changes| changes.stage == Stage::Logged) else {
            return Says::Done;
        };
        if self.is_taken(changes.rows, name) {
            return Says::Busy;
        }
        let dirty = |image: &&Image| self.value(image.row) != image.after;
        if let Some(image) = changes.images.iter().find(dirty) {
            return Says::Dirty(format!("{image:?}, and it is {}", in_words(&self.value(image.row))));
        }
        let changes = self.changes.get_mut(name).expect("it was there");
        changes.stage = Stage::Undone;
        for image in &changes.images {
            self.values.insert(image.row, image.before.clone());
        }
        Says::Done
    }

    /// What ought to be in a row, in no order.
    pub fn owed(&self, row: u8) -> Value {
        let there = self.changes.iter().filter(|(_, it)| it.stage.is_there() && it.rows.0 & (1 << row) != 0);
        there.map(|(name, _)| name.clone()).collect()
    }
}

/// A value as people read it.
pub fn in_words(value: &Value) -> String {
    let names: Vec<String> = value.iter().map(|(xid, branch)| format!("{xid}/{branch}")).collect();
    format!("[{}]", names.join(" "))
}
