//! One request and its answer, sent again as long as there is none.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::transaction::Standing;
use super::{CALL, Client};
use crate::backoff::Backoff;
use crate::clock;
use crate::context::{self, Context};
use crate::http_client::{Answer, Call, HttpError, Repeat};

/// Before a request is sent again.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));

/// What Synod says when it does not do what it is asked (RFC 9457).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// The stable code, such as `E2004`; empty where something in between has answered.
    #[serde(default)]
    pub code: String,
    /// What the code means.
    #[serde(default)]
    pub title: String,
    /// What was wrong this time.
    #[serde(default)]
    pub detail: String,
    /// The status of HTTP.
    #[serde(default)]
    pub status: u16,
    /// The transaction that is in the way.
    #[serde(default)]
    pub xid: Option<String>,
    /// How the transaction stands that it is about.
    #[serde(default)]
    pub standing: Option<Standing>,
}

/// Why there is no result.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Refused, and nothing has changed.
    #[error("{} {}: {}", .0.code, .0.title, .0.detail)]
    Refused(Box<Problem>),
    /// No node could be reached, so nothing has happened.
    #[error("no node can be reached: {0}")]
    NotSent(String),
    /// Nobody knows whether it was carried out. What carries an id of its own can be asked again.
    #[error("nobody knows whether it was carried out: {0}")]
    Unknown(String),
    /// It cannot be written as JSON.
    #[error("it cannot be asked: {0}")]
    Unwritable(String),
}

impl Error {
    /// The stable code of a refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) => Some(&problem.code),
            Self::NotSent(_) | Self::Unknown(_) | Self::Unwritable(_) => None,
        }
    }
}

/// A request.
pub(super) struct Ask {
    method: Method,
    path: String,
    body: Option<Vec<u8>>,
    wait: Duration,
    repeat: Repeat,
}

impl Ask {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: None, wait: Duration::ZERO, repeat: Repeat::Yes }
    }

    pub(super) fn delete(path: impl Into<String>) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }

    pub(super) fn send(
        method: Method,
        path: impl Into<String>,
        body: &impl Serialize,
    ) -> Result<Self, Error> {
        let body = serde_json::to_vec(body).map_err(|error| Error::Unwritable(error.to_string()))?;
        Ok(Self { method, body: Some(body), ..Self::get(path) })
    }

    pub(super) fn post(path: impl Into<String>, body: &impl Serialize) -> Result<Self, Error> {
        Self::send(Method::POST, path, body)
    }

    /// The server takes so long to answer.
    pub(super) const fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Twice is not as good as once.
    pub(super) const fn once(mut self) -> Self {
        self.repeat = Repeat::No;
        self
    }

    fn call(&self) -> Call {
        let mut call =
            Call::new(self.method.clone(), self.path.clone(), self.repeat).within(CALL + self.wait);
        // The trace goes along, and on to whom Synod calls. The transaction does not: what is asked is no part of it.
        let (trace, mut headers) = (context::current().trace, HeaderMap::new());
        context::inject(&Context { trace, ..Context::default() }, &mut headers);
        for (name, value) in &headers {
            call = call.header(name.clone(), value.clone());
        }
        match &self.body {
            Some(body) => call.json(body.clone()),
            None => call,
        }
    }
}

impl Client {
    /// Asks, and reads the answer.
    pub(super) async fn read<T: DeserializeOwned>(&self, ask: Ask) -> Result<T, Error> {
        let answer = self.ask(&ask).await?;
        serde_json::from_slice(&answer.body)
            .map_err(|error| Error::Unknown(format!("{}: the answer cannot be read: {error}", ask.path)))
    }

    pub(super) async fn ask(&self, ask: &Ask) -> Result<Answer, Error> {
        let (call, until) = (ask.call(), clock::now() + self.patience);
        let (mut failures, mut unknown) = (0, None);
        loop {
            let error = match self.servers.send(&call).await {
                Ok(answer) if answer.status.is_success() => return Ok(answer),
                Ok(answer) => refusal(&answer),
                Err(HttpError::NotSent(why)) => Error::NotSent(why),
                Err(HttpError::Unknown(why)) => Error::Unknown(why),
            };
            let passes = match &error {
                Error::Refused(problem) => problem.status == StatusCode::SERVICE_UNAVAILABLE,
                Error::NotSent(_) | Error::Unknown(_) => true,
                Error::Unwritable(_) => false,
            };
            if matches!(error, Error::Unknown(_)) {
                unknown = Some(error.clone());
            }
            if !passes {
                return Err(error);
            }
            failures += 1;
            let pause = BACKOFF.after(failures);
            let is_over = clock::now() + pause >= until || (ask.repeat == Repeat::No && unknown.is_some());
            if is_over {
                // What may have happened at one attempt is not undone by the next one's "nothing has changed".
                return Err(unknown.unwrap_or(error));
            }
            tracing::debug!(path = ask.path, %error, "asks again");
            tokio::time::sleep(pause).await;
        }
    }
}

/// What an answer says that is no success.
fn refusal(answer: &Answer) -> Error {
    let mut problem = serde_json::from_slice::<Problem>(&answer.body).unwrap_or_default();
    problem.status = answer.status.as_u16();
    if problem.code.is_empty() {
        let words = String::from_utf8_lossy(&answer.body);
        problem.title = answer.status.to_string();
        problem.detail = words.chars().take(200).collect();
        // Not Synod's own words: whoever is in between does not know what Synod has done.
        if answer.status.is_server_error() {
            return Error::Unknown(format!("{}: {}", problem.title, problem.detail));
        }
    }
    Error::Refused(Box::new(problem))
}
