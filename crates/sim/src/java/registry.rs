//! What a Java server holds and does: section 3 of `eureka.md`, step by step and as odd as it is there.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use synod_base::rng::Rng;
use synod_core::registry::merge::News;
use synod_core::registry::sync::listed::Shown;
use synod_core::registry::{Instance, Status};

use crate::plan::THRESHOLD;
use crate::truth::Key;

/// An instance as it is held and shown: the status that the client claimed is lost as soon as another one is shown.
#[derive(Clone, Debug)]
pub struct Info {
    /// The rest of the description.
    pub instance: Arc<Instance>,
    /// `status`.
    pub status: Status,
    /// `overriddenStatus`.
    pub overridden: Status,
    /// `lastDirtyTimestamp`.
    pub dirty_ms: u64,
    /// `lastUpdatedTimestamp`.
    pub updated_ms: u64,
    /// Whether `actionType` is MODIFIED.
    pub edited: bool,
}

impl Info {
    /// What a client sends.
    pub fn described(instance: Instance) -> Self {
        let Instance { status, overridden, dirty_ms, .. } = instance;
        Self { instance: instance.into(), status, overridden, dirty_ms, updated_ms: 0, edited: false }
    }

    /// Whose it is.
    pub fn key(&self) -> Key {
        (self.instance.app.to_string(), self.instance.id.to_string())
    }

    /// The instance that a Synod node reads from it.
    pub fn as_instance(&self) -> Instance {
        let Self { status, overridden, dirty_ms, .. } = *self;
        Instance { status, overridden, dirty_ms, ..Instance::clone(&self.instance) }
    }
}

/// Java's servers do not copy an instance when they hand it to a queue: what is sent is what it has become by then.
pub type Holder = Rc<RefCell<Info>>;

#[derive(Debug)]
struct Lease {
    holder: Holder,
    duration_ms: u64,
    registered_ms: u64,
    /// A renewal sets this one duration into the future (3.2).
    updated_ms: u64,
    up_ms: u64,
}

impl Lease {
    fn renew(&mut self, now_ms: u64) {
        self.updated_ms = now_ms + self.duration_ms;
    }

    fn is_expired(&self, extra_ms: u64, now_ms: u64) -> bool {
        now_ms > self.updated_ms + self.duration_ms + extra_ms
    }
}

/// All leases and overrides. Times are wall times of the server.
#[derive(Debug, Default)]
pub struct Registry {
    leases: BTreeMap<Key, Lease>,
    /// By id alone.
    overrides: BTreeMap<String, Status>,
    /// Counts what the cache of lists hears of: not every change.
    pub changes: u64,
}

impl Registry {
    /// Section 3.1.
    pub fn register(&mut self, mut given: Holder, replicated: bool, now_ms: u64) {
        let key = given.borrow().key();
        let existing = self.leases.get(&key).map(|lease| (Rc::clone(&lease.holder), lease.up_ms));
        if let Some((holder, _)) = &existing
            && holder.borrow().dirty_ms > given.borrow().dirty_ms
        {
            given = Rc::clone(holder);
        }
        let existing_status = existing.as_ref().map(|(holder, _)| holder.borrow().status);
        let mut info = given.borrow_mut();
        if info.overridden != Status::Unknown {
            self.overrides.entry(key.1.clone()).or_insert(info.overridden);
        }
        if let Some(status) = self.overrides.get(&key.1) {
            info.overridden = *status;
        }
        info.status = self.effective(&info, existing_status, replicated);
        let mut up_ms = existing.map_or(0, |(_, up_ms)| up_ms);
        if info.status == Status::Up && up_ms == 0 {
            up_ms = now_ms;
        }
        (info.edited, info.updated_ms) = (false, now_ms);
        let duration_ms = u64::from(info.instance.duration_s) * 1_000;
        drop(info);
        let lease = Lease { holder: given, duration_ms, registered_ms: now_ms, updated_ms: now_ms, up_ms };
        self.leases.insert(key, lease);
        self.changes += 1;
    }

    /// Section 3.4.
    fn effective(&self, info: &Info, existing: Option<Status>, replicated: bool) -> Status {
        let traffic = |status: &Status| matches!(status, Status::Up | Status::OutOfService);
        if !traffic(&info.status) {
            return info.status;
        }
        if let Some(status) = self.overrides.get(&*info.instance.id) {
            return *status;
        }
        existing.filter(|status| !replicated && traffic(status)).unwrap_or(info.status)
    }

    /// Section 3.3.
    pub fn renew(&mut self, key: &Key, replicated: bool, now_ms: u64) -> bool {
        let Some(lease) = self.leases.get(key) else { return false };
        let holder = Rc::clone(&lease.holder);
        let mut info = holder.borrow_mut();
        let status = self.effective(&info, Some(info.status), replicated);
        if status == Status::Unknown {
            return false;
        }
        // Neither the list's cache nor the delta hears of it.
        info.status = status;
        if let Some(lease) = self.leases.get_mut(key) {
            lease.renew(now_ms);
        }
        true
    }

