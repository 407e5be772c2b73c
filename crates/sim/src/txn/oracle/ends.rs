//! Everything that was begun ends once nothing goes wrong any more.

use super::Broken;
use crate::txn::world::World;

/// Time is over.
pub(in crate::txn) fn still_open(world: &World) -> Result<(), Broken> {
    all(world)?;
    let clients: Vec<_> =
        world.clients.iter().filter(|client| client.alive).map(|client| &client.next).collect();
    let doubts: usize = world.participants.iter().map(|it| it.in_doubt(u64::MAX).len()).sum();
    Err(Broken::new(
        "ends",
        "",
        format!("no end in sight; clients: {clients:?}; in doubt: {doubts} branches"),
    ))
}

/// Whether nothing is open.
pub(super) fn all(world: &World) -> Result<(), Broken> {
    let Some(state) = world.state() else { return Err(Broken::new("ends", "", "nobody coordinates".into())) };
    match state.iter().next() {
        Some(txn) => Err(Broken::new("ends", txn.xid, format!("it is open: {txn:?}"))),
        None => Ok(()),
    }
}
