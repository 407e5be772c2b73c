//! [`Registry`]: the shards, the look-ups, and the renewal.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use synod_base::hash::Keyed;
use synod_base::time::Now;

use super::expiry::Expiry;
use super::instance::{Record, Status};
use super::lease::{Application, Heard, Lease};
use super::listing::{Change, Chunks, Listed, Listing, Recent, Snapshot, Totals, Vip};
use super::preserve::{Policy, Preservation, View};
use super::tally::Tally;

const SHARDS: usize = 64;

/// What an operator can set.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Key of the in-memory hash maps: random in a server, fixed where runs are repeated.
    pub keyed: Keyed,
    /// How far back the delta reaches.
    pub delta_retention_ms: u64,
    /// Instances held at most; a registration beyond is refused.
    pub instances_max: u64,
    /// Metadata keys of one instance at most, after an update.
    pub metadata_keys_max: usize,
    /// Bytes of metadata of one instance at most, after an update.
    pub metadata_bytes_max: usize,
    /// Java's doubled leases (`registry.compat.double_lease`).
    pub double_lease: bool,
    /// Java's sticky client-side OUT_OF_SERVICE (`registry.compat.sticky_out_of_service`).
    pub sticky_out_of_service: bool,
    /// How often [`Registry::tick`] is meant to be called.
    pub tick_ms: u64,
    /// Self-preservation.
    pub preservation: Policy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keyed: Keyed::default(),
            delta_retention_ms: 180_000,
            instances_max: 2_000_000,
            metadata_keys_max: 512,
            metadata_bytes_max: 64 << 10,
            double_lease: false,
            sticky_out_of_service: false,
            tick_ms: 1_000,
            preservation: Policy {
                enabled: true,
                threshold: 0.85,
                window_ms: 60_000,
                limit_ms: 0,
                fixed: None,
            },
        }
    }
}

/// The registry of one node. `C` is what readers cache with a chunk of the list.
///
/// All methods take `&self`; they lock inside, briefly, and never call back.
#[derive(Debug)]
pub struct Registry<C = ()> {
    pub(super) settings: Settings,
    pub(super) shards: Box<[RwLock<Shard>]>,
    pub(super) listing: Mutex<Listing<C>>,
    pub(super) expiry: Mutex<Expiry>,
    pub(super) preservation: Mutex<Preservation>,
    /// Fingerprint of all confirmed records.
    pub(super) tally: Tally,
    pub(super) received: AtomicU64,
    /// Mirror of the listing's version, for readers that only ask whether anything changed.
    pub(super) version: AtomicU64,
    /// Mirror of the listing's floor.
    pub(super) floor: AtomicU64,
    /// Mirror of [`Preservation::expires`], for look-ups.
    pub(super) expires: AtomicBool,
    pub(super) compensation_ms: AtomicU64,
    /// When [`Self::tick`] was last called, 0 before the first time.
    pub(super) ticked_mono: AtomicU64,
}

pub(super) type Shard = HashMap<Arc<str>, Application, Keyed>;

/// What became of a renewal.
#[derive(Clone, Debug)]
pub enum Renewal {
    /// Renewed.
    Renewed(Arc<Record>),
    /// Renewed, but the client has a newer description than we do: it should register again.
    Outdated(Arc<Record>),
    /// Renewed, but we have a newer description than the sender.
    Newer(Arc<Record>),
    /// Not renewed: nobody of that name, or its status is UNKNOWN so that it has to register again.
    Unknown,
}

/// One lease as a look-up finds it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The record as listed.
    pub record: Arc<Record>,
    /// Wall time of the last renewal.
    pub renewed_ms: u64,
    /// Stamp of the last renewal in the cluster.
    pub stamp_ms: u64,
    /// Milliseconds since the last renewal.
    pub age_ms: u64,
    /// Milliseconds that the lease still lasts, 0 when it ran out.
    pub remaining_ms: u64,
}

