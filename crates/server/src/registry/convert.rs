//! Instances between the wire and the core: what a registration must have, and how a record is shown.

use std::borrow::Cow;

use synod_base::time::Now;
use synod_core::registry::instance as core;
use synod_wire::eureka as wire;
use thiserror::Error;

/// Why a decoded instance cannot be registered; the text is what the original answers (`eureka.md` 1.5).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Invalid {
    /// Neither id nor host name.
    #[error("Missing instanceId")]
    Id,
    /// No host name.
    #[error("Missing hostname")]
    Host,
    /// No IP address.
    #[error("Missing ip address")]
    Ip,
    /// No application name.
    #[error("Missing appName")]
    App,
    /// Another application than the path's.
    #[error("Mismatched appName, expecting {expected} but was {found}")]
    Mismatch {
        /// The path's.
        expected: String,
        /// The body's.
        found: String,
    },
    /// No data center.
    #[error("Missing dataCenterInfo")]
    DataCenter,
    /// A data center without a name.
    #[error("Missing dataCenterInfo Name")]
    DataCenterName,
}

/// What a registration means to the core.
///
/// `app` is the application of the path, in upper case. A lease duration that the client leaves open becomes
/// `lease_duration_s`.
pub fn instance(
    from: &wire::Instance<'_>,
    app: &str,
    lease_duration_s: u32,
    now: Now,
) -> Result<core::Instance, Invalid> {
    let id = effective_id(from).ok_or(Invalid::Id)?;
    let host = filled(&from.host_name).ok_or(Invalid::Host)?;
    let ip = filled(&from.ip_addr).ok_or(Invalid::Ip)?;
    let named = upper(filled(&from.app).ok_or(Invalid::App)?);
    if named != app {
        return Err(Invalid::Mismatch { expected: app.to_owned(), found: named.into_owned() });
    }
    let center = from.data_center.as_ref().ok_or(Invalid::DataCenter)?;
    let data_center = match center.name.ok_or(Invalid::DataCenterName)? {
        wire::DataCenterName::MyOwn => core::DataCenter::MyOwn,
        wire::DataCenterName::Netflix => core::DataCenter::Netflix,
        wire::DataCenterName::Amazon => core::DataCenter::Amazon(amazon(&center.metadata, id)),
    };
    let rare = core::Rare {
        sid: boxed(&from.sid),
        data_center,
        app_group: boxed(&from.app_group_name),
        secure_health_check_url: boxed(&from.secure_health_check_url),
        asg: boxed(&from.asg_name),
    };
    let lease = from.lease;
    Ok(core::Instance {
        app: app.into(),
        id: id.into(),
        id_declared: filled(&from.instance_id).is_some(),
        host: host.into(),
        ip: ip.into(),
        port: port(from.port),
        secure_port: port(from.secure_port),
        country_id: from.country_id,
        renewal_interval_s: lease.map_or(wire::Lease::RENEWAL_INTERVAL_S, |lease| lease.renewal_interval_s),
        duration_s: lease.map_or(lease_duration_s, |lease| lease.duration_s),
        metadata: pairs(&from.metadata),
        home_page_url: boxed(&from.home_page_url),
        status_page_url: boxed(&from.status_page_url),
        health_check_url: boxed(&from.health_check_url),
        vip: boxed(&from.vip_address),
        secure_vip: boxed(&from.secure_vip_address),
        rare: rare.into(),
        status: status(from.status),
        overridden: status(from.overridden),
        dirty_ms: from.last_dirty.unwrap_or(now.wall_ms),
    })
}

/// The key of an instance within its application: its own id, else the cloud's, else its host name.
pub fn effective_id<'i>(from: &'i wire::Instance<'_>) -> Option<&'i str> {
    let cloud = || {
        let pairs = &from.data_center.as_ref()?.metadata;
        pairs
            .iter()
            .find(|(key, _)| key == "instance-id")
            .map(|(_, id)| &**id)
            .filter(|id| !id.trim().is_empty())
    };
    filled(&from.instance_id).or_else(cloud).or_else(|| filled(&from.host_name))
}

/// Application names are compared in upper case.
pub fn upper(name: &str) -> Cow<'_, str> {
    let shouting = |byte: u8| byte.is_ascii() && !byte.is_ascii_lowercase();
    if name.bytes().all(shouting) { Cow::Borrowed(name) } else { Cow::Owned(name.to_uppercase()) }
}

