//! Two-phase message: half until the initiator submits it, delivered then until each receiver has acknowledged it. When the
//! initiator is silent for too long, it is asked what has become of its local transaction.

use super::{CallResult, Errand, Next, Overdue, Rules, Verdict, until_done};
use crate::txn::apply::Refusal;
use crate::txn::command::{Begin, Enrolment};
use crate::txn::model::{End, Status, Txn, Way};

pub(super) struct Message;

impl Rules for Message {
    fn on_begin(&self, begin: &Begin) -> Result<(), Refusal> {
        if begin.branches.iter().any(|branch| branch.backward.is_some()) {
            return Err(Refusal::Invalid("a message is not taken back"));
        }
        Ok(())
    }

    fn on_enlist(&self, _txn: &Txn, _branch: &Enrolment) -> Result<(), Refusal> {
        Err(Refusal::Invalid("the receivers of a message are given with it"))
    }

    fn next(&self, txn: &Txn, now_ms: u64) -> Next {
        match txn.status {
            Status::Active => {
                let due = txn.begun_ms.saturating_add(txn.options.timeout_ms);
                if now_ms < due {
                    Next::Wait(Some(due))
                } else {
                    Next::Call([Errand::BackCheck].into_iter().collect())
                }
            }
            Status::Committing if txn.is_through(Way::Forward) => Next::Finish(End::Committed),
            Status::Committing => {
                let due = txn.begun_ms.saturating_add(txn.options.delay_ms);
                if now_ms < due {
                    return Next::Wait(Some(due));
                }
                let together = if txn.options.concurrent { usize::MAX } else { 1 };
                let pending = txn.numbered().filter(|(_, branch)| branch.forward.is_pending());
                Next::legs(Way::Forward, pending.map(|(number, _)| number).take(together))
            }
            Status::RollingBack => Next::Finish(End::RolledBack),
            Status::GivenUp | Status::Ended(_) => Next::Wait(None),
        }
    }

    fn on_result(&self, _txn: &Txn, errand: Errand, result: &CallResult, _failures: u32) -> Verdict {
        match (errand, result) {
            (Errand::BackCheck, CallResult::Done) => Verdict::Decide(Way::Forward, Box::default()),
            (Errand::BackCheck, CallResult::Refused(reason)) => {
                Verdict::Decide(Way::Backward, reason.clone())
            }
            _ => until_done(result),
        }
    }

    fn overdue(&self, _txn: &Txn) -> Overdue {
        Overdue::Nothing
    }
}
