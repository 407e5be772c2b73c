//! Attempts as JSON: in the details of ended transactions and in the native API.

use serde::{Deserialize, Serialize};
use synod_core::txn::Way;
use synod_core::txn::drive::Attempt;
use synod_core::txn::mode::{CallResult, Errand};

#[derive(Serialize, Deserialize)]
struct Row {
    /// The branch's number; none for the initiator.
    branch: Option<u16>,
    backward: bool,
    at_ms: u64,
    took_ms: u64,
    result: u8,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    error: Box<str>,
}

/// Appends attempts; none at all takes no byte.
pub(super) fn write(to: &mut Vec<u8>, attempts: &[Attempt]) {
    if attempts.is_empty() {
        return;
    }
    let rows: Vec<Row> = attempts.iter().map(row).collect();
    serde_json::to_writer(to, &rows).expect("plain data into memory");
}

/// Reads what [`write`] wrote.
pub(super) fn read(bytes: &[u8]) -> Option<Vec<Attempt>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let rows: Vec<Row> = serde_json::from_slice(bytes).ok()?;
    rows.into_iter().map(attempt).collect()
}

fn row(attempt: &Attempt) -> Row {
    let (branch, backward) = match attempt.errand {
        Errand::Leg(branch, way) => (Some(branch), way == Way::Backward),
        Errand::BackCheck => (None, false),
    };
    let (result, error) = match &attempt.result {
        CallResult::Done => (0, Box::default()),
        CallResult::Ongoing => (1, Box::default()),
        CallResult::Refused(error) => (2, error.clone()),
        CallResult::Failed(error) => (3, error.clone()),
    };
    Row { branch, backward, at_ms: attempt.at_ms, took_ms: attempt.took_ms, result, error }
}

fn attempt(row: Row) -> Option<Attempt> {
    let way = if row.backward { Way::Backward } else { Way::Forward };
    let result = match row.result {
        0 => CallResult::Done,
        1 => CallResult::Ongoing,
        2 => CallResult::Refused(row.error),
        3 => CallResult::Failed(row.error),
        _ => return None,
    };
    let errand = row.branch.map_or(Errand::BackCheck, |branch| Errand::Leg(branch, way));
    Some(Attempt { errand, at_ms: row.at_ms, took_ms: row.took_ms, result })
}
