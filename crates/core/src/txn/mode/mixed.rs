//! Mixed: branches of any kind, each spoken to in its own protocol; the initiator decides. Branches are committed in the order in
//! which they joined and rolled back in the reverse order, because what came later may rest on what came before. A branch
//! that restores rows by itself (AT) has nothing to do for a commit but to clean up: nobody waits for that, and no order is kept.

use super::{CallResult, Errand, Next, Overdue, Rules, Verdict, waits_for_its_initiator};
use crate::txn::apply::Refusal;
use crate::txn::command::{Begin, Enrolment};
use crate::txn::model::{End, Txn, Way};

pub(super) struct Mixed;

impl Rules for Mixed {
    fn on_begin(&self, _begin: &Begin) -> Result<(), Refusal> {
        Ok(())
    }

    fn on_enlist(&self, _txn: &Txn, _branch: &Enrolment) -> Result<(), Refusal> {
        Ok(())
    }

    fn next(&self, txn: &Txn, _now_ms: u64) -> Next {
        let Some(way) = txn.status.way() else { return Next::Wait(None) };
        if txn.is_refused() {
            return Next::Wait(None);
        }
        if txn.is_through(way) {
            return Next::Finish(if way == Way::Forward { End::Committed } else { End::RolledBack });
        }
        Next::legs(way, due(txn, way))
    }

    fn on_result(&self, _txn: &Txn, _errand: Errand, result: &CallResult, _failures: u32) -> Verdict {
        match result {
            CallResult::Done => Verdict::Done,
            CallResult::Ongoing => Verdict::Again,
            CallResult::Refused(_) => Verdict::Refuse,
            CallResult::Failed(_) => Verdict::BackOff,
        }
    }

    fn overdue(&self, txn: &Txn) -> Overdue {
        if waits_for_its_initiator(txn) { Overdue::RollBack } else { Overdue::Nothing }
    }

    fn ends_quietly(&self) -> bool {
        true
    }
}

fn due(txn: &Txn, way: Way) -> impl Iterator<Item = u16> {
    let pending = txn.numbered().filter(move |(_, branch)| branch.leg(way).is_pending());
    let has_rows = |number: &u16| txn.branches[usize::from(*number)].rows.is_some();
    let cleans_up = move |number: &u16| way == Way::Forward && has_rows(number);
    let numbers = pending.map(|(number, _)| number);
    let cleaning = numbers.clone().filter(cleans_up);
    let mut others: Vec<u16> = numbers.filter(move |number| !cleans_up(number)).collect();
    if way == Way::Backward {
        others.reverse();
        // Also side by side: what has changed a row once more is undone before what had changed it first.
        let mut restoring = false;
        others.retain(|number| !has_rows(number) || !std::mem::replace(&mut restoring, true));
    }
    let together = if txn.options.concurrent { usize::MAX } else { 1 };
    others.into_iter().take(together).chain(cleaning)
}
