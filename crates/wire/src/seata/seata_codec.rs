//! The protocol's own codec, number 1, which every client has and nearly all use: a type code, then the fields one after the
//! other (`serializer-seata`, package `serializer.seata.protocol`, a class for each message).
//!
//! Integers are big-endian. A text stands behind its length in 16 bits, or in 32 where it may be long: row locks, a branch's
//! data, names of resources.

mod fields;
mod read;
mod write;

pub use read::decode;
pub use write::encode;

/// Type codes, as `MessageType` numbers them.
mod type_code {
    pub(super) const GLOBAL_BEGIN: i16 = 1;
    pub(super) const GLOBAL_BEGIN_ANSWER: i16 = 2;
    pub(super) const BRANCH_COMMIT: i16 = 3;
    pub(super) const BRANCH_COMMIT_ANSWER: i16 = 4;
    pub(super) const BRANCH_ROLLBACK: i16 = 5;
    pub(super) const BRANCH_ROLLBACK_ANSWER: i16 = 6;
    pub(super) const GLOBAL_COMMIT: i16 = 7;
    pub(super) const GLOBAL_COMMIT_ANSWER: i16 = 8;
    pub(super) const GLOBAL_ROLLBACK: i16 = 9;
    pub(super) const GLOBAL_ROLLBACK_ANSWER: i16 = 10;
    pub(super) const BRANCH_REGISTER: i16 = 11;
    pub(super) const BRANCH_REGISTER_ANSWER: i16 = 12;
    pub(super) const BRANCH_REPORT: i16 = 13;
    pub(super) const BRANCH_REPORT_ANSWER: i16 = 14;
    pub(super) const GLOBAL_STATUS: i16 = 15;
    pub(super) const GLOBAL_STATUS_ANSWER: i16 = 16;
    pub(super) const GLOBAL_REPORT: i16 = 17;
    pub(super) const GLOBAL_REPORT_ANSWER: i16 = 18;
    pub(super) const GLOBAL_LOCK_QUERY: i16 = 21;
    pub(super) const GLOBAL_LOCK_QUERY_ANSWER: i16 = 22;
    pub(super) const MERGED_WARP: i16 = 59;
    pub(super) const MERGE_RESULT: i16 = 60;
    pub(super) const REGISTER_TM: i16 = 101;
    pub(super) const REGISTER_TM_ANSWER: i16 = 102;
    pub(super) const REGISTER_RM: i16 = 103;
    pub(super) const REGISTER_RM_ANSWER: i16 = 104;
    pub(super) const UNREGISTER_RM: i16 = 105;
    pub(super) const UNREGISTER_RM_ANSWER: i16 = 106;
    pub(super) const UNDO_LOG_DELETE: i16 = 111;
    pub(super) const BATCH_RESULT: i16 = 121;
}

/// Stands for a state that a client left out.
const NO_STATUS: u8 = 0xff;
