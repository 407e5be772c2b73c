//! What changes the list: registering, leaving, status overrides, metadata. Sections of `eureka.md`: 3.1, 3.3, 3.5, 1.8.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};

use synod_base::time::Now;
use thiserror::Error;

use super::expiry::second_of;
use super::instance::{Action, Instance, Record, Status};
use super::lease::{Application, Heard, Lease, Tomb};
use super::listing::{Change, ChangeKind, Edit};
use super::rules::{self, Claim};
use super::store::Registry;

/// Where a change comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client of this node: peers have to hear of it.
    Client,
    /// A peer: one hop is enough.
    Peer,
}

/// Why a registration was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// As many instances as allowed are registered.
    #[error("the registry holds its limit of {0} instances")]
    Full(u64),
    /// With these, the instance would have too many metadata keys.
    #[error("an instance may have {0} metadata keys")]
    MetadataKeys(usize),
    /// With these, the instance's metadata would be too long.
    #[error("an instance may have {0} bytes of metadata")]
    MetadataBytes(usize),
}

type Pair = (Box<str>, Box<str>);

impl<C: Default> Registry<C> {
    /// Registers an instance, or replaces its description. The lease starts anew.
    ///
    /// A description older than the stored one (by `dirty_ms`) renews the lease but does not replace it.
    pub fn register(&self, instance: Instance, origin: Origin, now: Now) -> Result<Change, Refusal> {
        let app = Arc::clone(&instance.app);
        self.change(&app, |application| self.register_in(application, instance, origin, now))
    }

    fn register_in(
        &self,
        application: &mut Application,
        mut instance: Instance,
        origin: Origin,
        now: Now,
    ) -> Result<Change, Refusal> {
        let max = self.settings.instances_max;
        let old = application.leases.get(&instance.id).map(|lease| Arc::clone(&lease.record));
        if old.is_none() && self.listing().totals().instances() >= max {
            return Err(Refusal::Full(max));
        }
        instance.app = Arc::clone(&application.name);
        let mut override_ms = old.as_ref().map_or(0, |old| old.override_ms);
        let mut stamp_ms = application.leases.get(&instance.id).map_or(0, Lease::stamp_ms);
        if let Some(tomb) = application.tombs.remove(&instance.id) {
            stamp_ms = tomb.stamp_ms;
            // It came back in person. Peers must rank the new record above the one whose end they may have heard of.
            instance.dirty_ms = instance.dirty_ms.max(tomb.rank.dirty_ms);
            if instance.dirty_ms == tomb.rank.dirty_ms {
                override_ms = now.wall_ms.max(tomb.rank.override_ms + 1);
            }
        }
        if let Some(old) = &old
            && origin == Origin::Client
            && old.dirty_ms == instance.dirty_ms
            && *old.instance != instance
        {
            // A client that never raises its number: peers must not prefer what it said before.
            override_ms = now.wall_ms.max(old.override_ms + 1);
        }
        let record = match &old {
            // What is stored stays, as it is shown: the description alone may be from before its override was removed.
            Some(old) if old.dirty_ms > instance.dirty_ms => self.record(
                Arc::clone(&old.instance),
                [old.status, old.overridden],
                Some(old),
                override_ms,
                origin,
                now,
            ),
            _ => {
                let told = [instance.status, instance.overridden];
                self.record(Arc::new(instance), told, old.as_deref(), override_ms, origin, now)
            }
        };
        if old.is_none() {
            // Its first heartbeat is a whole interval away, but from now on one is expected: this is the sign of life it gave.
            self.received.fetch_add(1, Relaxed);
        }
        let kind = if old.is_some() { ChangeKind::Replaced } else { ChangeKind::Registered };
        let record = self.enter(application, record, kind, Heard::after(stamp_ms, now), now);
        Ok(Change { kind, record })
    }

