//! The registry of this node: the pure one of the core, with a clock, watchers, lists, and peers that hear of changes.
//!
//! Faces call this; nothing here knows a protocol.

pub mod convert;
pub mod disk;
pub mod metrics;
pub mod peers;
mod settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use synod_base::time::Now;
use synod_core::registry::lane::What;
use synod_core::registry::{
    self as core, Change, ChangeKind, Edit, Instance, Origin, Record, Refusal, Renewal, Status,
};
use tokio::sync::watch;

use self::peers::Peers;
use crate::clock::Clock;
use crate::config::RegistryConfig;
use crate::lists::{Lists, OwnInstance, Texts};

/// The registry of one node.
#[derive(Debug)]
pub struct Registry {
    core: core::Registry<Texts>,
    clock: Clock,
    lists: Lists,
    peers: Peers,
    changed: watch::Sender<u64>,
    open: AtomicBool,
    epoch: u64,
}

impl Registry {
    /// An empty registry, closed to readers. `seed` must be random in a server: it keys the hash maps.
    pub fn new(config: &RegistryConfig, clock: Clock, own: OwnInstance, seed: u64) -> Self {
        Self {
            core: core::Registry::new(settings::settings(config, seed)),
            epoch: clock.now().wall_ms,
            clock,
            lists: Lists::new(own),
            peers: Peers::default(),
            changed: watch::Sender::new(0),
            open: AtomicBool::new(false),
        }
    }

    /// The pure registry, for reading.
    pub fn core(&self) -> &core::Registry<Texts> {
        &self.core
    }

    /// The bodies of the long lists.
    pub fn lists(&self) -> &Lists {
        &self.lists
    }

    /// The other nodes.
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// This moment.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// Names this life of the registry: versions of different lives cannot be compared.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Tells whenever the version has risen.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Whether lists may be read.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Opens the lists to readers.
    pub fn open(&self) {
        self.open.store(true, Ordering::Release);
    }

    /// See [`core::Registry::register`].
    pub fn register(&self, instance: Instance, origin: Origin) -> Result<Change, Refusal> {
        let now = self.now();
        let change = self.core.register(instance, origin, now)?;
        self.announce(&change);
        self.tell(What::Registered, &change.record, origin, now);
        Ok(change)
    }

    /// See [`core::Registry::renew`].
    pub fn renew(&self, app: &str, id: &str, dirty_ms: Option<u64>, origin: Origin) -> Renewal {
        let now = self.now();
        let renewal = self.core.renew(app, id, dirty_ms, now);
        if let Renewal::Renewed(record) | Renewal::Outdated(record) | Renewal::Newer(record) = &renewal {
            self.tell(What::Renewed, record, origin, now);
        }
        renewal
    }

    /// See [`core::Registry::cancel`].
    pub fn cancel(&self, app: &str, id: &str, origin: Origin) -> Option<Change> {
        let now = self.now();
        let change = self.core.cancel(app, id, now)?;
        self.announce(&change);
        self.tell(What::Cancelled, &change.record, origin, now);
        Some(change)
    }

    /// See [`core::Registry::set_override`].
    pub fn set_override(
        &self,
        app: &str,
        id: &str,
        status: Status,
        dirty_ms: Option<u64>,
        origin: Origin,
    ) -> Option<Arc<Record>> {
        let now = self.now();
        let edit = match origin {
            Origin::Client => self.core.set_override(app, id, status, dirty_ms, now),
            Origin::Peer => self.core.hear_override(app, id, status, dirty_ms, now),
        }?;
        Some(self.edited(edit, What::StatusSet, origin, now))
    }

    /// See [`core::Registry::clear_override`].
    pub fn clear_override(
        &self,
        app: &str,
        id: &str,
        status: Option<Status>,
        dirty_ms: Option<u64>,
        origin: Origin,
    ) -> Option<Arc<Record>> {
        let now = self.now();
        let edit = match origin {
            Origin::Client => self.core.clear_override(app, id, status, dirty_ms, now),
            Origin::Peer => self.core.hear_cleared(app, id, status, dirty_ms, now),
        }?;
        Some(self.edited(edit, What::OverrideCleared, origin, now))
    }

    fn edited(&self, edit: Edit, what: What, origin: Origin, now: Now) -> Arc<Record> {
        self.announce(&edit.change);
        self.tell(edit.told(what), &edit.change.record, origin, now);
        edit.change.record
    }

    /// See [`core::Registry::note_override`].
    pub fn note_override(&self, app: &str, id: &str, status: Status) {
        self.core.note_override(app, id, status, self.now());
    }

    /// See [`core::Registry::set_metadata`].
    pub fn set_metadata(
        &self,
        app: &str,
        id: &str,
        edits: &[(&str, Option<&str>)],
    ) -> Result<Option<Arc<Record>>, Refusal> {
        let now = self.now();
        let Some(change) = self.core.set_metadata(app, id, edits, now)? else { return Ok(None) };
        self.announce(&change);
        self.tell(What::Registered, &change.record, Origin::Client, now);
        Ok(Some(change.record))
    }

    /// Peers hear of what a client did here, and of nothing else: one hop only.
    fn tell(&self, what: What, record: &Arc<Record>, origin: Origin, now: Now) {
        if origin == Origin::Client {
            self.peers.tell(what, record, now);
        }
    }

    /// Evicts what ran out; see [`core::Registry::tick`].
    pub fn tick(&self, seed: u64) {
        for change in self.core.tick(self.now(), seed) {
            self.announce(&change);
        }
    }

    /// Logs a change and wakes who waits for one. An edit that changed nothing has an old version and is passed over.
    pub fn announce(&self, change: &Change) {
        let Record { instance, status, version, .. } = &*change.record;
        let newer = self.changed.send_if_modified(|known| {
            let newer = *known < *version;
            *known = (*known).max(*version);
            newer
        });
        if newer || change.kind != ChangeKind::StatusChanged {
            tracing::info!(
                change = change_name(change.kind),
                app = &*instance.app,
                instance = &*instance.id,
                %status,
                version,
                "registry changed"
            );
        }
    }
}

/// What a change is called in logs and in the native API.
pub fn change_name(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Registered => "registered",
        ChangeKind::Replaced => "replaced",
        ChangeKind::StatusChanged => "status",
        ChangeKind::Cancelled => "cancelled",
        ChangeKind::Expired => "expired",
    }
}
