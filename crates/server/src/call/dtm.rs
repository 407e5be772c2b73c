//! dtm's dialects. What goes over the wire and what an answer means is in [`synod_wire::dtm`]; here a call of ours becomes
//! one of dtm's.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};
use http_body_util::Full;
use synod_core::txn::Mode;
use synod_core::txn::mode::CallResult;
use synod_wire::dtm::{self, BadCall, HttpCall, Outcome, message};

use super::errand::{Op, Task};
use super::native::{USER_AGENT, Verdict, carried};
use super::trace::Ids;
use super::{Trouble, clipped};

/// The transaction's headers, of which most have none.
pub(super) type Headers = BTreeMap<String, String>;

/// As the wire wants them.
pub(super) fn headers(task: &Task<'_>, ids: &Ids) -> Headers {
    carried(task.txn, ids).map(|(name, value)| (name.to_owned(), value.into_owned())).collect()
}

/// A call as dtm sees it, at a URL that may be another than the branch's: that of an instance.
pub(super) fn call<'a>(task: &'a Task<'_>, url: &'a str, headers: &'a Headers) -> dtm::Call<'a> {
    dtm::Call {
        gid: gid(task),
        trans_type: trans_type(task.txn.mode),
        protocol: "",
        branch_id: task.branch.unwrap_or(dtm::ROOT_BRANCH),
        op: op(task),
        url,
        payload: &task.payload,
        headers,
    }
}

/// What the receiver knows the transaction by. Into a mixed one it has come by the XID, which is all that a context carries;
/// whatever its initiator calls it, a barrier of dtm's would take another name for another transaction.
fn gid<'a>(task: &'a Task<'_>) -> &'a str {
    match (&task.txn.gid, task.txn.mode) {
        (Some(gid), mode) if mode != Mode::Mixed => gid,
        _ => &task.xid,
    }
}

fn trans_type(mode: Mode) -> &'static str {
    match mode {
        Mode::Saga => dtm::trans_type::SAGA,
        // To a receiver that speaks dtm its part of a mixed transaction is tried, confirmed and cancelled.
        Mode::Tcc | Mode::Mixed => dtm::trans_type::TCC,
        Mode::Xa => dtm::trans_type::XA,
        // dtm has no notifications; a receiver cannot tell one from a message.
        Mode::Message | Mode::Notification => dtm::trans_type::MSG,
        Mode::Workflow => dtm::trans_type::WORKFLOW,
    }
}

fn op<'a>(task: &'a Task<'_>) -> &'a str {
    match task.op {
        Op::Action | Op::Deliver | Op::Notify => dtm::op::ACTION,
        Op::Compensate => dtm::op::COMPENSATE,
        Op::Confirm => dtm::op::CONFIRM,
        Op::Cancel => dtm::op::CANCEL,
        Op::Commit => dtm::op::COMMIT,
        Op::Rollback => dtm::op::ROLLBACK,
        Op::Check => dtm::op::MSG,
        Op::Run => &task.txn.name,
    }
}

pub(super) fn bad(url: &str, error: BadCall) -> Trouble {
    Trouble::ours(format!("\"{url}\" cannot be called: {error}"))
}

/// The wire's request as one that can be sent.
pub(super) fn request(
    call: &HttpCall<'_>,
    payload: &Bytes,
    authority: &str,
    target: Uri,
) -> Request<Full<Bytes>> {
    let body = match &call.body {
        // Of the payload or a copy of it: a slice of it needs no copy.
        Cow::Borrowed([]) => Bytes::new(),
        Cow::Borrowed(body) => payload.slice_ref(body),
        Cow::Owned(body) => Bytes::copy_from_slice(body),
    };
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = if call.is_post { Method::POST } else { Method::GET };
    *request.uri_mut() = target;
    let headers = request.headers_mut();
    headers.reserve(call.headers.len() + 2);
    insert_all(headers, call.headers.iter().map(|(name, value)| (*name, *value)));
    let host = HeaderValue::from_str(authority).expect("the URL's parser takes visible ASCII only");
    headers.insert(header::HOST, host);
    headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
    request
}

/// Those that can be sent; the face has refused others.
pub(super) fn insert_all<'a>(headers: &mut HeaderMap, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            headers.insert(name, value);
        }
    }
}

/// What an answer means; `fallback` is said of one that failed without a word.
pub(super) fn read(
    task: &Task<'_>,
    mut answer: dtm::Answer,
    reply: Bytes,
    fallback: impl FnOnce() -> String,
) -> Verdict {
    answer.text.truncate(clipped(&answer.text).len());
    let result = match answer.outcome {
        Outcome::Success => return (CallResult::Done, Some(reply)),
        Outcome::Ongoing => CallResult::Ongoing,
        // It becomes the reason for the saga's end, in the original's words.
        Outcome::Failure if task.op == Op::Action => {
            CallResult::Refused(message::action_failed(&task.target.url, &answer.text).into())
        }
        Outcome::Failure => CallResult::Refused(answer.error_text().into()),
        Outcome::Error if answer.text.trim().is_empty() => CallResult::Failed(fallback().into()),
        Outcome::Error => CallResult::Failed(answer.error_text().into()),
    };
    (result, None)
}
