//! A message is delivered if and only if its initiator's local transaction committed.

use synod_core::txn::{End, Mode, Status};

use super::Broken;
use crate::txn::client::Local;
use crate::txn::world::World;

pub(super) fn at_the_end(world: &World) -> Result<(), Broken> {
    for (xid, client) in &world.record.begun {
        let client = &world.clients[*client];
        if client.mode != Mode::Message {
            continue;
        }
        let stopped = matches!(world.record.stood.get(xid), Some((_, Status::Ended(End::Stopped))));
        let reached = |at: usize| {
            let name = (*xid, crate::txn::client::Client::branch_id(at).into());
            world.participants[client.branches[at]].deeds.get(&name).is_some_and(|deed| deed.forward)
        };
        let delivered = (0..client.branches.len()).filter(|at| reached(*at)).count();
        let committed = client.local == Local::Committed;
        let due = if committed { client.branches.len() } else { 0 };
        // One that an operator stopped may have reached some.
        if delivered != due && !(stopped && committed) {
            let what =
                format!("its initiator's transaction is {:?} and {delivered} have got it", client.local);
            return Err(Broken::new("delivery", xid, what));
        }
    }
    Ok(())
}
