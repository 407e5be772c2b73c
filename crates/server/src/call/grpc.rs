//! Unary calls of gRPC to participants: the bytes of one message there and of one back, over HTTP/2 without TLS. One
//! connection to each address is shared by all calls; it is closed when it was idle for long.

use std::fmt;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::Trouble;
use super::http1::reason;
use crate::net::tls::Connector;

/// Largest head and trailer of an answer.
const HEAD_BYTES_MAX: u32 = 16 << 10;
/// A connection on which calls wait is asked for a sign of life so often, and given up after half of that.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// One byte that says whether the message is compressed, four of length.
const PREFIX_BYTES: usize = 5;

/// Names of gRPC's own headers.
const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";
const TIMEOUT: &str = "grpc-timeout";

/// Status codes of gRPC that mean something to us.
pub(super) const OK: i32 = 0;
pub(super) const FAILED_PRECONDITION: i32 = 9;
pub(super) const ABORTED: i32 = 10;

/// What a participant answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) code: i32,
    pub(super) message: String,
    /// The bytes of the message, if one was sent.
    pub(super) reply: Bytes,
}

/// One client for all participants.
#[derive(Clone)]
pub(super) struct Grpc {
    client: legacy::Client<Connector, Full<Bytes>>,
    bytes_max: usize,
}

impl Grpc {
    pub(super) fn new(connector: Connector, bytes_max: usize, idle_timeout: Duration) -> Self {
        let client = legacy::Client::builder(TokioExecutor::new())
            .http2_only(true)
            .timer(TokioTimer::new())
            .http2_max_header_list_size(HEAD_BYTES_MAX)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_INTERVAL / 2)
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(idle_timeout)
            .build(connector);
        Self { client, bytes_max }
    }

    /// Calls `/package.Service/Method` at `authority`.
    pub(super) async fn call(
        &self,
        authority: &str,
        method: &str,
        metadata: HeaderMap,
        message: &[u8],
        timeout: Duration,
    ) -> Result<Answer, Trouble> {
        let request = request(authority, method, metadata, message, timeout)?;
        let response = self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                Trouble::unsent(authority, &error)
            } else {
                Trouble::silent(format!("no answer from {authority}: {}", reason(&error)))
            }
        })?;
        let (head, body) = response.into_parts();
        if head.status != StatusCode::OK {
            return Err(Trouble::ours(format!("{authority} answered {} instead of gRPC", head.status)));
        }
        if head.headers.contains_key(STATUS) {
            // There is nothing but a head.
            return answer(authority, &head.headers, &[]);
        }
        let is_grpc = |value: &HeaderValue| value.as_bytes().starts_with(b"application/grpc");
        if !head.headers.get(header::CONTENT_TYPE).is_some_and(is_grpc) {
            return Err(Trouble::ours(format!("{authority} answered something that is no gRPC")));
        }
        let (bytes, trailers) = self.read(authority, body).await?;
        answer(authority, &trailers, &bytes)
    }

    async fn read(&self, authority: &str, mut body: Incoming) -> Result<(BytesMut, HeaderMap), Trouble> {
        let (mut bytes, mut trailers) = (BytesMut::new(), HeaderMap::new());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                Trouble::silent(format!("the answer of {authority} breaks off: {}", reason(&error)))
            })?;
            match frame.into_data() {
                Ok(data) if bytes.len() + data.len() > self.bytes_max + PREFIX_BYTES => {
                    let max = self.bytes_max;
                    return Err(Trouble::ours(format!(
                        "the answer of {authority} is longer than {max} bytes"
                    )));
                }
                Ok(data) => bytes.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
            }
        }
        Ok((bytes, trailers))
    }
}