    /// The record of an instance that claims a status and an override.
    fn record(
        &self,
        instance: Arc<Instance>,
        [claimed, told]: [Status; 2],
        old: Option<&Record>,
        override_ms: u64,
        origin: Origin,
        now: Now,
    ) -> Record {
        let known = old.map_or(Status::Unknown, |old| old.overridden);
        let overridden = if known == Status::Unknown { told } else { known };
        let status = rules::effective(Claim {
            claimed,
            overridden,
            existing: old.map(|old| old.status),
            from_peer: origin == Origin::Peer,
            sticky: self.settings.sticky_out_of_service,
        });
        let up_ms = old.map_or(0, |old| old.up_ms);
        Record {
            status,
            overridden,
            override_ms,
            action: if old.is_some() { Action::Modified } else { Action::Added },
            dirty_ms: instance.dirty_ms.max(old.map_or(0, |old| old.dirty_ms)),
            updated_ms: now.wall_ms,
            registered_ms: now.wall_ms,
            renewed_ms: now.wall_ms,
            evicted_ms: 0,
            up_ms: if up_ms == 0 && status == Status::Up { now.wall_ms } else { up_ms },
            provisional: false,
            version: 0,
            instance,
        }
    }

    /// Lists a record and gives it a lease that began when it was `heard`.
    pub(super) fn enter(
        &self,
        application: &mut Application,
        record: Record,
        kind: ChangeKind,
        heard: Heard,
        now: Now,
    ) -> Arc<Record> {
        let id = record.instance.id.clone();
        let old = application.leases.remove(&id);
        let record = self.list(old.as_ref().map(|old| &old.record), record, kind, now);
        let mut lease = Lease::new(Arc::clone(&record), heard);
        old.iter().for_each(|old| self.tally.remove(old));
        self.tally.add(&lease);
        let deadline = lease.deadline_mono(false);
        match old {
            // The old ticket comes up in time: it will find the new lease.
            Some(old) if old.ticket_s <= second_of(deadline) => {
                (lease.ticket, lease.ticket_s) = (old.ticket, old.ticket_s);
            }
            _ => (lease.ticket, lease.ticket_s) = self.expiry().file(&application.name, &id, deadline),
        }
        application.leases.insert(id, lease);
        if kind == ChangeKind::Registered {
            self.preservation().joined();
        }
        record
    }

    fn list(&self, old: Option<&Arc<Record>>, record: Record, kind: ChangeKind, now: Now) -> Arc<Record> {
        let mut listing = self.listing();
        let record = listing.put(old, record, kind, now);
        self.version.store(listing.version(), Release);
        record
    }

    /// Replaces the record of a lease, which goes on.
    pub(super) fn amend(&self, lease: &mut Lease, mut record: Record, now: Now) -> Change {
        record.updated_ms = now.wall_ms;
        record.renewed_ms = lease.renewed_ms(now);
        let kind = ChangeKind::StatusChanged;
        self.tally.remove(lease);
        lease.record = self.list(Some(&lease.record), record, kind, now);
        lease.rank = lease.record.rank();
        self.tally.add(lease);
        Change { kind, record: Arc::clone(&lease.record) }
    }

    /// Takes an instance off because its client (or a peer on its behalf) says so.
    pub fn cancel(&self, app: &str, id: &str, now: Now) -> Option<Change> {
        self.change(app, |application| self.leave(application, id, ChangeKind::Cancelled, now))
    }

    /// Ends a lease: off the list, into the delta as deleted, remembered by a tomb for two lease times.
    pub(super) fn leave(
        &self,
        application: &mut Application,
        id: &str,
        kind: ChangeKind,
        now: Now,
    ) -> Option<Change> {
        let lease = application.leases.remove(id)?;
        self.tally.remove(&lease);
        let old = &lease.record;
        let dead = Record {
            action: Action::Deleted,
            updated_ms: now.wall_ms,
            renewed_ms: lease.renewed_ms(now),
            evicted_ms: now.wall_ms,
            ..Record::clone(old)
        };
        let record = {
            let mut listing = self.listing();
            let record = listing.remove(old, dead, kind, now);
            self.version.store(listing.version(), Release);
            record
        };
        self.preservation().left();
        let tomb = Tomb {
            rank: old.rank(),
            cancelled: kind == ChangeKind::Cancelled,
            stamp_ms: lease.stamp_ms(),
            duration_s: old.instance.duration_s,
            buried_mono: 0,
            ticket: 0,
        };
        self.bury(application, id, tomb, now);
        Some(Change { kind, record })
    }

