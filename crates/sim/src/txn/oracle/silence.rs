//! Nobody is called after the end.

use synod_core::txn::drive::Call;

use super::Broken;
use crate::txn::world::World;

pub(super) fn made(world: &World, call: &Call) -> Result<(), Broken> {
    match world.record.ended.get(&call.txn.xid) {
        Some(txn) => {
            Err(Broken::new("silence", txn.xid, format!("{:?} is called and it {}", call.errand, txn.status)))
        }
        None => Ok(()),
    }
}
