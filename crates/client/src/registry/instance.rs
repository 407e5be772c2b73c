//! An instance, as it announces itself and as others see it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use synod_wire::eureka as wire;
use wire::Status;

use crate::balance::Endpoint;

/// The key of the metadata that names the zone.
const ZONE: &str = "zone";
/// The key of the metadata that holds the weight.
const WEIGHT: &str = "weight";

/// One instance of a service. Made with [`Instance::new`] by who announces it; read by who looks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instance {
    /// The service, in upper case.
    pub app: Arc<str>,
    /// Unique within the service.
    pub id: Arc<str>,
    /// Host name.
    pub host: Arc<str>,
    /// Address; the host name where none was given.
    pub ip: Arc<str>,
    /// Plain port, if it serves one.
    pub port: Option<u16>,
    /// TLS port, if it serves one.
    pub secure_port: Option<u16>,
    /// Status in force.
    pub status: Status,
    /// Virtual addresses, separated by commas.
    pub vip: Option<Arc<str>>,
    /// Virtual addresses of the TLS port, separated by commas.
    pub secure_vip: Option<Arc<str>>,
    /// Free keys and values.
    pub metadata: BTreeMap<String, String>,
    /// URL for people.
    pub home_page: Option<String>,
    /// URL of the status page.
    pub status_page: Option<String>,
    /// URL of the health check.
    pub health_check: Option<String>,
    /// How often it renews: whole seconds on the wire, rounded up. 30 s unless said.
    pub renew_interval: Duration,
    /// How long servers keep it without a renewal; rounded up as well. 90 s unless said.
    pub lease_duration: Duration,
    /// When a server last changed the record, in ms since 1970 on that server's clock; 0 where that is not known.
    pub updated_ms: u64,
    /// The instance's own version number of its description, in ms since 1970.
    pub dirty_ms: u64,
    /// The zone its cloud says it is in; [`Instance::zone`] is what counts.
    pub cloud_zone: Option<Arc<str>>,
}

impl Instance {
    /// An instance that is [`Status::Up`] with a plain port, and whose virtual address is the name of its service.
    pub fn new(app: &str, id: &str, host: &str, port: u16) -> Self {
        Self {
            app: app.to_uppercase().into(),
            id: id.into(),
            host: host.into(),
            ip: host.into(),
            port: Some(port),
            secure_port: None,
            status: Status::Up,
            vip: Some(app.to_lowercase().into()),
            secure_vip: None,
            metadata: BTreeMap::new(),
            home_page: None,
            status_page: None,
            health_check: None,
            renew_interval: Duration::from_secs(wire::Lease::RENEWAL_INTERVAL_S.into()),
            lease_duration: Duration::from_secs(wire::Lease::DURATION_S.into()),
            updated_ms: 0,
            dirty_ms: 0,
            cloud_zone: None,
        }
    }

    /// With this address.
    #[must_use]
    pub fn with_ip(mut self, ip: &str) -> Self {
        self.ip = ip.into();
        self
    }

    /// With a TLS port too.
    #[must_use]
    pub const fn with_secure_port(mut self, port: u16) -> Self {
        self.secure_port = Some(port);
        self
    }

    /// With these virtual addresses, separated by commas.
    #[must_use]
    pub fn with_vip(mut self, vip: &str) -> Self {
        self.vip = Some(vip.into());
        self
    }

    /// With a status to begin with.
    #[must_use]
    pub const fn with_status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    /// With one more key in its metadata.
    #[must_use]
    pub fn with_metadata(mut self, key: &str, value: &str) -> Self {
        self.metadata.insert(key.to_owned(), value.to_owned());
        self
    }

    /// In this zone: the key `zone` of the metadata, where Spring looks for it too.
    #[must_use]
    pub fn with_zone(self, zone: &str) -> Self {
        self.with_metadata(ZONE, zone)
    }

    /// With a share of the traffic other than 1: the key `weight` of the metadata.
    #[must_use]
    pub fn with_weight(self, weight: u32) -> Self {
        self.with_metadata(WEIGHT, &weight.to_string())
    }

    /// With a lease of its own: renewed that often, lost after that long.
    #[must_use]
    pub const fn with_lease(mut self, renew_interval: Duration, lease_duration: Duration) -> Self {
        (self.renew_interval, self.lease_duration) = (renew_interval, lease_duration);
        self
    }