    /// Remembers an end for two lease times.
    pub(super) fn bury(&self, application: &mut Application, id: &str, mut tomb: Tomb, now: Now) {
        tomb.buried_mono = now.mono_ms as i64;
        let until = now.mono_ms + 2_000 * u64::from(tomb.duration_s);
        let id = Arc::from(id);
        (tomb.ticket, _) = self.expiry().file(&application.name, &id, until);
        application.tombs.insert(id, tomb);
    }

    /// Sets an override, unless that status is shown already (`eureka.md` 3.5). The lease is renewed. `None` when nobody of
    /// that name is there; no version passes when nothing changes.
    pub fn set_override(
        &self,
        app: &str,
        id: &str,
        status: Status,
        dirty_ms: Option<u64>,
        now: Now,
    ) -> Option<Edit> {
        self.edit_status(app, id, dirty_ms, Origin::Client, now, |record| overrides(record, status))
    }

    /// As [`Self::set_override`], told by a Java peer.
    pub fn hear_override(
        &self,
        app: &str,
        id: &str,
        status: Status,
        dirty_ms: Option<u64>,
        now: Now,
    ) -> Option<Edit> {
        self.edit_status(app, id, dirty_ms, Origin::Peer, now, |record| overrides(record, status))
    }

    /// Removes an override. The status becomes `status`, or UNKNOWN so that the client's next heartbeat makes it register
    /// again. Nothing changes when there was none.
    pub fn clear_override(
        &self,
        app: &str,
        id: &str,
        status: Option<Status>,
        dirty_ms: Option<u64>,
        now: Now,
    ) -> Option<Edit> {
        let status = status.unwrap_or_default();
        self.edit_status(app, id, dirty_ms, Origin::Client, now, |record| unoverrides(record, status))
    }

    /// As [`Self::clear_override`], told by a Java peer.
    pub fn hear_cleared(
        &self,
        app: &str,
        id: &str,
        status: Option<Status>,
        dirty_ms: Option<u64>,
        now: Now,
    ) -> Option<Edit> {
        let status = status.unwrap_or_default();
        self.edit_status(app, id, dirty_ms, Origin::Peer, now, |record| unoverrides(record, status))
    }

    fn edit_status(
        &self,
        app: &str,
        id: &str,
        dirty_ms: Option<u64>,
        origin: Origin,
        now: Now,
        edit: impl FnOnce(&mut Record) -> bool,
    ) -> Option<Edit> {
        self.change(app, |application| {
            let lease = application.leases.get_mut(id)?;
            lease.touch(now);
            let mut record = Record::clone(&lease.record);
            record.provisional = false;
            let changed = edit(&mut record);
            if changed {
                record.action = Action::Modified;
                record.override_ms = stamp(record.override_ms, origin, now);
                record.dirty_ms = record.dirty_ms.max(dirty_ms.unwrap_or(0));
                if record.status == Status::Up && record.up_ms == 0 {
                    record.up_ms = now.wall_ms;
                }
            } else if !lease.record.provisional {
                let change = Change { kind: ChangeKind::StatusChanged, record: Arc::clone(&lease.record) };
                return Some(Edit { change, changed });
            }
            Some(Edit { change: self.amend(lease, record, now), changed })
        })
    }

    /// Notes an override that a peer's heartbeat told of, without touching the status: the registration that follows will.
    pub fn note_override(&self, app: &str, id: &str, status: Status, now: Now) {
        self.change(app, |application| {
            let Some(lease) = application.leases.get_mut(id) else { return };
            if lease.record.overridden != status && status != Status::Unknown {
                let override_ms = stamp(lease.record.override_ms, Origin::Peer, now);
                let record = Record { overridden: status, override_ms, ..Record::clone(&lease.record) };
                self.amend(lease, record, now);
            }
        });
    }