/// How a record is shown. `renewed_ms` is the last renewal to tell; `coordinating` whether it is this very server.
pub fn shown(record: &core::Record, renewed_ms: u64, coordinating: bool) -> wire::Instance<'_> {
    let instance = &*record.instance;
    wire::Instance {
        instance_id: instance.id_declared.then_some(Cow::Borrowed(&*instance.id)),
        host_name: Some(Cow::Borrowed(&instance.host)),
        app: Some(Cow::Borrowed(&instance.app)),
        ip_addr: Some(Cow::Borrowed(&instance.ip)),
        sid: instance.rare.sid.as_deref().map(Cow::Borrowed),
        status: wire_status(record.status),
        overridden: wire_status(record.overridden),
        port: wire_port(instance.port),
        secure_port: wire_port(instance.secure_port),
        country_id: instance.country_id,
        data_center: Some(wire_data_center(&instance.rare.data_center)),
        lease: Some(wire::Lease {
            renewal_interval_s: instance.renewal_interval_s,
            duration_s: instance.duration_s,
            registration: record.registered_ms,
            last_renewal: renewed_ms,
            eviction: record.evicted_ms,
            service_up: record.up_ms,
        }),
        metadata: wire_pairs(&instance.metadata),
        app_group_name: instance.rare.app_group.as_deref().map(Cow::Borrowed),
        home_page_url: instance.home_page_url.as_deref().map(Cow::Borrowed),
        status_page_url: instance.status_page_url.as_deref().map(Cow::Borrowed),
        health_check_url: instance.health_check_url.as_deref().map(Cow::Borrowed),
        secure_health_check_url: instance.rare.secure_health_check_url.as_deref().map(Cow::Borrowed),
        vip_address: instance.vip.as_deref().map(Cow::Borrowed),
        secure_vip_address: instance.secure_vip.as_deref().map(Cow::Borrowed),
        is_coordinating: coordinating,
        last_updated: Some(record.updated_ms),
        last_dirty: Some(record.dirty_ms),
        action: Some(match record.action {
            core::Action::Added => wire::Action::Added,
            core::Action::Modified => wire::Action::Modified,
            core::Action::Deleted => wire::Action::Deleted,
        }),
        asg_name: instance.rare.asg.as_deref().map(Cow::Borrowed),
    }
}

/// A wire status in the core's words.
pub fn status(status: wire::Status) -> core::Status {
    match status {
        wire::Status::Up => core::Status::Up,
        wire::Status::Down => core::Status::Down,
        wire::Status::Starting => core::Status::Starting,
        wire::Status::OutOfService => core::Status::OutOfService,
        wire::Status::Unknown => core::Status::Unknown,
    }
}

/// A core status in the wire's words.
pub fn wire_status(status: core::Status) -> wire::Status {
    match status {
        core::Status::Up => wire::Status::Up,
        core::Status::Down => wire::Status::Down,
        core::Status::Starting => wire::Status::Starting,
        core::Status::OutOfService => wire::Status::OutOfService,
        core::Status::Unknown => wire::Status::Unknown,
    }
}

fn amazon(metadata: &[(Cow<'_, str>, Cow<'_, str>)], id: &str) -> Box<[(Box<str>, Box<str>)]> {
    let mut metadata = pairs(metadata).into_vec();
    if !metadata.iter().any(|(key, _)| &**key == "instance-id") {
        metadata.push(("instance-id".into(), id.into()));
    }
    metadata.into()
}

fn wire_data_center(data_center: &core::DataCenter) -> wire::DataCenter<'_> {
    let (name, metadata) = match data_center {
        core::DataCenter::MyOwn => (wire::DataCenterName::MyOwn, Vec::new()),
        core::DataCenter::Netflix => (wire::DataCenterName::Netflix, Vec::new()),
        core::DataCenter::Amazon(metadata) => (wire::DataCenterName::Amazon, wire_pairs(metadata)),
    };
    wire::DataCenter { name: Some(name), metadata }
}

fn filled<'t>(text: &'t Option<Cow<'_, str>>) -> Option<&'t str> {
    text.as_deref().filter(|text| !text.trim().is_empty())
}

fn boxed(text: &Option<Cow<'_, str>>) -> Option<Box<str>> {
    text.as_deref().map(Box::from)
}

fn pairs(pairs: &[(Cow<'_, str>, Cow<'_, str>)]) -> Box<[(Box<str>, Box<str>)]> {
    pairs.iter().map(|(key, value)| ((&**key).into(), (&**value).into())).collect()
}

fn wire_pairs(pairs: &[(Box<str>, Box<str>)]) -> wire::Pairs<'_> {
    pairs.iter().map(|(key, value)| (Cow::Borrowed(&**key), Cow::Borrowed(&**value))).collect()
}

fn port(port: wire::Port) -> core::Port {
    core::Port { number: port.number, enabled: port.enabled }
}

fn wire_port(port: core::Port) -> wire::Port {
    wire::Port { number: port.number, enabled: port.enabled }
}
