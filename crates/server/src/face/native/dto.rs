//! The JSON of the native API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use synod_base::time::Now;
use synod_core::registry::listing::Totals;
use synod_core::registry::{Change, DataCenter, Found, Instance, Port, Record, Status, Vip};
use utoipa::{IntoParams, ToSchema};

use super::problem::{Code, Problem};
use crate::registry::Registry;

/// How many entries a page has when the client does not say, and at most.
const LIMITS: (usize, usize) = (50, 500);

/// Which page, and of what.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Only names, ids, hosts or addresses that contain this, in any case.
    pub(super) q: Option<String>,
    /// Only instances with this status.
    pub(super) status: Option<String>,
    /// The `next` of the page before.
    pub(super) cursor: Option<String>,
    /// Entries of a page: 50 unless said, at most 500.
    pub(super) limit: Option<usize>,
}

impl PageQuery {
    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMITS.0).clamp(1, LIMITS.1)
    }

    pub(super) fn status(&self) -> Result<Option<Status>, Problem> {
        self.status.as_deref().filter(|name| !name.is_empty()).map(parse_status).transpose()
    }

    /// The text to look for, in lower case.
    pub(super) fn needle(&self) -> String {
        self.q.as_deref().unwrap_or_default().trim().to_lowercase()
    }
}

pub(super) fn parse_status(name: &str) -> Result<Status, Problem> {
    Status::parse(name).ok_or_else(|| {
        let detail = format!("status must be UP, DOWN, STARTING, OUT_OF_SERVICE or UNKNOWN, not {name:?}");
        Problem::new(Code::BadParameter, detail)
    })
}

/// The version of a list: comparable within one life of a node only, which the part before the dot names.
pub(super) fn version(registry: &Registry, number: u64) -> String {
    format!("{}.{number}", registry.epoch())
}

/// Counts by status; those at zero are left out.
pub(super) fn statuses(totals: &Totals) -> BTreeMap<&'static str, u64> {
    let present = Status::ALL.into_iter().filter(|status| totals.of(*status) > 0);
    present.map(|status| (status.as_str(), totals.of(status))).collect()
}

/// A service.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ServiceDto {
    /// Name, upper case.
    name: String,
    /// Instances.
    instances: u64,
    /// Instances by status.
    #[schema(value_type = BTreeMap<String, u64>)]
    statuses: BTreeMap<&'static str, u64>,
}

impl ServiceDto {
    pub(super) fn new(name: &str, totals: &Totals) -> Self {
        Self { name: name.to_owned(), instances: totals.instances(), statuses: statuses(totals) }
    }
}

/// A page of services.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ServicesDto {
    /// Version of the list.
    pub(super) version: String,
    /// Services on all pages.
    pub(super) total: u64,
    /// The cursor of the next page, null on the last.
    pub(super) next: Option<String>,
    /// This page.
    pub(super) services: Vec<ServiceDto>,
}

/// A page of instances.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InstancesDto {
    /// Version of the list.
    pub(super) version: String,
    /// Instances on all pages.
    pub(super) total: u64,
    /// The cursor of the next page, null on the last.
    pub(super) next: Option<String>,
    /// This page.
    pub(super) instances: Vec<InstanceDto>,
}

/// A lease, in milliseconds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LeaseDto {
    /// How often the client means to renew.
    renew_interval_ms: u64,
    /// How long the lease lasts without a renewal.
    duration_ms: u64,
    /// How long it still lasts.
    remaining_ms: u64,
}

/// An instance.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InstanceDto {
    /// Service, upper case.
    service: String,
    /// Id within the service.
    id: String,
    /// Host name.
    host: String,
    /// Address.
    ip: String,
    /// Plain port, null when it is not in use.
    port: Option<i32>,
    /// TLS port, null when it is not in use.
    secure_port: Option<i32>,
    /// Status in force.
    status: &'static str,
    /// The operator's override, null for none.
    #[serde(rename = "override")]
    overridden: Option<&'static str>,
    /// Wall time of the registration.
    registered_ms: u64,
    /// Wall time of the last renewal.
    last_renewal_ms: u64,
    /// Wall time of the last change.
    updated_ms: u64,
    /// The client's own version of its description.
    dirty_ms: u64,
    /// Its lease.
    lease: LeaseDto,
    /// Virtual addresses.
    vip: Vec<String>,
    /// Virtual addresses over TLS.
    secure_vip: Vec<String>,
    /// Availability zone, from its metadata or its cloud.
    zone: Option<String>,
    /// Metadata.
    metadata: BTreeMap<String, String>,
    /// URL for people.
    home_page: Option<String>,
    /// URL of the status page.
    status_page: Option<String>,
    /// URL of the health check.
    health_check: Option<String>,
    /// Restored from disk and not heard of since.
    provisional: bool,
}

