//! Taking over what another Synod node knows, and what this node's own disk remembers.
//!
//! Two nodes that exchanged what they know agree, in whatever order and however often news arrive: of two records of an
//! instance the one with the greater [`Rank`] stays, of two heartbeats the later one, and an end outlives the record it
//! ended. News carry the lease's age, never a new lease, so that they cannot keep alive who fell silent.

use std::cmp::Ordering;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};

use synod_base::time::Now;

use super::instance::{Action, Instance, Rank, Record, Status};
use super::lease::{Application, Heard, Lease, Tomb};
use super::listing::{Change, ChangeKind};
use super::store::Registry;
use super::survey::Sign;

/// A record as another node tells it.
#[derive(Clone, Debug)]
pub struct News {
    /// The description.
    pub instance: Arc<Instance>,
    /// The status shown there.
    pub status: Status,
    /// The override there.
    pub overridden: Status,
    /// When that override was touched.
    pub override_ms: u64,
    /// The client's version number.
    pub dirty_ms: u64,
    /// When it registered.
    pub registered_ms: u64,
    /// When it was first UP, 0 for never.
    pub up_ms: u64,
    /// Stamp of the last heartbeat.
    pub stamp_ms: u64,
    /// How long ago that was.
    pub age_ms: u64,
}

impl News {
    /// A record that was last `heard` of then, as told to another node.
    pub fn of(record: &Record, heard: Heard, now: Now) -> Self {
        Self {
            instance: Arc::clone(&record.instance),
            status: record.status,
            overridden: record.overridden,
            override_ms: record.override_ms,
            dirty_ms: record.dirty_ms,
            registered_ms: record.registered_ms,
            up_ms: record.up_ms,
            stamp_ms: heard.stamp_ms,
            age_ms: heard.age_ms(now),
        }
    }

    /// The record of an application that is listed under this name.
    pub(super) fn into_record(self, app: &Arc<str>, now: Now) -> Record {
        let mut instance = self.instance;
        if !Arc::ptr_eq(&instance.app, app) {
            Arc::make_mut(&mut instance).app = Arc::clone(app);
        }
        Record {
            status: self.status,
            overridden: self.overridden,
            override_ms: self.override_ms,
            action: Action::Added,
            dirty_ms: self.dirty_ms,
            updated_ms: now.wall_ms,
            registered_ms: self.registered_ms,
            renewed_ms: now.wall_ms.saturating_sub(self.age_ms),
            evicted_ms: 0,
            up_ms: self.up_ms,
            provisional: false,
            version: 0,
            instance,
        }
    }
}

/// An end as another node tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The version that ended.
    pub rank: Rank,
    /// Stamp of its last heartbeat.
    pub stamp_ms: u64,
    /// How long, in seconds, its leases were.
    pub duration_s: u32,
}

impl From<&Tomb> for End {
    fn from(tomb: &Tomb) -> Self {
        Self { rank: tomb.rank, stamp_ms: tomb.stamp_ms, duration_s: tomb.duration_s }
    }
}

/// What became of news.
#[derive(Clone, Debug)]
pub enum Merged {
    /// The list changed.
    Changed(Change),
    /// Nothing to learn: the same is known.
    Same,
    /// Something later is known here.
    Outranked(Rank),
    /// It ended, here is how.
    Ended(End),
}

/// How what this node knows of an instance stands to another node's [`Sign`].
#[derive(Clone, Debug)]
pub enum Standing {
    /// Both hold the same version.
    Same,
    /// The other has a record that is worth asking for.
    Wanted,
    /// This node has a later version.
    Newer(News),
    /// It left, and the other does not know.
    Ended(End),
    /// It was evicted here and not heard of since: nothing to be said or asked.
    Void,
}

impl<C: Default> Registry<C> {
    /// Another node holds this. If it heard of the instance later than this node, the lease goes on accordingly.
    pub fn attend(&self, sign: &Sign, now: Now) -> Standing {
        self.attend_with(sign, now, |lease, heard| lease.learn(heard))
    }

    fn attend_with(&self, sign: &Sign, now: Now, note: impl FnOnce(&Lease, Heard)) -> Standing {
        let heard = Heard::elsewhere(now, sign.age_ms, sign.stamp_ms);
        let shard = self.shard(&sign.app).read().unwrap_or_else(PoisonError::into_inner);
        let Some(application) = shard.get(&sign.app) else { return Standing::Wanted };
        if let Some(lease) = application.leases.get(&sign.id) {
            if lease.record.provisional {
                return Standing::Wanted;
            }
            note(lease, heard);
            return match sign.rank.cmp(&lease.rank) {
                Ordering::Less => Standing::Newer(News::of(&lease.record, lease.heard(), now)),
                Ordering::Equal => Standing::Same,
                Ordering::Greater => Standing::Wanted,
            };
        }
        match application.tombs.get(&sign.id).filter(|tomb| tomb.rank.ends(&sign.rank)) {
            Some(tomb) if tomb.cancelled => Standing::Ended(End::from(tomb)),
            Some(tomb) if tomb.outweighs(heard) => Standing::Void,
            _ => Standing::Wanted,
        }
    }

    /// Like [`Self::attend`] for a heartbeat that the other node passes on: it counts as a renewal, whatever its stamp. A
    /// node whose clock is behind is told the later stamp, so that its next heartbeat has a greater one.
    pub fn renew_by(&self, sign: &Sign, now: Now) -> Standing {
        let mut behind = None;
        let mut standing = self.attend_with(sign, now, |lease, heard| {
            behind = (heard.stamp_ms < lease.stamp_ms()).then(|| Arc::clone(&lease.record));
            lease.renew(heard);
        });
        if let (Standing::Same, Some(record)) = (&standing, behind)
            && let Some((_, heard)) = self.told(&sign.app, &sign.id)
        {
            standing = Standing::Newer(News::of(&record, heard, now));
        }
        if matches!(standing, Standing::Same | Standing::Newer(_)) {
            self.received.fetch_add(1, Relaxed);
        }
        standing
    }

