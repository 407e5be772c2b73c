//! Numbers of the protocol that mean states, kinds and failures (`org.apache.seata.core.model` and
//! `core.exception.TransactionExceptionCode` in tags 1.4.2 to 2.4.0).

use super::version::ClientVersion;

/// An enumeration whose members are numbered alike in all versions, with the original's names.
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $member:ident = $code:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$about])* $member = $code,)* }

        impl $name {
            /// All there are, by code.
            pub const ALL: &'static [Self] = &[$(Self::$member,)*];

            /// Its number.
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// The one with this number.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$member),)* _ => None }
            }

            /// Its name in the original.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$member => $text,)* }
            }
        }
    };
}

numbered! {
    /// State of a global transaction.
    GlobalStatus {
        /// Of which nothing is known.
        Unknown = 0 "UnKnown",
        /// Open.
        Begin = 1 "Begin",
        /// Its branches are being committed.
        Committing = 2 "Committing",
        /// A branch could not be committed yet.
        CommitRetrying = 3 "CommitRetrying",
        /// Its branches are being rolled back.
        Rollbacking = 4 "Rollbacking",
        /// A branch could not be rolled back yet.
        RollbackRetrying = 5 "RollbackRetrying",
        /// Its branches are being rolled back because it took too long.
        TimeoutRollbacking = 6 "TimeoutRollbacking",
        /// The same, and a branch could not yet.
        TimeoutRollbackRetrying = 7 "TimeoutRollbackRetrying",
        /// Decided; the branches are told later. The client that commits is told [`Self::Committed`].
        AsyncCommitting = 8 "AsyncCommitting",
        /// The good end.
        Committed = 9 "Committed",
        /// A branch will never commit.
        CommitFailed = 10 "CommitFailed",
        /// The other end.
        Rollbacked = 11 "Rollbacked",
        /// A branch will never roll back.
        RollbackFailed = 12 "RollbackFailed",
        /// Rolled back because it took too long.
        TimeoutRollbacked = 13 "TimeoutRollbacked",
        /// The same, and a branch will never.
        TimeoutRollbackFailed = 14 "TimeoutRollbackFailed",
        /// Not there any more.
        Finished = 15 "Finished",
        /// Commits were repeated long enough. From 1.5.0 on.
        CommitRetryTimeout = 16 "CommitRetryTimeout",
        /// Rollbacks were repeated long enough. From 1.5.0 on.
        RollbackRetryTimeout = 17 "RollbackRetryTimeout",
        /// An operator deletes it. From 2.4.0 on.
        Deleting = 18 "Deleting",
        /// An operator stopped its commit. From 2.4.0 on.
        StopCommitOrCommitRetry = 19 "StopCommitOrCommitRetry",
        /// An operator stopped its rollback. From 2.4.0 on.
        StopRollbackOrRollbackRetry = 20 "StopRollbackOrRollbackRetry",
    }
}

impl GlobalStatus {
    /// What a client of this version is told of it: older ones cannot read the newer states, and fail at them.
    pub fn told(self, client: ClientVersion) -> Self {
        let is_known = match self {
            Self::CommitRetryTimeout | Self::RollbackRetryTimeout => client >= ClientVersion::V1_5_0,
            Self::Deleting | Self::StopCommitOrCommitRetry | Self::StopRollbackOrRollbackRetry => {
                client >= ClientVersion::V2_4_0
            }
            _ => true,
        };
        match self {
            _ if is_known => self,
            Self::CommitRetryTimeout => Self::CommitFailed,
            Self::RollbackRetryTimeout => Self::RollbackFailed,
            Self::StopCommitOrCommitRetry => Self::Committing,
            Self::StopRollbackOrRollbackRetry => Self::Rollbacking,
            // Which way a deleted transaction went cannot be told from the state.
            _ => Self::Unknown,
        }
    }
}