    /// Sets and (with `None`) deletes metadata; the instance counts as registered again (`eureka.md` 1.8). `None` when nobody
    /// of that name is there.
    pub fn set_metadata(
        &self,
        app: &str,
        id: &str,
        edits: &[(&str, Option<&str>)],
        now: Now,
    ) -> Result<Option<Change>, Refusal> {
        self.change(app, |application| {
            let Some(lease) = application.leases.get(id) else { return Ok(None) };
            let (old, heard) = (Arc::clone(&lease.record), Heard::after(lease.stamp_ms(), now));
            let metadata = self.edited(&old.instance.metadata, edits)?;
            let instance = Instance { metadata: metadata.into(), ..Instance::clone(&old.instance) };
            let override_ms = now.wall_ms.max(old.override_ms + 1);
            let shown = [old.status, old.overridden];
            let record = self.record(Arc::new(instance), shown, Some(&old), override_ms, Origin::Peer, now);
            let record = self.enter(application, record, ChangeKind::Replaced, heard, now);
            Ok(Some(Change { kind: ChangeKind::Replaced, record }))
        })
    }

    fn edited(&self, metadata: &[Pair], edits: &[(&str, Option<&str>)]) -> Result<Vec<Pair>, Refusal> {
        let mut metadata = metadata.to_vec();
        for (key, value) in edits {
            let place = metadata.iter().position(|(other, _)| &**other == *key);
            match (place, value) {
                (Some(at), Some(value)) => metadata[at].1 = (*value).into(),
                (Some(at), None) => drop(metadata.remove(at)),
                (None, Some(value)) => metadata.push(((*key).into(), (*value).into())),
                (None, None) => {}
            }
        }
        let (keys_max, bytes_max) = (self.settings.metadata_keys_max, self.settings.metadata_bytes_max);
        if metadata.len() > keys_max {
            return Err(Refusal::MetadataKeys(keys_max));
        }
        if metadata.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > bytes_max {
            return Err(Refusal::MetadataBytes(bytes_max));
        }
        Ok(metadata)
    }

    /// A restored instance was heard of, here or `elsewhere`: from now on it counts like any other.
    pub(super) fn confirm(
        &self,
        app: &str,
        id: &str,
        elsewhere: Option<Heard>,
        now: Now,
    ) -> Option<Arc<Record>> {
        self.change(app, |application| {
            let lease = application.leases.get(id)?;
            let heard = elsewhere.unwrap_or_else(|| Heard::after(lease.stamp_ms(), now));
            if lease.record.provisional {
                return Some(self.confirm_in(application, id, heard, now).record);
            }
            lease.renew(heard);
            Some(Arc::clone(&lease.record))
        })
    }

    /// The lease of a restored instance was assumed; from now on it is what was heard.
    pub(super) fn confirm_in(
        &self,
        application: &mut Application,
        id: &str,
        heard: Heard,
        now: Now,
    ) -> Change {
        let old = &application.leases[id].record;
        let record = Record { provisional: false, updated_ms: now.wall_ms, ..Record::clone(old) };
        let kind = ChangeKind::StatusChanged;
        Change { kind, record: self.enter(application, record, kind, heard, now) }
    }

    /// Renewals since the last call of [`Self::tick`].
    pub(super) fn take_received(&self) -> u64 {
        self.received.swap(0, Relaxed)
    }
}

fn overrides(record: &mut Record, status: Status) -> bool {
    // As the original, so that both sides of a mixed cluster show the same.
    if record.status == status {
        return false;
    }
    (record.overridden, record.status) = (status, status);
    true
}

fn unoverrides(record: &mut Record, status: Status) -> bool {
    if record.overridden == Status::Unknown {
        return false;
    }
    (record.overridden, record.status) = (Status::Unknown, status);
    true
}

/// The stamp of an override that follows one of `before_ms`. A Java peer tells every node of a cluster for itself, and all
/// have to stamp alike, whatever their clocks: else the same record is of another version on each.
fn stamp(before_ms: u64, origin: Origin, now: Now) -> u64 {
    match origin {
        Origin::Client => now.wall_ms.max(before_ms + 1),
        Origin::Peer => before_ms + 1,
    }
}
