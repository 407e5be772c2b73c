//! An instance as its client describes it, and the record the registry keeps of it. Both are immutable once built: a
//! change makes a new record, so that whoever holds an old one (a reader, an encoder, a peer lane) is never disturbed.

use std::fmt;
use std::sync::Arc;

use synod_base::hash::Digest;

/// The five states of Eureka.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Takes traffic.
    Up,
    /// Takes none: its health check fails.
    Down,
    /// Takes none yet: it is starting.
    Starting,
    /// Takes none: an operator or the instance itself shut traffic off on purpose.
    OutOfService,
    /// Nothing is known; as an override it means that there is none.
    #[default]
    Unknown,
}

impl Status {
    /// All of them in the order of their names, which is the order of the list hash (`eureka.md` 3.7).
    pub const ALL: [Self; 5] = [Self::Down, Self::OutOfService, Self::Starting, Self::Unknown, Self::Up];

    /// The name on every wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Down => "DOWN",
            Self::Starting => "STARTING",
            Self::OutOfService => "OUT_OF_SERVICE",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Reads the exact upper-case name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happened last to a listed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It appeared.
    Added,
    /// It was there and changed.
    Modified,
    /// It left.
    Deleted,
}

/// A port and whether it is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// The number as the client gave it; nobody checks its range.
    pub number: i32,
    /// Whether the client says that it serves on it.
    pub enabled: bool,
}

/// Where an instance runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DataCenter {
    /// Anywhere but a cloud that Eureka knows.
    #[default]
    MyOwn,
    /// Netflix' own.
    Netflix,
    /// AWS, with the metadata in the order received.
    Amazon(Box<[(Box<str>, Box<str>)]>),
}

/// What few clients say of themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rare {
    /// Legacy field, kept when it is not the default `na`.
    pub sid: Option<Box<str>>,
    /// Where it runs.
    pub data_center: DataCenter,
    /// Group of applications.
    pub app_group: Option<Box<str>>,
    /// URL of the health check over TLS.
    pub secure_health_check_url: Option<Box<str>>,
    /// AWS auto scaling group.
    pub asg: Option<Box<str>>,
}

/// What those say who say nothing of the kind.
static USUAL: Rare = Rare {
    sid: None,
    data_center: DataCenter::MyOwn,
    app_group: None,
    secure_health_check_url: None,
    asg: None,
};

/// [`Rare`], in eight bytes for those who have nothing of it: a fleet has a hundred thousand of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rarely(Option<Box<Rare>>);

impl From<Rare> for Rarely {
    fn from(rare: Rare) -> Self {
        Self((rare != USUAL).then(|| Box::new(rare)))
    }
}

impl std::ops::Deref for Rarely {
    type Target = Rare;

    fn deref(&self) -> &Rare {
        self.0.as_deref().unwrap_or(&USUAL)
    }
}

/// What a client says of itself. `app` and `id` are its key; `app` is upper case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Application, upper case.
    pub app: Arc<str>,
    /// Effective id, unique within the application (`eureka.md` 1.5, check 1).
    pub id: Arc<str>,
    /// Whether the client itself sent an `instanceId`; lists show none where it sent none.
    pub id_declared: bool,
    /// Host name.
    pub host: Box<str>,
    /// IP address as text, whatever the client put there.
    pub ip: Box<str>,
    /// Plain port.
    pub port: Port,
    /// TLS port.
    pub secure_port: Port,
    /// Legacy field, 1 for nearly everybody.
    pub country_id: i32,
    /// How often the client means to renew, in seconds; never 0.
    pub renewal_interval_s: u32,
    /// How long its lease lasts without a renewal, in seconds; never 0.
    pub duration_s: u32,
    /// Its metadata in the order received.
    pub metadata: Box<[(Box<str>, Box<str>)]>,
    /// URL for people.
    pub home_page_url: Option<Box<str>>,
    /// URL of the status page.
    pub status_page_url: Option<Box<str>>,
    /// URL of the health check.
    pub health_check_url: Option<Box<str>>,
    /// Comma list of virtual addresses.
    pub vip: Option<Box<str>>,
    /// Comma list of virtual addresses over TLS.
    pub secure_vip: Option<Box<str>>,
    /// What few have.
    pub rare: Rarely,
    /// The status the client claims.
    pub status: Status,
    /// The override that came along, [`Status::Unknown`] for none.
    pub overridden: Status,
    /// The client's own version number of this description: milliseconds at its last change.
    pub dirty_ms: u64,
}

