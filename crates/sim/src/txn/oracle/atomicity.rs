//! All branches went the same way, by the participants' own records; and it is the way that was decided.

use std::collections::BTreeMap;

use synod_base::xid::Xid;
use synod_core::txn::{Branch, End, Mode, Status, Step, Way};

use super::Broken;
use crate::txn::client::Client;
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
            let wanted = !is_withdrawn(world, *xid, branch);
            // A late commit of what was undone is refused, and may be taken for that.
            let nothing = !deed.tried || deed.backward;
            if wanted && !went(deed, way) || !wanted && !nothing {
                let what = format!("it went {way:?}, and branch {branch} says {deed:?}");
                return Err(Broken::new("atomicity", xid, what));
            }
        }
    }
    // Whoever never heard of it has no record at all.
    for (xid, txn) in &world.record.ended {
        let known = deeds.get(xid).map_or(&[][..], |deeds| &**deeds);
        let has_it = |branch: &&Branch| known.iter().any(|(id, _)| *id == &*branch.id);
        let missing =
            txn.branches.iter().find(|branch| !has_it(branch) && !is_withdrawn(world, *xid, &branch.id));
        if let (Some(branch), Status::Ended(End::Committed)) = (missing, txn.status) {
            return Err(Broken::new("atomicity", xid, format!("it committed without branch {}", branch.id)));
        }
    }
    Ok(())
}

/// The coordinator says that everybody has been told whom the initiator of a mixed transaction waits for.
pub(in crate::txn) fn through(world: &mut World, xid: Xid) -> Result<(), Broken> {
    let Some(txn) = world.open(xid) else { return Ok(()) };
    let life = world.starts();
    if world.record.through.insert(xid, life) == Some(life) {
        return Err(Broken::new("atomicity", xid, "it is said to be through once more".into()));
    }
    let way = if txn.status == Status::Committing { Way::Forward } else { Way::Backward };
    let waited = |branch: &&Branch| !withdrawn(branch) && (way == Way::Backward || branch.rows.is_none());
    for branch in txn.branches.iter().filter(waited) {
        let name = (xid, branch.id.clone());
        let deed = world.participants.iter().find_map(|it| it.deeds.get(&name));
        if !deed.is_some_and(|deed| went(deed, way)) {
            let what = format!("it is said to be through, {way:?}, and branch {} says {deed:?}", branch.id);
            return Err(Broken::new("atomicity", xid, what));
        }
    }
    Ok(())
}

/// Whether its participant said that it has done nothing.
fn withdrawn(branch: &Branch) -> bool {
    branch.forward.step == Step::Skipped && branch.backward.step == Step::Skipped
}

/// The same, or its initiator has seen to it.
fn is_withdrawn(world: &World, xid: Xid, id: &str) -> bool {
    let client = world.record.given.get(&xid).map(|(client, _)| &world.clients[*client]);
    if client.is_some_and(|client| client.given_up.iter().any(|at| Client::branch_id(*at) == id)) {
        return true;
    }
    let txn = world.record.ended.get(&xid);
    txn.is_some_and(|txn| txn.branches.iter().any(|branch| &*branch.id == id && withdrawn(branch)))
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
