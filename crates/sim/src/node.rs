//! One node: the real registry, a link to each peer, a clock of its own, and a disk that survives a crash.

use synod_base::hash::Keyed;
use synod_base::rng::Rng;
use synod_base::time::Now;
use synod_core::registry::lane::{LaneSettings, Told, What};
use synod_core::registry::lease::Heard;
use synod_core::registry::link::{Link, LinkSettings};
use synod_core::registry::listing::Change;
use synod_core::registry::merge::News;
use synod_core::registry::preserve::Policy;
use synod_core::registry::sync::{Start, SyncSettings};
use synod_core::registry::{Instance, Origin, Registry, Renewal, Settings, Status};

use crate::plan::{Kind, Plan, THRESHOLD, WINDOW_MS};
use crate::serve::id_of;

/// Wall time at the beginning of the world.
pub const EPOCH_MS: u64 = 1_700_000_000_000;
/// How long a starting node waits for its peers' answers.
pub const OPEN_AFTER_MS: u64 = 5_000;

/// What a client or an operator asks of a node.
#[derive(Clone, Debug)]
pub enum Deed {
    /// To be registered.
    Register(Box<Instance>),
    /// To be kept, in the version of this dirty timestamp.
    Renew(u64),
    /// To be taken off.
    Cancel,
    /// To be overridden.
    Override(Status),
    /// To be overridden no more.
    ClearOverride,
    /// To have this metadata.
    Metadata(String),
}

/// The node's answer to a [`Deed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Done.
    Yes,
    /// 404: nobody of that name, or in an older version than the client's.
    No {
        /// Whether it counted as a sign of life all the same.
        heard: bool,
    },
}

/// A running node. What is on disk outlives it: see [`Disk`].
#[derive(Debug)]
pub struct Node {
    /// Its number.
    pub number: usize,
    /// Which of its lives this is.
    pub life: u32,
    /// The registry.
    pub registry: Registry,
    /// To each peer, by number; none to itself.
    pub links: Vec<Option<Link>>,
    /// When it began.
    pub started_ms: u64,
    /// Whether it serves lists.
    pub open: bool,
    origin_mono: u64,
    wall_ahead_ms: u64,
}

/// What survives.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// The last snapshot.
    pub snapshot: Vec<News>,
}

impl Node {
    /// Starts node `number`, with what its disk remembers.
    pub fn start(
        plan: &Plan,
        number: usize,
        life: u32,
        wall_ahead_ms: u64,
        disk: &Disk,
        now_ms: u64,
    ) -> Self {
        let mut rng = Rng::new(plan.seed ^ (u64::from(life) << 32) ^ ((number as u64) << 48));
        let preservation = match plan.kind {
            Kind::Preserve => Policy {
                enabled: true,
                threshold: THRESHOLD,
                window_ms: WINDOW_MS,
                limit_ms: plan.preserve_limit_ms,
                fixed: None,
            },
            _ => Policy { enabled: false, threshold: 0.0, ..Settings::default().preservation },
        };
        let keyed = Keyed(plan.seed);
        let settings = Settings { keyed, preservation, ..Settings::default() };
        let lane = LaneSettings { backoff_max_ms: plan.backoff_ms_max(), ..LaneSettings::default() };
        let sync = SyncSettings {
            interval_ms: plan.sync_ms,
            backoff_max_ms: plan.backoff_ms_max(),
            ..SyncSettings::default()
        };
        let link = LinkSettings { lane, sync };
        let to = |peer: usize, seed| (peer != number).then(|| Link::new(&id_of(number), link, keyed, seed));
        let node = Self {
            number,
            life,
            registry: Registry::new(settings),
            links: (0..plan.servers()).map(|peer| to(peer, rng.next_u64())).collect(),
            started_ms: now_ms,
            open: false,
            origin_mono: rng.below(3) * rng.below(1_000_000),
            wall_ahead_ms,
        };
        for news in &disk.snapshot {
            node.registry.restore(news.clone(), node.now(now_ms));
        }
        node
    }

