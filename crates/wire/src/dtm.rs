//! The dtm protocol, as its clients of version 1.17 speak it with a server of version 1.19: over HTTP with JSON, over
//! JSON-RPC 2.0 and over gRPC; and the calls that the server makes to the branches.
//!
//! *Reading is lenient* where the clients of six languages lean on Go's decoder: null is an absent field, unknown
//! fields are passed over, of a field sent twice the last one counts, names match whatever their case, an empty list
//! stands for an empty map (PHP). A value of the wrong type is refused with the name of its field, and so is
//! whatever goes beyond [`Limits`].
//!
//! *Writing is strict*: the names, the order and the omissions of the original, down to its texts, since clients look for
//! words in them. `testdata/dtm` holds what the original and its clients were heard to say.
//!
//! | from the client | | to the client | | to a branch | |
//! |---|---|---|---|---|---|
//! | [`Transaction`] | prepare, submit, abort, … | [`Refusal`], [`reply`] | envelopes | [`Call`] | requests of all transports |
//! | [`Registration`] | registerBranch | [`QueryReply`] and others | objects | [`Answer`] | what the branch said |
//! | [`Parameters`] | query strings | [`message`] | texts | | |
//! | [`json_rpc::Request`] | JSON-RPC | [`json_rpc::Reply`] | JSON-RPC | | |
//! | [`proto`] | gRPC | [`proto`] | gRPC | | |

mod base64;
mod call;
mod custom;
mod form;
mod grpc;
mod json;
pub mod json_rpc;
mod limits;
pub mod message;
mod outcome;
mod parameters;
#[allow(missing_docs, reason = "generated from proto/dtmgimp.proto")]
#[rustfmt::skip]
pub mod proto;
mod record;
mod registration;
pub mod reply;
mod service_url;
mod time;
mod transaction;

pub use call::{BadCall, Call, GrpcCall, HttpCall, Transport};
pub use custom::{MessageCustom, SagaCustom, WorkflowCustom};
pub use grpc::{GRPC_PROTOCOL, decode_grpc, workflow_data};
pub use limits::{DecodeError, Limits};
pub use outcome::{Answer, Outcome};
pub use parameters::{AllQuery, KvQuery, KvScan, Parameters, ResetQuery, TopicQuery};
pub use record::{
    AllReply, BranchRecord, Kv, KvReply, QueryReply, ScanReply, Subscriber, TransactionRecord, WorkflowReply,
    decode_reply,
};
pub use registration::{Registration, Row};
pub use reply::Refusal;
pub use service_url::{BadServiceUrl, ServiceUrl};
pub use time::Time;
pub use transaction::{Options, Step, Transaction, TransactionError};

/// A result word; clients look for the other two in answers.
pub const SUCCESS: &str = "SUCCESS";
/// A result word: the business refused.
pub const FAILURE: &str = "FAILURE";
/// A result word: not yet, ask again.
pub const ONGOING: &str = "ONGOING";

/// What the action of a message step begins with when it names a topic.
pub const TOPIC_PREFIX: &str = "topic://";

/// Kinds of a global transaction.
pub mod trans_type {
    /// Actions with compensations.
    pub const SAGA: &str = "saga";
    /// Try, confirm, cancel.
    pub const TCC: &str = "tcc";
    /// Two-phase commit of databases.
    pub const XA: &str = "xa";
    /// Two-phase message.
    pub const MSG: &str = "msg";
    /// A function of the client's whose finished steps are kept.
    pub const WORKFLOW: &str = "workflow";
}

/// States of a transaction; a branch is only ever [`PREPARED`](status::PREPARED), [`SUCCEED`](status::SUCCEED) or
/// [`FAILED`](status::FAILED).
pub mod status {
    /// Begun.
    pub const PREPARED: &str = "prepared";
    /// To be carried through.
    pub const SUBMITTED: &str = "submitted";
    /// To be rolled back.
    pub const ABORTING: &str = "aborting";
    /// The good end.
    pub const SUCCEED: &str = "succeed";
    /// The other end.
    pub const FAILED: &str = "failed";
}

/// What a branch is called for. The call that resumes a workflow names the workflow instead.
pub mod op {
    /// Saga and message; in XA and TCC only clients call it.
    pub const ACTION: &str = "action";
    /// Saga.
    pub const COMPENSATE: &str = "compensate";
    /// TCC, called by clients.
    pub const TRY: &str = "try";
    /// TCC.
    pub const CONFIRM: &str = "confirm";
    /// TCC.
    pub const CANCEL: &str = "cancel";
    /// XA.
    pub const COMMIT: &str = "commit";
    /// XA.
    pub const ROLLBACK: &str = "rollback";
    /// The back-check of a message.
    pub const MSG: &str = "msg";
}

/// The branch id of back-checks and of calls that resume a workflow.
pub const ROOT_BRANCH: &str = "00";

/// The branch id of step `index` (from 0) of a saga or message: `01`, `02`, …
pub fn step_id(index: usize) -> String {
    format!("{:02}", index + 1)
}

/// The branch id of subscriber `index` (from 0) of `count` on a topic step: `01` if it is the only one, else `01-01`, …
pub fn subscriber_id(step: usize, index: usize, count: usize) -> String {
    if count == 1 { step_id(step) } else { format!("{}-{}", step_id(step), step_id(index)) }
}
