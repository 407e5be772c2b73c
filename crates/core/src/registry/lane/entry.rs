//! What one peer has to be told about one instance, and how it is said in each dialect.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use synod_base::time::Now;

use super::{Told, What};
use crate::registry::instance::{Instance, Record, Status};
use crate::registry::lease::Heard;

/// What the peer understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// States: a record, a heartbeat with its age, an end. A record says all that led to it.
    Synod,
    /// The actions of Eureka's batches, in their order.
    Eureka,
}

/// One thing said to a peer.
#[derive(Clone, Debug)]
pub struct Item {
    /// What.
    pub kind: Kind,
    /// The record it is about.
    pub record: Arc<Record>,
    /// Its last sign of life.
    pub heard: Heard,
}

/// What is said about a record. Between Synod nodes only the first three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Here is the whole record.
    Register,
    /// It lives.
    Heartbeat,
    /// It left.
    Cancel,
    /// It has this override.
    StatusUpdate,
    /// It has no override any more.
    DeleteStatusOverride,
}

/// Application and id of an instance, borrowed from its description.
#[derive(Debug)]
pub(super) struct Key(pub(super) Arc<Instance>);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id && self.0.app == other.0.app
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.app.hash(state);
        self.0.id.hash(state);
    }
}

/// What waits for one instance.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: Arc<Record>,
    pub(super) heard: Heard,
    /// Monotonic time since which something waits.
    pub(super) since_mono: u64,
    /// It left before all else here; a Java peer keeps overrides unless it hears of that.
    left: bool,
    register: bool,
    /// An override was set or removed.
    status: bool,
    /// What the peer shows now is not what was told before.
    doubtful: bool,
    /// It is gone now, and nothing else counts.
    gone: bool,
}

impl Entry {
    pub(super) fn new(told: Told, now: Now) -> Self {
        let Told { what, record, heard } = told;
        Self {
            record,
            heard,
            since_mono: now.mono_ms,
            left: false,
            register: matches!(what, What::Registered | What::Corrected),
            status: matches!(what, What::StatusSet | What::OverrideCleared),
            doubtful: what == What::Corrected,
            gone: what == What::Cancelled,
        }
    }

    pub(super) fn is_heartbeat(&self) -> bool {
        !(self.left || self.register || self.status || self.gone)
    }

    /// Whether an answer "unknown" means that the peer needs the record.
    pub(super) fn wants_record(&self) -> bool {
        !self.gone && !self.register && !self.needs_all()
    }

    /// Whether a Java server has to be told everything, whatever it shows now: an override that it has already outdoes the
    /// one in a registration, one that it lacks is taken from there, and one that shows already is not set.
    fn needs_all(&self) -> bool {
        let hidden = self.record.overridden != Status::Unknown && !self.is_overridden();
        self.doubtful || (self.status && (self.register || hidden))
    }

    fn is_overridden(&self) -> bool {
        self.record.overridden != Status::Unknown && self.record.overridden == self.record.status
    }

    /// This, and then `later`.
    pub(super) fn then(self, later: Self) -> Self {
        let heard = self.heard.max(later.heard);
        let since_mono = self.since_mono.min(later.since_mono);
        if later.gone {
            return Self { heard, since_mono, ..later };
        }
        let came_back = self.gone || later.left;
        Self {
            heard,
            since_mono,
            left: self.left || came_back,
            // Who came back is new to the peer, whatever it was that made us hear of it.
            register: later.register || self.gone || (self.register && !later.left),
            status: later.status || (self.status && !came_back),
            doubtful: later.doubtful || (self.doubtful && !came_back),
            gone: false,
            record: later.record,
        }
    }

    /// Whether it is too late to say this: the lease it speaks of is over, or the end is long past.
    pub(super) fn is_expired(&self, dialect: Dialect, now: Now) -> bool {
        let instance = &self.record.instance;
        let limit_s = if self.gone {
            u64::from(instance.duration_s) * 2
        } else if self.is_heartbeat() && dialect == Dialect::Eureka {
            // Eureka's heartbeats carry no age and start a whole lease there: a stale one would prolong it.
            u64::from(instance.renewal_interval_s.min(instance.duration_s))
        } else {
            u64::from(instance.duration_s)
        };
        self.heard.age_ms(now) >= limit_s * 1_000
    }

    /// Appends what is to be said.
    pub(super) fn append_items(&self, dialect: Dialect, items: &mut Vec<Item>) {
        let mut say = |kind| items.push(Item { kind, record: Arc::clone(&self.record), heard: self.heard });
        if self.gone {
            return say(Kind::Cancel);
        }
        if self.is_heartbeat() {
            return say(Kind::Heartbeat);
        }
        if dialect == Dialect::Synod {
            return say(Kind::Register);
        }
        if self.left {
            // With the instance its override is gone, so that the registration brings the one that there is now.
            say(Kind::Cancel);
            return say(Kind::Register);
        }
        if self.needs_all() {
            say(Kind::DeleteStatusOverride);
            say(Kind::Register);
            if self.is_overridden() {
                say(Kind::StatusUpdate);
            }
        } else if self.register {
            say(Kind::Register);
        } else if self.record.overridden == Status::Unknown {
            say(Kind::DeleteStatusOverride);
        } else {
            say(Kind::StatusUpdate);
        }
    }
}
