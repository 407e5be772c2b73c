//! What clients and servers say to each other, whatever the codec.
//!
//! The types nest as the messages may: only [`Request`]s are merged, and only [`Answer`]s are put together.

use super::code::{BranchStatus, BranchType, ExceptionCode, GlobalStatus};
use super::text::Text;

/// The body of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// From the client: it will begin and end transactions.
    RegisterTm(Register),
    /// From the client: it will own branches of these resources; again when there are more.
    RegisterRm(Register),
    /// From the client, when the server's version is 2.6.0 at least: it no longer serves these resources.
    UnregisterRm(Register),
    /// The answer to [`Self::RegisterTm`].
    RegisterTmAnswer(RegisterAnswer),
    /// The answer to [`Self::RegisterRm`].
    RegisterRmAnswer(RegisterAnswer),
    /// The answer to [`Self::UnregisterRm`].
    UnregisterRmAnswer(RegisterAnswer),
    /// From the client, about a transaction.
    Request(Request),
    /// The answer to a request that came alone, or wants to be answered as if it had.
    Answer(Answer),
    /// From the client: requests in one frame, which is one-way and yet wants to be answered. See
    /// [`ClientVersion::merged_answer`](super::ClientVersion::merged_answer).
    MergedWarp(MergedWarp),
    /// To the client: the answers to all of one [`Self::MergedWarp`], in its order.
    MergeResult(Vec<Answer>),
    /// To the client: any answers, each with the id of its request.
    BatchResult(Vec<(i32, Answer)>),
    /// To the client: commit this branch.
    BranchCommit(BranchEnd),
    /// To the client: roll this branch back.
    BranchRollback(BranchEnd),
    /// The answer to [`Self::BranchCommit`], perhaps over another connection.
    BranchCommitAnswer(BranchEndAnswer),
    /// The answer to [`Self::BranchRollback`], perhaps over another connection.
    BranchRollbackAnswer(BranchEndAnswer),
    /// To the client, never answered: forget old records of finished branches.
    UndoLogDelete(UndoLogDelete),
}

/// Who a client is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Register {
    /// Of its library: see [`ClientVersion`](super::ClientVersion).
    pub version: Text,
    /// Its name.
    pub application_id: Text,
    /// Name of the group of servers that it was configured with.
    pub transaction_service_group: Text,
    /// A TM's credentials: lines `key=value`.
    pub extra_data: Text,
    /// Names of resources, with commas between them; not of a TM.
    pub resource_ids: Text,
}

/// Whether a client was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterAnswer {
    /// It was.
    pub is_identified: bool,
    /// Of the server; one below 2.6.0 makes clients send no [`Message::UnregisterRm`].
    pub version: Text,
    /// Why not. Only version 2 of the protocol and codec 2 carry it.
    pub reason: Text,
}

/// A request of a client about a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Begin one.
    GlobalBegin(GlobalBegin),
    /// Commit it.
    GlobalCommit(GlobalEnd),
    /// Roll it back.
    GlobalRollback(GlobalEnd),
    /// What is its state?
    GlobalStatus(GlobalEnd),
    /// This is its state (sagas that the client drives).
    GlobalReport(GlobalReport),
    /// Enlist a branch, and lock its rows.
    BranchRegister(BranchRegister),
    /// How the local part of a branch went.
    BranchReport(BranchReport),
    /// Could these rows be locked? Its kind of branch is not to be relied on.
    GlobalLockQuery(BranchRegister),
}

/// Begins a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GlobalBegin {
    /// How long it may take.
    pub timeout_ms: i32,
    /// Of the business, for people to read; one that begins with `$Saga_` is a saga's.
    pub name: Text,
}

/// Names a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GlobalEnd {
    /// `host:port:number`.
    pub xid: Text,
    /// Nothing uses it.
    pub extra_data: Text,
}