impl<C: Default> Registry<C> {
    /// An empty registry.
    pub fn new(settings: Settings) -> Self {
        let shard = || RwLock::new(HashMap::with_hasher(settings.keyed));
        let preservation = Preservation::new(settings.preservation);
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            listing: Mutex::new(Listing::new(settings.keyed, settings.delta_retention_ms)),
            expiry: Mutex::default(),
            tally: Tally::default(),
            received: AtomicU64::new(0),
            version: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            expires: AtomicBool::new(preservation.expires()),
            preservation: Mutex::new(preservation),
            compensation_ms: AtomicU64::new(0),
            ticked_mono: AtomicU64::new(0),
            settings,
        }
    }

    /// Prolongs a lease. The hottest call: a read lock, two look-ups, two atomic stores.
    ///
    /// `dirty_ms` is the sender's `lastDirtyTimestamp`, if it named one.
    pub fn renew(&self, app: &str, id: &str, dirty_ms: Option<u64>, now: Now) -> Renewal {
        self.renew_with(app, id, dirty_ms, None, now)
    }

    /// Like [`Self::renew`] for a heartbeat that another node got.
    pub fn renew_as(&self, app: &str, id: &str, dirty_ms: Option<u64>, heard: Heard, now: Now) -> Renewal {
        self.renew_with(app, id, dirty_ms, Some(heard), now)
    }

    fn renew_with(
        &self,
        app: &str,
        id: &str,
        dirty_ms: Option<u64>,
        elsewhere: Option<Heard>,
        now: Now,
    ) -> Renewal {
        let renewed = self.with(app, id, |lease| {
            if lease.record.status == Status::Unknown {
                return None;
            }
            if !lease.record.provisional {
                elsewhere.map_or_else(|| lease.touch(now), |heard| lease.renew(heard));
            }
            Some(Arc::clone(&lease.record))
        });
        let Some(Some(mut record)) = renewed else { return Renewal::Unknown };
        self.received.fetch_add(1, Relaxed);
        if record.provisional {
            record = self.confirm(app, id, elsewhere, now).unwrap_or(record);
        }
        match dirty_ms {
            Some(dirty) if dirty > record.dirty_ms => Renewal::Outdated(record),
            Some(dirty) if dirty < record.dirty_ms => Renewal::Newer(record),
            _ => Renewal::Renewed(record),
        }
    }

    /// Looks up one instance. One whose lease ran out is invisible, unless self-preservation holds it (`eureka.md` 3.3).
    pub fn find(&self, app: &str, id: &str, now: Now) -> Option<Found> {
        self.with(app, id, |lease| self.found(lease, now)).flatten()
    }

    /// Looks up an instance by its id alone; of several, the one of the first application by name.
    pub fn find_anywhere(&self, id: &str, now: Now) -> Option<Found> {
        let in_shard = |shard: &RwLock<Shard>| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            let found = shard
                .values()
                .filter_map(|one| one.leases.get(id))
                .filter_map(|lease| self.found(lease, now));
            found.min_by(|a, b| a.record.instance.app.cmp(&b.record.instance.app))
        };
        self.shards
            .iter()
            .filter_map(in_shard)
            .min_by(|a, b| a.record.instance.app.cmp(&b.record.instance.app))
    }

    fn found(&self, lease: &Lease, now: Now) -> Option<Found> {
        let deadline = lease.deadline_mono(self.settings.double_lease) + self.compensation_ms.load(Relaxed);
        if now.mono_ms > deadline && self.expires.load(Relaxed) {
            return None;
        }
        Some(Found {
            record: Arc::clone(&lease.record),
            renewed_ms: lease.renewed_ms(now),
            stamp_ms: lease.stamp_ms(),
            age_ms: lease.age_ms(now),
            remaining_ms: deadline.saturating_sub(now.mono_ms),
        })
    }

    fn with<R>(&self, app: &str, id: &str, look: impl FnOnce(&Lease) -> R) -> Option<R> {
        let shard = self.shard(app).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(app)?.leases.get(id).map(look)
    }

    pub(super) fn shard(&self, app: &str) -> &RwLock<Shard> {
        &self.shards[self.settings.keyed.hash_one(app) as usize % SHARDS]
    }

    /// Changes an application under its write lock; it is made when it is not there, and forgotten when it is left empty.
    pub(super) fn change<R>(&self, app: &str, change: impl FnOnce(&mut Application) -> R) -> R {
        let mut shard = self.shard(app).write().unwrap_or_else(PoisonError::into_inner);
        if !shard.contains_key(app) {
            let application = Application::new(app, self.settings.keyed);
            shard.insert(Arc::clone(&application.name), application);
        }
        let application = shard.get_mut(app).expect("just inserted");
        let result = change(application);
        if application.is_empty() {
            shard.remove(app);
        }
        result
    }

    pub(super) fn listing(&self) -> MutexGuard<'_, Listing<C>> {
        self.listing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn expiry(&self) -> MutexGuard<'_, Expiry> {
        self.expiry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn preservation(&self) -> MutexGuard<'_, Preservation> {
        self.preservation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What readers ask.
