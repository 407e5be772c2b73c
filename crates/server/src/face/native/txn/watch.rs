//! Changes as server-sent events.

#![expect(unused_qualifications, reason = "utoipa's macro writes `Self`-qualified paths for local types")]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::Query;
use super::failed::{Failed, TransactionProblem};
use super::lists::RowDto;
use super::read;
use crate::node::Node;
use crate::txn::ask::{Desk, News, Watch};

/// A stream without changes says that often that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What to hear of.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WatchQuery {
    /// Only this transaction, by XID or gid.
    id: Option<String>,
    /// Only this mode.
    mode: Option<String>,
}

/// Changes as they happen, as server-sent events: `change` with a transaction as lists have it, also when a call of it came to
/// nothing; `reset` when lists have to be read again: as the first event, and when some were missed.
#[utoipa::path(get, path = "/v1/transactions/watch", params(WatchQuery), responses((status = 200, description = "text/event-stream", body = RowDto), (status = 400, body = TransactionProblem), (status = 404, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn watch(
    State(node): State<Arc<Node>>,
    Query(query): Query<WatchQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failed> {
    let mode = query.mode.filter(|name| !name.is_empty());
    let mode = mode.map(|name| read::mode(&name)).transpose().map_err(Failed::parameter)?;
    let watch = Watch::new(&node, query.id.as_deref().filter(|id| !id.is_empty()), mode)?;
    let bursts = stream::unfold((watch, node), async |(mut watch, node)| {
        let events = events(&node, watch.next().await?);
        Some((events, (watch, node)))
    });
    let events = futures_util::StreamExt::flat_map(bursts, stream::iter);
    let events = futures_util::StreamExt::map(events, Ok);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

fn events(node: &Node, news: News) -> Vec<Event> {
    let rows = match (news, Desk::of(node)) {
        (News::Changed(rows), Ok(desk)) => rows.into_iter().map(move |row| RowDto::new(&desk, row)),
        _ => return vec![Event::default().event("reset").data("{}")],
    };
    let event = |row: RowDto| {
        let data = serde_json::to_string(&row).expect("plain data");
        Event::default().event("change").data(data)
    };
    rows.map(event).collect()
}
