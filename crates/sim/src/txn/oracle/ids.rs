//! No id is given out twice, and one that an initiator chose names one transaction.

use synod_base::xid::Xid;

use super::Broken;
use crate::txn::world::World;

/// An id is given to whoever asked in request `number`.
pub(in crate::txn) fn given(world: &mut World, xid: Xid, client: usize, number: u64) -> Result<(), Broken> {
    let request = (client, number);
    match world.record.given.insert(xid, request) {
        Some(before) => Err(Broken::new("ids", xid, format!("given to {before:?} and to {request:?}"))),
        None => Ok(()),
    }
}

/// A begin is acknowledged.
pub(in crate::txn) fn begun(world: &mut World, xid: Xid, client: usize) -> Result<(), Broken> {
    let named = !world.clients[client].nameless;
    let other = world.record.begun.iter().find(|(other, whose)| named && **whose == client && **other != xid);
    if let Some((other, _)) = other {
        return Err(Broken::new("ids", xid, format!("begun under an id that names {other}")));
    }
    match world.record.begun.insert(xid, client) {
        Some(before) if before != client => {
            Err(Broken::new("ids", xid, format!("begun for clients {before} and {client}")))
        }
        _ => Ok(()),
    }
}
