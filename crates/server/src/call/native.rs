//! Our own dialect, over HTTP and over gRPC: what a call looks like and what an answer means. For participants it is written
//! down in `docs/protocol/branches.md`.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use synod_core::txn::mode::CallResult;
use synod_core::txn::{Mode, Txn};

use super::errand::Task;
use super::trace::{Ids, TRACEPARENT, TraceParent};
use super::{Trouble, clipped, grpc, http1};

/// What comes of a call that was answered.
pub(super) type Verdict = (CallResult, Option<Bytes>);

const XID: HeaderName = HeaderName::from_static("synod-xid");
const GID: HeaderName = HeaderName::from_static("synod-gid");
const BRANCH: HeaderName = HeaderName::from_static("synod-branch");
const OP: HeaderName = HeaderName::from_static("synod-op");
const MODE: HeaderName = HeaderName::from_static("synod-mode");
const ATTEMPT: HeaderName = HeaderName::from_static("synod-attempt");
const SIGNATURE: HeaderName = HeaderName::from_static("synod-signature");

pub(super) const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("synod/", env!("CARGO_PKG_VERSION")));
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Why a header of a transaction cannot be sent with its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// Letters, digits and some signs.
    #[error("the name is not that of a header")]
    Name,
    /// Control characters.
    #[error("the value has characters that a header cannot have")]
    Value,
    /// It carries the request, or it is one of ours.
    #[error("the name is reserved")]
    Reserved,
}

/// Whether a header can be among those of a transaction ([`synod_core::txn::Begin::headers`]); one that cannot is left out
/// of calls.
///
/// # Errors
/// It cannot.
pub fn check_header(name: &str, value: &str) -> Result<(), BadHeader> {
    parse_header(name, value).map(drop)
}

fn parse_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), BadHeader> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| BadHeader::Name)?;
    let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| BadHeader::Value)?;
    if is_reserved(name.as_str()) { Err(BadHeader::Reserved) } else { Ok((name, value)) }
}

fn is_reserved(name: &str) -> bool {
    const OF_THE_CONNECTION: [&str; 10] = [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "proxy-connection",
        "trailer",
        "upgrade",
        "te",
        "expect",
    ];
    OF_THE_CONNECTION.contains(&name) || name.starts_with("synod-") || name.starts_with("grpc-")
}

/// The headers of a transaction as they go out with one of its calls: the span is the call's own.
pub(super) fn carried<'a>(
    txn: &'a Txn,
    ids: &'a Ids,
) -> impl Iterator<Item = (&'a str, std::borrow::Cow<'a, str>)> {
    txn.headers.iter().map(|(name, value)| {
        if !name.eq_ignore_ascii_case(TRACEPARENT) {
            return (&**name, (&**value).into());
        }
        let child = TraceParent::parse(value).map(|parent| parent.child(ids.id()).to_string());
        (&**name, child.map_or_else(|| (&**value).into(), Into::into))
    })
}

/// What both transports say of a call.
pub(super) fn headers(task: &Task<'_>, ids: &Ids) -> Result<HeaderMap, Trouble> {
    let text = |name: &HeaderName, value: &str| {
        HeaderValue::from_str(value)
            .or_else(|_| HeaderValue::from_bytes(value.as_bytes()))
            .map_err(|_| Trouble::ours(format!("{name} has characters that a header cannot have")))
    };
    let mut headers = HeaderMap::with_capacity(task.txn.headers.len() + 10);
    for (name, value) in carried(task.txn, ids) {
        if let Ok((name, value)) = parse_header(name, &value) {
            headers.append(name, value);
        }
    }
    headers.insert(XID, text(&XID, &task.xid)?);
    if let Some(gid) = &task.txn.gid {
        headers.insert(GID, text(&GID, gid)?);
    }
    if let Some(branch) = task.branch {
        headers.insert(BRANCH, text(&BRANCH, branch)?);
    }
    headers.insert(OP, HeaderValue::from_static(task.op.as_str()));
    headers.insert(MODE, HeaderValue::from_static(task.txn.mode.as_str()));
    headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
    Ok(headers)
}

