//! Where the leader is, for clients with `registry.type=raft` (`docs/protocol/seata.md` 7.2); mapped groups; the log-in.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use serde::Serialize;

use super::answer::{Failed, Single};
use super::ask::Parameters;
use crate::node::Node;

/// The only group of nodes there is, by the name that Seata's is called unless it is configured.
const GROUP: &str = "default";
/// A client waits for so long at most, and gives up after 30 s.
const WATCH_MAX: Duration = Duration::from_secs(28);

/// The nodes (`common/metadata/MetadataResponse`). No field more: clients refuse what they do not know.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClusterDto {
    nodes: Vec<NodeDto>,
    store_mode: &'static str,
    term: u64,
}

/// A node (`common/metadata/Node`).
#[derive(Debug, Serialize)]
struct NodeDto {
    /// Where this is asked.
    control: EndpointDto,
    /// Where transactions are coordinated.
    transaction: EndpointDto,
    group: &'static str,
    role: &'static str,
    version: &'static str,
    metadata: HashMap<String, String>,
}

#[derive(Debug, Serialize)]
struct EndpointDto {
    host: String,
    port: u16,
}

/// The nodes of the cluster; none while this one does not lead.
pub(super) async fn cluster(State(node): State<Arc<Node>>) -> Result<Json<ClusterDto>, Failed> {
    let term = node.txn().and_then(|coordinator| coordinator.leads());
    let nodes = term.and_then(|_| leader(&node)).into_iter().collect();
    Ok(Json(ClusterDto { nodes, store_mode: "raft", term: term.unwrap_or_default() }))
}

fn leader(node: &Node) -> Option<NodeDto> {
    let (host, port) = node.xid_address.rsplit_once(':')?;
    let endpoint = |port: u16| EndpointDto { host: host.to_owned(), port };
    Some(NodeDto {
        control: endpoint(node.http_port),
        transaction: endpoint(port.parse().ok()?),
        group: GROUP,
        role: "LEADER",
        version: env!("CARGO_PKG_VERSION"),
        metadata: HashMap::new(),
    })
}

/// Answers 200 once the term is another than the client knows, 304 when that has not happened in time. The body names groups with
/// their terms.
pub(super) async fn watch(
    State(node): State<Arc<Node>>,
    parameters: Parameters,
    Form(mut known): Form<HashMap<String, String>>,
) -> Result<StatusCode, Failed> {
    let timeout = known.remove("timeout");
    let timeout_ms = timeout.and_then(|ms| ms.parse().ok()).or(parameters.number("timeout")?);
    let length = timeout_ms.map_or(WATCH_MAX, Duration::from_millis).min(WATCH_MAX);
    let Some(coordinator) = node.txn() else { return Ok(StatusCode::NOT_MODIFIED) };
    let term = known.values().next().and_then(|term| term.parse::<u64>().ok());
    let mut stopping = node.stopping.clone();
    let changed = tokio::select! {
        () = coordinator.leads_otherwise(term) => true,
        () = tokio::time::sleep(length) => false,
        () = stopping.given() => false,
    };
    Ok(if changed { StatusCode::OK } else { StatusCode::NOT_MODIFIED })
}

/// Makes other nodes the cluster: refused.
pub(super) async fn change_cluster() -> Failed {
    Failed::new("the nodes of this cluster are not changed from outside")
}

/// Lets anybody in: until there is authentication, nobody is asked who he is (`auth.mode`). Whoever logs in first gets a token that
/// says so.
pub(super) async fn log_in() -> Json<Single<&'static str>> {
    Single::with("Bearer none")
}

/// Maps a group of initiators to this cluster: nothing to do.
pub(super) async fn add_group(parameters: Parameters) -> Result<Json<Single<()>>, Failed> {
    let group = parameters.text("vGroup").ok_or_else(|| Failed::new("vGroup is missing"))?;
    Ok(Single::done(format!("every group is served here, {group} too: nothing has to be remembered")))
}

/// Takes a group away: refused.
pub(super) async fn remove_group() -> Failed {
    Failed::new("every group is served here: none can be taken away. Point its clients to another cluster")
}
