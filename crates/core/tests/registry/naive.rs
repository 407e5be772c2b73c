//! The registry as `eureka.md` section 3 tells it, in the plainest way: one sorted map, everything counted anew each time.
//! Time is in whole seconds. What Synod adds of its own is marked.

use std::collections::{BTreeMap, BTreeSet};

use synod_core::registry::{Instance, Status};

pub(crate) type Key = (String, String);

/// What is known of one instance.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) told: Instance,
    pub(crate) shown: Status,
    pub(crate) overridden: Status,
    pub(crate) dirty: u64,
    pub(crate) heard_s: u64,
    pub(crate) registered_s: u64,
    pub(crate) up_s: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Naive {
    pub(crate) now_s: u64,
    pub(crate) version: u64,
    pub(crate) live: BTreeMap<Key, Entry>,
    /// When each instance that was ever there changed last.
    pub(crate) changed_s: BTreeMap<Key, u64>,
    /// Synod's own: the dirty timestamp of what ended, and until when it is remembered.
    pub(crate) ended: BTreeMap<Key, (u64, u64)>,
    pub(crate) sticky: bool,
}

impl Naive {
    fn changed(&mut self, key: &Key) {
        self.version += 1;
        self.changed_s.insert(key.clone(), self.now_s);
    }

    /// 3.1
    pub(crate) fn register(&mut self, mut told: Instance, from_peer: bool) {
        let key = (told.app.to_string(), told.id.to_string());
        if let Some((dirty, _)) = self.ended.remove(&key) {
            told.dirty_ms = told.dirty_ms.max(dirty);
        }
        let old = self.live.get(&key).cloned();
        let dirty = old.as_ref().map_or(0, |old| old.dirty).max(told.dirty_ms);
        let mut claims = [told.status, told.overridden];
        if let Some(old) = old.as_ref().filter(|old| old.dirty > told.dirty_ms) {
            told = old.told.clone();
            claims = [old.shown, old.overridden];
        }
        let mut overridden = old.as_ref().map_or(Status::Unknown, |old| old.overridden);
        if overridden == Status::Unknown {
            overridden = claims[1];
        }
        let existing = old.as_ref().map(|old| old.shown);
        let shown = self.chain(claims[0], overridden, existing, from_peer);
        let mut up_s = old.as_ref().and_then(|old| old.up_s);
        if shown == Status::Up && up_s.is_none() {
            up_s = Some(self.now_s);
        }
        let (heard_s, registered_s) = (self.now_s, self.now_s);
        self.live.insert(key.clone(), Entry { told, shown, overridden, dirty, heard_s, registered_s, up_s });
        self.changed(&key);
    }

    /// 3.4
    fn chain(
        &self,
        claimed: Status,
        overridden: Status,
        existing: Option<Status>,
        from_peer: bool,
    ) -> Status {
        let serves = [Status::Up, Status::OutOfService];
        if !serves.contains(&claimed) {
            claimed
        } else if overridden != Status::Unknown {
            overridden
        } else if self.sticky && !from_peer && existing.is_some_and(|existing| serves.contains(&existing)) {
            existing.unwrap_or_default()
        } else {
            claimed
        }
    }

    /// 1.6: whether it was renewed, and how the stored timestamp compares to the given one.
    pub(crate) fn renew(&mut self, key: &Key, dirty: u64) -> Option<std::cmp::Ordering> {
        let entry = self.live.get_mut(key).filter(|entry| entry.shown != Status::Unknown)?;
        entry.heard_s = self.now_s;
        Some(entry.dirty.cmp(&dirty))
    }

    /// 3.3
    pub(crate) fn cancel(&mut self, key: &Key) -> bool {
        let Some(entry) = self.live.remove(key) else { return false };
        let until_s = self.now_s + 2 * u64::from(entry.told.duration_s);
        self.ended.insert(key.clone(), (entry.dirty, until_s));
        self.changed(key);
        true
    }

    /// 3.5
    pub(crate) fn set_override(&mut self, key: &Key, status: Status, dirty: u64) -> bool {
        let now_s = self.now_s;
        let Some(entry) = self.live.get_mut(key) else { return false };
        entry.heard_s = now_s;
        if entry.shown != status {
            entry.shown = status;
            entry.overridden = status;
            entry.dirty = entry.dirty.max(dirty);
            if status == Status::Up {
                entry.up_s.get_or_insert(now_s);
            }
            self.changed(key);
        }
        true
    }

    /// 3.5
    pub(crate) fn clear_override(&mut self, key: &Key, status: Option<Status>, dirty: u64) -> bool {
        let now_s = self.now_s;
        let Some(entry) = self.live.get_mut(key) else { return false };
        entry.heard_s = now_s;
        if entry.overridden != Status::Unknown {
            entry.overridden = Status::Unknown;
            entry.shown = status.unwrap_or(Status::Unknown);
            entry.dirty = entry.dirty.max(dirty);
            if entry.shown == Status::Up {
                entry.up_s.get_or_insert(now_s);
            }
            self.changed(key);
        }
        true
    }

    /// 1.8
    pub(crate) fn set_metadata(&mut self, key: &Key, name: &str, value: &str) -> bool {
        let now_s = self.now_s;
        let Some(entry) = self.live.get_mut(key) else { return false };
        let mut metadata: Vec<_> = entry.told.metadata.to_vec();
        match metadata.iter_mut().find(|(known, _)| **known == *name) {
            Some(pair) => pair.1 = value.into(),
            None => metadata.push((name.into(), value.into())),
        }
        entry.told.metadata = metadata.into();
        (entry.heard_s, entry.registered_s) = (now_s, now_s);
        self.changed(key);
        true
    }

    /// 3.9, without a cap.
    pub(crate) fn pass_second(&mut self) -> BTreeSet<Key> {
        self.now_s += 1;
        let ran_out = |entry: &Entry| self.now_s > entry.heard_s + u64::from(entry.told.duration_s);
        let gone: BTreeSet<Key> =
            self.live.iter().filter(|(_, entry)| ran_out(entry)).map(|(key, _)| key.clone()).collect();
        self.ended.retain(|_, (_, until_s)| self.now_s <= *until_s);
        for key in &gone {
            self.cancel(key);
        }
        gone
    }

    /// 3.7
    pub(crate) fn hash(&self) -> String {
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for entry in self.live.values() {
            *counts.entry(entry.shown.as_str()).or_default() += 1;
        }
        counts.iter().map(|(status, count)| format!("{status}_{count}_")).collect()
    }

    /// 1.9: who lists the address, by application.
    pub(crate) fn vip(&self, vip: &str, secure: bool) -> BTreeMap<String, BTreeSet<String>> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for ((app, id), entry) in &self.live {
            let list = if secure { &entry.told.secure_vip } else { &entry.told.vip };
            if list.as_deref().unwrap_or("").split(',').any(|one| one == vip) {
                found.entry(app.clone()).or_default().insert(id.clone());
            }
        }
        found
    }
}