fn request(
    authority: &str,
    method: &str,
    metadata: HeaderMap,
    message: &[u8],
    timeout: Duration,
) -> Result<Request<Full<Bytes>>, Trouble> {
    let wrong = |why: String| Trouble::ours(format!("\"{authority}{method}\" cannot be called: {why}"));
    let uri: Uri =
        format!("http://{authority}{method}").parse().map_err(|error| wrong(format!("{error}")))?;
    let length = u32::try_from(message.len()).map_err(|_| wrong("the payload is too long".into()))?;
    let mut frame = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    frame.put_u8(0);
    frame.put_u32(length);
    frame.put_slice(message);
    let mut request = Request::new(Full::new(frame.freeze()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    *headers = metadata;
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    // At most eight digits.
    let timeout = format!("{}m", timeout.as_millis().clamp(1, 99_999_999));
    headers.insert(TIMEOUT, HeaderValue::try_from(timeout).expect("digits and a letter"));
    Ok(request)
}

/// Status and message of an answer. What cannot be one is an answer all the same, that means nothing.
fn answer(authority: &str, trailers: &HeaderMap, bytes: &[u8]) -> Result<Answer, Trouble> {
    let wrong = |why: &str| Trouble::ours(format!("the answer of {authority} is no gRPC: {why}"));
    let code = trailers.get(STATUS).ok_or_else(|| wrong("it has no status"))?;
    let code = code.to_str().ok().and_then(|code| code.parse().ok());
    let code: i32 = code.ok_or_else(|| wrong("its status is no number"))?;
    let message = trailers.get(MESSAGE).map(|text| percent_decoded(text.as_bytes())).unwrap_or_default();
    let reply = match bytes {
        [] => Bytes::new(),
        [0, a, b, c, d, rest @ ..] if u32::from_be_bytes([*a, *b, *c, *d]) as usize == rest.len() => {
            Bytes::copy_from_slice(rest)
        }
        // A refusal may come amid a message.
        _ if code != OK => Bytes::new(),
        [1, ..] => return Err(wrong("its message is compressed, which nobody asked for")),
        _ => return Err(wrong("its message is not one and whole")),
    };
    Ok(Answer { code, message, reply })
}

/// What is no percent code stays as it is, and so do bytes that are no UTF-8, in their way.
fn percent_decoded(text: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let hex = |digit: u8| char::from(digit).to_digit(16);
        let code = match after {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        decoded.push(code.map_or(*first, |(high, low)| (high << 4 | low) as u8));
        rest = &rest[if code.is_some() { 3 } else { 1 }..];
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

impl fmt::Debug for Grpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grpc").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trailers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn what_is_sent_is_a_frame_and_a_deadline() {
        let sent = request("a:1", "/p.S/M", HeaderMap::new(), b"xyz", Duration::from_millis(1_500)).unwrap();
        assert_eq!(sent.uri(), "http://a:1/p.S/M");
        assert_eq!(sent.headers()[TIMEOUT], "1500m");
        let long = request("a:1", "/p.S/M", HeaderMap::new(), b"", Duration::MAX).unwrap();
        assert_eq!(long.headers()[TIMEOUT], "99999999m");
        assert!(request("a b", "/p.S/M", HeaderMap::new(), b"", Duration::MAX).unwrap_err().answered);
    }

    #[test]
    fn answers_are_read() {
        let ok = answer("a", &trailers(&[(STATUS, "0")]), b"\0\0\0\0\x02ab").unwrap();
        assert_eq!(ok, Answer { code: 0, message: String::new(), reply: Bytes::from_static(b"ab") });
        let refused = trailers(&[(STATUS, "10"), (MESSAGE, "no%20money %e2%82%ac 100%")]);
        assert_eq!(answer("a", &refused, b"\x01").unwrap().message, "no money € 100%");
        assert_eq!(answer("a", &trailers(&[(STATUS, "409")]), b"").unwrap().code, 409);
    }

    #[test]
    fn what_is_no_answer_is_said() {
        let ok = trailers(&[(STATUS, "0")]);
        for bytes in
            [&b"\0"[..], b"\0\0\0\0\x02a", b"\0\0\0\0\x01ab", b"\x01\0\0\0\x01a", b"\0\0\0\0\0\0\0\0\0\0"]
        {
            assert!(answer("a", &ok, bytes).is_err(), "{bytes:?}");
        }
        assert!(answer("a", &trailers(&[(STATUS, "x")]), b"").is_err());
        assert!(answer("a", &HeaderMap::new(), b"").is_err());
    }

    #[test]
    fn percent_codes_at_the_edge() {
        for (text, decoded) in
            [("", ""), ("%", "%"), ("%4", "%4"), ("%41", "A"), ("%zz%41", "%zzA"), ("%ff", "\u{fffd}")]
        {
            assert_eq!(percent_decoded(text.as_bytes()), decoded);
        }
    }
}
