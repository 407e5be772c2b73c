//! Workflow: a program of the initiator that notes each finished step here. When it is silent for too long it is started
//! again, finds its steps and goes on behind them. It says itself how it ended.

use super::{CallResult, Errand, Next, Overdue, Rules, Verdict, until_done};
use crate::txn::apply::Refusal;
use crate::txn::command::{Begin, Enrolment};
use crate::txn::model::{End, Status, Txn};

pub(super) struct Workflow;

impl Rules for Workflow {
    fn on_begin(&self, begin: &Begin) -> Result<(), Refusal> {
        begin.branches.iter().try_for_each(noted)
    }

    fn on_enlist(&self, _txn: &Txn, branch: &Enrolment) -> Result<(), Refusal> {
        noted(branch)
    }

    fn next(&self, txn: &Txn, now_ms: u64) -> Next {
        match txn.status {
            Status::Active if txn.back_check.is_some() => {
                // Its own notes are signs of life: one that is at work is not started a second time.
                let due = txn.touched_ms.saturating_add(txn.options.timeout_ms);
                if now_ms < due {
                    Next::Wait(Some(due))
                } else {
                    Next::Call([Errand::BackCheck].into_iter().collect())
                }
            }
            Status::Committing => Next::Finish(End::Committed),
            Status::RollingBack => Next::Finish(End::RolledBack),
            Status::Active | Status::GivenUp | Status::Ended(_) => Next::Wait(None),
        }
    }

    fn on_result(&self, _txn: &Txn, _errand: Errand, result: &CallResult, _failures: u32) -> Verdict {
        match until_done(result) {
            // It ran and has not said how it ended: again, unless it does.
            Verdict::Done => Verdict::Again,
            other => other,
        }
    }

    fn overdue(&self, _txn: &Txn) -> Overdue {
        Overdue::Nothing
    }
}

fn noted(branch: &Enrolment) -> Result<(), Refusal> {
    if branch.forward.is_some() || branch.backward.is_some() {
        return Err(Refusal::Invalid("a workflow calls its steps itself"));
    }
    Ok(())
}
