//! The messages as protobuf, with the numbers of the original's fields (`serializer-protobuf`, folder
//! `protobuf/.../transcation`). Its messages of the same shape are one here. Texts are bytes, which are written alike and need not
//! be copied; enumerations are numbers.

use bytes::Bytes;
use prost::Message;

/// `AbstractMessageProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Head {
    #[prost(int32, tag = "1")]
    pub(super) message_type: i32,
}

/// `AbstractTransactionRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Asked {
    #[prost(message, optional, tag = "1")]
    pub(super) head: Option<Head>,
}

/// `AbstractResultMessageProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Result {
    #[prost(message, optional, tag = "1")]
    pub(super) head: Option<Head>,
    #[prost(int32, tag = "2")]
    pub(super) result_code: i32,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) msg: Bytes,
}

/// `AbstractTransactionResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Answered {
    #[prost(message, optional, tag = "1")]
    pub(super) result: Option<Result>,
    #[prost(int32, tag = "2")]
    pub(super) exception_code: i32,
}

/// `AbstractIdentifyRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Identify {
    #[prost(message, optional, tag = "1")]
    pub(super) head: Option<Head>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) version: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) application_id: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) transaction_service_group: Bytes,
    #[prost(bytes = "bytes", tag = "5")]
    pub(super) extra_data: Bytes,
}

/// `AbstractIdentifyResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Identified {
    #[prost(message, optional, tag = "1")]
    pub(super) result: Option<Result>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) version: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) extra_data: Bytes,
    #[prost(bool, tag = "4")]
    pub(super) identified: bool,
}

/// `RegisterTMRequestProto`, `RegisterRMRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Register {
    #[prost(message, optional, tag = "1")]
    pub(super) identify: Option<Identify>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) resource_ids: Bytes,
}

/// `RegisterTMResponseProto`, `RegisterRMResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Registered {
    #[prost(message, optional, tag = "1")]
    pub(super) identified: Option<Identified>,
}

/// `GlobalBeginRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct GlobalBegin {
    #[prost(message, optional, tag = "1")]
    pub(super) asked: Option<Asked>,
    #[prost(int32, tag = "2")]
    pub(super) timeout: i32,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) transaction_name: Bytes,
}

/// `GlobalBeginResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct GlobalBegun {
    #[prost(message, optional, tag = "1")]
    pub(super) answered: Option<Answered>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) xid: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) extra_data: Bytes,
}

/// `AbstractGlobalEndRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct GlobalNamed {
    #[prost(message, optional, tag = "1")]
    pub(super) asked: Option<Asked>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) xid: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) extra_data: Bytes,
}

/// `GlobalCommitRequestProto`, `GlobalRollbackRequestProto`, `GlobalStatusRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct GlobalEnd {
    #[prost(message, optional, tag = "1")]
    pub(super) named: Option<GlobalNamed>,
}

/// `GlobalReportRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct GlobalReport {
    #[prost(message, optional, tag = "1")]
    pub(super) named: Option<GlobalNamed>,
    #[prost(int32, tag = "2")]
    pub(super) status: i32,
}

/// `AbstractGlobalEndResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct GlobalState {
    #[prost(message, optional, tag = "1")]
    pub(super) answered: Option<Answered>,
    #[prost(int32, tag = "2")]
    pub(super) status: i32,
}

/// `GlobalCommitResponseProto`, `GlobalRollbackResponseProto`, `GlobalStatusResponseProto`, `GlobalReportResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct GlobalEnded {
    #[prost(message, optional, tag = "1")]
    pub(super) state: Option<GlobalState>,
}

/// `BranchRegisterRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BranchRegister {
    #[prost(message, optional, tag = "1")]
    pub(super) asked: Option<Asked>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) xid: Bytes,
    #[prost(int32, tag = "3")]
    pub(super) branch_type: i32,
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) resource_id: Bytes,
    #[prost(bytes = "bytes", tag = "5")]
    pub(super) lock_key: Bytes,
    #[prost(bytes = "bytes", tag = "6")]
    pub(super) application_data: Bytes,
}

/// `BranchRegisterResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BranchRegistered {
    #[prost(message, optional, tag = "1")]
    pub(super) answered: Option<Answered>,
    #[prost(int64, tag = "2")]
    pub(super) branch_id: i64,
}

/// `GlobalLockQueryRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct GlobalLockQuery {
    #[prost(message, optional, tag = "1")]
    pub(super) branch: Option<BranchRegister>,
}

/// `GlobalLockQueryResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct GlobalLockQueried {
    #[prost(message, optional, tag = "1")]
    pub(super) answered: Option<Answered>,
    #[prost(bool, tag = "2")]
    pub(super) lockable: bool,
}

/// `BranchReportRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BranchReport {
    #[prost(message, optional, tag = "1")]
    pub(super) asked: Option<Asked>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) xid: Bytes,
    #[prost(int64, tag = "3")]
    pub(super) branch_id: i64,
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) resource_id: Bytes,
    #[prost(int32, tag = "5")]
    pub(super) status: i32,
    #[prost(bytes = "bytes", tag = "6")]
    pub(super) application_data: Bytes,
    #[prost(int32, tag = "7")]
    pub(super) branch_type: i32,
}

/// `BranchReportResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BranchReported {
    #[prost(message, optional, tag = "1")]
    pub(super) answered: Option<Answered>,
}

/// `AbstractBranchEndRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BranchNamed {
    #[prost(message, optional, tag = "1")]
    pub(super) asked: Option<Asked>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) xid: Bytes,
    #[prost(int64, tag = "3")]
    pub(super) branch_id: i64,
    #[prost(int32, tag = "4")]
    pub(super) branch_type: i32,
    #[prost(bytes = "bytes", tag = "5")]
    pub(super) resource_id: Bytes,
    #[prost(bytes = "bytes", tag = "6")]
    pub(super) application_data: Bytes,
}

/// `BranchCommitRequestProto`, `BranchRollbackRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BranchEnd {
    #[prost(message, optional, tag = "1")]
    pub(super) named: Option<BranchNamed>,
}

/// `AbstractBranchEndResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BranchState {
    #[prost(message, optional, tag = "1")]
    pub(super) answered: Option<Answered>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) xid: Bytes,
    #[prost(int64, tag = "3")]
    pub(super) branch_id: i64,
    #[prost(int32, tag = "4")]
    pub(super) status: i32,
}

/// `BranchCommitResponseProto`, `BranchRollbackResponseProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BranchEnded {
    #[prost(message, optional, tag = "1")]
    pub(super) state: Option<BranchState>,
}

/// `UndoLogDeleteRequestProto`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct UndoLogDelete {
    #[prost(message, optional, tag = "1")]
    pub(super) asked: Option<Asked>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) resource_id: Bytes,
    #[prost(int32, tag = "3")]
    pub(super) save_days: i32,
    #[prost(int32, tag = "4")]
    pub(super) branch_type: i32,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Any {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) type_url: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) value: Bytes,
}

/// `MergedWarpMessageProto`, `MergedResultMessageProto` (without ids), `BatchResultMessageProto`. It is only written: reading all
/// of a list before looking at its first member would cost many times its size.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Merged {
    #[prost(message, optional, tag = "1")]
    pub(super) head: Option<Head>,
    #[prost(message, repeated, tag = "2")]
    pub(super) messages: Vec<Any>,
    #[prost(int32, repeated, tag = "3")]
    pub(super) ids: Vec<i32>,
}
