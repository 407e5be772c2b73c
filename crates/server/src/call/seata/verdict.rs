//! What a branch's answer to phase two means (`seata.md` 3).

use synod_core::txn::mode::CallResult;
use synod_core::txn::{Txn, Way};
use synod_wire::seata::{BranchEndAnswer, BranchStatus, BranchType, GlobalStatus, Text};

use super::super::clipped;

/// How long at least after a transaction's time is over its XA branches may still be on their way into the database.
const XA_GRACE_MS: u64 = 60_000;

/// Whether an XA branch that its database does not know cannot appear there any more: it has ended, and by our order.
pub(super) fn has_surely_ended(txn: &Txn, now_ms: u64) -> bool {
    let timeout_ms = txn.options.timeout_ms;
    let patience_ms = timeout_ms.saturating_add(timeout_ms.max(XA_GRACE_MS));
    now_ms > txn.begun_ms.saturating_add(patience_ms)
}

/// What a state machine is told beside which way it is to go: the name of the transaction's status.
pub(super) fn machine_status(txn: &Txn, way: Way) -> Text {
    let status = match way {
        Way::Forward => GlobalStatus::CommitRetrying,
        Way::Backward if txn.timed_out() => GlobalStatus::TimeoutRollbacking,
        Way::Backward => GlobalStatus::RollbackRetrying,
    };
    Text::from_static(status.name())
}

/// What an answer means to one who asked the branch to go that way. `surely_ended` says whether a branch that the database does
/// not know counts as ended.
pub(super) fn of(answer: &BranchEndAnswer, kind: BranchType, way: Way, surely_ended: bool) -> CallResult {
    use BranchStatus as Status;
    let text = || {
        let why = answer.outcome.as_ref().err().map(|failure| &*failure.text).unwrap_or_default();
        let status = answer.status.name();
        let text = if why.is_empty() { status.into() } else { format!("{status}: {why}") };
        Box::<str>::from(clipped(&text))
    };
    match (way, answer.status) {
        (Way::Forward, Status::PhaseTwoCommitted) | (Way::Backward, Status::PhaseTwoRollbacked) => {
            CallResult::Done
        }
        (Way::Forward, Status::PhaseTwoCommitFailedXaerNotaRetryable)
        | (Way::Backward, Status::PhaseTwoRollbackFailedXaerNotaRetryable)
            if surely_ended =>
        {
            CallResult::Done
        }
        (Way::Forward, Status::PhaseTwoCommitFailedUnretryable)
        | (Way::Backward, Status::PhaseTwoRollbackFailedUnretryable) => CallResult::Refused(text()),
        // A machine that was to go on has come to the other end: somebody has to know.
        (Way::Forward, Status::PhaseTwoRollbacked | Status::PhaseOneFailed) if kind == BranchType::Saga => {
            CallResult::Refused(text())
        }
        _ => CallResult::Failed(text()),
    }
}

#[cfg(test)]
mod tests {
    use synod_wire::seata::{ExceptionCode, Failure};

    use super::*;

    #[test]
    fn only_the_right_end_is_done() {
        let done = |kind, way, status, surely_ended| {
            let answer = BranchEndAnswer { outcome: Ok(()), xid: "h:1:2".into(), branch_id: 3, status };
            match of(&answer, kind, way, surely_ended) {
                CallResult::Done => 'd',
                CallResult::Refused(_) => 'r',
                _ => 'f',
            }
        };
        let each = |kind, way, surely_ended| -> String {
            BranchStatus::ALL.iter().map(|status| done(kind, way, *status, surely_ended)).collect()
        };
        let all = |way, surely_ended| each(BranchType::Xa, way, surely_ended);
        // In the order of the numbers: 5 and 7, 8 and 10, and 11 and 12 once there can be no doubt.
        assert_eq!(all(Way::Forward, false), "fffffdfrfffffff");
        assert_eq!(all(Way::Backward, false), "ffffffffdfrffff");
        assert_eq!(all(Way::Forward, true), "fffffdfrfffdfff");
        assert_eq!(all(Way::Backward, true), "ffffffffdfrfdff");
        assert_eq!(each(BranchType::Saga, Way::Forward, false), "fffrfdfrrffffff");
    }

    #[test]
    fn the_participants_words_are_kept() {
        let failure = Failure { code: ExceptionCode::Unknown, text: "it hurts".into() };
        let status = BranchStatus::PhaseTwoRollbackFailedRetryable;
        let answer = BranchEndAnswer { outcome: Err(failure), xid: "h:1:2".into(), branch_id: 3, status };
        let said = of(&answer, BranchType::Tcc, Way::Backward, true);
        assert_eq!(said, CallResult::Failed("PhaseTwo_RollbackFailed_Retryable: it hurts".into()));
    }
}
