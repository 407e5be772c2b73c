//! Once a compensation of a saga was called, none of its actions is, whoever coordinates.

use synod_core::txn::drive::Call;
use synod_core::txn::mode::Errand;
use synod_core::txn::{Mode, Way};

use super::Broken;
use crate::txn::world::World;

pub(super) fn made(world: &mut World, call: &Call) -> Result<(), Broken> {
    if call.txn.mode != Mode::Saga {
        return Ok(());
    }
    let xid = call.txn.xid;
    match call.errand {
        Errand::Leg(_, Way::Backward) => {
            world.record.undoing.insert(xid);
            Ok(())
        }
        errand if world.record.undoing.contains(&xid) => {
            Err(Broken::new("turned", xid, format!("{errand:?} is called after a compensation")))
        }
        _ => Ok(()),
    }
}
