//! The instance as it stands on the wire, and the small words it is made of.

use std::borrow::Cow;

use super::Pairs;

/// One instance record.
///
/// `None` means that the field was absent or null, `Some("")` that it was there and empty. Text is kept as it
/// was received: upper-casing the application name and choosing an id for a record without one are the
/// server's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance<'a> {
    /// Id within the application. Old clients send none, and then none must be written either.
    pub instance_id: Option<Cow<'a, str>>,
    /// Host name, required by servers.
    pub host_name: Option<Cow<'a, str>>,
    /// Application name, required by servers.
    pub app: Option<Cow<'a, str>>,
    /// IP address, required by servers.
    pub ip_addr: Option<Cow<'a, str>>,
    /// Legacy field; its usual value `na` counts as absent.
    pub sid: Option<Cow<'a, str>>,
    /// Status; `Up` when absent, `Unknown` when it is no status name.
    pub status: Status,
    /// Status set by an operator, `Unknown` for none.
    pub overridden: Status,
    /// Plain port, by default 7001 and enabled.
    pub port: Port,
    /// TLS port, by default 7002 and disabled.
    pub secure_port: Port,
    /// Legacy field, 1 by default.
    pub country_id: i32,
    /// Where it runs, required by servers.
    pub data_center: Option<DataCenter<'a>>,
    /// Lease, absent with some clients.
    pub lease: Option<Lease>,
    /// The client's own keys, each once.
    pub metadata: Pairs<'a>,
    /// Group of applications, from Netflix.
    pub app_group_name: Option<Cow<'a, str>>,
    /// Home page.
    pub home_page_url: Option<Cow<'a, str>>,
    /// Status page.
    pub status_page_url: Option<Cow<'a, str>>,
    /// Health check over the plain port.
    pub health_check_url: Option<Cow<'a, str>>,
    /// Health check over the TLS port.
    pub secure_health_check_url: Option<Cow<'a, str>>,
    /// Virtual addresses, separated by commas.
    pub vip_address: Option<Cow<'a, str>>,
    /// Virtual addresses of the TLS port, separated by commas.
    pub secure_vip_address: Option<Cow<'a, str>>,
    /// Whether this is the record of the very server that writes it.
    pub is_coordinating: bool,
    /// When a server last changed the record, in ms since 1970.
    pub last_updated: Option<u64>,
    /// The client's version number of the record, in ms since 1970.
    pub last_dirty: Option<u64>,
    /// What last happened to the record, in answers of a server.
    pub action: Option<Action>,
    /// Auto-scaling group, on AWS.
    pub asg_name: Option<Cow<'a, str>>,
}

impl Default for Instance<'_> {
    /// What upstream makes of a record without any field.
    fn default() -> Self {
        Self {
            instance_id: None,
            host_name: None,
            app: None,
            ip_addr: None,
            sid: None,
            status: Status::Up,
            overridden: Status::Unknown,
            port: Port::DEFAULT,
            secure_port: Port::DEFAULT_SECURE,
            country_id: 1,
            data_center: None,
            lease: None,
            metadata: Vec::new(),
            app_group_name: None,
            home_page_url: None,
            status_page_url: None,
            health_check_url: None,
            secure_health_check_url: None,
            vip_address: None,
            secure_vip_address: None,
            is_coordinating: false,
            last_updated: None,
            last_dirty: None,
            action: None,
            asg_name: None,
        }
    }
}

/// The five states of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// Takes traffic.
    Up,
    /// Does not take traffic: its health check says so.
    Down,
    /// Not ready yet.
    Starting,
    /// Taken out of traffic on purpose.
    OutOfService,
    /// Not known; as an override: none.
    Unknown,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Up, Self::Down, Self::Starting, Self::OutOfService, Self::Unknown];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Down => "DOWN",
            Self::Starting => "STARTING",
            Self::OutOfService => "OUT_OF_SERVICE",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The status of exactly this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// The status of this name in any case, which is how XML is read.
    pub(crate) fn parse_any_case(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(name))
    }
}

/// What last happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Registered.
    Added,
    /// Changed.
    Modified,
    /// Removed; only in deltas.
    Deleted,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Added, Self::Modified, Self::Deleted];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }

    /// The action of exactly this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }
}

/// A port and whether it is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Port {
    /// The number; a Java `int` whose range nobody upstream checks, so peers may send any.
    pub number: i32,
    /// Whether clients should use it.
    pub enabled: bool,
}

impl Port {
    /// The plain port of a record that names none.
    pub const DEFAULT: Self = Self { number: 7001, enabled: true };
    /// The TLS port of a record that names none.
    pub const DEFAULT_SECURE: Self = Self { number: 7002, enabled: false };
}

/// Where an instance runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DataCenter<'a> {
    /// Its name; servers refuse a registration without one.
    pub name: Option<DataCenterName>,
    /// What the cloud says about the machine; empty unless the name is `Amazon`.
    pub metadata: Pairs<'a>,
}

/// The three data centers the protocol knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataCenterName {
    /// Anybody's own.
    MyOwn,
    /// Netflix's.
    Netflix,
    /// AWS, with metadata.
    Amazon,
}

impl DataCenterName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::MyOwn, Self::Netflix, Self::Amazon];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MyOwn => "MyOwn",
            Self::Netflix => "Netflix",
            Self::Amazon => "Amazon",
        }
    }

    /// The data center of exactly this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }
}

/// The lease of an instance. The timestamps are in ms since 1970, 0 for never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// How often the client means to renew, in seconds.
    pub renewal_interval_s: u32,
    /// How long the lease lasts without a renewal, in seconds.
    pub duration_s: u32,
    /// When the lease began.
    pub registration: u64,
    /// When it was last renewed.
    pub last_renewal: u64,
    /// When it was cancelled.
    pub eviction: u64,
    /// When the instance was first seen up.
    pub service_up: u64,
}

impl Lease {
    /// Renewal interval of a client that names none, or one that is not positive.
    pub const RENEWAL_INTERVAL_S: u32 = 30;
    /// Duration for a client that names none, or one that is not positive.
    pub const DURATION_S: u32 = 90;
}

impl Default for Lease {
    fn default() -> Self {
        Self {
            renewal_interval_s: Self::RENEWAL_INTERVAL_S,
            duration_s: Self::DURATION_S,
            registration: 0,
            last_renewal: 0,
            eviction: 0,
            service_up: 0,
        }
    }
}