/// A request of HTTP to `authority`. `sign` makes the signature of a notification's body.
pub(super) fn http(
    task: &Task<'_>,
    authority: &str,
    target: Uri,
    ids: &Ids,
    sign: impl FnOnce(&[u8]) -> Option<String>,
) -> Result<Request<Full<Bytes>>, Trouble> {
    let mut headers = headers(task, ids)?;
    let host = HeaderValue::from_str(authority).expect("the URL's parser takes visible ASCII only");
    headers.insert(header::HOST, host);
    if !task.payload.is_empty() {
        headers.entry(header::CONTENT_TYPE).or_insert(JSON);
    }
    if task.txn.mode == Mode::Notification {
        headers.insert(ATTEMPT, HeaderValue::from(task.attempt));
        if let Some(signature) = sign(&task.payload) {
            let signature = HeaderValue::try_from(signature).expect("digits, letters and three signs");
            headers.insert(SIGNATURE, signature);
        }
    }
    let mut request = Request::new(Full::new(Bytes::clone(&task.payload)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target;
    *request.headers_mut() = headers;
    Ok(request)
}

/// What an answer of HTTP means.
pub(super) fn read_http(answer: http1::Answer) -> Verdict {
    let http1::Answer { status, body } = answer;
    let text = || {
        let text = String::from_utf8_lossy(&body);
        clipped(text.trim()).to_owned()
    };
    let result = match status {
        StatusCode::ACCEPTED | StatusCode::TOO_EARLY => CallResult::Ongoing,
        StatusCode::CONFLICT => {
            let text = text();
            CallResult::Refused(if text.is_empty() { status.to_string().into() } else { text.into() })
        }
        status if status.is_success() => return (CallResult::Done, Some(body)),
        status => {
            let text = text();
            let colon = if text.is_empty() { "" } else { ": " };
            CallResult::Failed(format!("{status}{colon}{text}").into())
        }
    };
    (result, None)
}

/// What an answer of gRPC means.
pub(super) fn read_grpc(answer: grpc::Answer) -> Verdict {
    let grpc::Answer { code, message, reply } = answer;
    let message = clipped(&message);
    match code {
        grpc::OK => (CallResult::Done, Some(reply)),
        grpc::ABORTED if message.is_empty() => (CallResult::Refused("ABORTED".into()), None),
        grpc::ABORTED => (CallResult::Refused(message.into()), None),
        grpc::FAILED_PRECONDITION => (CallResult::Ongoing, None),
        code => (CallResult::Failed(format!("gRPC status {code}: {message}").into()), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http_result(status: u16, body: &'static [u8]) -> CallResult {
        let status = StatusCode::from_u16(status).unwrap();
        read_http(http1::Answer { status, body: Bytes::from_static(body) }).0
    }

    #[test]
    fn answers_of_http() {
        use CallResult::{Done, Ongoing};
        let refused = |text: &str| CallResult::Refused(text.into());
        let failed = |text: &str| CallResult::Failed(text.into());
        for (status, body, result) in [
            (200, &b"FAILURE"[..], Done),
            (201, b"", Done),
            (204, b"", Done),
            (202, b"", Ongoing),
            (425, b"soon", Ongoing),
            (409, b" no money\n", refused("no money")),
            (409, b"", refused("409 Conflict")),
            (409, b"\xff", refused("\u{fffd}")),
            (302, b"", failed("302 Found")),
            (404, b"nothing here", failed("404 Not Found: nothing here")),
            (503, b"", failed("503 Service Unavailable")),
            (999, b"", failed("999 <unknown status code>")),
        ] {
            assert_eq!(http_result(status, body), result, "{status}");
        }
        let CallResult::Refused(long) = http_result(409, &[b'x'; 5_000]) else { panic!() };
        assert_eq!(long.len(), super::super::TEXT_BYTES_MAX);
    }

    #[test]
    fn answers_of_grpc() {
        let result = |code, message: &str| {
            read_grpc(grpc::Answer { code, message: message.into(), reply: Bytes::from_static(b"r") })
        };
        assert_eq!(result(0, ""), (CallResult::Done, Some(Bytes::from_static(b"r"))));
        assert_eq!(result(10, "no"), (CallResult::Refused("no".into()), None));
        assert_eq!(result(10, "").0, CallResult::Refused("ABORTED".into()));
        assert_eq!(result(9, "wait").0, CallResult::Ongoing);
        assert_eq!(result(14, "down").0, CallResult::Failed("gRPC status 14: down".into()));
    }

    #[test]
    fn headers_that_can_be_sent() {
        assert_eq!(check_header("X-Tenant", "a ü"), Ok(()));
        for (name, value, error) in [
            ("", "x", BadHeader::Name),
            ("a b", "x", BadHeader::Name),
            ("ä", "x", BadHeader::Name),
            ("a", "x\r\ny: z", BadHeader::Value),
            ("Host", "x", BadHeader::Reserved),
            ("Content-Length", "0", BadHeader::Reserved),
            ("Synod-Xid", "x", BadHeader::Reserved),
            ("grpc-timeout", "x", BadHeader::Reserved),
        ] {
            assert_eq!(check_header(name, value), Err(error), "{name}");
        }
    }
}
