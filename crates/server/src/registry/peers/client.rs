//! HTTP to a peer: connections kept alive, every wait and every body with a limit, and what a failure means.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use synod_core::registry::lane::Failure;

use crate::net::body::{self, BodyLimits};
use crate::net::tls::{Connector, Trust};

/// Largest answer taken: the list of a Java peer with some 500,000 instances.
const ANSWER_BYTES_MAX: usize = 1 << 30;
/// How long a connection is kept without a request.
const IDLE: Duration = Duration::from_secs(60);

/// Where a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// As configured, with a slash at its end and without credentials.
    pub(super) url: String,
    /// Scheme, host, and port.
    pub(super) origin: String,
    authorization: Option<HeaderValue>,
}

impl Target {
    /// Reads a base URL as Eureka clients write them.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let url = url.trim();
        let (scheme, rest) = match url.split_once("://") {
            Some(parts @ ("http" | "https", _)) => parts,
            Some((scheme, _)) => return Err(format!("\"{scheme}\" is not spoken, only http and https")),
            None => return Err("not a URL: it should look like \"http://host:8761/eureka/\"".into()),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (credentials, host) = match authority.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials), host),
            None => (None, authority),
        };
        let origin = format!("{scheme}://{host}");
        let url = format!("{origin}{}/", path.trim_end_matches('/'));
        let uri: Uri = url.parse().map_err(|error| format!("not a URL: {error}"))?;
        if uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
            return Err("not a URL: it should look like \"http://host:8761/eureka/\"".into());
        }
        Ok(Self { url, origin, authorization: credentials.map(basic) })
    }
}

/// The header of HTTP basic authentication (RFC 7617) for `user:password`, percent-decoded as in URLs.
fn basic(credentials: &str) -> HeaderValue {
    let text = format!("Basic {}", base64(&percent_decoded(credentials)));
    let mut value = HeaderValue::from_str(&text).expect("base64 is ASCII");
    value.set_sensitive(true);
    value
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    decoded
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word =
            group.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let index = (word >> (18 - 6 * digit)) as usize & 63;
            text.push(if digit <= group.len() { char::from(DIGITS[index]) } else { '=' });
        }
    }
    text
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Why there is no usable answer: what it means, and what an operator is told.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) failure: Failure,
    pub(super) text: String,
}

impl Trouble {
    pub(super) fn new(failure: Failure, text: impl Into<String>) -> Self {
        Self { failure, text: text.into() }
    }

    /// An answer with a status that was not hoped for.
    pub(super) fn status(status: StatusCode, what: &str) -> Self {
        let failure = match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS | StatusCode::GATEWAY_TIMEOUT => {
                Failure::Congested
            }
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED => Failure::Foreign,
            _ => Failure::Refused,
        };
        Self::new(failure, format!("{what} was answered {status}"))
    }
}

/// One client for all peers.
#[derive(Clone, Debug)]
pub(super) struct Client {
    http: legacy::Client<Connector, Full<Bytes>>,
    timeout: Duration,
}

impl Client {
    /// `timeout` is for a whole request; connecting may take a fifth of it, and so may a TLS handshake.
    pub(super) fn new(timeout: Duration, trust: Arc<Trust>) -> Self {
        let connector = Connector::new(timeout / 5, trust);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(2)
            .build(connector);
        Self { http, timeout }
    }

    /// Sends one request and reads the answer whole. A whole list may take `patience` times as long as anything else.
    pub(super) async fn send(
        &self,
        target: &Target,
        method: Method,
        url: &str,
        headers: &HeaderMap,
        body: Vec<u8>,
        patience: u32,
    ) -> Result<Answered, Trouble> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() =
            url.parse().map_err(|error| Trouble::new(Failure::Refused, format!("{url}: {error}")))?;
        *request.headers_mut() = headers.clone();
        if let Some(authorization) = &target.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
        let timeout = self.timeout * patience;
        let exchange = async {
            let response = self.http.request(request).await.map_err(|error| {
                Trouble::new(Failure::Unreachable, format!("no answer from {url}: {}", innermost(&error)))
            })?;
            let (head, body) = response.into_parts();
            let limits = BodyLimits { bytes_max: ANSWER_BYTES_MAX, timeout };
            let body = body::read_inflated(&head.headers, body, limits).await;
            let body = body.map_err(|error| {
                Trouble::new(Failure::Unreachable, format!("the answer of {url}: {error}"))
            })?;
            Ok(Answered { status: head.status, body })
        };
        tokio::time::timeout(timeout, exchange).await.unwrap_or_else(|_| {
            Err(Trouble::new(Failure::Congested, format!("no answer from {url} within {timeout:?}")))
        })
    }
}

/// What is at the bottom of an error: "connection refused", not "client error (Connect)".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_eureka_clients_write_them() {
        for (text, url, origin) in [
            ("http://a:8761/eureka/", "http://a:8761/eureka/", "http://a:8761"),
            (" http://a:8761/eureka ", "http://a:8761/eureka/", "http://a:8761"),
            ("http://a", "http://a/", "http://a"),
            ("http://a/", "http://a/", "http://a"),
            ("http://[::1]:80/x//", "http://[::1]:80/x/", "http://[::1]:80"),
            ("http://me:secret@a:1/eureka/", "http://a:1/eureka/", "http://a:1"),
            ("https://me:secret@a/eureka", "https://a/eureka/", "https://a"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((&*target.url, &*target.origin), (url, origin), "{text}");
        }
        for text in [
            "",
            "a:8761",
            "ftp://a/eureka/",
            "https://",
            "http://",
            "http:///x",
            "http://a b/",
            "http://a/?x=1",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn credentials_become_basic_authentication() {
        // The examples of RFC 7617, section 2, and RFC 4648, section 10.
        let target = Target::parse("http://Aladdin:open%20sesame@a/").unwrap();
        assert_eq!(target.authorization.unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(percent_decoded("%4a%zz%"), b"J%zz%");
    }
}
