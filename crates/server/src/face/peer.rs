//! What other Synod nodes ask this one, under `/v1/peer/`: [`synod_wire::peer`] has the messages, the core the answers.
//!
//! Served from the first moment on, also while the registry is closed to readers: two new nodes that have each other as
//! peer open at once.

use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use synod_core::registry::sync;
use synod_wire::peer::{self as wire, DecodeError, Message};

use crate::net::Body;
use crate::net::body::{self, BodyError, BodyLimits};
use crate::node::Node;
use crate::registry::peers::synod;

/// Where these requests are.
pub const PREFIX: &str = "/v1/peer/";

/// Largest message: a batch of 250 instances of the largest size allowed, twice over. A batch that is larger is refused, and
/// its sender halves it.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// Answers one request below [`PREFIX`].
pub async fn handle(node: &Node, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let answer = match (&head.method, path) {
        (&Method::GET, "hello") => Ok(hello(node)),
        (&Method::POST, "changes" | "digest" | "buckets") => {
            let limits = BodyLimits { bytes_max: MESSAGE_BYTES_MAX, ..node.body_limits };
            match body::read_inflated(&head.headers, body, limits).await {
                Ok(body) => answer(node, path, &body).map_err(Refusal::Message),
                Err(error) => Err(Refusal::Body(error)),
            }
        }
        _ => Err(Refusal::Route),
    };
    match answer {
        Ok(bytes) => respond(StatusCode::OK, "application/json", bytes),
        Err(refusal) => {
            let (status, text) = refusal.tell();
            respond(status, "text/plain; charset=utf-8", text.into_bytes())
        }
    }
}

enum Refusal {
    Route,
    Body(BodyError),
    Message(DecodeError),
}

impl Refusal {
    fn tell(&self) -> (StatusCode, String) {
        match self {
            Self::Route => (StatusCode::NOT_FOUND, "nothing is asked like this between nodes".into()),
            Self::Body(error) => (error.status(), error.to_string()),
            Self::Message(error) => (StatusCode::BAD_REQUEST, error.to_string()),
        }
    }
}

fn hello(node: &Node) -> Vec<u8> {
    wire::encode(&wire::Hello {
        synod_peer: wire::PROTOCOL,
        id: node.id.to_string().into(),
        name: node.name.as_str().into(),
    })
}

fn answer(node: &Node, path: &str, body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let (registry, now) = (&node.registry, node.clock.now());
    let (bytes, changes) = match path {
        "changes" => {
            let notices = synod::changes_in(read(body)?);
            node.from_peers.inc_by(notices.len() as u64);
            let (answers, changes) = sync::changes(registry.core(), notices, now);
            (wire::encode(&synod::answers_out(&answers)), changes)
        }
        "digest" => {
            let compared = sync::compare(registry.core(), &synod::fading_in(read(body)?), now);
            (wire::encode(&synod::compared_out(&compared)), Vec::new())
        }
        _ => {
            let theirs = synod::holdings_in(read(body)?);
            let (exchanged, changes) = sync::exchange(registry.core(), &theirs, now);
            (wire::encode(&synod::exchanged_out(&exchanged)), changes)
        }
    };
    changes.iter().for_each(|change| registry.announce(change));
    Ok(bytes)
}

fn read<M: Message>(body: &[u8]) -> Result<M, DecodeError> {
    wire::decode(body)
}

fn respond(status: StatusCode, content_type: &'static str, bytes: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
