//! A transaction in Seata's words, for whoever tells or shows it.

use bytes::Bytes;
use synod_core::txn::mode::CallResult;
use synod_core::txn::{Status, Txn, Way};
use synod_wire::seata::GlobalStatus;

/// Who began a transaction; empty where it was no Seata client.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Initiator<'a> {
    pub(crate) application: &'a str,
    pub(crate) group: &'a str,
}

impl<'a> Initiator<'a> {
    /// As it is kept with the transaction: one line each.
    pub(crate) fn note(&self) -> Bytes {
        Bytes::from(format!("{}\n{}", self.application, self.group))
    }

    /// What was kept.
    pub(crate) fn of(txn: &'a Txn) -> Self {
        let note = std::str::from_utf8(&txn.note).unwrap_or_default();
        let (application, group) = note.split_once('\n').unwrap_or_default();
        Self { application, group }
    }
}

/// How phase two goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Well.
    Smooth,
    /// A call has failed and is to be repeated.
    Pausing,
    /// A participant has refused for good.
    Refused,
}

impl Progress {
    /// As far as the state shows it, or else as somebody has been told.
    pub(crate) fn of(txn: &Txn, told: Self) -> Self {
        if txn.is_refused() { Self::Refused } else { told }
    }

    /// What a call that came to nothing says.
    pub(crate) fn after(result: &CallResult) -> Self {
        match result {
            CallResult::Refused(_) => Self::Refused,
            CallResult::Done | CallResult::Ongoing | CallResult::Failed(_) => Self::Pausing,
        }
    }
}

/// How an open transaction stands.
pub(crate) fn status(txn: &Txn, progress: Progress) -> GlobalStatus {
    use Progress::{Pausing, Refused, Smooth};
    match (txn.status, Progress::of(txn, progress)) {
        (Status::Active, _) => GlobalStatus::Begin,
        (Status::Committing, Refused) => GlobalStatus::CommitFailed,
        // Nothing is left but to record it.
        (Status::Committing, _) if txn.is_through(Way::Forward) => GlobalStatus::Committed,
        (Status::RollingBack, Pausing | Smooth) if txn.is_through(Way::Backward) => {
            done(Way::Backward, txn.timed_out())
        }
        (Status::Committing, _) if txn.is_told(Way::Forward) => GlobalStatus::AsyncCommitting,
        (Status::Committing, Pausing) => GlobalStatus::CommitRetrying,
        (Status::Committing, Smooth) => GlobalStatus::Committing,
        (Status::RollingBack, progress) => match (txn.timed_out(), progress) {
            (false, Refused) => GlobalStatus::RollbackFailed,
            (true, Refused) => GlobalStatus::TimeoutRollbackFailed,
            (false, Smooth) => GlobalStatus::Rollbacking,
            (false, Pausing) => GlobalStatus::RollbackRetrying,
            (true, Smooth) => GlobalStatus::TimeoutRollbacking,
            (true, Pausing) => GlobalStatus::TimeoutRollbackRetrying,
        },
        (Status::GivenUp | Status::Ended(_), _) => GlobalStatus::Finished,
    }
}

/// Everybody has been told.
pub(crate) const fn done(way: Way, timed_out: bool) -> GlobalStatus {
    match (way, timed_out) {
        (Way::Forward, _) => GlobalStatus::Committed,
        (Way::Backward, false) => GlobalStatus::Rollbacked,
        (Way::Backward, true) => GlobalStatus::TimeoutRollbacked,
    }
}