    /// The zone it says it is in, or else its cloud.
    pub fn zone(&self) -> Option<&str> {
        self.metadata.get(ZONE).map(String::as_str).or(self.cloud_zone.as_deref())
    }

    /// Its share of the traffic: 1 where it says nothing usable.
    pub fn weight(&self) -> u32 {
        self.metadata.get(WEIGHT).and_then(|weight| weight.trim().parse().ok()).unwrap_or(1)
    }

    /// Whether one of its virtual addresses, of either port, is this.
    pub fn has_vip(&self, vip: &str) -> bool {
        self.vips().any(|other| other == vip)
    }

    pub(super) fn vips(&self) -> impl Iterator<Item = &str> {
        [&self.vip, &self.secure_vip].into_iter().flatten().flat_map(|vips| vips.split(','))
    }

    /// Where it can be called: address and plain port, or else its TLS port. `None` where it serves neither.
    pub fn endpoint(&self) -> Option<Endpoint> {
        let port = self.port.or(self.secure_port)?;
        let is_ipv6 = self.ip.parse::<Ipv6Addr>().is_ok();
        let address = if is_ipv6 { format!("[{}]:{port}", self.ip) } else { format!("{}:{port}", self.ip) };
        Some(Endpoint {
            weight: self.weight(),
            zone: self.zone().map(Arc::from),
            metadata: Arc::new(self.metadata.clone()),
            ..Endpoint::new(Arc::clone(&self.id), address)
        })
    }

    /// Whether it is the same but for when which server wrote it down.
    pub(super) fn says_the_same_as(&self, other: &Self) -> bool {
        self == other || *self == Self { updated_ms: self.updated_ms, ..other.clone() }
    }

    /// What a server has listed; `None` where it names neither a service nor an id or host.
    pub(super) fn from_wire(listed: &wire::Instance<'_>) -> Option<Self> {
        let text =
            |text: &Option<Cow<'_, str>>| text.as_deref().filter(|text| !text.is_empty()).map(Arc::from);
        let string = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
        let app: Arc<str> = listed.app.as_deref().filter(|app| !app.is_empty())?.to_uppercase().into();
        let host: Option<Arc<str>> = text(&listed.host_name);
        let id = text(&listed.instance_id).or_else(|| host.clone())?;
        let ip: Option<Arc<str>> = text(&listed.ip_addr);
        let lease = listed.lease.unwrap_or_default();
        let cloud = listed.data_center.iter().flat_map(|center| &center.metadata);
        Some(Self {
            app,
            host: host.clone().or_else(|| ip.clone()).unwrap_or_else(|| Arc::clone(&id)),
            ip: ip.or(host).unwrap_or_else(|| Arc::clone(&id)),
            id,
            port: port(listed.port),
            secure_port: port(listed.secure_port),
            status: listed.status,
            vip: text(&listed.vip_address),
            secure_vip: text(&listed.secure_vip_address),
            metadata: listed
                .metadata
                .iter()
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect(),
            home_page: string(&listed.home_page_url),
            status_page: string(&listed.status_page_url),
            health_check: string(&listed.health_check_url),
            renew_interval: Duration::from_secs(lease.renewal_interval_s.into()),
            lease_duration: Duration::from_secs(lease.duration_s.into()),
            updated_ms: listed.last_updated.unwrap_or(0),
            dirty_ms: listed.last_dirty.unwrap_or(0),
            cloud_zone: cloud
                .filter(|(key, _)| key == "availability-zone")
                .map(|(_, zone)| Arc::from(zone.as_ref()))
                .next(),
        })
    }

