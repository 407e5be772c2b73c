//! What statuses and codes of the protocol mean to transaction managers and resource managers. Pure; the reasons are in the
//! documentation of [`super`].

use synod_wire::seata::{BranchStatus, BranchType, ExceptionCode, Failure, GlobalEndAnswer, GlobalStatus};

use crate::rm::{EndError, EnlistError, Kind};
use crate::tm::{Decision, Error, Status};

/// Which way a transaction goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Forward,
    Backward,
}

/// How a transaction stands: which way it was decided to go, if the status says so, and how far it is.
pub(super) const fn stand(status: GlobalStatus) -> (Option<Way>, Status) {
    use GlobalStatus as Seata;
    use Way::{Backward, Forward};
    match status {
        Seata::Begin => (None, Status::Active),
        Seata::Committing | Seata::CommitRetrying | Seata::AsyncCommitting => {
            (Some(Forward), Status::Committing)
        }
        Seata::Committed => (Some(Forward), Status::Committed),
        Seata::CommitFailed | Seata::CommitRetryTimeout | Seata::StopCommitOrCommitRetry => {
            (Some(Forward), Status::NeedsAttention)
        }
        Seata::Rollbacking
        | Seata::RollbackRetrying
        | Seata::TimeoutRollbacking
        | Seata::TimeoutRollbackRetrying => (Some(Backward), Status::RollingBack),
        Seata::Rollbacked | Seata::TimeoutRollbacked => (Some(Backward), Status::RolledBack),
        Seata::RollbackFailed
        | Seata::TimeoutRollbackFailed
        | Seata::RollbackRetryTimeout
        | Seata::StopRollbackOrRollbackRetry => (Some(Backward), Status::NeedsAttention),
        // Ended, or deleted by a person, or never there: which, nobody says.
        Seata::Finished | Seata::Deleting | Seata::Unknown => (None, Status::Unknown),
    }
}

/// Whether the answer to a decision may be taken at its word. A failure comes with a status that may be a default; and of a commit
/// that comes after the transaction's time, servers say `TimeoutRollbacking` even if it was committed long before.
pub(super) fn is_believed(answer: &GlobalEndAnswer, wanted: Way) -> bool {
    answer.outcome.is_ok() && !(wanted == Way::Forward && answer.status == GlobalStatus::TimeoutRollbacking)
}

/// What became of a decision.
pub(super) fn decided(status: GlobalStatus, wanted: Way, why: Option<&Failure>) -> Result<Status, Error> {
    match stand(status) {
        (Some(way), status) if way == wanted => Ok(status),
        (None, Status::Active) => Err(Error::Refused(match why {
            Some(failure) => text(failure),
            None => "the transaction is still open".into(),
        })),
        (_, status) => Err(Error::Otherwise(status)),
    }
}

/// What a participant in doubt has to do.
pub(super) const fn decision(status: GlobalStatus) -> Decision {
    match stand(status) {
        (Some(Way::Forward), _) => Decision::Commit,
        (Some(Way::Backward), _) => Decision::Rollback,
        (None, Status::Active) => Decision::Undecided,
        (None, _) => Decision::Forgotten,
    }
}

/// The status of an answer that may be a failure, because there is no such transaction perhaps.
pub(super) fn status(answer: &GlobalEndAnswer) -> Result<GlobalStatus, Error> {
    match &answer.outcome {
        Ok(()) => Ok(answer.status),
        Err(failure) if failure.code == ExceptionCode::GlobalTransactionNotExist => {
            Ok(GlobalStatus::Finished)
        }
        Err(failure) => Err(Error::Refused(text(failure))),
    }
}

/// Why a branch has not joined.
pub(super) fn not_joined(failure: &Failure) -> EnlistError {
    let why = text(failure);
    match failure.code {
        ExceptionCode::LockKeyConflict => EnlistError::Conflict(why),
        ExceptionCode::LockKeyConflictFailFast => EnlistError::ConflictWithRollback(why),
        ExceptionCode::GlobalTransactionNotExist
        | ExceptionCode::GlobalTransactionNotActive
        | ExceptionCode::GlobalTransactionStatusInvalid
        | ExceptionCode::TransactionTimeout => EnlistError::NotActive(why),
        _ => EnlistError::Refused(why),
    }
}

/// A failure in words.
pub(super) fn text(failure: &Failure) -> String {
    if failure.text.is_empty() { format!("{:?}", failure.code) } else { failure.text.to_string() }
}

