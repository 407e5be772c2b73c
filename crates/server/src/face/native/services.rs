//! Services, their instances, and the search over all instances. Paged: nothing here answers with the whole registry.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use synod_core::registry::{Listed, Record, Status};

use super::dto::{self, InstanceDto, InstancesDto, PageQuery, ServiceDto, ServicesDto};
use super::extract::Query;
use super::problem::{Code, Problem};
use crate::node::Node;
use crate::registry::convert::upper;

/// Services looked at under one lock.
const SERVICES_PER_LOCK: usize = 1_000;

/// Services by name.
#[utoipa::path(get, path = "/v1/services", params(PageQuery), responses((status = 200, body = ServicesDto), (status = 400, body = Problem)))]
pub(super) async fn services(
    State(node): State<Arc<Node>>,
    Query(query): Query<PageQuery>,
) -> Json<ServicesDto> {
    let core = node.registry.core();
    let (limit, needle) = (query.limit(), query.needle().to_uppercase());
    let version = dto::version(&node.registry, core.version());
    let mut page: Vec<Listed> =
        core.services(query.cursor.as_deref(), limit + 1, |name| name.contains(&needle));
    let more = page.len() > limit;
    page.truncate(limit);
    let total = if needle.is_empty() { core.totals().applications } else { count(&node, &needle) };
    let next = more.then(|| page.last().map(|last| last.app.to_string())).flatten();
    let services = page.iter().map(|service| ServiceDto::new(&service.app, &service.totals)).collect();
    Json(ServicesDto { version, total, next, services })
}

fn count(node: &Node, needle: &str) -> u64 {
    let (mut total, mut after) = (0, None::<Arc<str>>);
    loop {
        let some = node.registry.core().services(after.as_deref(), SERVICES_PER_LOCK, |_| true);
        total += some.iter().filter(|service| service.app.contains(needle)).count() as u64;
        match some.last() {
            Some(last) if some.len() == SERVICES_PER_LOCK => after = Some(Arc::clone(&last.app)),
            _ => return total,
        }
    }
}

/// One service.
#[utoipa::path(get, path = "/v1/services/{service}", responses((status = 200, body = ServiceDto), (status = 404, body = Problem)))]
pub(super) async fn service(
    State(node): State<Arc<Node>>,
    Path(service): Path<String>,
) -> Result<Json<ServiceDto>, Problem> {
    let name = upper(&service);
    let totals = node.registry.core().service(&name).ok_or_else(|| unknown(&name))?;
    Ok(Json(ServiceDto::new(&name, &totals)))
}

/// The instances of one service, by id.
#[utoipa::path(get, path = "/v1/services/{service}/instances", params(PageQuery), responses((status = 200, body = InstancesDto), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn of_service(
    State(node): State<Arc<Node>>,
    Path(service): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Json<InstancesDto>, Problem> {
    let name = upper(&service);
    let (version, records) = node.registry.core().application(&name);
    if records.is_empty() {
        return Err(unknown(&name));
    }
    page(&node, version, records.into_iter(), &query).map(Json)
}

/// Instances of all services, by service and id.
#[utoipa::path(get, path = "/v1/instances", params(PageQuery), responses((status = 200, body = InstancesDto), (status = 400, body = Problem)))]
pub(super) async fn search(
    State(node): State<Arc<Node>>,
    Query(query): Query<PageQuery>,
) -> Result<Json<InstancesDto>, Problem> {
    // It looks at every record: some milliseconds at a hundred thousand.
    let look = move || {
        let snapshot = node.registry.core().snapshot();
        page(&node, snapshot.version, snapshot.records().cloned(), &query).map(Json)
    };
    tokio::task::spawn_blocking(look).await.expect("a search cannot fail")
}

fn unknown(name: &str) -> Problem {
    Problem::new(Code::UnknownService, format!("nobody is registered as {name}"))
}

/// The first `limit` matching records behind the cursor, and how many match in all.
fn page(
    node: &Node,
    version: u64,
    records: impl Iterator<Item = Arc<Record>>,
    query: &PageQuery,
) -> Result<InstancesDto, Problem> {
    let (needle, status, limit) = (query.needle(), query.status()?, query.limit());
    let after = query.cursor.as_deref().and_then(|cursor| cursor.split_once('/'));
    let mut total = 0;
    let mut first: BinaryHeap<ByKey> = BinaryHeap::with_capacity(limit + 2);
    for record in records.filter(|record| matches(record, &needle, status)) {
        total += 1;
        let key = ByKey(record);
        if after.is_none_or(|after| key.key() > after) {
            first.push(key);
            if first.len() > limit + 1 {
                first.pop();
            }
        }
    }
    let mut found = first.into_sorted_vec();
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| format!("{}/{}", last.key().0, last.key().1));
    let now = node.registry.now();
    let instances = found.iter().map(|found| InstanceDto::of(&node.registry, &found.0, now)).collect();
    Ok(InstancesDto { version: dto::version(&node.registry, version), total, next, instances })
}

fn matches(record: &Record, needle: &str, status: Option<Status>) -> bool {
    let instance = &*record.instance;
    status.is_none_or(|status| record.status == status)
        && (needle.is_empty()
            || [&*instance.app, &*instance.id, &*instance.host, &*instance.ip]
                .into_iter()
                .any(|text| text.to_lowercase().contains(needle)))
}

/// A record in the order of service and id.
struct ByKey(Arc<Record>);

impl ByKey {
    fn key(&self) -> (&str, &str) {
        (&self.0.instance.app, &self.0.instance.id)
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ByKey {}

impl PartialOrd for ByKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}
