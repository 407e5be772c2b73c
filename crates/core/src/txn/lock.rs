//! Global locks: which open transaction has changed which row of whose database.
//!
//! A branch that undoes its own work from images of rows (AT) names the rows it has changed when it joins. Until the decision
//! to commit, or until it has been rolled back, no other transaction may change them. Who holds a row follows from the open
//! transactions and their branches; this table only makes the question cheap, and is built anew when a snapshot is read.
//!
//! The form of the keys is Seata's (`AbstractLockManager#collectRowLocks`): `table:key,key;table:key`.

use std::collections::BTreeSet;

use synod_base::hash::stable128;
use synod_base::xid::Xid;

use super::model::{Branch, Status, Step, Txn, Way};
use super::sharded::{Place, Sharded};

/// The rows that a branch has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The database.
    pub resource: Box<str>,
    /// `table:key,key;table:key`, as the participant has put it.
    pub keys: Box<str>,
}

impl Rows {
    /// The tables and keys, one by one. A part that is none ends the list, and empty keys are passed over, as in Seata.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let parts = self.keys.split(';').map_while(|part| {
            let (table, keys) = part.split_once(':')?;
            (!keys.trim().is_empty()).then_some((table, keys))
        });
        parts.flat_map(|(table, keys)| {
            keys.split(',').filter(|key| !key.trim().is_empty()).map(move |key| (table, key))
        })
    }

    fn ids(&self) -> impl Iterator<Item = RowId> {
        let mut name = Vec::new();
        self.iter().map(move |(table, key)| {
            name.clear();
            for part in [&*self.resource, table, key] {
                name.extend_from_slice(part.as_bytes());
                // In no UTF-8 text.
                name.push(0xff);
            }
            RowId(stable128(&name))
        })
    }
}

/// A row that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldRow<T> {
    /// The database.
    pub resource: T,
    /// The table.
    pub table: T,
    /// The key in the table.
    pub key: T,
}

impl HeldRow<&str> {
    /// A copy.
    pub fn owned(self) -> HeldRow<Box<str>> {
        HeldRow { resource: self.resource.into(), table: self.table.into(), key: self.key.into() }
    }
}

/// Names a row. Two rows of one name would merely exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowId([u8; 16]);

impl Place for RowId {
    fn place(&self) -> u64 {
        let [.., a, b] = self.0;
        u64::from(u16::from_le_bytes([a, b]))
    }
}

/// Who holds which row.
#[derive(Clone, Debug, Default)]
pub(super) struct Locks(Sharded<RowId, Xid>);

impl Locks {
    /// Rows that are held.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Another transaction that holds one of the rows.
    pub(super) fn conflict(&self, xid: Xid, rows: &Rows) -> Option<Xid> {
        rows.ids().find_map(|row| self.0.get(&row).copied().filter(|holder| *holder != xid))
    }

    /// Who holds the first of the rows that somebody holds.
    pub(super) fn holder(&self, rows: &Rows) -> Option<Xid> {
        rows.ids().find_map(|row| self.0.get(&row).copied())
    }

    /// The first of the rows that this transaction holds.
    pub(super) fn held_by<'a>(&self, holder: Xid, rows: &'a Rows) -> Option<HeldRow<&'a str>> {
        let named = rows.iter().zip(rows.ids());
        let ((table, key), _) = named.into_iter().find(|(_, row)| self.0.get(row) == Some(&holder))?;
        Some(HeldRow { resource: &rows.resource, table, key })
    }

    /// Takes the rows. None of them is another's.
    pub(super) fn take(&mut self, xid: Xid, rows: &Rows) {
        for row in rows.ids() {
            self.0.insert(row, xid);
        }
    }

    /// Gives back what these branches of a transaction held, apart from rows that its other branches hold too.
    pub(super) fn release(&mut self, txn: &Txn, branches: &[u16]) {
        let others =
            txn.numbered().filter(|(number, branch)| !branches.contains(number) && holds(txn, branch));
        let kept: BTreeSet<RowId> =
            others.filter_map(|(_, branch)| branch.rows.as_ref()).flat_map(|rows| rows.ids()).collect();
        let released = branches.iter().filter_map(|number| txn.branches[usize::from(*number)].rows.as_ref());
        for row in released.flat_map(|rows| rows.ids()) {
            if self.0.get(&row) == Some(&txn.xid) && !kept.contains(&row) {
                self.0.remove(&row);
            }
        }
    }
}

/// Whether a branch holds its rows: until the decision to commit, or until it has been rolled back.
pub(super) fn holds(txn: &Txn, branch: &Branch) -> bool {
    let undone = matches!(branch.leg(Way::Backward).step, Step::Done | Step::Skipped);
    branch.rows.is_some() && !undone && matches!(txn.status, Status::Active | Status::RollingBack)
}

/// The branches that hold rows.
pub(super) fn holding(txn: &Txn) -> Vec<u16> {
    txn.numbered().filter(|(_, branch)| holds(txn, branch)).map(|(number, _)| number).collect()
}

impl Txn {
    /// The rows that it holds and, by number, the branches that have changed them, in the order in which these joined. A row that
    /// several have changed comes with each of them.
    pub fn held_rows(&self) -> impl Iterator<Item = (u16, HeldRow<&str>)> {
        let held = self.numbered().filter(|(_, branch)| holds(self, branch));
        held.flat_map(|(number, branch)| {
            branch.rows.as_deref().into_iter().flat_map(move |rows| {
                let resource = &*rows.resource;
                rows.iter().map(move |(table, key)| (number, HeldRow { resource, table, key }))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_seata_reads_them() {
        for (keys, read) in [
            ("t:1", "t/1"),
            ("t:1,2;u:3", "t/1 t/2 u/3"),
            ("t:1_a,,2, ", "t/1_a t/2"),
            ("t:1;u;v:2", "t/1"),
            ("t:1;u: ;v:2", "t/1"),
            ("t:a:b", "t/a:b"),
            ("", ""),
            (":1", "/1"),
        ] {
            let rows = Rows { resource: "r".into(), keys: keys.into() };
            let all: Vec<String> = rows.iter().map(|(table, key)| format!("{table}/{key}")).collect();
            assert_eq!(all.join(" "), read, "{keys:?}");
        }
    }
}