/// How a branch was ended, or why not.
pub(super) const fn ended(way: Way, result: &Result<(), EndError>) -> BranchStatus {
    match (way, result) {
        (Way::Forward, Ok(())) => BranchStatus::PhaseTwoCommitted,
        (Way::Backward, Ok(())) => BranchStatus::PhaseTwoRollbacked,
        (Way::Forward, Err(EndError::Again(_))) => BranchStatus::PhaseTwoCommitFailedRetryable,
        (Way::Backward, Err(EndError::Again(_))) => BranchStatus::PhaseTwoRollbackFailedRetryable,
        (Way::Forward, Err(EndError::Never(_))) => BranchStatus::PhaseTwoCommitFailedUnretryable,
        (Way::Backward, Err(EndError::Never(_))) => BranchStatus::PhaseTwoRollbackFailedUnretryable,
    }
}

/// The code that goes with it.
pub(super) const fn code(way: Way, error: &EndError) -> ExceptionCode {
    match (way, error) {
        (Way::Backward, EndError::Again(_)) => ExceptionCode::BranchRollbackFailedRetriable,
        (Way::Backward, EndError::Never(_)) => ExceptionCode::BranchRollbackFailedUnretriable,
        (Way::Forward, _) => ExceptionCode::Unknown,
    }
}

/// The protocol's name for a kind. A saga's branch here is the one of annotations, not of the state machine.
pub(super) const fn branch_type(kind: Kind) -> BranchType {
    match kind {
        Kind::At => BranchType::At,
        Kind::Tcc => BranchType::Tcc,
        Kind::Xa => BranchType::Xa,
        Kind::Saga => BranchType::SagaAnnotation,
    }
}

/// The other way round.
pub(super) const fn kind(branch_type: BranchType) -> Kind {
    match branch_type {
        BranchType::At => Kind::At,
        BranchType::Tcc => Kind::Tcc,
        BranchType::Xa => Kind::Xa,
        BranchType::Saga | BranchType::SagaAnnotation => Kind::Saga,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Statuses that a server sets once a transaction was decided to go forward.
    const FORWARD: [GlobalStatus; 7] = [
        GlobalStatus::Committing,
        GlobalStatus::CommitRetrying,
        GlobalStatus::AsyncCommitting,
        GlobalStatus::Committed,
        GlobalStatus::CommitFailed,
        GlobalStatus::CommitRetryTimeout,
        GlobalStatus::StopCommitOrCommitRetry,
    ];

    #[test]
    fn only_what_was_decided_forward_is_a_commit() {
        for &status in GlobalStatus::ALL {
            let (is_forward, is_open) = (FORWARD.contains(&status), status == GlobalStatus::Begin);
            let committed = decided(status, Way::Forward, None);
            assert_eq!(committed.is_ok(), is_forward, "{status:?}");
            assert_eq!(decision(status) == Decision::Commit, is_forward, "{status:?}");
            assert_eq!(matches!(committed, Err(Error::Refused(_))), is_open, "{status:?}");
            assert_eq!(decision(status) == Decision::Undecided, is_open, "{status:?}");
            let rolled_back = decided(status, Way::Backward, None);
            assert!(committed.is_err() || rolled_back.is_err(), "{status:?} is both");
            assert_eq!(rolled_back.is_ok(), decision(status) == Decision::Rollback, "{status:?}");
        }
    }

    #[test]
    fn what_ended_unseen_is_no_reason_to_undo() {
        for status in [GlobalStatus::Finished, GlobalStatus::Unknown, GlobalStatus::Deleting] {
            assert_eq!(decision(status), Decision::Forgotten);
            for wanted in [Way::Forward, Way::Backward] {
                let unknown = decided(status, wanted, None);
                assert!(matches!(unknown, Err(Error::Otherwise(Status::Unknown))), "{unknown:?}");
            }
        }
    }

    #[test]
    fn defaults_and_late_repetitions_are_not_believed() {
        let failure = Failure { code: ExceptionCode::FailedStore, text: "no disk".into() };
        let answer = |outcome, status| GlobalEndAnswer { outcome, status };
        let failed = answer(Err(failure.clone()), GlobalStatus::Committing);
        assert!(!is_believed(&failed, Way::Forward) && !is_believed(&failed, Way::Backward));
        let late = answer(Ok(()), GlobalStatus::TimeoutRollbacking);
        assert!(!is_believed(&late, Way::Forward) && is_believed(&late, Way::Backward));
        assert!(is_believed(&answer(Ok(()), GlobalStatus::Committed), Way::Forward));
        let refused = decided(GlobalStatus::Begin, Way::Forward, Some(&failure));
        assert!(matches!(refused, Err(Error::Refused(why)) if why == "no disk"));
    }

    #[test]
    fn kinds_come_back() {
        for of in [Kind::At, Kind::Tcc, Kind::Xa, Kind::Saga] {
            assert_eq!(kind(branch_type(of)), of);
        }
    }
}
