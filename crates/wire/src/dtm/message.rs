//! Texts of the original, to the letter: clients and their users look for words in them.

use super::FAILURE;

/// Submit with `wait_result` of a saga or message that has not ended yet.
pub const NOT_SUCCESS: &str = "wait result not return success: FAILURE";
/// A topic that nobody subscribed to, or that does not exist.
pub const TOPIC_NOT_FOUND: &str = "topic not found";
/// A topic without name.
pub const EMPTY_TOPIC: &str = "empty topic";
/// A second subscription of the same URL.
pub const URL_EXISTS: &str = "this url exists";
/// The end of a subscription that is none; the space at its end belongs to it.
pub const NO_SUCH_URL: &str = "no such an url ";
/// `query` without a gid.
pub const NO_GID: &str = "no gid specified";
/// A row that is not there, or not in the state it should be in.
pub const NOT_FOUND: &str = "storage: NotFound";
/// A branch that was registered before.
pub const CONFLICT: &str = "storage: UniqueKeyConflict";

/// Prepare of a transaction that is further.
pub fn cannot_prepare(status: &str) -> String {
    format!("current status '{status}', cannot prepare. {FAILURE}")
}

/// Submit of a transaction that is further; the original's spelling.
pub fn cannot_submit(status: &str) -> String {
    format!("current status '{status}', cannot sumbmit. {FAILURE}")
}

/// Abort of a transaction that cannot be, with the type and state that are stored.
pub fn cannot_abort(trans_type: &str, status: &str) -> String {
    format!("trans type: '{trans_type}' current status '{status}', cannot abort. {FAILURE}")
}

/// `forceStop` of a transaction that has ended.
pub fn cannot_stop(status: &str) -> String {
    format!("global transaction force stop error. status: {status}. error: {FAILURE}")
}

/// Registration of a branch below a transaction that is not there or not open.
pub fn cannot_register(gid: &str) -> String {
    format!("no trans with gid: {gid} status: prepared found {FAILURE}")
}

/// Anything asked of a transaction that nobody knows.
pub fn no_transaction(gid: &str) -> String {
    format!("no TransGlobal with gid: {gid} found")
}

/// Registration below a transaction whose type has no branches to register; the original's spelling.
pub fn unknown_type(trans_type: &str) -> String {
    format!("unknow trans type: {trans_type}")
}

/// Why a saga was rolled back: it took too long.
pub fn timed_out(seconds: u32) -> String {
    format!("Timeout after {seconds} seconds")
}

/// Why a saga was rolled back: it was tried too often.
pub fn too_many_retries(limit: u32) -> String {
    format!("RetryCount is greater than RetryLimit, RetryLimit: {limit}")
}

/// Why a saga was rolled back: an action refused, saying `text`.
pub fn action_failed(url: &str, text: &str) -> String {
    format!("url:{url} return failed: {}", failed(text))
}

/// Submit with `wait_result` when a branch that must not fail said `text`; the original's spelling.
pub fn will_retry(text: &str) -> String {
    format!(
        "your http/grpc result should be specified as in:\nhttp://d.dtm.pub/practice/arch.html#proto\n\
         unkown result will be retried: {text}"
    )
}

/// `text` with the word at its end, once.
pub fn failed(text: &str) -> String {
    format!("{} {FAILURE}", text.strip_suffix(" FAILURE").unwrap_or(text))
}
