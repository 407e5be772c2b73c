//! The list that readers see: every record, in chunks, under one version.
//!
//! Records lie in chunks of some 64. Small applications share chunks, one with many instances has its own; which chunk
//! a record is in is a hash of its name or id, so no index has to be kept. A change replaces one chunk. A reader takes a
//! [`Snapshot`], a list of shared pointers taken together with version and counts, and works on that without any lock.
//! What a reader makes of a chunk (encoded, deflated text) it leaves in the chunk's `cache`, for the next one; a changed
//! chunk starts with an empty cache.
//!
//! The delta is the same list seen through a filter: records changed after [`Snapshot::floor`], and the dead.

mod chunk;
mod table;
mod totals;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use synod_base::hash::Keyed;
use synod_base::time::Now;

use self::table::Table;
use super::instance::{Instance, Record};
use super::lane::What;

pub use self::chunk::Chunk;
pub use self::totals::Totals;

/// An application with more records than this gets chunks of its own.
const SHARED_MAX: usize = 32;
/// Dead records kept for the delta. A client that misses one sees it in the hash and fetches the full list.
const GRAVES_MAX: usize = 65_536;
/// Changes kept for watchers; one that lags further behind is told to start over.
const CHANGES_MAX: usize = 16_384;
/// Registrations and removals kept for the "last N" pages (`eureka.md` 1.10).
const RECENT_MAX: usize = 1_000;
/// How far the delta's floor moves at a time: each move costs re-encoding the chunks that lost an entry.
const FLOOR_STEP_MS: u64 = 15_000;

/// Why a record changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Registered for the first time.
    Registered,
    /// Registered again, or its metadata changed.
    Replaced,
    /// Its status or override changed.
    StatusChanged,
    /// Its client left.
    Cancelled,
    /// Its lease ran out.
    Expired,
}

impl ChangeKind {
    /// Whether the instance is gone after this change.
    pub fn is_removal(self) -> bool {
        matches!(self, Self::Cancelled | Self::Expired)
    }
}

/// One change of the list.
#[derive(Clone, Debug)]
pub struct Change {
    /// Why.
    pub kind: ChangeKind,
    /// The record after it; its `version` is the list's version after it.
    pub record: Arc<Record>,
}

/// What editing a status or an override came to.
#[derive(Clone, Debug)]
pub struct Edit {
    /// The record after it.
    pub change: Change,
    /// Whether status or override are others than before. If not, the edit was a sign of life and nothing more, and peers
    /// must not be told of an edit.
    pub changed: bool,
}

impl Edit {
    /// As what peers hear of it.
    pub fn told(&self, edit: What) -> What {
        if self.changed { edit } else { What::Renewed }
    }
}

/// An application as the overview shows it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name.
    pub app: Arc<str>,
    /// Its instances by status.
    pub totals: Totals,
}

/// Chunks as a reader holds them.
pub type Chunks<C> = Vec<Arc<Chunk<C>>>;

/// The list at one version.
#[derive(Debug)]
pub struct Snapshot<C> {
    /// The version; rises by one with each change.
    pub version: u64,
    /// Records with a version above this one belong into the delta.
    pub floor: u64,
    /// Counts at this version.
    pub totals: Totals,
    /// Chunks shared by small applications, each application whole in one chunk.
    pub shared: Chunks<C>,
    /// Applications with chunks of their own.
    pub own: Vec<(Arc<str>, Chunks<C>)>,
}

impl<C> Snapshot<C> {
    /// All live records, in no particular order.
    pub fn records(&self) -> impl Iterator<Item = &Arc<Record>> {
        let own = self.own.iter().flat_map(|(_, chunks)| chunks);
        self.shared.iter().chain(own).flat_map(|chunk| &chunk.live)
    }
}

/// Moment at which something was registered or removed.
#[derive(Clone, Debug)]
pub struct Recent {
    /// Wall time.
    pub at_ms: u64,
    /// What happened.
    pub change: Change,
}

#[derive(Debug, Default)]
struct Service {
    totals: Totals,
    dead: usize,
}

type Counted<K> = HashMap<Box<str>, BTreeMap<Arc<str>, usize>, K>;

