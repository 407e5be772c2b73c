//! One instance: look, register, renew, remove, override, metadata.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use synod_core::registry::{ChangeKind, Instance, Origin, Port, Renewal, Status};
use utoipa::ToSchema;

use super::dto::{self, InstanceDto};
use super::extract::Body;
use super::problem::{Code, Problem};
use crate::node::Node;
use crate::registry::convert::upper;

type Key = Path<(String, String)>;

/// What an instance says of itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Registration {
    /// Host name.
    host: String,
    /// Address; the host name if it is not given.
    ip: Option<String>,
    /// Plain port, if it serves one.
    port: Option<u16>,
    /// TLS port, if it serves one.
    secure_port: Option<u16>,
    /// `UP` unless said otherwise.
    status: Option<String>,
    /// Free keys and values.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// 30 s and 90 s unless said otherwise.
    #[serde(default)]
    lease: RegistrationLease,
    /// Virtual addresses; the service's name in lower case if none is given.
    vip: Option<Vec<String>>,
    /// Virtual addresses over TLS.
    secure_vip: Option<Vec<String>>,
    /// URL for people.
    home_page: Option<String>,
    /// URL of the status page.
    status_page: Option<String>,
    /// URL of the health check.
    health_check: Option<String>,
}

/// A lease, in milliseconds; rounded up to whole seconds.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RegistrationLease {
    /// How often it will renew.
    renew_interval_ms: Option<u64>,
    /// How long the lease lasts without.
    duration_ms: Option<u64>,
}

/// An override to set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Override {
    /// The status that everybody is to see.
    status: String,
}

/// One instance.
#[utoipa::path(get, path = "/v1/services/{service}/instances/{id}", responses((status = 200, body = InstanceDto), (status = 404, body = Problem)))]
pub(super) async fn look(
    State(node): State<Arc<Node>>,
    Path((service, id)): Key,
) -> Result<Json<InstanceDto>, Problem> {
    shown(&node, &upper(&service), &id).map(Json)
}

fn shown(node: &Node, app: &str, id: &str) -> Result<InstanceDto, Problem> {
    let found = node.registry.core().find(app, id, node.registry.now());
    found.map(|found| InstanceDto::found(&found)).ok_or_else(|| Problem::unknown_instance(app, id))
}

/// Registers an instance, or replaces it.
#[utoipa::path(put, path = "/v1/services/{service}/instances/{id}", request_body = Registration, responses((status = 201, description = "It is new", body = InstanceDto), (status = 200, description = "It was replaced", body = InstanceDto), (status = 400, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn register(
    State(node): State<Arc<Node>>,
    Path((service, id)): Key,
    Body(registration): Body<Registration>,
) -> Result<(StatusCode, Json<InstanceDto>), Problem> {
    let app = upper(&service);
    let instance = described(&node, &app, &id, registration)?;
    let registered = node.registry.register(instance, Origin::Client);
    let change = registered.map_err(|full| Problem::new(Code::Full, full.to_string()))?;
    let status = if change.kind == ChangeKind::Registered { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(shown(&node, &app, &id)?)))
}

fn described(node: &Node, app: &str, id: &str, given: Registration) -> Result<Instance, Problem> {
    let bad = |detail: &str| Err(Problem::new(Code::BadBody, detail));
    if app.trim().is_empty() || id.trim().is_empty() || given.host.trim().is_empty() {
        return bad("service, id and host must not be empty");
    }
    if given.metadata.len() > node.config.registry.metadata_keys_max {
        return bad("too many metadata keys");
    }
    let port = |given: Option<u16>, absent| match given {
        Some(number) => Port { number: i32::from(number), enabled: true },
        None => Port { number: absent, enabled: false },
    };
    let list =
        |given: Option<Vec<String>>| given.filter(|vips| !vips.is_empty()).map(|vips| vips.join(",").into());
    let boxed = |text: Option<String>| text.map(String::into_boxed_str);
    let seconds = |ms: Option<u64>, default: u64| u32::try_from(ms.unwrap_or(default).div_ceil(1_000).max(1));
    let default_ms = node.config.registry.lease_duration.as_millis() as u64;
    let (Ok(renewal_interval_s), Ok(duration_s)) =
        (seconds(given.lease.renew_interval_ms, 30_000), seconds(given.lease.duration_ms, default_ms))
    else {
        return bad("a lease lasts at most 2^32 seconds");
    };
    Ok(Instance {
        ip: given.ip.unwrap_or_else(|| given.host.clone()).into(),
        host: given.host.into(),
        port: port(given.port, 7001),
        secure_port: port(given.secure_port, 7002),
        status: given.status.as_deref().map_or(Ok(Status::Up), dto::parse_status)?,
        metadata: given.metadata.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
        renewal_interval_s,
        duration_s,
        vip: list(given.vip).or_else(|| Some(app.to_lowercase().into())),
        secure_vip: list(given.secure_vip),
        home_page_url: boxed(given.home_page),
        status_page_url: boxed(given.status_page),
        health_check_url: boxed(given.health_check),
        dirty_ms: node.registry.now().wall_ms,
        ..Instance::new(app, id)
    })
}