    /// The moment on this node's clocks.
    pub fn now(&self, now_ms: u64) -> Now {
        Now {
            wall_ms: EPOCH_MS + now_ms + self.wall_ahead_ms,
            mono_ms: self.origin_mono + (now_ms - self.started_ms),
        }
    }

    /// The virtual time of a moment on this node's monotonic clock.
    pub fn world_ms(&self, mono_ms: u64) -> u64 {
        self.started_ms + mono_ms.saturating_sub(self.origin_mono)
    }

    /// Sets the wall clock.
    pub fn set_wall(&mut self, ahead_ms: u64) {
        self.wall_ahead_ms = ahead_ms;
    }

    /// What goes to disk.
    pub fn snapshot(&self, now_ms: u64) -> Disk {
        let now = self.now(now_ms);
        let all = self.registry.snapshot();
        let news = |record: &std::sync::Arc<synod_core::registry::Record>| {
            let found = self.registry.find(&record.instance.app, &record.instance.id, now)?;
            let heard = Heard::elsewhere(now, found.age_ms, found.stamp_ms);
            Some(News::of(record, heard, now))
        };
        Disk { snapshot: all.records().filter_map(news).collect() }
    }

    /// Once a second. Returns who was evicted.
    pub fn tick(&mut self, now_ms: u64) -> Vec<Change> {
        let now = self.now(now_ms);
        let mut gone = self.registry.tick(now, now_ms);
        if !self.open {
            let starts = self.links.iter().flatten().map(Link::start);
            let all_answered = starts.clone().all(|start| start.is_some());
            if all_answered || now_ms >= self.started_ms + OPEN_AFTER_MS {
                self.open = true;
                if starts.flatten().any(|start| start == Start::Data) {
                    gone.extend(self.registry.drop_provisional(now));
                }
            }
        }
        gone
    }

    /// Does what a client or an operator asks, and files it for the peers.
    pub fn act(&mut self, app: &str, id: &str, deed: &Deed, now_ms: u64) -> Done {
        let now = self.now(now_ms);
        let registry = &self.registry;
        let before = registry.told(app, id);
        let (what, answer) = match deed {
            Deed::Register(instance) => {
                let taken = registry.register((**instance).clone(), Origin::Client, now);
                (taken.is_ok().then_some(What::Registered), Done::Yes)
            }
            Deed::Renew(dirty_ms) => match registry.renew(app, id, Some(*dirty_ms), now) {
                Renewal::Unknown => (None, Done::No { heard: false }),
                Renewal::Outdated(_) => (Some(What::Renewed), Done::No { heard: true }),
                Renewal::Renewed(_) | Renewal::Newer(_) => (Some(What::Renewed), Done::Yes),
            },
            Deed::Cancel => {
                let Some(change) = registry.cancel(app, id, now) else { return Done::No { heard: false } };
                let heard = before.map_or(Heard::now(now), |(_, heard)| heard);
                self.tell(&Told { what: What::Cancelled, record: change.record, heard }, now);
                return Done::Yes;
            }
            Deed::Override(status) => {
                let done = registry.set_override(app, id, *status, None, now);
                done.map_or((None, Done::No { heard: false }), |edit| {
                    (Some(edit.told(What::StatusSet)), Done::Yes)
                })
            }
            Deed::ClearOverride => {
                let done = registry.clear_override(app, id, Some(Status::Up), None, now);
                done.map_or((None, Done::No { heard: false }), |edit| {
                    (Some(edit.told(What::OverrideCleared)), Done::Yes)
                })
            }
            Deed::Metadata(value) => {
                let done = registry.set_metadata(app, id, &[("note", Some(value))], now);
                done.ok()
                    .flatten()
                    .map_or((None, Done::No { heard: false }), |_| (Some(What::Registered), Done::Yes))
            }
        };
        if let Some(what) = what
            && let Some((record, heard)) = self.registry.told(app, id)
        {
            self.tell(&Told { what, record, heard }, now);
        }
        answer
    }

    fn tell(&mut self, told: &Told, now: Now) {
        for link in self.links.iter_mut().flatten() {
            link.tell(told.clone(), now);
        }
    }
}