/// The list and everything that has to change together with it.
#[derive(Debug)]
pub struct Listing<C> {
    keyed: Keyed,
    retention_ms: u64,
    version: u64,
    floor: u64,
    floor_moved_ms: u64,
    marks: VecDeque<(u64, u64)>,
    totals: Totals,
    shared: Table<C>,
    own: BTreeMap<Arc<str>, Table<C>>,
    services: BTreeMap<Arc<str>, Service>,
    vips: [Counted<Keyed>; 2],
    graves: VecDeque<(u64, Arc<Record>)>,
    changes: VecDeque<Change>,
    registered: VecDeque<Recent>,
    removed: VecDeque<Recent>,
}

/// Which of the two address lists a look-up means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vip {
    /// `vipAddress`
    Plain = 0,
    /// `secureVipAddress`
    Secure = 1,
}

impl<C: Default> Listing<C> {
    /// An empty list whose delta reaches `retention_ms` back.
    pub fn new(keyed: Keyed, retention_ms: u64) -> Self {
        Self {
            keyed,
            retention_ms,
            version: 0,
            floor: 0,
            floor_moved_ms: 0,
            marks: VecDeque::new(),
            totals: Totals::default(),
            shared: Table::new(),
            own: BTreeMap::new(),
            services: BTreeMap::new(),
            vips: [HashMap::with_hasher(keyed), HashMap::with_hasher(keyed)],
            graves: VecDeque::new(),
            changes: VecDeque::new(),
            registered: VecDeque::new(),
            removed: VecDeque::new(),
        }
    }

    /// The version now.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Records with a version above this one belong into the delta.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// The counts now.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Lists `record` in the place of `old`, or as new, and returns it with its version.
    pub fn put(
        &mut self,
        old: Option<&Arc<Record>>,
        record: Record,
        kind: ChangeKind,
        now: Now,
    ) -> Arc<Record> {
        let record = self.next(record);
        let app = &record.instance.app;
        let service = entry(&mut self.services, app);
        if let Some(old) = old {
            service.totals.count(old, -1);
            self.totals.count(old, -1);
        } else if service.totals.instances() == 0 {
            self.totals.applications += 1;
        }
        service.totals.count(&record, 1);
        self.totals.count(&record, 1);
        self.index_vips(old.map(|old| &*old.instance), Some(&record.instance));

        let hash = self.keyed.hash_one(&*record.instance.id);
        let dug_up = match self.own.get_mut(app) {
            Some(table) => {
                let dug_up = table.edit(hash, |chunk| chunk.put(old, &record));
                table.balance(|record| self.keyed.hash_one(&*record.instance.id));
                dug_up
            }
            None => self.put_shared(old, &record),
        };
        if dug_up {
            entry(&mut self.services, &record.instance.app).dead -= 1;
        }
        self.announce(Change { kind, record: Arc::clone(&record) }, now);
        record
    }

    fn put_shared(&mut self, old: Option<&Arc<Record>>, record: &Arc<Record>) -> bool {
        let app = &record.instance.app;
        let hash = self.keyed.hash_one(&**app);
        let dug_up = self.shared.edit(hash, |chunk| chunk.put(old, record));
        let service = entry(&mut self.services, app);
        if service.totals.instances() as usize + service.dead > SHARED_MAX {
            let moved = self.shared.edit(hash, |chunk| chunk.take_if(|other| other.instance.app == *app));
            let mut table = Table::new();
            table.edit(0, |chunk| chunk.append(moved));
            self.own.insert(Arc::clone(app), table);
        }
        self.shared.balance(|record| self.keyed.hash_one(&*record.instance.app));
        dug_up
    }

    /// Takes `old` off the list; `dead` is shown in the delta until the retention is over.
    pub fn remove(&mut self, old: &Arc<Record>, dead: Record, kind: ChangeKind, now: Now) -> Arc<Record> {
        let dead = self.next(dead);
        let service = entry(&mut self.services, &dead.instance.app);
        service.totals.count(old, -1);
        service.dead += 1;
        self.totals.count(old, -1);
        if service.totals.instances() == 0 {
            self.totals.applications -= 1;
        }
        self.index_vips(Some(&old.instance), None);
        self.edit(&dead, |chunk| chunk.bury(old, &dead));
        self.graves.push_back((now.mono_ms, Arc::clone(&dead)));
        if self.graves.len() > GRAVES_MAX {
            self.forget_oldest();
        }
        self.announce(Change { kind, record: Arc::clone(&dead) }, now);
        dead
    }

