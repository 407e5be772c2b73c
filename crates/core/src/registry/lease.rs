//! The leases of one application, and what is remembered of those that ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use synod_base::hash::Keyed;
use synod_base::time::Now;

use super::instance::{Rank, Record};

/// A sign of life: when it was, on this node's clock, and the wall time that the node which saw it stamped on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Monotonic time here; negative when it was before this process began to count.
    pub mono_ms: i64,
    /// Wall time there. Names the heartbeat in the whole cluster.
    pub stamp_ms: u64,
}

impl Heard {
    /// Heard this moment, by this node.
    pub fn now(now: Now) -> Self {
        Self { mono_ms: now.mono_ms as i64, stamp_ms: now.wall_ms }
    }

    /// Heard this moment, by this node, of an instance whose last known stamp is `known_ms`: the new stamp is greater,
    /// whoever's clock was ahead, so that every node takes it for a later sign of life.
    pub fn after(known_ms: u64, now: Now) -> Self {
        Self { stamp_ms: now.wall_ms.max(known_ms + 1), ..Self::now(now) }
    }

    /// Heard `age_ms` ago by another node.
    pub fn elsewhere(now: Now, age_ms: u64, stamp_ms: u64) -> Self {
        Self { mono_ms: now.mono_ms as i64 - age_ms.min(i64::MAX as u64 / 2) as i64, stamp_ms }
    }

    /// Milliseconds since then.
    pub fn age_ms(self, now: Now) -> u64 {
        (now.mono_ms as i64 - self.mono_ms).max(0) as u64
    }

    /// The later of both, in each respect.
    pub(super) fn max(self, other: Self) -> Self {
        Self { mono_ms: self.mono_ms.max(other.mono_ms), stamp_ms: self.stamp_ms.max(other.stamp_ms) }
    }
}

/// One lease. Everything but the two atomics changes under the write lock of its shard.
#[derive(Debug)]
pub struct Lease {
    /// The record as it is listed.
    pub record: Arc<Record>,
    /// Its version, computed once.
    pub(super) rank: Rank,
    /// [`super::tally::key_of`] its application and id.
    pub(super) key: u64,
    /// Monotonic time of the last renewal, or of the registration.
    renewed_mono: AtomicI64,
    /// Wall time of the last renewal at the node that the client reached: names the heartbeat in the whole cluster.
    stamp_ms: AtomicU64,
    /// Monotonic time at which it began.
    registered_mono: i64,
    /// Which entry of the expiry index stands for this lease.
    pub(super) ticket: u64,
    /// The second at which that entry comes up.
    pub(super) ticket_s: u64,
}

impl Lease {
    /// A lease that began with this sign of life.
    pub(super) fn new(record: Arc<Record>, heard: Heard) -> Self {
        Self {
            rank: record.rank(),
            key: super::tally::key_of(&record.instance.app, &record.instance.id),
            record,
            renewed_mono: AtomicI64::new(heard.mono_ms),
            stamp_ms: AtomicU64::new(heard.stamp_ms),
            registered_mono: heard.mono_ms,
            ticket: 0,
            ticket_s: 0,
        }
    }

    /// Monotonic time of the last sign of life.
    pub fn renewed_mono(&self) -> i64 {
        self.renewed_mono.load(Relaxed)
    }

    /// Milliseconds since the last sign of life.
    pub(super) fn age_ms(&self, now: Now) -> u64 {
        (now.mono_ms as i64 - self.renewed_mono()).max(0) as u64
    }

    /// Wall time here of the last sign of life.
    pub(super) fn renewed_ms(&self, now: Now) -> u64 {
        now.wall_ms.saturating_sub(self.age_ms(now))
    }

    /// Wall time of the last sign of life, as stamped by the node that saw it.
    pub fn stamp_ms(&self) -> u64 {
        self.stamp_ms.load(Relaxed)
    }

    /// The last sign of life.
    pub(super) fn heard(&self) -> Heard {
        Heard { mono_ms: self.renewed_mono(), stamp_ms: self.stamp_ms() }
    }

    /// Notes a sign of life that this node itself saw.
    pub(super) fn touch(&self, now: Now) {
        self.renewed_mono.fetch_max(now.mono_ms as i64, Relaxed);
        if self.stamp_ms.fetch_max(now.wall_ms, Relaxed) >= now.wall_ms {
            self.stamp_ms.fetch_add(1, Relaxed);
        }
    }

    /// Notes a sign of life; older news than what is known change nothing.
    pub(super) fn renew(&self, heard: Heard) {
        self.renewed_mono.fetch_max(heard.mono_ms, Relaxed);
        self.stamp_ms.fetch_max(heard.stamp_ms, Relaxed);
    }

    /// Like [`Self::renew`] for hearsay, which counts only when it names a heartbeat not known yet: each hop makes it look
    /// younger by its time on the way, so that nodes telling each other of one heartbeat would keep the lease for ever.
    pub(super) fn learn(&self, heard: Heard) {
        if heard.stamp_ms > self.stamp_ms() {
            self.renew(heard);
        }
    }

    /// Milliseconds that the lease lasts from its last renewal on. `doubled` is Java's arithmetic (`eureka.md` 3.2): twice
    /// as long once it was renewed.
    pub(super) fn span_ms(&self, doubled: bool) -> u64 {
        let once = u64::from(self.record.instance.duration_s) * 1_000;
        if doubled && self.renewed_mono() > self.registered_mono { once * 2 } else { once }
    }

    /// The monotonic moment up to which the lease holds.
    pub(super) fn deadline_mono(&self, doubled: bool) -> u64 {
        self.renewed_mono().saturating_add_unsigned(self.span_ms(doubled)).max(0) as u64
    }
}

/// What is remembered of an instance that left, so that late news of it do not bring it back.
#[derive(Clone, Copy, Debug)]
pub struct Tomb {
    /// The version that died.
    pub rank: Rank,
    /// Whether its client took leave; otherwise its lease ran out.
    pub cancelled: bool,
    /// The last heartbeat that was known.
    pub stamp_ms: u64,
    /// How long its leases were, in seconds.
    pub duration_s: u32,
    /// Monotonic time at which it was noted.
    pub(super) buried_mono: i64,
    /// The entry of the expiry index that ends it.
    pub(super) ticket: u64,
}

impl Tomb {
    /// Whether a sign of life of the version that ended is none of a later life. After an eviction, one is that is named
    /// later than the last one known or, where wall clocks differ, that was given after the eviction.
    pub(super) fn outweighs(&self, heard: Heard) -> bool {
        self.cancelled || (heard.stamp_ms <= self.stamp_ms && heard.mono_ms <= self.buried_mono)
    }
}

/// The leases of one application.
#[derive(Debug)]
pub(super) struct Application {
    pub(super) name: Arc<str>,
    pub(super) leases: HashMap<Arc<str>, Lease, Keyed>,
    pub(super) tombs: HashMap<Arc<str>, Tomb, Keyed>,
}

impl Application {
    pub(super) fn new(name: &str, keyed: Keyed) -> Self {
        Self { name: name.into(), leases: HashMap::with_hasher(keyed), tombs: HashMap::with_hasher(keyed) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.leases.is_empty() && self.tombs.is_empty()
    }
}
