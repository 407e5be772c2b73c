//! Rows that branches change and restore: no two open transactions hold one, none is held beyond the branch that changed it,
//! whoever has changed one holds it until it is committed or undone, and what is in them in the end is what was committed.
//!
//! Who ought to hold what is found out anew each time, once from the open transactions and once from the participants'
//! databases; what the coordinator's own table of locks says is held against that.

use std::collections::BTreeMap;

use synod_base::xid::Xid;
use synod_core::txn::{End, State, Status, Step, Way};

use super::Broken;
use crate::txn::client::Client;
use crate::txn::database::{ROWS, RowSet, Stage, in_words};
use crate::txn::participant::{Name, Says};
use crate::txn::world::World;

/// By database, and table and key: who holds that row.
type Held = BTreeMap<(Box<str>, Box<str>), Xid>;

fn broken(xid: Xid, what: String) -> Broken {
    Broken::new("rows", xid, what)
}

/// Asks for a transaction that has never been begun who holds a row.
fn holder(state: &State, participant: usize, row: u8) -> Option<Xid> {
    let nobody = Xid::from_number(1 << 40).expect("an id");
    state.conflict(nobody, &RowSet(1 << row).named(participant)).map(|(xid, _)| xid)
}

fn was_stopped(world: &World, xid: Xid) -> bool {
    matches!(world.record.stood.get(&xid), Some((_, Status::Ended(End::Stopped))))
}

/// Whether a change of that transaction may still have to be undone.
fn is_undecided(world: &World, xid: Xid) -> bool {
    let committed =
        matches!(world.record.stood.get(&xid), Some((_, Status::Committing | Status::Ended(End::Committed))));
    !committed && !was_stopped(world, xid)
}

/// The coordinator has started, or a batch was applied.
pub(in crate::txn) fn are_right(world: &World) -> Result<(), Broken> {
    let Some(state) = world.state() else { return Ok(()) };
    let held = held(&state)?;
    if state.locks_len() != held.len() {
        let what = format!("{} rows are locked, and these should be: {held:?}", state.locks_len());
        return Err(Broken::new("rows", "", what));
    }
    for (participant, it) in world.participants.iter().enumerate() {
        for row in 0..ROWS {
            let named = RowSet(1 << row).named(participant);
            let owed = held.get(&(named.resource.clone(), named.keys.clone())).copied();
            let known = holder(&state, participant, row);
            if owed != known {
                let what = format!("{named:?} should be held by {owed:?}, and {known:?} holds it");
                return Err(broken(owed.or(known).expect("they differ"), what));
            }
        }
        for ((xid, branch), changes) in &it.database.changes {
            if changes.stage != Stage::Logged || !is_undecided(world, *xid) {
                continue;
            }
            for row in changes.rows.iter() {
                let holder = holder(&state, participant, row);
                if holder != Some(*xid) {
                    let what = format!(
                        "branch {branch} may have to undo row {row} of participant {participant}, and {holder:?} holds it"
                    );
                    return Err(broken(*xid, what));
                }
            }
        }
    }
    Ok(())
}

/// Who ought to hold what: all that has not been committed, undone or withdrawn.
fn held(state: &State) -> Result<Held, Broken> {
    let mut held = Held::new();
    for txn in state.iter().filter(|txn| txn.status != Status::Committing) {
        for branch in &txn.branches {
            let over = matches!(branch.backward.step, Step::Done | Step::Skipped);
            let Some(rows) = branch.rows.as_ref().filter(|_| !over) else { continue };
            for (table, key) in rows.iter() {
                let row = (rows.resource.clone(), format!("{table}:{key}").into());
                match held.insert(row, txn.xid) {
                    Some(other) if other != txn.xid => {
                        return Err(broken(other, format!("{} holds {rows:?} too", txn.xid)));
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(held)
}

/// A participant has done, or not done, what it was asked.
pub(in crate::txn) fn said(world: &World, xid: Xid, says: &Says) -> Result<(), Broken> {
    match says {
        Says::Dirty(what) if !was_stopped(world, xid) => {
            Err(broken(xid, format!("it cannot be undone: {what}")))
        }
        _ => Ok(()),
    }
}

/// A client is told that no other transaction has changed the rows of its branch.
pub(in crate::txn) fn read(world: &World, client: usize, xid: Xid, at: usize) -> Result<(), Broken> {
    let it = &world.clients[client];
    let (participant, name) = (it.branches[at], (xid, Client::branch_id(at).into()));
    let database = &world.participants[participant].database;
    // Only as long as the local transaction lasts nobody changes them behind its back.
    let Some(changes) = database.changes.get(&name).filter(|it| matches!(it.stage, Stage::Open(_))) else {
        return Ok(());
    };
    for row in changes.rows.iter() {
        let value = database.values.get(&row).map_or(&[][..], |value| value);
        if let Some((other, _)) = value.iter().find(|(other, _)| *other != xid && is_undecided(world, *other))
        {
            let what =
                format!("row {row} of participant {participant} is said to be free, and {other} changed it");
            return Err(broken(xid, what));
        }
    }
    Ok(())
}

/// A participant in doubt is told how its branch ends.
pub(in crate::txn) fn settled(
    world: &World,
    participant: usize,
    name: &Name,
    way: Way,
) -> Result<(), Broken> {
    let changes = world.participants[participant].database.changes.get(name);
    if way == Way::Backward && changes.is_some() && !was_stopped(world, name.0) {
        return Err(broken(name.0, format!("it is over, and branch {} has not been undone", name.1)));
    }
    Ok(())
}

/// All is over.
pub(super) fn at_the_end(world: &World) -> Result<(), Broken> {
    for (participant, it) in world.participants.iter().enumerate() {
        for row in 0..ROWS {
            let mut value = it.database.values.get(&row).cloned().unwrap_or_default();
            value.sort_unstable();
            let owed = it.database.owed(row);
            if value != owed {
                let what = format!(
                    "{} is in row {row} of participant {participant}, and {} should be",
                    in_words(&value),
                    in_words(&owed)
                );
                return Err(Broken::new("rows", "", what));
            }
        }
    }
    Ok(())
}