impl<C: Default> Registry<C> {
    /// The version of the list: a read that starts now shows at least this.
    pub fn version(&self) -> u64 {
        self.version.load(std::sync::atomic::Ordering::Acquire)
    }

    /// The floor of the delta: it moves while nothing changes.
    pub fn floor(&self) -> u64 {
        self.floor.load(std::sync::atomic::Ordering::Acquire)
    }

    /// The whole list at one version.
    pub fn snapshot(&self) -> Snapshot<C> {
        self.listing().snapshot()
    }

    /// Counts over the whole list.
    pub fn totals(&self) -> Totals {
        self.listing().totals()
    }

    /// The chunks of an application that has some of its own, which the larger ones have.
    pub fn own_chunks(&self, app: &str) -> Option<Chunks<C>> {
        self.listing().own_chunks(app)
    }

    /// The records of one application, with the version they are of.
    pub fn application(&self, app: &str) -> (u64, Vec<Arc<Record>>) {
        let listing = self.listing();
        (listing.version(), listing.application(app))
    }

    /// The records that list a virtual address, by application.
    pub fn vip(&self, which: Vip, vip: &str) -> Vec<Vec<Arc<Record>>> {
        self.listing().vip(which, vip)
    }

    /// Counts of one application.
    pub fn service(&self, app: &str) -> Option<Totals> {
        self.listing().service(app)
    }

    /// A page of applications by name.
    pub fn services(&self, after: Option<&str>, limit: usize, wanted: impl Fn(&str) -> bool) -> Vec<Listed> {
        self.listing().services(after, limit, wanted)
    }

    /// Changes after a version; `None` when they are not all known any more.
    pub fn changes(&self, since: u64, limit: usize) -> Option<Vec<Change>> {
        self.listing().changes(since, limit)
    }

    /// The latest registrations and the latest removals, newest first.
    pub fn recent(&self) -> [Vec<Recent>; 2] {
        let listing = self.listing();
        [listing.registered().cloned().collect(), listing.removed().cloned().collect()]
    }

    /// The state of self-preservation, and how many expired leases it protects.
    pub fn preservation_view(&self) -> (View, usize) {
        let view = self.preservation().view();
        (view, self.expiry().overdue())
    }

    /// Whether leases that ran out are evicted now.
    pub fn is_expiring(&self) -> bool {
        self.expires.load(Relaxed)
    }

    /// Switches self-preservation on or off.
    pub fn preserve(&self, enabled: bool) {
        let mut preservation = self.preservation();
        preservation.enable(enabled);
        self.expires.store(preservation.expires(), Relaxed);
    }
}