    /// Moves the delta's floor and forgets the dead that are below it. To be called about once a second.
    pub fn age(&mut self, now: Now) {
        if self.marks.back().is_none_or(|(_, version)| *version < self.version) {
            self.marks.push_back((now.mono_ms, self.version));
        }
        if now.mono_ms < self.floor_moved_ms + FLOOR_STEP_MS {
            return;
        }
        self.floor_moved_ms = now.mono_ms;
        let horizon = now.mono_ms.saturating_sub(self.retention_ms);
        while self.marks.front().is_some_and(|(at, _)| *at < horizon) {
            self.floor = self.marks.pop_front().expect("just seen").1;
        }
        while self.graves.front().is_some_and(|(at, _)| *at < horizon) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, dead)) = self.graves.pop_front() else { return };
        if !self.edit(&dead, |chunk| chunk.exhume(&dead)) {
            return; // registered again since
        }
        let app = &dead.instance.app;
        let service = entry(&mut self.services, app);
        service.dead -= 1;
        if service.dead == 0 && service.totals.instances() == 0 {
            self.services.remove(app);
        }
        if self.own.get(app).is_some_and(Table::is_empty) {
            self.own.remove(app);
        }
    }

    fn edit<R>(&mut self, record: &Record, change: impl FnOnce(&mut Chunk<C>) -> R) -> R {
        let keyed = self.keyed;
        if let Some(table) = self.own.get_mut(&record.instance.app) {
            let result = table.edit(keyed.hash_one(&*record.instance.id), change);
            table.balance(|record| keyed.hash_one(&*record.instance.id));
            result
        } else {
            let result = self.shared.edit(keyed.hash_one(&*record.instance.app), change);
            self.shared.balance(|record| keyed.hash_one(&*record.instance.app));
            result
        }
    }

    fn next(&mut self, mut record: Record) -> Arc<Record> {
        self.version += 1;
        record.version = self.version;
        Arc::new(record)
    }

    fn announce(&mut self, change: Change, now: Now) {
        let recent = match change.kind {
            ChangeKind::Registered | ChangeKind::Replaced => Some(&mut self.registered),
            ChangeKind::Cancelled | ChangeKind::Expired => Some(&mut self.removed),
            ChangeKind::StatusChanged => None,
        };
        if let Some(recent) = recent {
            push_bounded(recent, Recent { at_ms: now.wall_ms, change: change.clone() }, RECENT_MAX);
        }
        push_bounded(&mut self.changes, change, CHANGES_MAX);
    }

    fn index_vips(&mut self, old: Option<&Instance>, new: Option<&Instance>) {
        if let (Some(old), Some(new)) = (old, new)
            && (std::ptr::eq(old, new) || (old.vip == new.vip && old.secure_vip == new.secure_vip))
        {
            return;
        }
        for which in [Vip::Plain, Vip::Secure] {
            let index = &mut self.vips[which as usize];
            for (instance, vip) in old.into_iter().flat_map(|old| which.of(old).map(move |vip| (old, vip))) {
                uncount(index, vip, &instance.app);
            }
            for (instance, vip) in new.into_iter().flat_map(|new| which.of(new).map(move |vip| (new, vip))) {
                *entry_of(index, vip).entry(Arc::clone(&instance.app)).or_default() += 1;
            }
        }
    }
}

impl<C: Default> Listing<C> {
    /// Everything at this version. Costs a pointer per chunk.
    pub fn snapshot(&self) -> Snapshot<C> {
        let own = self.own.iter().map(|(app, table)| (Arc::clone(app), table.chunks().to_vec()));
        Snapshot {
            version: self.version,
            floor: self.floor,
            totals: self.totals,
            shared: self.shared.chunks().to_vec(),
            own: own.collect(),
        }
    }

