//! `peerreplication/batch/`: what a peer's clients did, many items in one request. Section 4.4 of `eureka.md`.
//!
//! The path itself says that this is replication; Java peers send no header. Items are executed in order, and each has its
//! answer at its place: a peer drops a response of another length whole.

use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::body::Incoming;
use synod_core::registry::{Origin, Record, Renewal, Status};
use synod_wire::eureka::{self as wire, ActionKind, BatchItem, Format, ItemAction, ItemAnswer, Limits};

use super::{answer, lease, negotiate};
use crate::net::{Body, body};
use crate::node::Node;
use crate::registry::convert::{self, upper};

/// Answers a batch.
pub(super) async fn batch(node: &Node, headers: &HeaderMap, body: Incoming) -> Response<Body> {
    let bytes = match body::read_inflated(headers, body, node.body_limits).await {
        Ok(bytes) => bytes,
        Err(error) => return refused(error.status(), error.to_string()),
    };
    let limits = Limits { items_max: Limits::REQUEST.items_max, ..lease::limits(node) };
    let items = match wire::decode_batch(&bytes, &limits) {
        Ok(items) => items,
        Err(error) => return refused(StatusCode::BAD_REQUEST, error.to_string()),
    };
    node.from_peers.inc_by(items.len() as u64);
    let done: Vec<Done> = items.into_iter().map(|item| apply(node, item)).collect();
    let answers: Vec<_> = done.iter().map(Done::answer).collect();
    let mut out = Vec::with_capacity(20 * answers.len() + 32);
    wire::write_batch_response(&mut out, &answers);
    answer::document(Format::Json, negotiate::gzip(headers), out)
}

fn refused(status: StatusCode, why: String) -> Response<Body> {
    answer::text(status, HeaderValue::from_static("text/plain"), why)
}

/// What became of an item.
enum Done {
    Plain(StatusCode),
    /// Our record is newer than the peer's.
    Conflict(std::sync::Arc<Record>),
}

impl Done {
    fn answer(&self) -> ItemAnswer<'_> {
        match self {
            Self::Plain(status) => ItemAnswer { status: status.as_u16(), instance: None },
            Self::Conflict(record) => ItemAnswer {
                status: StatusCode::CONFLICT.as_u16(),
                instance: Some(Box::new(convert::shown(record, record.renewed_ms, false))),
            },
        }
    }
}

fn apply(node: &Node, item: BatchItem<'_>) -> Done {
    if let Some(error) = &item.refused {
        tracing::warn!(%error, "item of a peer's batch refused");
        return Done::Plain(StatusCode::BAD_REQUEST);
    }
    let action = match &item.action {
        ItemAction::Known(action) => *action,
        ItemAction::Unknown(_) => return Done::Plain(StatusCode::BAD_REQUEST),
        ItemAction::Missing => return Done::Plain(StatusCode::INTERNAL_SERVER_ERROR),
    };
    if action == ActionKind::Register {
        return Done::Plain(register(node, &item));
    }
    let (Some(app), Some(id)) = (&item.app_name, &item.id) else {
        return Done::Plain(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let app = &*upper(app);
    let dirty_ms = item.last_dirty.map(|dirty| dirty.max(0) as u64);
    let registry = &node.registry;
    let found = match action {
        ActionKind::Register => unreachable!("done above"),
        ActionKind::Heartbeat => return heartbeat(node, &item, app, id, dirty_ms),
        ActionKind::Cancel => registry.cancel(app, id, Origin::Peer).is_some(),
        ActionKind::StatusUpdate => match item.status.as_deref().and_then(Status::parse) {
            Some(status) => registry.set_override(app, id, status, dirty_ms, Origin::Peer).is_some(),
            None => return Done::Plain(StatusCode::INTERNAL_SERVER_ERROR),
        },
        ActionKind::DeleteStatusOverride => {
            let Some(dirty_ms) = dirty_ms else { return Done::Plain(StatusCode::INTERNAL_SERVER_ERROR) };
            let status = item.status.as_deref().and_then(Status::parse);
            registry.clear_override(app, id, status, Some(dirty_ms), Origin::Peer).is_some()
        }
    };
    Done::Plain(if found { StatusCode::OK } else { StatusCode::NOT_FOUND })
}

/// 200 whatever becomes of it, as the original answers, unless there is no instance at all.
fn register(node: &Node, item: &BatchItem<'_>) -> StatusCode {
    let Some(given) = &item.instance else { return StatusCode::INTERNAL_SERVER_ERROR };
    let app = item.app_name.as_deref().or(given.app.as_deref()).unwrap_or_default();
    let lease_s = node.config.registry.lease_duration.as_secs() as u32;
    match convert::instance(given, &upper(app), lease_s, node.registry.now()) {
        Ok(instance) => {
            if let Err(refusal) = node.registry.register(instance, Origin::Peer) {
                tracing::warn!(app, %refusal, "a peer's registration was refused");
                return StatusCode::SERVICE_UNAVAILABLE;
            }
        }
        Err(invalid) => tracing::warn!(app, %invalid, "a peer's registration was dropped"),
    }
    StatusCode::OK
}

fn heartbeat(node: &Node, item: &BatchItem<'_>, app: &str, id: &str, dirty_ms: Option<u64>) -> Done {
    match node.registry.renew(app, id, dirty_ms, Origin::Peer) {
        Renewal::Renewed(_) => Done::Plain(StatusCode::OK),
        Renewal::Newer(record) => Done::Conflict(record),
        Renewal::Outdated(_) => {
            if let Some(status) = item.overridden.as_deref().and_then(Status::parse) {
                node.registry.note_override(app, id, status);
            }
            Done::Plain(StatusCode::NOT_FOUND)
        }
        Renewal::Unknown => Done::Plain(StatusCode::NOT_FOUND),
    }
}
