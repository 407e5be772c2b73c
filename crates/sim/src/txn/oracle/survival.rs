//! What was acknowledged survives every crash: begins, branches, decisions, and how transactions stood.

use std::collections::BTreeSet;

use synod_base::xid::Xid;
use synod_core::txn::{Found, State, Status};

use super::Broken;
use super::decision::may_follow;
use crate::txn::record::decided;
use crate::txn::world::World;

/// The coordinator has read its disk.
pub(in crate::txn) fn after_start(world: &World) -> Result<(), Broken> {
    let Some(state) = world.state() else { return Ok(()) };
    let record = &world.record;
    let promised: BTreeSet<Xid> = record.begun.keys().chain(record.stood.keys()).copied().collect();
    for xid in promised {
        let status = match state.find(xid) {
            Found::Open(txn) => txn.status,
            Found::Ended(_, end) => Status::Ended(end),
            Found::Forgotten | Found::Unknown => return Err(lost(xid, "it is not known any more")),
        };
        if let Some((mode, before)) = record.stood.get(&xid)
            && !may_follow(*mode, *before, status)
        {
            return Err(lost(xid, &format!("it was {before} and is {status}")));
        }
        let (told, mode) = (record.told.get(&xid), record.stood.get(&xid).map(|(mode, _)| *mode));
        if let (Some(told), Some(mode)) = (told, mode)
            && decided(mode, status) != Some(*told)
            && status != Status::Ended(synod_core::txn::End::Stopped)
        {
            return Err(lost(xid, &format!("{told:?} was told and it is {status}")));
        }
    }
    branches(world, &state)
}

fn branches(world: &World, state: &State) -> Result<(), Broken> {
    for (xid, branch) in &world.record.enlisted {
        if let Some(txn) = state.open(*xid)
            && !txn.branches.iter().any(|known| known.id == *branch)
        {
            return Err(lost(*xid, &format!("branch {branch} had joined")));
        }
    }
    for ((xid, branch), rows) in &world.record.granted {
        if let Some(txn) = state.open(*xid)
            && !txn.branches.iter().any(|known| known.id == *branch && known.rows.as_deref() == Some(rows))
        {
            return Err(lost(*xid, &format!("branch {branch} had been granted {rows:?}")));
        }
    }
    for (xid, client) in &world.record.begun {
        let client = &world.clients[*client];
        let found = if client.nameless { Found::Unknown } else { state.find_gid(&client.gid()) };
        match found {
            Found::Open(txn) if txn.xid != *xid => return Err(lost(*xid, "its own id names another one")),
            Found::Ended(other, _) if other != *xid => {
                return Err(lost(*xid, "its own id names another one"));
            }
            Found::Unknown | Found::Forgotten if !client.nameless => {
                return Err(lost(*xid, "its own id names nothing"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn lost(xid: Xid, what: &str) -> Broken {
    Broken::new("survival", xid, what.to_owned())
}

pub(super) fn at_the_end(world: &World) -> Result<(), Broken> {
    after_start(world)?;
    // Branches of what has ended, from its details.
    for (xid, branch) in &world.record.enlisted {
        let Some(txn) = world.record.ended.get(xid) else { continue };
        if !txn.branches.iter().any(|known| known.id == *branch) {
            return Err(lost(*xid, &format!("branch {branch} had joined")));
        }
    }
    Ok(())
}