numbered! {
    /// State of a branch.
    BranchStatus {
        /// Of which nothing is known.
        Unknown = 0 "Unknown",
        /// Enlisted.
        Registered = 1 "Registered",
        /// Its local part is done.
        PhaseOneDone = 2 "PhaseOne_Done",
        /// Its local part failed.
        PhaseOneFailed = 3 "PhaseOne_Failed",
        /// Its local part took too long.
        PhaseOneTimeout = 4 "PhaseOne_Timeout",
        /// Committed.
        PhaseTwoCommitted = 5 "PhaseTwo_Committed",
        /// Not committed: ask again.
        PhaseTwoCommitFailedRetryable = 6 "PhaseTwo_CommitFailed_Retryable",
        /// Will never commit.
        PhaseTwoCommitFailedUnretryable = 7 "PhaseTwo_CommitFailed_Unretryable",
        /// Rolled back.
        PhaseTwoRollbacked = 8 "PhaseTwo_Rollbacked",
        /// Not rolled back: ask again.
        PhaseTwoRollbackFailedRetryable = 9 "PhaseTwo_RollbackFailed_Retryable",
        /// Will never roll back.
        PhaseTwoRollbackFailedUnretryable = 10 "PhaseTwo_RollbackFailed_Unretryable",
        /// The database does not know the XA branch that is to be committed. From 1.5.0 on.
        PhaseTwoCommitFailedXaerNotaRetryable = 11 "PhaseTwo_CommitFailed_XAER_NOTA_Retryable",
        /// The database does not know the XA branch that is to be rolled back. From 1.5.0 on.
        PhaseTwoRollbackFailedXaerNotaRetryable = 12 "PhaseTwo_RollbackFailed_XAER_NOTA_Retryable",
        /// Its local part only read, and ended with phase one. From 2.2.0 on.
        PhaseOneReadOnly = 13 "PhaseOne_RDONLY",
        /// An operator stopped it. From 2.4.0 on, between servers only.
        StopRetry = 14 "STOP_RETRY",
    }
}

numbered! {
    /// Kind of a branch.
    BranchType {
        /// Undo from images of rows.
        At = 0 "AT",
        /// Try, confirm, cancel.
        Tcc = 1 "TCC",
        /// Saga of the client's state machine.
        Saga = 2 "SAGA",
        /// Two-phase commit of databases.
        Xa = 3 "XA",
        /// Action and compensation. From 2.3.0 on.
        SagaAnnotation = 4 "SAGA_ANNOTATION",
    }
}

/// Why a request about a transaction failed. Clients act on a lock conflict only; all else is text for their logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExceptionCode {
    /// Anything else.
    Unknown,
    /// The transaction was not begun.
    BeginFailed,
    /// Another transaction has a row: the client tries again.
    LockKeyConflict,
    /// Input or output failed.
    Io,
    /// A branch was not rolled back, and may be later.
    BranchRollbackFailedRetriable,
    /// A branch will never be rolled back.
    BranchRollbackFailedUnretriable,
    /// The branch was not enlisted.
    BranchRegisterFailed,
    /// The report was not taken.
    BranchReportFailed,
    /// Whether rows can be locked is unknown.
    LockableCheckFailed,
    /// No such branch.
    BranchTransactionNotExist,
    /// No such transaction.
    GlobalTransactionNotExist,
    /// The transaction takes no branches any more.
    GlobalTransactionNotActive,
    /// The transaction is in the wrong state.
    GlobalTransactionStatusInvalid,
    /// A branch could not be told to commit.
    FailedToSendBranchCommitRequest,
    /// A branch could not be told to roll back.
    FailedToSendBranchRollbackRequest,
    /// The branch was not kept.
    FailedToAddBranch,
    /// The transaction is locked.
    FailedLockGlobalTransaction,
    /// The transaction was not written.
    FailedWriteSession,
    /// The store failed.
    FailedStore,
    /// Another server leads. From 2.0.0 on.
    NotRaftLeader,
    /// Another transaction has a row and is being rolled back: the client does not try again. From 1.5.0 on.
    LockKeyConflictFailFast,
    /// The transaction took too long. From 1.7.0 on.
    TransactionTimeout,
    /// Some branches committed, others did not. From 1.7.0 on.
    CommitHeuristic,
    /// The connection to the server broke. From 1.7.0 on.
    Broken,
}

/// Those whose numbers are the same in all versions, by number.
const EARLY: [ExceptionCode; 19] = [
    ExceptionCode::Unknown,
    ExceptionCode::BeginFailed,
    ExceptionCode::LockKeyConflict,
    ExceptionCode::Io,
    ExceptionCode::BranchRollbackFailedRetriable,
    ExceptionCode::BranchRollbackFailedUnretriable,
    ExceptionCode::BranchRegisterFailed,
    ExceptionCode::BranchReportFailed,
    ExceptionCode::LockableCheckFailed,
    ExceptionCode::BranchTransactionNotExist,
    ExceptionCode::GlobalTransactionNotExist,
    ExceptionCode::GlobalTransactionNotActive,
    ExceptionCode::GlobalTransactionStatusInvalid,
    ExceptionCode::FailedToSendBranchCommitRequest,
    ExceptionCode::FailedToSendBranchRollbackRequest,
    ExceptionCode::FailedToAddBranch,
    ExceptionCode::FailedLockGlobalTransaction,
    ExceptionCode::FailedWriteSession,
    ExceptionCode::FailedStore,
];

