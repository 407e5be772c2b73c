//! Hearing of changes: by long poll, or as server-sent events. Both resume at a version.

#![expect(unused_qualifications, reason = "utoipa's macro writes `Self`-qualified paths for local types")]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use synod_core::registry::Change;
use tokio::sync::watch;
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use super::dto::{self, ChangeDto};
use super::extract::Query;
use super::problem::{Code, Problem};
use crate::config;
use crate::node::Node;
use crate::registry::Registry;
use crate::registry::convert::upper;

/// Changes in one answer or one burst of events.
const CHANGES_MAX: usize = 500;
/// The longest poll.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// A stream without changes says that often that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// From where to go on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ChangesQuery {
    /// The last version that was seen; without it, only what happens from now on.
    since: Option<String>,
    /// How long to wait when there is nothing yet, such as `30s`; at most `60s`.
    wait: Option<String>,
    /// Changes at most, up to 500.
    limit: Option<usize>,
    /// Only this service.
    service: Option<String>,
}

/// What happened after a version.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangesDto {
    /// The version to go on from.
    version: String,
    /// The version asked for is too old, or of another life of the node: read the lists again.
    reset: bool,
    /// What happened, in order.
    changes: Vec<ChangeDto>,
}

/// A place in the sequence of changes.
struct Place {
    node: Arc<Node>,
    changed: watch::Receiver<u64>,
    service: Option<String>,
    at: u64,
    /// Whether the reader knows what came before.
    lost: bool,
}

impl Place {
    fn new(node: Arc<Node>, since: Option<&str>, service: Option<&str>) -> Result<Self, Problem> {
        let changed = node.registry.watch();
        let now = node.registry.core().version();
        let (at, lost) = match since.filter(|since| !since.is_empty()) {
            None => (now, false),
            Some(since) => place(&node.registry, since)?.map_or((now, true), |at| (at, false)),
        };
        Ok(Self { node, changed, service: service.map(|service| upper(service).into_owned()), at, lost })
    }

    /// What happened since, without waiting; moves on.
    fn take(&mut self, limit: usize) -> Vec<Change> {
        let core = self.node.registry.core();
        let Some(changes) = core.changes(self.at, limit) else {
            self.lost = true;
            self.at = core.version();
            return Vec::new();
        };
        if let Some(last) = changes.last() {
            self.at = last.record.version;
        }
        let wanted = |change: &Change| {
            self.service.as_ref().is_none_or(|service| *change.record.instance.app == **service)
        };
        changes.into_iter().filter(wanted).collect()
    }

    /// Waits until there may be something; false when there never will be.
    async fn wait(&mut self) -> bool {
        let mut stopping = self.node.stopping.clone();
        let at = self.at;
        tokio::select! {
            changed = self.changed.wait_for(|version| *version > at) => changed.is_ok(),
            () = stopping.given() => false,
        }
    }

    fn version(&self) -> String {
        dto::version(&self.node.registry, self.at)
    }
}

/// The number of a version of this life; `None` for one of another life.
fn place(registry: &Registry, version: &str) -> Result<Option<u64>, Problem> {
    let parts =
        version.split_once('.').and_then(|(epoch, number)| Some((epoch.parse().ok()?, number.parse().ok()?)));
    let (epoch, number): (u64, u64) = parts.ok_or_else(|| {
        Problem::new(Code::BadParameter, format!("{version:?} is no version: EPOCH.NUMBER"))
    })?;
    Ok((epoch == registry.epoch()).then_some(number))
}

/// What happened after a version, waiting for it if asked to.
#[utoipa::path(get, path = "/v1/changes", params(ChangesQuery), responses((status = 200, body = ChangesDto), (status = 400, body = Problem)))]
pub(super) async fn changes(
    State(node): State<Arc<Node>>,
    Query(query): Query<ChangesQuery>,
) -> Result<Json<ChangesDto>, Problem> {
    let wait = match query.wait.as_deref() {
        None => Duration::ZERO,
        Some(text) => config::parse_duration(text)
            .ok_or_else(|| {
                Problem::new(Code::BadParameter, format!("wait: {text:?} is no duration such as \"30s\""))
            })?
            .min(WAIT_MAX),
    };
    let limit = query.limit.unwrap_or(CHANGES_MAX).clamp(1, CHANGES_MAX);
    let mut place = Place::new(Arc::clone(&node), query.since.as_deref(), query.service.as_deref())?;
    let mut changes = place.take(limit);
    if !wait.is_zero() {
        // Running out of time answers with what there is: nothing.
        let poll = timeout(wait, async {
            while changes.is_empty() && !place.lost && place.wait().await {
                changes = place.take(limit);
            }
        });
        poll.await.unwrap_or_default();
    }
    let now = node.registry.now();
    let changes = changes.iter().map(|change| ChangeDto::new(&node.registry, change, now)).collect();
    Ok(Json(ChangesDto { version: place.version(), reset: place.lost, changes }))
}

/// Changes as they happen, as server-sent events: `change` with a change, `reset` when the lists have to be read again.
#[utoipa::path(get, path = "/v1/watch", params(ChangesQuery), responses((status = 200, description = "text/event-stream", body = ChangeDto), (status = 400, body = Problem)))]
pub(super) async fn watch(
    State(node): State<Arc<Node>>,
    headers: HeaderMap,
    Query(query): Query<ChangesQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    // A browser that comes back names the last event it got; that is later than what its URL says.
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let place = Place::new(node, last.or(query.since.as_deref()), query.service.as_deref())?;
    let bursts = stream::unfold(place, next_burst);
    let events = futures_util::StreamExt::flat_map(bursts, stream::iter);
    let events = futures_util::StreamExt::map(events, Ok);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

async fn next_burst(mut place: Place) -> Option<(Vec<Event>, Place)> {
    loop {
        if place.lost {
            place.lost = false;
            let version = place.version();
            let data = serde_json::json!({ "version": version });
            let reset = Event::default().event("reset").id(version).data(data.to_string());
            return Some((vec![reset], place));
        }
        let changes = place.take(CHANGES_MAX);
        if !changes.is_empty() {
            let registry = &place.node.registry;
            let now = registry.now();
            let event = |change: &Change| {
                let change = ChangeDto::new(registry, change, now);
                let data = serde_json::to_string(&change).expect("plain data");
                Event::default().event("change").id(&change.version).data(data)
            };
            return Some((changes.iter().map(event).collect(), place));
        }
        if !place.lost && !place.wait().await {
            return None;
        }
    }
}
