//! No decision is reversed: neither in the state, across all lives of the coordinator, nor as told to anybody. No branch joins
//! after it.

use synod_base::xid::Xid;
use synod_core::txn::{End, Mode, News, Status, Txn, Way};

use super::Broken;
use crate::txn::client::Client;
use crate::txn::record::decided;
use crate::txn::world::World;

/// Whether a transaction that stood so may stand so later.
pub(super) fn may_follow(mode: Mode, before: Status, after: Status) -> bool {
    use Status::{Active, Committing, Ended, GivenUp, RollingBack};
    let saga = mode == Mode::Saga;
    match (before, after) {
        (before, after) if before == after => true,
        (Ended(_), _) | (_, Active) => false,
        (Active, _) | (_, Ended(End::Stopped)) => true,
        (Committing | GivenUp, Committing | GivenUp | Ended(End::Committed)) => true,
        (Committing, RollingBack | Ended(End::RolledBack)) => saga,
        (RollingBack, Ended(End::RolledBack)) => true,
        _ => false,
    }
}

/// A batch was applied.
pub(in crate::txn) fn applied(world: &mut World, news: &News) -> Result<(), Broken> {
    for xid in &news.touched {
        if let Some(txn) = world.open(*xid) {
            stands(world, &txn)?;
        }
    }
    for txn in &news.ended {
        stands(world, txn)?;
        world.ended(txn);
    }
    Ok(())
}

fn stands(world: &mut World, txn: &Txn) -> Result<(), Broken> {
    let (xid, mode, status) = (txn.xid, txn.mode, txn.status);
    if let Some((_, before)) = world.record.stood.insert(xid, (mode, status))
        && !may_follow(mode, before, status)
    {
        return Err(Broken::new("decision", xid, format!("it is {status} after it was {before}")));
    }
    if (mode, status) == (Mode::Saga, Status::RollingBack) {
        world.turned(xid);
    }
    match (world.record.told.get(&xid), decided(mode, status)) {
        (Some(told), Some(way)) if *told != way => {
            Err(Broken::new("decision", xid, format!("it is {status}, and somebody was told {told:?}")))
        }
        _ => Ok(()),
    }
}

/// Somebody is told which way it was decided.
pub(in crate::txn) fn told(world: &mut World, xid: Xid, way: Way) -> Result<(), Broken> {
    if let Some((mode, status)) = world.record.stood.get(&xid)
        && *status != Status::Ended(End::Stopped)
        && decided(*mode, *status).is_some_and(|decided| decided != way)
    {
        return Err(Broken::new("decision", xid, format!("{way:?} is told of what is {status}")));
    }
    match world.record.told.insert(xid, way) {
        Some(before) if before != way => {
            Err(Broken::new("decision", xid, format!("{way:?} is told after {before:?}")))
        }
        _ => Ok(()),
    }
}

/// A branch has joined.
pub(in crate::txn) fn joined(xid: Xid, branch: &str) -> Result<(), Broken> {
    if branch == Client::LATE {
        return Err(Broken::new("decision", xid, "a branch has joined after the decision".into()));
    }
    Ok(())
}
