//! Saga: actions in order, or side by side under constraints. The first refusal, a limit of attempts or the end of its time
//! turns it: what was done is compensated in reverse, the refused action too, and nothing else is begun.

use smallvec::SmallVec;

use super::{
    CallResult, Errand, Next, Overdue, Rules, Verdict, is_ready, until_done, waits_for_its_initiator,
};
use crate::txn::apply::Refusal;
use crate::txn::command::{Begin, Enrolment};
use crate::txn::model::{End, Status, Step, Txn, Way};

pub(super) struct Saga;

impl Rules for Saga {
    fn on_begin(&self, begin: &Begin) -> Result<(), Refusal> {
        let numbers = 0..begin.branches.len();
        let out_of_order = |(number, branch): (usize, &Enrolment)| {
            branch
                .after
                .iter()
                .any(|before| usize::from(*before) == number || !numbers.contains(&usize::from(*before)))
        };
        if begin.branches.iter().enumerate().any(out_of_order) {
            return Err(Refusal::Invalid("a step waits for itself or for one that is not there"));
        }
        if has_cycle(&begin.branches) {
            return Err(Refusal::Invalid("steps wait for each other in a circle"));
        }
        Ok(())
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
            Status::Committing => Next::legs(Way::Forward, reached(txn).into_iter()),
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

/// The actions that may have been called by now, and those that may be called next: none of them is acknowledged, all that
/// they wait for are.
pub(in crate::txn) fn reached(txn: &Txn) -> SmallVec<[u16; 4]> {
    let pending = txn.numbered().filter(|(_, branch)| branch.forward.is_pending());
    if txn.options.concurrent {
        pending.filter(|(_, branch)| is_ready(txn, branch)).map(|(number, _)| number).collect()
    } else {
        pending.map(|(number, _)| number).take(1).collect()
    }
}

/// The compensations that may be called now: whatever came after them has been compensated.
fn undoable(txn: &Txn) -> SmallVec<[u16; 4]> {
    let pending = txn.numbered().rev().filter(|(_, branch)| branch.backward.is_pending());
    if !txn.options.concurrent {
        return pending.map(|(number, _)| number).take(1).collect();
    }
    let free = |number: &u16| {
        let mut later = txn.branches.iter().filter(|other| other.after.contains(number));
        later.all(|other| !other.backward.is_pending())
    };
    pending.map(|(number, _)| number).filter(free).collect()
}

fn has_cycle(branches: &[Enrolment]) -> bool {
    let mut placed = vec![false; branches.len()];
    loop {
        let next: Vec<usize> = (0..branches.len())
            .filter(|n| !placed[*n] && branches[*n].after.iter().all(|before| placed[usize::from(*before)]))
            .collect();
        if next.is_empty() {
            return placed.contains(&false);
        }
        next.into_iter().for_each(|n| placed[n] = true);
    }
}
