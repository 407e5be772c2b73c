//! The node as a whole: its registry, self-preservation, what happened lately.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use synod_core::registry::{ChangeKind, Recent};
use utoipa::ToSchema;

use super::dto;
use super::extract::Body;
use super::problem::Problem;
use crate::node::Node;
use crate::registry::peers::PeerView;

/// The node and its registry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RegistryDto {
    node: NodeDto,
    /// Whether lists may be read.
    open: bool,
    /// Version of the list.
    version: String,
    /// Eureka's hash of the list.
    hash: String,
    /// Services.
    applications: u64,
    /// Instances.
    instances: u64,
    /// Instances by status.
    #[schema(value_type = BTreeMap<String, u64>)]
    statuses: BTreeMap<&'static str, u64>,
    self_preservation: PreservationDto,
    /// Instances restored from disk and not heard of since.
    restored_provisional: u64,
}

/// Who this node is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NodeDto {
    name: String,
    id: String,
    version: &'static str,
    uptime_ms: u64,
}

/// Self-preservation: while it is active, nobody is evicted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PreservationDto {
    /// Whether it is switched on.
    enabled: bool,
    /// Whether it holds evictions back now.
    active: bool,
    /// Whether there is too little to go by yet.
    warming_up: bool,
    /// Renewals that the live instances together mean to send.
    expected_per_minute: f64,
    /// Renewals below which it becomes active.
    threshold_per_minute: f64,
    /// Renewals that came, over the last window.
    received_last_minute: f64,
    /// Instances that are listed only because of it.
    protected: usize,
    /// For how long it has been active.
    active_ms: u64,
}

/// The switch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    /// On or off.
    enabled: bool,
}

/// The node and its registry.
#[utoipa::path(get, path = "/v1/registry", responses((status = 200, body = RegistryDto)))]
pub(super) async fn registry(State(node): State<Arc<Node>>) -> Json<RegistryDto> {
    let registry = &node.registry;
    let totals = registry.core().totals();
    Json(RegistryDto {
        node: NodeDto {
            name: node.name.clone(),
            id: node.id.to_string(),
            version: crate::VERSION,
            uptime_ms: registry.now().mono_ms,
        },
        open: registry.is_open(),
        version: dto::version(registry, registry.core().version()),
        hash: totals.hash(),
        applications: totals.applications,
        instances: totals.instances(),
        statuses: dto::statuses(&totals),
        self_preservation: preservation(&node),
        restored_provisional: totals.provisional,
    })
}

fn preservation(node: &Node) -> PreservationDto {
    let (view, protected) = node.registry.core().preservation_view();
    let tenth = |number: f64| (number * 10.0).round() / 10.0;
    PreservationDto {
        enabled: view.enabled,
        active: view.active,
        warming_up: view.warming_up,
        expected_per_minute: tenth(view.expected_per_minute),
        threshold_per_minute: tenth(view.threshold_per_minute),
        received_last_minute: tenth(view.received_per_minute),
        protected,
        active_ms: view.active_ms,
    }
}

/// Switches self-preservation on or off until the next start.
#[utoipa::path(put, path = "/v1/registry/self-preservation", request_body = Switch, responses((status = 200, body = PreservationDto), (status = 400, body = Problem)))]
pub(super) async fn preserve(
    State(node): State<Arc<Node>>,
    Body(wanted): Body<Switch>,
) -> Json<PreservationDto> {
    node.registry.core().preserve(wanted.enabled);
    tracing::warn!(enabled = wanted.enabled, "self-preservation was switched by an operator");
    Json(preservation(&node))
}

/// The latest registrations and removals.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RecentDto {
    /// Newest first, at most 1,000.
    registered: Vec<RecentEntryDto>,
    /// Newest first, at most 1,000.
    removed: Vec<RecentEntryDto>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RecentEntryDto {
    at_ms: u64,
    service: String,
    id: String,
    /// `registered`, `cancelled` or `expired`.
    reason: &'static str,
}

impl From<&Recent> for RecentEntryDto {
    fn from(recent: &Recent) -> Self {
        let instance = &recent.change.record.instance;
        Self {
            at_ms: recent.at_ms,
            service: instance.app.to_string(),
            id: instance.id.to_string(),
            reason: match recent.change.kind {
                ChangeKind::Cancelled => "cancelled",
                ChangeKind::Expired => "expired",
                ChangeKind::Registered | ChangeKind::Replaced | ChangeKind::StatusChanged => "registered",
            },
        }
    }
}

/// The last thousand registrations and removals.
#[utoipa::path(get, path = "/v1/recent", responses((status = 200, body = RecentDto)))]
pub(super) async fn recent(State(node): State<Arc<Node>>) -> Json<RecentDto> {
    let [registered, removed] = node.registry.core().recent();
    let entries = |list: &[Recent]| list.iter().map(RecentEntryDto::from).collect();
    Json(RecentDto { registered: entries(&registered), removed: entries(&removed) })
}

/// The other nodes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PeersDto {
    /// By URL.
    peers: Vec<PeerDto>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PeerDto {
    /// As configured, without credentials.
    url: String,
    /// What a Synod node calls itself.
    name: Option<String>,
    /// `synod`, `eureka`, or `unknown`.
    kind: &'static str,
    /// `idle`, `sending`, `backoff`, or `self` when it is this very node.
    state: &'static str,
    /// Whether it answered the last time.
    reachable: bool,
    /// How long the oldest change has been waiting for it.
    lag_ms: u64,
    /// Instances that it has to be told of.
    queued: usize,
    /// Items that it took.
    sent: u64,
    /// Items refused, and batches that came to nothing.
    failed: u64,
    /// Wall time of its last answer.
    last_success_ms: Option<u64>,
    /// What went wrong last, until something succeeds.
    last_error: Option<String>,
}

impl From<PeerView> for PeerDto {
    fn from(view: PeerView) -> Self {
        let PeerView {
            url,
            name,
            kind,
            state,
            reachable,
            lag_ms,
            queued,
            sent,
            failed,
            last_success_ms,
            last_error,
        } = view;
        Self { url, name, kind, state, reachable, lag_ms, queued, sent, failed, last_success_ms, last_error }
    }
}

/// The other nodes, and how far behind they are.
#[utoipa::path(get, path = "/v1/peers", responses((status = 200, body = PeersDto)))]
pub(super) async fn peers(State(node): State<Arc<Node>>) -> Json<PeersDto> {
    let views = node.registry.peers().views(node.registry.now());
    Json(PeersDto { peers: views.into_iter().map(PeerDto::from).collect() })
}
