//! Participants are idempotent, and may be called again where it is not known whether they have been. They are not called
//! twice at once, not again once they have answered, not in a hurry, not before their turn, and not about what nobody wants.

use synod_base::xid::Xid;
use synod_core::txn::drive::Call;
use synod_core::txn::mode::{CallResult, Errand};
use synod_core::txn::{Mode, Status, Txn, Way};

use super::Broken;
use crate::txn::record::Called;
use crate::txn::world::World;

pub(super) fn made(world: &mut World, call: &Call) -> Result<(), Broken> {
    let (xid, errand) = (call.txn.xid, call.errand);
    let broken = |what: &str| Err(Broken::new("contract", xid, format!("{errand:?} is called {what}")));
    let Some(txn) = world.open(xid) else { return broken("and nothing is open") };
    match (errand, txn.status) {
        (Errand::BackCheck, Status::Active)
        | (Errand::Leg(_, Way::Forward), Status::Committing)
        | (Errand::Leg(_, Way::Backward), Status::RollingBack) => {}
        (_, status) => return broken(&format!("and it is {status}")),
    }
    if let Errand::Leg(branch, way) = errand
        && !txn.branches[usize::from(branch)].leg(way).is_pending()
    {
        return broken("again although its acknowledgement is in the log");
    }
    let life = world.starts();
    if let Some(last) = world.record.calls.get(&(xid, errand))
        && last.life == life
    {
        let pause_ms = world.now_ms - last.ended_ms;
        // The operator may have wanted that while it was under way.
        let hurried = world.record.hurried.get(&xid).is_some_and(|at_ms| *at_ms >= last.made_ms);
        if last.flying {
            return broken("while it is being called");
        }
        // An initiator is asked again when its answer could not be recorded, or when it has not said how it ended.
        if last.done && errand != Errand::BackCheck {
            return broken("again although it has answered");
        }
        if txn.mode != Mode::Notification && !hurried && pause_ms < txn.options.retry_ms * 9 / 10 {
            return broken(&format!("again after {pause_ms} ms"));
        }
    }
    if let Errand::Leg(branch, way) = errand
        && let Some(before) = too_early(world, &txn, branch, way)
    {
        return broken(&format!("before branch {before} has answered"));
    }
    world.record.calls.insert(
        (xid, errand),
        Called { made_ms: world.now_ms, life, flying: true, ended_ms: 0, done: false },
    );
    Ok(())
}

/// Whose turn it is before that.
fn too_early(world: &World, txn: &Txn, branch: u16, way: Way) -> Option<u16> {
    let has_rows = |branch: u16| txn.branches[usize::from(branch)].rows.is_some();
    let before = |other: &u16| match (txn.mode, way) {
        (Mode::Saga, Way::Forward) if txn.options.concurrent => {
            txn.branches[usize::from(branch)].after.contains(other)
        }
        (Mode::Saga, Way::Backward) if txn.options.concurrent => {
            txn.branches[usize::from(*other)].after.contains(&branch)
        }
        // Whoever merely cleans up waits for nobody, and nobody for it.
        (Mode::Mixed, Way::Forward) if has_rows(branch) || has_rows(*other) => false,
        // What was changed twice is put back in two steps.
        (Mode::Mixed, Way::Backward) if has_rows(branch) && has_rows(*other) => *other > branch,
        _ if txn.options.concurrent => false,
        (Mode::Tcc, _) | (Mode::Saga | Mode::Mixed, Way::Backward) => *other > branch,
        _ => *other < branch,
    };
    let has_answered = |other: &u16| {
        let settled = !txn.branches[usize::from(*other)].leg(way).is_pending();
        let called = world.record.calls.get(&(txn.xid, Errand::Leg(*other, way)));
        settled || called.is_some_and(|last| last.life == world.starts() && last.done)
    };
    (0..txn.branches.len() as u16).filter(before).find(|other| !has_answered(other))
}

/// A call has ended.
pub(in crate::txn) fn returned(world: &mut World, xid: Xid, errand: Errand, result: &CallResult) {
    let now_ms = world.now_ms;
    if let Some(called) = world.record.calls.get_mut(&(xid, errand)) {
        (called.flying, called.ended_ms, called.done) = (false, now_ms, *result == CallResult::Done);
    }
}