impl InstanceDto {
    /// A listed record with its lease as it is now.
    pub(super) fn of(registry: &Registry, record: &Record, now: Now) -> Self {
        let found = registry.core().find(&record.instance.app, &record.instance.id, now);
        let (renewed_ms, remaining_ms) =
            found.map_or((record.renewed_ms, 0), |found| (found.renewed_ms, found.remaining_ms));
        Self::new(record, renewed_ms, remaining_ms)
    }

    pub(super) fn found(found: &Found) -> Self {
        Self::new(&found.record, found.renewed_ms, found.remaining_ms)
    }

    fn new(record: &Record, renewed_ms: u64, remaining_ms: u64) -> Self {
        let instance = &*record.instance;
        let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        let port = |port: Port| port.enabled.then_some(port.number);
        let vips = |which: Vip| which.of(instance).map(str::to_owned).collect();
        Self {
            service: instance.app.to_string(),
            id: instance.id.to_string(),
            host: instance.host.to_string(),
            ip: instance.ip.to_string(),
            port: port(instance.port),
            secure_port: port(instance.secure_port),
            status: record.status.as_str(),
            overridden: (record.overridden != Status::Unknown).then(|| record.overridden.as_str()),
            registered_ms: record.registered_ms,
            last_renewal_ms: renewed_ms,
            updated_ms: record.updated_ms,
            dirty_ms: record.dirty_ms,
            lease: LeaseDto {
                renew_interval_ms: u64::from(instance.renewal_interval_s) * 1_000,
                duration_ms: u64::from(instance.duration_s) * 1_000,
                remaining_ms,
            },
            vip: vips(Vip::Plain),
            secure_vip: vips(Vip::Secure),
            zone: zone(instance),
            metadata: instance
                .metadata
                .iter()
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect(),
            home_page: text(&instance.home_page_url),
            status_page: text(&instance.status_page_url),
            health_check: text(&instance.health_check_url),
            provisional: record.provisional,
        }
    }
}

fn zone(instance: &Instance) -> Option<String> {
    let find = |pairs: &[(Box<str>, Box<str>)], name: &str| {
        pairs.iter().find(|(key, _)| &**key == name).map(|(_, value)| value.to_string())
    };
    let cloud = || match &instance.rare.data_center {
        DataCenter::Amazon(metadata) => find(metadata, "availability-zone"),
        DataCenter::MyOwn | DataCenter::Netflix => None,
    };
    find(&instance.metadata, "zone").or_else(cloud)
}

/// One change of the list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangeDto {
    /// Version after it.
    pub(super) version: String,
    /// `added`, `modified` or `removed`.
    kind: &'static str,
    /// Service.
    service: String,
    /// Instance.
    id: String,
    /// Status after it.
    status: &'static str,
    /// The instance after it, null when it was removed.
    instance: Option<InstanceDto>,
}

impl ChangeDto {
    pub(super) fn new(registry: &Registry, change: &Change, now: Now) -> Self {
        use synod_core::registry::ChangeKind::{Cancelled, Expired, Registered, Replaced, StatusChanged};
        let record = &*change.record;
        Self {
            version: version(registry, record.version),
            kind: match change.kind {
                Registered => "added",
                Replaced | StatusChanged => "modified",
                Cancelled | Expired => "removed",
            },
            service: record.instance.app.to_string(),
            id: record.instance.id.to_string(),
            status: record.status.as_str(),
            instance: (!change.kind.is_removal()).then(|| InstanceDto::of(registry, record, now)),
        }
    }
}