    /// The chunks of an application that has some of its own.
    pub fn own_chunks(&self, app: &str) -> Option<Chunks<C>> {
        self.own.get(app).map(|table| table.chunks().to_vec())
    }

    /// The live records of one application.
    pub fn application(&self, app: &str) -> Vec<Arc<Record>> {
        match self.own.get(app) {
            Some(table) => table.chunks().iter().flat_map(|chunk| &chunk.live).cloned().collect(),
            None => {
                let chunk = self.shared.chunk(self.keyed.hash_one(app));
                chunk.live.iter().filter(|record| *record.instance.app == *app).cloned().collect()
            }
        }
    }

    /// The records that list `vip`, by application.
    pub fn vip(&self, which: Vip, vip: &str) -> Vec<Vec<Arc<Record>>> {
        let Some(apps) = self.vips[which as usize].get(vip) else { return Vec::new() };
        let has_it = |record: &Arc<Record>| which.of(&record.instance).any(|one| one == vip);
        apps.keys().map(|app| self.application(app).into_iter().filter(has_it).collect()).collect()
    }

    /// Counts of one application; `None` when nobody of it is there.
    pub fn service(&self, app: &str) -> Option<Totals> {
        self.services.get(app).map(|service| service.totals).filter(|totals| totals.instances() > 0)
    }

    /// Applications in the order of their names, from the first after `after`, at most `limit` that satisfy `wanted`.
    pub fn services(&self, after: Option<&str>, limit: usize, wanted: impl Fn(&str) -> bool) -> Vec<Listed> {
        use std::ops::Bound;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.services.range::<str, _>((from, Bound::Unbounded));
        let live = range.filter(|(app, service)| service.totals.instances() > 0 && wanted(app));
        live.take(limit)
            .map(|(app, service)| Listed { app: Arc::clone(app), totals: service.totals })
            .collect()
    }

    /// The changes after `since`, at most `limit`; `None` when they are no longer all known.
    pub fn changes(&self, since: u64, limit: usize) -> Option<Vec<Change>> {
        let oldest = self.version - self.changes.len() as u64;
        if since < oldest || since > self.version {
            return None;
        }
        Some(self.changes.iter().skip((since - oldest) as usize).take(limit).cloned().collect())
    }

    /// The latest registrations, newest first.
    pub fn registered(&self) -> impl Iterator<Item = &Recent> {
        self.registered.iter().rev()
    }

    /// The latest removals, newest first.
    pub fn removed(&self) -> impl Iterator<Item = &Recent> {
        self.removed.iter().rev()
    }
}

impl Vip {
    /// The virtual addresses of an instance: exact text between commas, not trimmed (`eureka.md` 1.9).
    pub fn of(self, instance: &Instance) -> impl Iterator<Item = &str> {
        let list = match self {
            Self::Plain => instance.vip.as_deref(),
            Self::Secure => instance.secure_vip.as_deref(),
        };
        list.into_iter().flat_map(|list| list.split(',')).filter(|vip| !vip.is_empty())
    }
}

fn entry<'m>(services: &'m mut BTreeMap<Arc<str>, Service>, app: &Arc<str>) -> &'m mut Service {
    if !services.contains_key(app) {
        services.insert(Arc::clone(app), Service::default());
    }
    services.get_mut(app).expect("just inserted")
}

fn entry_of<'m>(index: &'m mut Counted<Keyed>, vip: &str) -> &'m mut BTreeMap<Arc<str>, usize> {
    if !index.contains_key(vip) {
        index.insert(vip.into(), BTreeMap::new());
    }
    index.get_mut(vip).expect("just inserted")
}

fn uncount(index: &mut Counted<Keyed>, vip: &str, app: &str) {
    let Some(apps) = index.get_mut(vip) else { return };
    if let Some(count) = apps.get_mut(app) {
        *count -= 1;
        if *count == 0 {
            apps.remove(app);
        }
    }
    if apps.is_empty() {
        index.remove(vip);
    }
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, max: usize) {
    if queue.len() == max {
        queue.pop_front();
    }
    queue.push_back(item);
}
