//! Codec 2: the full name of a protobuf message behind its length in 32 bits, then the message (`serializer-protobuf`).
//!
//! It says less than the protocol's own codec: states of transactions end at 15, failures are numbered otherwise and end with
//! those of 1.4, and an RM cannot unregister. Version 2.1.0 renamed the package; readers know only their own, and so a client is
//! answered in that of its version, while both are read.

mod proto;
mod read;
mod write;

pub use read::decode;
pub use write::encode;

use super::error::DecodeError;
use super::version::ClientVersion;

const PACKAGE: &str = "org.apache.seata.protocol.protobuf.";
const OLD_PACKAGE: &str = "io.seata.protocol.protobuf.";

/// Names of messages in the package.
mod type_name {
    pub(super) const GLOBAL_BEGIN: &str = "GlobalBeginRequestProto";
    pub(super) const GLOBAL_BEGIN_ANSWER: &str = "GlobalBeginResponseProto";
    pub(super) const BRANCH_COMMIT: &str = "BranchCommitRequestProto";
    pub(super) const BRANCH_COMMIT_ANSWER: &str = "BranchCommitResponseProto";
    pub(super) const BRANCH_ROLLBACK: &str = "BranchRollbackRequestProto";
    pub(super) const BRANCH_ROLLBACK_ANSWER: &str = "BranchRollbackResponseProto";
    pub(super) const GLOBAL_COMMIT: &str = "GlobalCommitRequestProto";
    pub(super) const GLOBAL_COMMIT_ANSWER: &str = "GlobalCommitResponseProto";
    pub(super) const GLOBAL_ROLLBACK: &str = "GlobalRollbackRequestProto";
    pub(super) const GLOBAL_ROLLBACK_ANSWER: &str = "GlobalRollbackResponseProto";
    pub(super) const BRANCH_REGISTER: &str = "BranchRegisterRequestProto";
    pub(super) const BRANCH_REGISTER_ANSWER: &str = "BranchRegisterResponseProto";
    pub(super) const BRANCH_REPORT: &str = "BranchReportRequestProto";
    pub(super) const BRANCH_REPORT_ANSWER: &str = "BranchReportResponseProto";
    pub(super) const GLOBAL_STATUS: &str = "GlobalStatusRequestProto";
    pub(super) const GLOBAL_STATUS_ANSWER: &str = "GlobalStatusResponseProto";
    pub(super) const GLOBAL_REPORT: &str = "GlobalReportRequestProto";
    pub(super) const GLOBAL_REPORT_ANSWER: &str = "GlobalReportResponseProto";
    pub(super) const GLOBAL_LOCK_QUERY: &str = "GlobalLockQueryRequestProto";
    pub(super) const GLOBAL_LOCK_QUERY_ANSWER: &str = "GlobalLockQueryResponseProto";
    pub(super) const MERGED_WARP: &str = "MergedWarpMessageProto";
    pub(super) const MERGE_RESULT: &str = "MergedResultMessageProto";
    pub(super) const REGISTER_TM: &str = "RegisterTMRequestProto";
    pub(super) const REGISTER_TM_ANSWER: &str = "RegisterTMResponseProto";
    pub(super) const REGISTER_RM: &str = "RegisterRMRequestProto";
    pub(super) const REGISTER_RM_ANSWER: &str = "RegisterRMResponseProto";
    pub(super) const UNDO_LOG_DELETE: &str = "UndoLogDeleteRequestProto";
    pub(super) const BATCH_RESULT: &str = "BatchResultMessageProto";
}

/// Numbers of failures: those of the protocol without the second, and none of the later ones.
mod exception_code {
    use crate::seata::code::ExceptionCode;
    use crate::seata::version::ClientVersion;

    pub(super) fn written(code: ExceptionCode) -> i32 {
        i32::from(code.code(ClientVersion::default())).saturating_sub(1).max(0)
    }

    pub(super) fn read(number: i32) -> ExceptionCode {
        let code =
            u8::try_from(number).ok().filter(|&code| code > 0).map_or(0, |code| code.saturating_add(1));
        ExceptionCode::from_code(code, ClientVersion::default())
    }
}

/// Of the messages that this client reads.
fn package(client: ClientVersion) -> &'static str {
    if client < ClientVersion::V2_1_0 { OLD_PACKAGE } else { PACKAGE }
}

/// The name without its package, if that is one of the two.
fn local_name(name: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(name).ok()?;
    name.strip_prefix(PACKAGE).or_else(|| name.strip_prefix(OLD_PACKAGE))
}

/// What is said about a name that nothing has.
fn unknown_name(name: &[u8]) -> DecodeError {
    DecodeError::Name(shortened(name))
}

/// What is said about the name of something that may not be merged.
fn unknown_nested(name: &[u8]) -> DecodeError {
    DecodeError::NestedName(shortened(name))
}

fn shortened(name: &[u8]) -> String {
    const BYTES_MAX: usize = 128;
    String::from_utf8_lossy(&name[..name.len().min(BYTES_MAX)]).into_owned()
}