/// Renews a lease.
#[utoipa::path(post, path = "/v1/services/{service}/instances/{id}/renew", responses((status = 204, description = "Renewed"), (status = 404, body = Problem)))]
pub(super) async fn renew(
    State(node): State<Arc<Node>>,
    Path((service, id)): Key,
) -> Result<StatusCode, Problem> {
    let app = upper(&service);
    match node.registry.renew(&app, &id, None, Origin::Client) {
        Renewal::Unknown => {
            let detail = format!("{app} has no lease to renew for {id:?}: register it (again)");
            Err(Problem::new(Code::UnknownInstance, detail))
        }
        Renewal::Renewed(_) | Renewal::Outdated(_) | Renewal::Newer(_) => Ok(StatusCode::NO_CONTENT),
    }
}

/// Removes an instance.
#[utoipa::path(delete, path = "/v1/services/{service}/instances/{id}", responses((status = 204, description = "Removed"), (status = 404, body = Problem)))]
pub(super) async fn remove(
    State(node): State<Arc<Node>>,
    Path((service, id)): Key,
) -> Result<StatusCode, Problem> {
    let app = upper(&service);
    let removed = node.registry.cancel(&app, &id, Origin::Client);
    removed.map(|_| StatusCode::NO_CONTENT).ok_or_else(|| Problem::unknown_instance(&app, &id))
}

/// Sets the operator's override: what everybody sees, whatever the instance says.
#[utoipa::path(put, path = "/v1/services/{service}/instances/{id}/override", request_body = Override, responses((status = 200, body = InstanceDto), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn set_override(
    State(node): State<Arc<Node>>,
    Path((service, id)): Key,
    Body(wanted): Body<Override>,
) -> Result<Json<InstanceDto>, Problem> {
    let (app, status) = (upper(&service), dto::parse_status(&wanted.status)?);
    if status == Status::Unknown {
        return Err(Problem::new(Code::BadParameter, "UNKNOWN is no override; DELETE removes one"));
    }
    shown(&node, &app, &id)?;
    node.registry.set_override(&app, &id, status, None, Origin::Client);
    shown(&node, &app, &id).map(Json)
}

/// Removes the operator's override; the instance's own status returns when it registers again.
#[utoipa::path(delete, path = "/v1/services/{service}/instances/{id}/override", responses((status = 200, body = InstanceDto), (status = 404, body = Problem)))]
pub(super) async fn clear_override(
    State(node): State<Arc<Node>>,
    Path((service, id)): Key,
) -> Result<Json<InstanceDto>, Problem> {
    let app = upper(&service);
    shown(&node, &app, &id)?;
    node.registry.clear_override(&app, &id, None, None, Origin::Client);
    shown(&node, &app, &id).map(Json)
}

/// Sets metadata keys, and deletes those given as null.
#[utoipa::path(patch, path = "/v1/services/{service}/instances/{id}/metadata", request_body = BTreeMap<String, Option<String>>, responses((status = 200, body = InstanceDto), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn metadata(
    State(node): State<Arc<Node>>,
    Path((service, id)): Key,
    Body(edits): Body<BTreeMap<String, Option<String>>>,
) -> Result<Json<InstanceDto>, Problem> {
    let app = upper(&service);
    shown(&node, &app, &id)?;
    let edits: Vec<_> = edits.iter().map(|(key, value)| (&**key, value.as_deref())).collect();
    let set = node.registry.set_metadata(&app, &id, &edits);
    set.map_err(|refusal| Problem::new(Code::BadBody, refusal.to_string()))?;
    shown(&node, &app, &id).map(Json)
}