    /// Section 3.3.
    pub fn cancel(&mut self, key: &Key) -> bool {
        self.overrides.remove(&key.1);
        let gone = self.leases.remove(key).is_some();
        self.changes += u64::from(gone);
        gone
    }

    /// Section 3.5: the override is set. `false` when nobody is there.
    pub fn set_status(&mut self, key: &Key, status: Status, dirty_ms: Option<u64>, now_ms: u64) -> bool {
        let Some(lease) = self.leases.get_mut(key) else { return false };
        lease.renew(now_ms);
        let mut info = lease.holder.borrow_mut();
        if info.status != status {
            if status == Status::Up && lease.up_ms == 0 {
                lease.up_ms = now_ms;
            }
            self.overrides.insert(key.1.clone(), status);
            (info.overridden, info.status) = (status, status);
            info.dirty_ms = info.dirty_ms.max(dirty_ms.unwrap_or(0));
            (info.edited, info.updated_ms) = (true, now_ms);
            self.changes += 1;
        }
        true
    }

    /// Section 3.5: the override is removed.
    pub fn clear_status(&mut self, key: &Key, status: Status, dirty_ms: Option<u64>, now_ms: u64) -> bool {
        let Some(lease) = self.leases.get_mut(key) else { return false };
        lease.renew(now_ms);
        if self.overrides.remove(&key.1).is_some() {
            let mut info = lease.holder.borrow_mut();
            (info.overridden, info.status) = (Status::Unknown, status);
            info.dirty_ms = info.dirty_ms.max(dirty_ms.unwrap_or(0));
            (info.edited, info.updated_ms) = (true, now_ms);
            self.changes += 1;
        }
        true
    }

    /// Section 1.6, step 4, and 4.5: an override is noted, the status left as it is.
    pub fn store_override(&mut self, key: &Key, status: Status) {
        if self.overrides.insert(key.1.clone(), status) != Some(status)
            && let Some(lease) = self.leases.get(key)
        {
            lease.holder.borrow_mut().overridden = status;
        }
    }

    /// The override of an instance, if the map has one.
    pub fn override_of(&self, key: &Key) -> Option<Status> {
        self.overrides.get(&key.1).copied()
    }

    /// Who is held, whether the lease ran out or not.
    pub fn held(&self, key: &Key) -> Option<Holder> {
        self.leases.get(key).map(|lease| Rc::clone(&lease.holder))
    }

    /// A look-up: one whose lease ran out is not seen (3.3).
    pub fn found(&self, key: &Key, now_ms: u64) -> Option<Shown> {
        let lease = self.leases.get(key).filter(|lease| !lease.is_expired(0, now_ms))?;
        Some(shown(lease, now_ms))
    }

    /// The whole list.
    pub fn list(&self, now_ms: u64) -> Vec<Shown> {
        self.leases.values().map(|lease| shown(lease, now_ms)).collect()
    }

    /// All that is held.
    pub fn infos(&self) -> impl Iterator<Item = (&Key, Info)> {
        self.leases.iter().map(|(key, lease)| (key, lease.holder.borrow().clone()))
    }

    /// Section 3.9: those that ran out, at most the share, whoever it hits.
    pub fn evict(&mut self, extra_ms: u64, now_ms: u64, rng: &mut Rng) -> Vec<Key> {
        let expired = self.leases.iter().filter(|(_, lease)| lease.is_expired(extra_ms, now_ms));
        let mut expired: Vec<Key> = expired.map(|(key, _)| key.clone()).collect();
        let size = self.leases.len();
        let limit = size - (size as f64 * THRESHOLD) as usize;
        while expired.len() > limit {
            expired.swap_remove(rng.below(expired.len() as u64) as usize);
        }
        for key in &expired {
            self.cancel(key);
        }
        expired
    }
}

/// As the list shows it; how a node reads the times is the server's `peers::eureka`.
fn shown(lease: &Lease, now_ms: u64) -> Shown {
    let info = lease.holder.borrow();
    let doubled = lease.updated_ms >= lease.registered_ms + lease.duration_ms;
    let renewed_ms = lease.updated_ms - if doubled { lease.duration_ms } else { 0 };
    let news = News {
        instance: info.as_instance().into(),
        status: info.status,
        overridden: info.overridden,
        override_ms: 0,
        dirty_ms: info.dirty_ms,
        registered_ms: lease.registered_ms,
        up_ms: lease.up_ms,
        stamp_ms: renewed_ms.max(lease.registered_ms),
        age_ms: now_ms.saturating_sub(renewed_ms.max(lease.registered_ms)),
    };
    Shown { news, updated_ms: info.updated_ms, edited: info.edited }
}