    /// As it is written: announced, or kept in a file.
    pub(super) fn to_wire(&self) -> wire::Instance<'_> {
        let text = |text: &'_ Option<Arc<str>>| text.clone().map(|text| Cow::Owned(text.to_string()));
        let port = |port: Option<u16>, absent: wire::Port| match port {
            Some(number) => wire::Port { number: number.into(), enabled: true },
            None => wire::Port { enabled: false, ..absent },
        };
        let amazon = self.cloud_zone.as_deref().map(|zone| wire::DataCenter {
            name: Some(wire::DataCenterName::Amazon),
            metadata: vec![(Cow::Borrowed("availability-zone"), Cow::Borrowed(zone))],
        });
        let own = || wire::DataCenter { name: Some(wire::DataCenterName::MyOwn), metadata: Vec::new() };
        let seconds = |time: Duration| {
            let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
            u32::try_from(whole).unwrap_or(u32::MAX).max(1)
        };
        wire::Instance {
            instance_id: Some(Cow::Borrowed(&self.id)),
            host_name: Some(Cow::Borrowed(&self.host)),
            app: Some(Cow::Borrowed(&self.app)),
            ip_addr: Some(Cow::Borrowed(&self.ip)),
            status: self.status,
            port: port(self.port, wire::Port::DEFAULT),
            secure_port: port(self.secure_port, wire::Port::DEFAULT_SECURE),
            data_center: Some(amazon.unwrap_or_else(own)),
            lease: Some(wire::Lease {
                renewal_interval_s: seconds(self.renew_interval),
                duration_s: seconds(self.lease_duration),
                ..wire::Lease::default()
            }),
            metadata: self
                .metadata
                .iter()
                .map(|(key, value)| (Cow::Borrowed(&**key), Cow::Borrowed(&**value)))
                .collect(),
            home_page_url: self.home_page.as_deref().map(Cow::Borrowed),
            status_page_url: self.status_page.as_deref().map(Cow::Borrowed),
            health_check_url: self.health_check.as_deref().map(Cow::Borrowed),
            vip_address: text(&self.vip),
            secure_vip_address: text(&self.secure_vip),
            last_updated: (self.updated_ms > 0).then_some(self.updated_ms),
            last_dirty: (self.dirty_ms > 0).then_some(self.dirty_ms),
            ..wire::Instance::default()
        }
    }
}

fn port(port: wire::Port) -> Option<u16> {
    u16::try_from(port.number).ok().filter(|&number| port.enabled && number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Format, Limits};

    #[test]
    fn what_is_announced_is_what_is_read() {
        let mut instance = Instance::new("orders", "o-1", "host", 80)
            .with_secure_port(443)
            .with_vip("a,b")
            .with_zone("z1")
            .with_weight(3)
            .with_status(Status::Starting)
            .with_lease(Duration::from_millis(1500), Duration::from_secs(9));
        (instance.updated_ms, instance.dirty_ms) = (5, 7);
        let mut body = Vec::new();
        wire::write_instance_document(&mut body, &instance.to_wire(), Format::Json);
        let read = wire::decode_instance(&body, Format::Json, &Limits::REQUEST).expect("an instance");
        let read = Instance::from_wire(&read).expect("a usable one");
        assert_eq!(read, Instance { renew_interval: Duration::from_secs(2), ..instance });
        assert_eq!((&*read.app, read.zone(), read.weight()), ("ORDERS", Some("z1"), 3));
        assert!(read.has_vip("b") && !read.has_vip("a,b"));
    }

    #[test]
    fn an_instance_can_be_called_where_it_serves() {
        let instance = Instance::new("a", "1", "host", 80).with_ip("::1").with_zone("z").with_weight(3);
        let endpoint = instance.endpoint().expect("it serves");
        assert_eq!((&*endpoint.id, &*endpoint.address, endpoint.weight), ("1", "[::1]:80", 3));
        assert_eq!((endpoint.zone.as_deref(), &*endpoint.metadata), (Some("z"), &instance.metadata));
        let tls = Instance { port: None, ..Instance::new("a", "1", "host", 80).with_secure_port(443) };
        assert_eq!(tls.endpoint().map(|endpoint| endpoint.address), Some("host:443".into()));
        assert_eq!(Instance { secure_port: None, ..tls }.endpoint(), None);
    }

    #[test]
    fn little_is_enough_to_read_one() {
        let listed = |body: &'static str| {
            let listed = wire::decode_instance(body.as_bytes(), Format::Json, &Limits::REQUEST);
            Instance::from_wire(&listed.expect("an instance"))
        };
        let read =
            listed(r#"{"app":"a","hostName":"h","port":{"$":99999,"@enabled":"true"}}"#).expect("usable");
        assert_eq!((&*read.id, &*read.ip, read.port, read.weight()), ("h", "h", None, 1));
        assert_eq!(listed(r#"{"hostName":"h"}"#), None);
        assert_eq!(listed(r#"{"app":"a"}"#), None);
    }
}