/// Tells the state of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GlobalReport {
    /// `host:port:number`.
    pub xid: Text,
    /// Nothing uses it.
    pub extra_data: Text,
    /// Its state.
    pub status: Option<GlobalStatus>,
}

/// A branch that is to be, or rows that would be locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchRegister {
    /// `host:port:number`.
    pub xid: Text,
    /// Its kind.
    pub branch_type: BranchType,
    /// What it changes.
    pub resource_id: Text,
    /// Rows: `table:key,key;table:key`.
    pub lock_key: Text,
    /// Comes back with phase two.
    pub application_data: Text,
}

/// How the local part of a branch went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchReport {
    /// `host:port:number`.
    pub xid: Text,
    /// Which branch.
    pub branch_id: i64,
    /// Its state.
    pub status: BranchStatus,
    /// What it changes.
    pub resource_id: Text,
    /// Replaces what it was enlisted with, unless empty.
    pub application_data: Text,
    /// Not to be relied on.
    pub branch_type: BranchType,
}

/// Answer to a [`Request`] of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Begun.
    GlobalBegin(GlobalBeginAnswer),
    /// Java's TM ignores whether it failed, and looks only at the state.
    GlobalCommit(GlobalEndAnswer),
    /// Likewise.
    GlobalRollback(GlobalEndAnswer),
    /// The state.
    GlobalStatus(GlobalEndAnswer),
    /// The state after the report.
    GlobalReport(GlobalEndAnswer),
    /// Enlisted.
    BranchRegister(BranchRegisterAnswer),
    /// Taken.
    BranchReport(Outcome),
    /// Whether all the rows are free.
    GlobalLockQuery(GlobalLockQueryAnswer),
}

/// Whether what was asked for was done.
pub type Outcome = Result<(), Failure>;

/// Why it was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For programs.
    pub code: ExceptionCode,
    /// For people; cut when too long. The original writes `TransactionException[…]`.
    pub text: Text,
}

/// A transaction was begun, or was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalBeginAnswer {
    /// Whether.
    pub outcome: Outcome,
    /// `host:port:number`.
    pub xid: Text,
    /// Nothing uses it.
    pub extra_data: Text,
}

/// The state of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalEndAnswer {
    /// Whether what was asked for was done.
    pub outcome: Outcome,
    /// The state. It is written as [`GlobalStatus::told`] says.
    pub status: GlobalStatus,
}

/// A branch was enlisted, or was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchRegisterAnswer {
    /// Whether.
    pub outcome: Outcome,
    /// Its id; 0 if it was not.
    pub branch_id: i64,
}

/// Whether rows are free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalLockQueryAnswer {
    /// Whether it is known.
    pub outcome: Outcome,
    /// They are.
    pub is_lockable: bool,
}

/// Requests in one frame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MergedWarp {
    /// In the order in which the client made them.
    pub requests: Vec<Request>,
    /// Ids of the requests, in the same order; none at all from clients before 1.5.0.
    pub ids: Vec<i32>,
}

/// Commits a branch or rolls it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchEnd {
    /// `host:port:number`; never empty.
    pub xid: Text,
    /// Which branch; -1 for a saga as a whole.
    pub branch_id: i64,
    /// Its kind.
    pub branch_type: BranchType,
    /// What it changed; never empty. `application#group` for a saga as a whole.
    pub resource_id: Text,
    /// What it was enlisted with; the *name* of the transaction's state for a saga as a whole.
    pub application_data: Text,
}

/// How phase two of a branch went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchEndAnswer {
    /// Whether it was tried. A Java client whose handler threw may say nothing instead.
    pub outcome: Outcome,
    /// `host:port:number`.
    pub xid: Text,
    /// Which branch.
    pub branch_id: i64,
    /// Its state.
    pub status: BranchStatus,
}

/// Forgets old records of finished branches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoLogDelete {
    /// Their kind.
    pub branch_type: BranchType,
    /// Where they are.
    pub resource_id: Text,
    /// How old, in days, they must be.
    pub save_days: i16,
}
