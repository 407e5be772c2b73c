//! A small HTTP client: pooled connections, answers of limited size, one server of several.
//!
//! [`Servers`] is a list of base URLs of servers that are as good as one another. A [`Call`] goes to the one that answered last;
//! when that fails it goes to the next, *if that does no harm*: always when nothing was sent, and after it was sent only for a call
//! that says [`Repeat::Yes`]. Which error comes back says the same to the caller, see [`HttpError`].

#![cfg_attr(not(feature = "full"), allow(dead_code, unused_imports, reason = "no feature needs all of it"))]

mod base;
#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use thiserror::Error;
use tokio::time::timeout;

#[cfg(feature = "tls")]
use crate::tls::Connector;
#[cfg(feature = "tls")]
pub(crate) use crate::tls::Trust;
use base::Base;
pub(crate) use base::escaped;

/// Plain connections only.
#[cfg(not(feature = "tls"))]
type Connector = HttpConnector;
/// Nobody has to prove who it is.
#[cfg(not(feature = "tls"))]
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust(());

/// Connections that are kept for a while, over HTTP/1.1.
pub(crate) type Pool = Client<Connector, Full<Bytes>>;

/// How long an idle connection is kept. Less than servers usually do, so that a connection is rarely closed under a call.
const IDLE: Duration = Duration::from_secs(15);

/// Idle connections to one server that are kept. Whoever has more calls under way than this connects anew for the rest of them, again
/// and again.
const IDLE_MAX: usize = 256;

/// The limits of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// Longest time to connect to one server.
    pub(crate) connect: Duration,
    /// Longest time from the start of a call to the end of its answer, at one server.
    pub(crate) total: Duration,
    /// Longest body of an answer, in bytes.
    pub(crate) answer_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), total: Duration::from_secs(10), answer_max: 8 << 20 }
    }
}

/// Whether a call that may have been carried out may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Twice is as good as once.
    Yes,
    /// Once at most: it is sent again only when it is certain that it was not sent.
    No,
}

/// Why there is no answer.
#[derive(Clone, Debug, Error)]
pub(crate) enum HttpError {
    /// No server was sent anything, so nothing has happened.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It was sent, to one server at least, and the answer is missing, too long or broken: nobody knows what has happened.
    #[error("no answer: {0}")]
    Unknown(String),
}

/// A base URL that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{url:?} is no base URL of a server: {why}")]
pub struct BadUrl {
    /// What was given, without what may be a password.
    pub(crate) url: String,
    /// What is wrong with it.
    pub(crate) why: &'static str,
}

/// A request, yet without a server.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    repeat: Repeat,
    total: Option<Duration>,
}

impl Call {
    /// A call of `path`, relative to the base URL and with its query; its parts must be [`escaped`].
    pub(crate) fn new(method: Method, path: impl Into<String>, repeat: Repeat) -> Self {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Self { method, path: path.into(), headers, body, repeat, total: None }
    }

    /// With one more header.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// With a body of JSON.
    pub(crate) fn json(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }

    /// With another limit than [`Config::total`].
    pub(crate) const fn within(mut self, total: Duration) -> Self {
        self.total = Some(total);
        self
    }
}

/// A whole answer, whatever its status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Status.
    pub(crate) status: StatusCode,
    /// Headers.
    pub(crate) headers: HeaderMap,
    /// Body as it came, at most [`Config::answer_max`] bytes.
    pub(crate) body: Bytes,
    /// Which of the servers has answered: its place in the list.
    #[cfg(test)]
    pub(crate) server: usize,
}

/// Servers that are as good as one another. Share it: it holds the connections.
pub(crate) struct Servers {
    client: Pool,
    config: Config,
    bases: Vec<Base>,
    /// The one that answered last.
    current: AtomicUsize,
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers").field("bases", &self.bases).finish_non_exhaustive()
    }
}

impl Servers {
    /// Servers by their base URLs, such as `http://node-1:8761/eureka`, the preferred first. Nothing is connected yet.
    ///
    /// # Errors
    /// A URL cannot be used, or there is none.
    pub(crate) fn new<U: AsRef<str>>(
        config: Config,
        urls: impl IntoIterator<Item = U>,
    ) -> Result<Self, BadUrl> {
        let bases = urls.into_iter().map(|url| Base::parse(url.as_ref())).collect::<Result<Vec<_>, _>>()?;
        if bases.is_empty() {
            return Err(BadUrl { url: String::new(), why: "there is none" });
        }
        let client = pool(config.connect, Trust::default());
        Ok(Self { client, config, bases, current: AtomicUsize::new(0) })
    }

    /// The same, with others that are trusted; those of the system unless this is said.
    pub(crate) fn trusting(self, trust: Trust) -> Self {
        Self { client: pool(self.config.connect, trust), ..self }
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.bases.len()
    }

