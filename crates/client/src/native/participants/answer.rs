//! What a call is answered.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Body;

use super::{Asked, Checked, Participants};
use crate::context;
use crate::rm::saga::StepError;
use crate::rm::{EndError, Kind};

/// Largest payload taken.
const BODY_BYTES_MAX: usize = 8 << 20;
/// Most of an explanation that is sent.
const WORDS_MAX: usize = 1_000;

type Answer = (StatusCode, String);

fn done() -> Answer {
    (StatusCode::OK, String::new())
}

fn nobody(what: &str, name: &str) -> Answer {
    (StatusCode::NOT_FOUND, format!("nothing is registered here as {name:?} to {what}"))
}

fn ended(result: Result<(), EndError>) -> Answer {
    match result {
        Ok(()) => done(),
        // Asked again with growing pauses, and people can read why.
        Err(EndError::Again(why)) => (StatusCode::SERVICE_UNAVAILABLE, why),
        Err(EndError::Never(why)) => (StatusCode::CONFLICT, why),
    }
}

impl Participants {
    /// Answers one call. Whatever the path begins with, `/synod/{name}` at its end says who is meant.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let Some(name) = name(parts.uri.path()) else {
            return respond((StatusCode::NOT_FOUND, "calls go to /synod/{name}".to_owned()));
        };
        if parts.method != Method::POST {
            return respond((StatusCode::METHOD_NOT_ALLOWED, "calls are made by POST".to_owned()));
        }
        let payload = match Limited::new(body, BODY_BYTES_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return respond((StatusCode::PAYLOAD_TOO_LARGE, error.to_string())),
        };
        // Nobody joins a transaction while it is ended: the trace is all that goes on from here.
        let context = context::extract(&parts.headers).with_xid(None);
        respond(match Asked::read(parts.headers, payload) {
            Ok(asked) => context::scope(context, self.answer(&name, asked)).await,
            Err(why) => (StatusCode::BAD_REQUEST, why),
        })
    }

    async fn answer(&self, name: &str, asked: Asked) -> Answer {
        let (op, xid) = (asked.op.clone(), asked.xid.clone());
        let answer = match op.as_str() {
            "confirm" | "commit" => self.end(name, asked, true).await,
            "cancel" | "rollback" => self.end(name, asked, false).await,
            "action" => self.act(name, asked).await,
            "compensate" => self.undo(name, asked).await,
            "check" => self.check(name, asked).await,
            "deliver" | "notify" => match self.find(|all| all.receivers.get(name)) {
                Some(receive) => ended(receive(asked).await),
                None => nobody(&op, name),
            },
            _ => (StatusCode::NOT_IMPLEMENTED, format!("{op:?} is not done here")),
        };
        let (status, why) = (answer.0.as_u16(), &answer.1);
        tracing::debug!(%xid, name, op, status, why, "was called for a global transaction");
        answer
    }

    async fn end(&self, name: &str, asked: Asked, forward: bool) -> Answer {
        let Some((kind, resource)) =
            self.with(|all| all.resources.get(name).map(|(kind, resource)| (*kind, Arc::clone(resource))))
        else {
            return nobody(&asked.op, name);
        };
        let branch = asked.into_branch(name, kind);
        ended(if forward { resource.commit(&branch).await } else { resource.rollback(&branch).await })
    }

    async fn act(&self, name: &str, asked: Asked) -> Answer {
        let Some(step) = self.find(|all| all.steps.get(name)) else { return nobody("do", name) };
        match step.act(&asked.into_branch(name, Kind::Saga)).await {
            Ok(()) => done(),
            Err(StepError::Refused(why)) => (StatusCode::CONFLICT, why),
            Err(StepError::Ongoing) => (StatusCode::TOO_EARLY, String::new()),
            Err(StepError::Failed(why)) => (StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }

    async fn undo(&self, name: &str, asked: Asked) -> Answer {
        let Some(step) = self.find(|all| all.steps.get(name)) else { return nobody("compensate", name) };
        ended(step.undo(&asked.into_branch(name, Kind::Saga)).await)
    }

    async fn check(&self, name: &str, asked: Asked) -> Answer {
        let Some(check) = self.find(|all| all.checks.get(name)) else { return nobody("check", name) };
        match check(asked).await {
            Ok(Checked::Committed) => done(),
            Ok(Checked::RolledBack) => {
                (StatusCode::CONFLICT, "the local transaction has not committed".to_owned())
            }
            Ok(Checked::Undecided) => (StatusCode::TOO_EARLY, String::new()),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }
}

fn respond((status, mut words): Answer) -> Response<Full<Bytes>> {
    if let Some((end, _)) = words.char_indices().nth(WORDS_MAX) {
        words.truncate(end);
    }
    let mut response = Response::new(Full::new(Bytes::from(words)));
    *response.status_mut() = status;
    response
}

/// Who is meant by a path.
fn name(path: &str) -> Option<String> {
    let (before, name) = path.rsplit_once('/')?;
    let bytes = unescaped(name)?;
    String::from_utf8(bytes).ok().filter(|name| before.ends_with("/synod") && !name.is_empty())
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit =
                    |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit(rest.next()?)? << 4 | digit(rest.next()?)?
            }
            byte => byte,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_client::escaped;

    #[test]
    fn names_are_read_as_they_were_written() {
        for known in ["stock", "jdbc:mysql://h:1/db?x=y%", "ü b"] {
            assert_eq!(name(&format!("/a/synod/{}", escaped(known))).as_deref(), Some(known));
        }
        for bad in
            ["", "/", "/synod/", "/synod", "/stock", "/synod/a/b", "/synod/%4", "/synod/%zz", "/synod/%ff"]
        {
            assert_eq!(name(bad), None, "{bad}");
        }
    }
}