/// Those whose numbers moved: what 19, 20, … mean from 2.0.0 on. Before that the first was missing; before 1.7.0 there was only
/// the second.
const LATE: [ExceptionCode; 5] = [
    ExceptionCode::NotRaftLeader,
    ExceptionCode::LockKeyConflictFailFast,
    ExceptionCode::TransactionTimeout,
    ExceptionCode::CommitHeuristic,
    ExceptionCode::Broken,
];

impl ExceptionCode {
    /// What 19, 20, … mean to clients of this version.
    fn late(client: ClientVersion) -> &'static [Self] {
        if client >= ClientVersion::V2_0_0 {
            &LATE
        } else if client >= ClientVersion::V1_7_0 {
            &LATE[1..]
        } else if client >= ClientVersion::V1_5_0 {
            &LATE[1..2]
        } else {
            &[]
        }
    }

    /// Its number for a client of this version. Clients fail at numbers they do not know, so they are told the next best:
    /// of a lock conflict that is final, that it is one.
    pub fn code(self, client: ClientVersion) -> u8 {
        let known = EARLY.iter().chain(Self::late(client));
        let at = (0_u8..).zip(known).find_map(|(at, &code)| if code == self { Some(at) } else { None });
        match (at, self) {
            (Some(at), _) => at,
            (None, Self::LockKeyConflictFailFast) => Self::LockKeyConflict.code(client),
            (None, _) => 0,
        }
    }

    /// What a client of this version means by a number; one that it cannot mean is [`Self::Unknown`].
    pub fn from_code(code: u8, client: ClientVersion) -> Self {
        EARLY.iter().chain(Self::late(client)).nth(code.into()).copied().unwrap_or(Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ClientVersion {
        ClientVersion::parse(text).unwrap()
    }

    #[test]
    fn numbers_are_the_originals() {
        let codes = |count: u8| (0..count).collect::<Vec<_>>();
        assert_eq!(GlobalStatus::ALL.iter().map(|status| status.code()).collect::<Vec<_>>(), codes(21));
        assert_eq!(BranchStatus::ALL.iter().map(|status| status.code()).collect::<Vec<_>>(), codes(15));
        assert_eq!(BranchType::ALL.iter().map(|kind| kind.code()).collect::<Vec<_>>(), codes(5));
        assert!(
            GlobalStatus::ALL.iter().all(|&status| GlobalStatus::from_code(status.code()) == Some(status))
        );
        assert_eq!(GlobalStatus::from_code(21), None);
        assert_eq!(BranchStatus::from_code(13), Some(BranchStatus::PhaseOneReadOnly));
        assert_eq!(BranchType::from_code(255), None);
        assert_eq!(GlobalStatus::Unknown.name(), "UnKnown");
    }

    #[test]
    fn old_clients_are_not_told_new_states() {
        use GlobalStatus::*;
        for (status, old, middle) in [
            (CommitRetryTimeout, CommitFailed, CommitRetryTimeout),
            (RollbackRetryTimeout, RollbackFailed, RollbackRetryTimeout),
            (Deleting, Unknown, Unknown),
            (StopCommitOrCommitRetry, Committing, Committing),
            (StopRollbackOrRollbackRetry, Rollbacking, Rollbacking),
            (AsyncCommitting, AsyncCommitting, AsyncCommitting),
        ] {
            assert_eq!(status.told(version("1.4.2")), old);
            assert_eq!(status.told(version("1.5.0")), middle);
            assert_eq!(status.told(version("2.3.0")), middle);
            assert_eq!(status.told(version("2.4.0")), status);
        }
    }

    #[test]
    fn a_final_lock_conflict_moved() {
        for (text, code) in
            [("0.7.1", 2), ("1.4.2", 2), ("1.5.2", 19), ("1.8.0", 19), ("2.0.0", 20), ("2.6.0", 20)]
        {
            assert_eq!(ExceptionCode::LockKeyConflictFailFast.code(version(text)), code, "{text}");
        }
        assert_eq!(ExceptionCode::FailedStore.code(version("1.4.2")), 18);
        assert_eq!(ExceptionCode::NotRaftLeader.code(version("1.8.0")), 0);
        assert_eq!(ExceptionCode::TransactionTimeout.code(version("1.6.1")), 0);
        assert_eq!(ExceptionCode::TransactionTimeout.code(version("1.7.0")), 20);
        assert_eq!(ExceptionCode::Broken.code(version("2.0.0")), 23);
    }

    #[test]
    fn codes_are_read_as_they_were_meant() {
        for client in ["1.4.2", "1.5.0", "1.7.0", "2.0.0"].map(version) {
            for code in 0..=255 {
                let read = ExceptionCode::from_code(code, client);
                assert!(read == ExceptionCode::Unknown || read.code(client) == code);
            }
        }
        assert_eq!(ExceptionCode::from_code(24, version("2.6.0")), ExceptionCode::Unknown);
    }
}