    /// Longest body of an answer, in bytes.
    pub(crate) const fn answer_max(&self) -> usize {
        self.config.answer_max
    }

    /// Sends a call to the server that answered last, or to the next ones, each at most once. An answer is an answer whatever its
    /// status; only a call that may be repeated is also taken to the next server for a 5xx, and has the last of these answers.
    ///
    /// # Errors
    /// No server has answered; see [`HttpError`] for what is known then.
    pub(crate) async fn send(&self, call: &Call) -> Result<Answer, HttpError> {
        self.send_from(self.current(), call).await
    }

    /// The same, beginning with the server at this place in the list.
    ///
    /// # Errors
    /// No server has answered.
    pub(crate) async fn send_from(&self, first: usize, call: &Call) -> Result<Answer, HttpError> {
        let mut result = Err(HttpError::NotSent("there is no server".to_owned()));
        for server in (first..first + self.len()).map(|turn| turn % self.len()) {
            let one = self.send_to(server, call).await;
            match &one {
                Ok(answer) if !(answer.status.is_server_error() && call.repeat == Repeat::Yes) => {
                    self.current.store(server, Ordering::Relaxed);
                    return one;
                }
                Err(HttpError::Unknown(_)) if call.repeat == Repeat::No => return one,
                Ok(_) | Err(_) => {}
            }
            result = worse(result, one);
        }
        result
    }

    /// Sends a call to one server, by its place in the list, and to no other.
    ///
    /// # Errors
    /// It has not answered.
    pub(crate) async fn send_to(&self, server: usize, call: &Call) -> Result<Answer, HttpError> {
        let total = call.total.unwrap_or(self.config.total);
        let whole = async {
            let (parts, body) = self.start(server, call).await?.into_parts();
            let body = Limited::new(body, self.config.answer_max).collect().await;
            let body = body.map_err(|error| HttpError::Unknown(self.said(server, &reason(&*error))))?;
            Ok(Answer {
                status: parts.status,
                headers: parts.headers,
                body: body.to_bytes(),
                #[cfg(test)]
                server,
            })
        };
        let in_time = timeout(total, whole).await;
        in_time.unwrap_or_else(|_| Err(HttpError::Unknown(self.said(server, "it took too long"))))
    }

    /// Sends a call to one server as [`Servers::send_to`] does, and leaves the body of the answer to the caller: for answers
    /// without an end. The time limit is for the head only.
    ///
    /// # Errors
    /// It has not answered.
    pub(crate) async fn open(&self, server: usize, call: &Call) -> Result<Response<Incoming>, HttpError> {
        let in_time = timeout(call.total.unwrap_or(self.config.total), self.start(server, call)).await;
        in_time.unwrap_or_else(|_| Err(HttpError::Unknown(self.said(server, "it took too long"))))
    }

    /// The next call goes to this server first, by its place in the list.
    pub(crate) fn prefer(&self, server: usize) {
        self.current.store(server, Ordering::Relaxed);
    }

    /// The place in the list of the server that answered last.
    pub(crate) fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    async fn start(&self, server: usize, call: &Call) -> Result<Response<Incoming>, HttpError> {
        let base = self.bases.get(server).ok_or_else(|| HttpError::NotSent("no such server".to_owned()))?;
        let request = Request::builder().method(call.method.clone()).uri(base.url(&call.path));
        let mut request = request
            .body(Full::new(call.body.clone()))
            .map_err(|error| HttpError::NotSent(self.said(server, &error.to_string())))?;
        request.headers_mut().extend(call.headers.clone());
        if let Some(authorization) = &base.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        self.client.request(request).await.map_err(|error| {
            let why = self.said(server, &reason(&error));
            if error.is_connect() { HttpError::NotSent(why) } else { HttpError::Unknown(why) }
        })
    }

    fn said(&self, server: usize, why: &str) -> String {
        self.bases.get(server).map_or_else(|| why.to_owned(), |base| format!("{}: {why}", base.authority()))
    }
}

/// No connections yet. `connect` is the longest time to make one, and once more to know with whom.
#[cfg_attr(not(feature = "tls"), expect(unused_variables, reason = "nobody is asked who it is"))]
pub(crate) fn pool(connect: Duration, trust: Trust) -> Pool {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(connect));
    connector.set_nodelay(true);
    #[cfg(feature = "tls")]
    let connector = Connector::new(connector, connect, trust);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_MAX)
        .build(connector)
}

/// What two servers' results come to: an answer says most, and what may have happened stays so.
fn worse(before: Result<Answer, HttpError>, now: Result<Answer, HttpError>) -> Result<Answer, HttpError> {
    match (before, now) {
        (before, Err(HttpError::NotSent(_))) if !matches!(before, Err(HttpError::NotSent(_))) => before,
        (Ok(answer), Err(_)) => Ok(answer),
        (_, now) => now,
    }
}

/// An error with what caused it, on one line: most errors of HTTP say nothing without.
pub(crate) fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
