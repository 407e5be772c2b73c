//! All branches went the same way, by the participants' own records; and it is the way that was decided.

use std::collections::BTreeMap;

use synod_base::xid::Xid;
use synod_core::txn::{End, Mode, Status, Way};

use super::Broken;
use crate::txn::participant::Deed;
use crate::txn::world::World;

/// How a transaction ended; one that nobody knows has not committed. `None` if an operator stopped it, which tells nobody.
fn way(world: &World, xid: Xid) -> Option<Way> {
    match world.record.stood.get(&xid) {
        Some((_, Status::Ended(End::Committed))) => Some(Way::Forward),
        Some((_, Status::Ended(End::Stopped))) => None,
        _ => Some(Way::Backward),
    }
}

pub(super) fn at_the_end(world: &World) -> Result<(), Broken> {
    let mut deeds: BTreeMap<Xid, Vec<(&str, &Deed)>> = BTreeMap::new();
    for participant in &world.participants {
        for ((xid, branch), deed) in &participant.deeds {
            deeds.entry(*xid).or_default().push((branch, deed));
        }
    }
    for (xid, deeds) in &deeds {
        let Some(way) = way(world, *xid) else { continue };
        for (branch, deed) in deeds {
            if !went(deed, way) {
                let what = format!("it went {way:?}, and branch {branch} says {deed:?}");
                return Err(Broken::new("atomicity", xid, what));
            }
        }
    }
    // Whoever never heard of it has no record at all.
    for (xid, txn) in &world.record.ended {
        let known = deeds.get(xid).map_or(&[][..], |deeds| &**deeds);
        let missing = txn.branches.iter().find(|branch| !known.iter().any(|(id, _)| *id == &*branch.id));
        if let (Some(branch), Status::Ended(End::Committed)) = (missing, txn.status) {
            return Err(Broken::new("atomicity", xid, format!("it committed without branch {}", branch.id)));
        }
    }
    Ok(())
}

/// Whether a branch went that way.
fn went(deed: &Deed, way: Way) -> bool {
    match (deed.mode, way) {
        (Mode::Xa | Mode::Tcc | Mode::Mixed, Way::Forward) => deed.tried && deed.forward && !deed.backward,
        // What was not tried needs not be cancelled.
        (Mode::Xa | Mode::Tcc | Mode::Mixed, Way::Backward) => {
            !deed.forward && (deed.backward || !deed.tried)
        }
        (Mode::Saga | Mode::Workflow, Way::Forward) => deed.forward && !deed.backward,
        (Mode::Saga | Mode::Workflow, Way::Backward) => !deed.forward || deed.backward,
        (Mode::Message | Mode::Notification, Way::Forward) => deed.forward,
        (Mode::Message | Mode::Notification, Way::Backward) => !deed.forward,
    }
}
