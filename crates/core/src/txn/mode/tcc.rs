//! TCC: the initiator tries each branch, then decides; branches are told in the reverse order of joining, so that what was
//! tried last is confirmed or cancelled first.

use super::{
    CallResult, Errand, Next, Overdue, Rules, Verdict, phase_two, until_done, waits_for_its_initiator,
};
use crate::txn::apply::Refusal;
use crate::txn::command::{Begin, Enrolment};
use crate::txn::model::{Status, Txn, Way};

pub(super) struct Tcc;

impl Rules for Tcc {
    fn on_begin(&self, _begin: &Begin) -> Result<(), Refusal> {
        Ok(())
    }

    fn on_enlist(&self, _txn: &Txn, _branch: &Enrolment) -> Result<(), Refusal> {
        Ok(())
    }

    fn next(&self, txn: &Txn, _now_ms: u64) -> Next {
        match txn.status {
            Status::Committing => {
                phase_two(txn, Way::Forward, txn.numbered().rev().map(|(number, _)| number))
            }
            Status::RollingBack => {
                phase_two(txn, Way::Backward, txn.numbered().rev().map(|(number, _)| number))
            }
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