impl Instance {
    /// A plain instance, as a native client registers it: `MyOwn`, ports off, 30 s / 90 s.
    pub fn new(app: &str, id: &str) -> Self {
        Self {
            app: app.to_uppercase().into(),
            id: id.into(),
            id_declared: true,
            host: id.into(),
            ip: "".into(),
            port: Port { number: 7001, enabled: false },
            secure_port: Port { number: 7002, enabled: false },
            country_id: 1,
            renewal_interval_s: 30,
            duration_s: 90,
            metadata: Box::new([]),
            home_page_url: None,
            status_page_url: None,
            health_check_url: None,
            vip: None,
            secure_vip: None,
            rare: Rarely::default(),
            status: Status::Up,
            overridden: Status::Unknown,
            dirty_ms: 0,
        }
    }

    fn digest_into(&self, digest: &mut Digest) {
        digest.text(&self.app).text(&self.id).text(&self.host).text(&self.ip).maybe(self.rare.sid.as_deref());
        for port in [self.port, self.secure_port] {
            digest.number(port.number as u64).number(u64::from(port.enabled));
        }
        match &self.rare.data_center {
            DataCenter::MyOwn => digest.number(0),
            DataCenter::Netflix => digest.number(1),
            DataCenter::Amazon(pairs) => pairs_into(digest.number(2), pairs),
        };
        digest.number(self.country_id as u64).number(u64::from(self.id_declared));
        digest.number(u64::from(self.renewal_interval_s)).number(u64::from(self.duration_s));
        digest.number(self.status as u64);
        pairs_into(digest, &self.metadata);
        for url in [
            &self.home_page_url,
            &self.status_page_url,
            &self.health_check_url,
            &self.rare.secure_health_check_url,
        ] {
            digest.maybe(url.as_deref());
        }
        for text in [&self.rare.app_group, &self.vip, &self.secure_vip, &self.rare.asg] {
            digest.maybe(text.as_deref());
        }
    }
}

fn pairs_into<'d>(digest: &'d mut Digest, pairs: &[(Box<str>, Box<str>)]) -> &'d mut Digest {
    digest.number(pairs.len() as u64);
    for (key, value) in pairs {
        digest.text(key).text(value);
    }
    digest
}

/// What the registry keeps and shows of an instance: the description, the effective status, the times.
#[derive(Clone, Debug)]
pub struct Record {
    /// What the client said.
    pub instance: Arc<Instance>,
    /// The status that is shown: the outcome of [`super::rules::effective`].
    pub status: Status,
    /// The override in force, [`Status::Unknown`] for none.
    pub overridden: Status,
    /// Wall time at which the override was last set or removed; 0 if never. Part of the version between Synod nodes.
    pub override_ms: u64,
    /// What happened last.
    pub action: Action,
    /// The client's version number; a status change may raise it.
    pub dirty_ms: u64,
    /// Wall time of the last change here.
    pub updated_ms: u64,
    /// Wall time of the (last) registration.
    pub registered_ms: u64,
    /// Wall time of the last renewal, as of this record's making.
    pub renewed_ms: u64,
    /// Wall time of the cancel or eviction, 0 while it lives.
    pub evicted_ms: u64,
    /// Wall time at which UP was first seen, 0 before.
    pub up_ms: u64,
    /// Restored from disk and not heard of since.
    pub provisional: bool,
    /// The registry's version that this record is of.
    pub version: u64,
}

impl Record {
    /// How Synod nodes decide between two records of one instance: the greater one wins on both sides.
    pub fn rank(&self) -> Rank {
        let mut digest = Digest::default();
        self.instance.digest_into(&mut digest);
        digest.number(self.status as u64).number(self.overridden as u64);
        digest.number(self.registered_ms).number(self.up_ms);
        Rank { dirty_ms: self.dirty_ms, override_ms: self.override_ms, digest: digest.finish() }
    }
}

/// Version of a record between Synod nodes, compared field by field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank {
    /// The client's `lastDirtyTimestamp`.
    pub dirty_ms: u64,
    /// When the override was last touched.
    pub override_ms: u64,
    /// Digest of everything shown, so that two different records never tie.
    pub digest: u64,
}

impl Rank {
    /// Whether an end of this version ends that one too. The digest chooses between two that live; nodes that a Java peer
    /// told of one registration hold it with their own times, and a leave is meant for all of them.
    pub fn ends(&self, other: &Self) -> bool {
        (self.dirty_ms, self.override_ms) >= (other.dirty_ms, other.override_ms)
    }
}