    /// Learns of a record.
    pub fn merge(&self, news: News, now: Now) -> Merged {
        let app = Arc::clone(&news.instance.app);
        self.change(&app, |application| self.merge_in(application, news, now))
    }

    fn merge_in(&self, application: &mut Application, news: News, now: Now) -> Merged {
        let id = news.instance.id.clone();
        let age_ms = news.age_ms;
        let mut heard = Heard::elsewhere(now, age_ms, news.stamp_ms);
        let lease_ms = u64::from(news.instance.duration_s) * 1_000;
        let mut record = news.into_record(&application.name, now);
        let rank = record.rank();
        if let Some(lease) = application.leases.get(&id) {
            let (known, provisional) = (lease.record.rank(), lease.record.provisional);
            if !provisional {
                lease.learn(heard);
            }
            if rank < known && !provisional {
                return Merged::Outranked(known);
            }
            if rank == known && !provisional {
                return Merged::Same;
            }
            if rank <= known {
                // A peer named it, so it is not only this node's memory, even if the memory is of a later version.
                return Merged::Changed(self.confirm_in(application, &id, heard, now));
            }
            // A version not seen before was heard of when its lease began, whatever its stamp.
            heard = if provisional { heard } else { heard.max(lease.heard()) };
        } else {
            if let Some(tomb) = application.tombs.get(&id).filter(|tomb| tomb.rank.ends(&rank)) {
                if tomb.cancelled {
                    return Merged::Ended(End::from(tomb));
                }
                // Evicted here, and no heartbeat since: for the teller it will run out as well.
                if tomb.outweighs(heard) {
                    return Merged::Same;
                }
            }
            // What ran out there is taken only while nothing expires here either.
            let expired = age_ms >= lease_ms && self.expires.load(Relaxed);
            if expired || self.totals().instances() >= self.settings.instances_max {
                return Merged::Same;
            }
            application.tombs.remove(&id);
        }
        let known = application.leases.contains_key(&id);
        let kind = if known { ChangeKind::Replaced } else { ChangeKind::Registered };
        record.action = if known { Action::Modified } else { Action::Added };
        let record = self.enter(application, record, kind, heard, now);
        Merged::Changed(Change { kind, record })
    }

    /// Learns of a clean leave.
    pub fn merge_end(&self, app: &str, id: &str, end: End, now: Now) -> Merged {
        self.change(app, |application| {
            if let Some(lease) = application.leases.get(id) {
                let known = lease.record.rank();
                if !end.rank.ends(&known) {
                    return Merged::Outranked(known);
                }
                let change = self.leave(application, id, ChangeKind::Cancelled, now).expect("just seen");
                // What ended may be a later version than the one that was known here.
                if let Some(tomb) = application.tombs.get_mut(id) {
                    tomb.rank = end.rank;
                    tomb.stamp_ms = tomb.stamp_ms.max(end.stamp_ms);
                }
                return Merged::Changed(change);
            }
            let known = application.tombs.get(id);
            let is_known =
                |tomb: &Tomb| !end.rank.ends(&tomb.rank) || (tomb.cancelled && tomb.rank.ends(&end.rank));
            if known.is_some_and(is_known) {
                return Merged::Same;
            }
            let End { rank, stamp_ms, duration_s } = end;
            let stamp_ms = known.map_or(stamp_ms, |tomb| tomb.stamp_ms.max(stamp_ms));
            self.bury(
                application,
                id,
                Tomb { rank, cancelled: true, stamp_ms, duration_s, buried_mono: 0, ticket: 0 },
                now,
            );
            Merged::Same
        })
    }

    /// Puts back what was on disk, provisionally, with one full lease; what is known already stays. The stamp remains that of
    /// the last heartbeat known, for nobody was heard of.
    pub fn restore(&self, news: News, now: Now) -> bool {
        let app = Arc::clone(&news.instance.app);
        self.change(&app, |application| {
            if application.leases.contains_key(&news.instance.id) {
                return false;
            }
            let heard = Heard { stamp_ms: news.stamp_ms, ..Heard::now(now) };
            let record = Record { provisional: true, ..news.into_record(&application.name, now) };
            self.enter(application, record, ChangeKind::Registered, heard, now);
            true
        })
    }

    /// Drops what is still provisional, because peers answered and did not name it.
    pub fn drop_provisional(&self, now: Now) -> Vec<Change> {
        let snapshot = self.snapshot();
        let provisional = snapshot.records().filter(|record| record.provisional);
        let drop_one = |record: &Arc<Record>| {
            self.change(&record.instance.app, |application| {
                let lease = application.leases.get(&record.instance.id)?;
                if !lease.record.provisional {
                    return None;
                }
                self.leave(application, &record.instance.id, ChangeKind::Expired, now)
            })
        };
        provisional.filter_map(drop_one).collect()
    }

    /// The end of an instance, if it is remembered.
    pub fn end_of(&self, app: &str, id: &str) -> Option<End> {
        let shard = self.shard(app).read().unwrap_or_else(PoisonError::into_inner);
        let tomb = shard.get(app)?.tombs.get(id).filter(|tomb| tomb.cancelled)?;
        Some(End::from(tomb))
    }
}
