//! Asking servers for their list.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;

use super::cache::{Kind, Outcome};
use super::list::{self, List};
use super::packed;
use crate::http_client::{Answer, Call, HttpError, Repeat, Servers, escaped};

/// Lists longer than this are read beside the tasks, which would have to wait. Packed ones are ten to twenty times as long as they
/// look.
const LONG: usize = 256 << 10;
const LONG_PACKED: usize = 16 << 10;

/// What is asked of whom.
pub(super) struct Question {
    /// Servers in the order in which they are tried.
    pub(super) order: Vec<usize>,
    /// What the first one is asked for; the others can only be asked for everything.
    pub(super) kind: Kind,
    /// Only these services.
    pub(super) services: Option<BTreeSet<Arc<str>>>,
}

/// Asks one server after the other until one has a list.
pub(super) async fn list(servers: &Servers, question: &Question) -> Outcome {
    let mut outcome = Outcome::Nothing;
    let mut kind = question.kind;
    for &server in &question.order {
        match from(servers, server, kind, question.services.as_ref()).await {
            Ok(list) => {
                servers.prefer(server);
                return Outcome::List { server, kind, list };
            }
            Err(Failure::Unusable(why)) => {
                tracing::debug!(server, why, "a server's answer is no list");
                outcome = Outcome::Unusable { kind };
                if kind == Kind::Delta {
                    return outcome; // The same server may well have the full list.
                }
            }
            Err(Failure::NoAnswer(why)) => tracing::debug!(server, why, "no answer from a server"),
        }
        kind = Kind::Full;
    }
    outcome
}

enum Failure {
    Unusable(String),
    NoAnswer(String),
}

async fn from(
    servers: &Servers,
    server: usize,
    kind: Kind,
    services: Option<&BTreeSet<Arc<str>>>,
) -> Result<List, Failure> {
    let Some(services) = services else {
        let path = if kind == Kind::Delta { "apps/delta" } else { "apps/" };
        let answer = get(servers, server, path).await?;
        let answer = answer.ok_or_else(|| Failure::Unusable("404".to_owned()))?;
        return decode(answer, servers.answer_max()).await;
    };
    let mut all = List::default();
    for service in services {
        // A service that nobody knows has no instances: that is an answer.
        if let Some(answer) = get(servers, server, &format!("apps/{}", escaped(service))).await? {
            let one = decode(answer, servers.answer_max()).await?;
            all.entries.extend(one.entries);
            all.refused += one.refused;
        }
    }
    Ok(all)
}

async fn get(servers: &Servers, server: usize, path: &str) -> Result<Option<Answer>, Failure> {
    let call = Call::new(Method::GET, path, Repeat::Yes)
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .header(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    match servers.send_to(server, &call).await {
        Ok(answer) if answer.status == StatusCode::OK => Ok(Some(answer)),
        Ok(answer) if answer.status == StatusCode::NOT_FOUND => Ok(None),
        Ok(answer) => Err(Failure::Unusable(answer.status.to_string())),
        Err(error) => Err(Failure::NoAnswer(error.to_string())),
    }
}

async fn decode(answer: Answer, bytes_max: usize) -> Result<List, Failure> {
    let long = if packed::is_packed(&answer.headers) { LONG_PACKED } else { LONG };
    let is_long = answer.body.len() >= long;
    let decode = move || {
        let body = packed::unpacked(&answer.headers, answer.body, bytes_max)?;
        list::decode(&body).map_err(|error| error.to_string())
    };
    let decoded = if is_long {
        let decoded = tokio::task::spawn_blocking(decode).await;
        decoded.map_err(|error| Failure::NoAnswer(error.to_string()))?
    } else {
        decode()
    };
    decoded.map_err(Failure::Unusable)
}

/// What came of looking for a server that announces changes.
pub(super) enum Found {
    /// This one does.
    Feed(usize, Response<Incoming>),
    /// A server is there, and does not.
    NoFeed,
    /// No server is there.
    Nobody,
}

/// Looks for a server that announces changes, from `since` on if it knows that version.
pub(super) async fn feed(
    native: &Servers,
    order: &[usize],
    since: Option<&str>,
    service: Option<&str>,
) -> Found {
    let query: Vec<String> = [("since", since), ("service", service)]
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}={}", escaped(value))))
        .collect();
    let call = Call::new(Method::GET, format!("v1/watch?{}", query.join("&")), Repeat::Yes);
    let call = call.header(ACCEPT, HeaderValue::from_static("text/event-stream"));
    for &server in order {
        match native.open(server, &call).await {
            Ok(response) if is_feed(&response) => return Found::Feed(server, response),
            Ok(response) => {
                tracing::debug!(server, status = response.status().as_u16(), "a server announces no changes");
                return Found::NoFeed;
            }
            Err(HttpError::NotSent(why) | HttpError::Unknown(why)) => {
                tracing::debug!(server, why, "no answer from a server");
            }
        }
    }
    Found::Nobody
}

fn is_feed(response: &Response<Incoming>) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    response.status() == StatusCode::OK && kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
}
