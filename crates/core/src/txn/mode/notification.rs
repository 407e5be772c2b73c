//! Best-effort notification: repeated on a schedule until the receiver acknowledges it, then given up. The receiver can ask
//! for what it missed, an operator can start the schedule over.

use super::{CallResult, Errand, Next, Overdue, Rules, Verdict};
use crate::txn::apply::Refusal;
use crate::txn::command::{Begin, Enrolment};
use crate::txn::model::{End, Status, Txn, Way};

pub(super) struct Notification;

impl Rules for Notification {
    fn on_begin(&self, begin: &Begin) -> Result<(), Refusal> {
        match &*begin.branches {
            _ if !begin.submit => Err(Refusal::Invalid("a notification is submitted at once")),
            [branch] if branch.forward.is_some() && branch.backward.is_none() => Ok(()),
            _ => Err(Refusal::Invalid("a notification has one receiver")),
        }
    }

    fn on_enlist(&self, _txn: &Txn, _branch: &Enrolment) -> Result<(), Refusal> {
        Err(Refusal::Invalid("a notification has one receiver"))
    }

    fn next(&self, txn: &Txn, now_ms: u64) -> Next {
        let due = txn.begun_ms.saturating_add(txn.options.delay_ms);
        match txn.status {
            Status::Committing if txn.is_through(Way::Forward) => Next::Finish(End::Committed),
            Status::Committing if now_ms < due => Next::Wait(Some(due)),
            Status::Committing => Next::legs(Way::Forward, [0].into_iter()),
            Status::RollingBack => Next::Finish(End::RolledBack),
            Status::Active | Status::GivenUp | Status::Ended(_) => Next::Wait(None),
        }
    }

    fn on_result(&self, txn: &Txn, _errand: Errand, result: &CallResult, failures: u32) -> Verdict {
        if *result == CallResult::Done {
            return Verdict::Done;
        }
        // Whoever is still at it has not acknowledged it, and the schedule goes on. The first pause follows the first attempt.
        let attempts = failures + u32::from(*result == CallResult::Ongoing);
        match txn.options.schedule_ms.get(attempts.saturating_sub(1) as usize) {
            Some(pause_ms) => Verdict::CountedAfter(*pause_ms),
            None => Verdict::GiveUp,
        }
    }

    fn overdue(&self, _txn: &Txn) -> Overdue {
        Overdue::Nothing
    }
}
