//! Saga: actions in order, or side by side under constraints. The first refusal, a limit of attempts or the end of its time
//! turns it: what was done is compensated in reverse, the refused action too, and nothing else is begun.

use smallvec::SmallVec;

use super::{CallResult, Errand, Next, Overdue, Rules, Verdict, until_done, waits_for_its_initiator};
use crate::txn::apply::Refusal;
use crate::txn::command::{Begin, Enrolment};
use crate::txn::model::{Branch, End, Status, Step, Txn, Way};

pub(super) struct Saga;

impl Rules for Saga {
    fn on_begin(&self, begin: &Begin) -> Result<(), Refusal> {
        let branches = &*begin.branches;
        if branches
            .iter()
            .flat_map(|branch| &branch.after)
            .any(|before| usize::from(*before) >= branches.len())
        {
            return Err(Refusal::Invalid("a step waits for one that is not there"));
        }
        match in_order(branches.len(), |number| &branches[number].after) {
            Some(_) => Ok(()),
            None => Err(Refusal::Invalid("steps wait for each other in a circle")),
        }
    }

    fn on_enlist(&self, txn: &Txn, branch: &Enrolment) -> Result<(), Refusal> {
        if branch.after.iter().any(|before| usize::from(*before) >= txn.branches.len()) {
            return Err(Refusal::Invalid("a step can only wait for those before it"));
        }
        Ok(())
    }

    fn next(&self, txn: &Txn, _now_ms: u64) -> Next {
        match txn.status {
            Status::Committing if txn.is_through(Way::Forward) => Next::Finish(End::Committed),
            Status::Committing => Next::legs(Way::Forward, callable(txn)),
            Status::RollingBack if txn.is_through(Way::Backward) => Next::Finish(End::RolledBack),
            Status::RollingBack => Next::legs(Way::Backward, undoable(txn).into_iter()),
            Status::Active | Status::GivenUp | Status::Ended(_) => Next::Wait(None),
        }
    }

    fn on_result(&self, txn: &Txn, errand: Errand, result: &CallResult, failures: u32) -> Verdict {
        let limit = txn.options.retry_limit;
        match (errand, result) {
            (Errand::Leg(_, Way::Backward) | Errand::BackCheck, _) => until_done(result),
            (_, CallResult::Refused(reason)) if !txn.options.forward_only => {
                Verdict::Turn { refused: true, reason: reason.clone() }
            }
            (_, CallResult::Failed(_)) if limit > 0 && !txn.options.forward_only => {
                if failures > limit {
                    // dtm's clients know this sentence.
                    let reason = format!("RetryCount is greater than RetryLimit, RetryLimit: {limit}");
                    return Verdict::Turn { refused: false, reason: reason.into() };
                }
                Verdict::Counted
            }
            _ => until_done(result),
        }
    }

    fn overdue(&self, txn: &Txn) -> Overdue {
        match txn.status {
            Status::Committing if !txn.options.forward_only => Overdue::Turn,
            _ if waits_for_its_initiator(txn) => Overdue::RollBack,
            _ => Overdue::Nothing,
        }
    }

    /// No action has been called, so none is undone.
    fn on_early_rollback(&self, txn: &mut Txn) {
        for branch in txn.branches.iter_mut().filter(|branch| branch.backward.is_pending()) {
            branch.backward.step = Step::Skipped;
        }
    }
}

/// Which steps have been come to: all that they wait for are behind them, so that their actions may have been called, or may
/// be now. A step without an action is done from the beginning, but come to only with those before it.
pub(in crate::txn) fn come_to(txn: &Txn) -> SmallVec<[bool; 8]> {
    let branches = &*txn.branches;
    let called = |branch: &Branch| branch.forward.target.is_some() && !branch.forward.is_pending();
    if !txn.options.concurrent {
        let first = branches.iter().position(|branch| branch.forward.is_pending());
        let last = branches.iter().rposition(called);
        let until = first.map_or(branches.len(), |first| first.max(last.unwrap_or(0)) + 1);
        return (0..branches.len()).map(|number| number < until).collect();
    }
    let mut come: SmallVec<[bool; 8]> = branches.iter().map(called).collect();
    for number in in_order(branches.len(), |number| &branches[number].after).unwrap_or_default() {
        let behind = |before: &u16| {
            let before = usize::from(*before);
            come[before] && !branches[before].forward.is_pending()
        };
        come[number] = come[number] || branches[number].after.iter().all(behind);
    }
    come
}

/// The actions that may be called now: come to, and not acknowledged.
fn callable(txn: &Txn) -> impl Iterator<Item = u16> {
    let come_to = come_to(txn);
    let together = if txn.options.concurrent { usize::MAX } else { 1 };
    let pending = txn.numbered().filter(|(_, branch)| branch.forward.is_pending()).map(|(number, _)| number);
    pending.filter(move |number| come_to[usize::from(*number)]).take(together)
}

/// The compensations that may be called now: whatever came after them has been compensated, or needs not be.
fn undoable(txn: &Txn) -> SmallVec<[u16; 4]> {
    let branches = &*txn.branches;
    let pending = txn.numbered().rev().filter(|(_, branch)| branch.backward.is_pending());
    let pending = pending.map(|(number, _)| number);
    if !txn.options.concurrent {
        return pending.take(1).collect();
    }
    let mut free: SmallVec<[bool; 8]> = SmallVec::from_elem(true, branches.len());
    let order = in_order(branches.len(), |number| &branches[number].after).unwrap_or_default();
    for number in order.into_iter().rev() {
        if !free[number] || branches[number].backward.is_pending() {
            branches[number].after.iter().for_each(|before| free[usize::from(*before)] = false);
        }
    }
    pending.filter(|number| free[usize::from(*number)]).collect()
}

/// The numbers below `count` so that each follows all that it comes `after`; none if they go in a circle, or after one that
/// is not there.
fn in_order<'a>(
    count: usize,
    after: impl Fn(usize) -> &'a SmallVec<[u16; 4]>,
) -> Option<SmallVec<[usize; 8]>> {
    let smaller = |number: usize| after(number).iter().all(|before| usize::from(*before) < number);
    if (0..count).all(smaller) {
        return Some((0..count).collect());
    }
    // How many each still waits for, and who waits for it.
    let mut waits: Vec<usize> = (0..count).map(|number| after(number).len()).collect();
    let mut followers = vec![Vec::new(); count];
    for number in 0..count {
        for before in after(number) {
            followers.get_mut(usize::from(*before))?.push(number);
        }
    }
    let mut order: SmallVec<[usize; 8]> = (0..count).filter(|number| waits[*number] == 0).collect();
    let mut at = 0;
    while let Some(number) = order.get(at).copied() {
        at += 1;
        for follower in &followers[number] {
            waits[*follower] -= 1;
            if waits[*follower] == 0 {
                order.push(*follower);
            }
        }
    }
    (order.len() == count).then_some(order)
}
