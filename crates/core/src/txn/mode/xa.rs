//! XA: each participant has prepared its branch in its database before the initiator decides; branches are told in the
//! order in which they joined.

use super::{
    CallResult, Errand, Next, Overdue, Rules, Verdict, phase_two, until_done, waits_for_its_initiator,
};
use crate::txn::apply::Refusal;
use crate::txn::command::{Begin, Enrolment};
use crate::txn::model::{Status, Txn, Way};

pub(super) struct Xa;

impl Rules for Xa {
    fn on_begin(&self, begin: &Begin) -> Result<(), Refusal> {
        begin.branches.iter().try_for_each(both_ways)
    }

    fn on_enlist(&self, _txn: &Txn, branch: &Enrolment) -> Result<(), Refusal> {
        both_ways(branch)
    }

    fn next(&self, txn: &Txn, _now_ms: u64) -> Next {
        match txn.status {
            Status::Committing => phase_two(txn, Way::Forward, txn.numbered().map(|(number, _)| number)),
            Status::RollingBack => phase_two(txn, Way::Backward, txn.numbered().map(|(number, _)| number)),
            Status::Active | Status::GivenUp | Status::Ended(_) => Next::Wait(None),
        }
    }

    fn on_result(&self, _txn: &Txn, _errand: Errand, result: &CallResult, _failures: u32) -> Verdict {
        until_done(result)
    }

    fn overdue(&self, txn: &Txn) -> Overdue {
        if waits_for_its_initiator(txn) { Overdue::RollBack } else { Overdue::Nothing }
    }
}

fn both_ways(branch: &Enrolment) -> Result<(), Refusal> {
    if branch.forward.is_some() != branch.backward.is_some() {
        return Err(Refusal::Invalid("an XA branch has a commit and a rollback"));
    }
    Ok(())
}
