//! What this node holds, as it is told to other nodes: all of it, bucket by bucket, with the age of every lease.

use std::sync::{Arc, PoisonError};

use synod_base::time::Now;

use super::instance::{Rank, Record};
use super::lease::{Heard, Lease, Tomb};
use super::merge::{End, News};
use super::store::Registry;
use super::tally::{self, BUCKETS, Bucket};

/// That a node holds a record, without the record: enough to find out who knows better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// Application, upper case.
    pub app: Arc<str>,
    /// Instance.
    pub id: Arc<str>,
    /// The version held.
    pub rank: Rank,
    /// Stamp of the last heartbeat known.
    pub stamp_ms: u64,
    /// How long ago that was.
    pub age_ms: u64,
}

impl Sign {
    /// The sign of a record that was last `heard` of then.
    pub fn of(record: &Record, heard: Heard, now: Now) -> Self {
        Self {
            app: Arc::clone(&record.instance.app),
            id: record.instance.id.clone(),
            rank: record.rank(),
            stamp_ms: heard.stamp_ms,
            age_ms: heard.age_ms(now),
        }
    }
}

/// An end and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Application, upper case.
    pub app: Arc<str>,
    /// Instance.
    pub id: Arc<str>,
    /// How it ended.
    pub end: End,
}

/// A set of buckets.
#[derive(Clone, Debug)]
pub struct Buckets([u64; BUCKETS / 64]);

impl Buckets {
    /// The set of these; numbers beyond the last bucket are passed over.
    pub fn of(numbers: &[u16]) -> Self {
        let mut set = Self([0; BUCKETS / 64]);
        for number in numbers.iter().map(|number| usize::from(*number)).filter(|number| *number < BUCKETS) {
            set.0[number / 64] |= 1 << (number % 64);
        }
        set
    }

    /// Whether a bucket is in the set.
    pub fn contains(&self, number: u16) -> bool {
        self.0.get(usize::from(number) / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }
}

impl<C: Default> Registry<C> {
    /// The fingerprint of all confirmed records.
    pub fn fingerprint(&self) -> Vec<Bucket> {
        self.tally.read()
    }

    /// The confirmed records of some buckets, each with its last sign of life.
    pub fn holdings(&self, wanted: &Buckets) -> Vec<(Arc<Record>, Heard)> {
        self.leases(|lease| !lease.record.provisional && wanted.contains(tally::bucket_of(lease.key)))
    }

    /// The confirmed records that were not heard of for more than half of their lease: normally nobody. At most `limit`.
    pub fn fading(&self, limit: usize, now: Now) -> Vec<(Arc<Record>, Heard)> {
        let mut left = limit;
        self.leases(|lease| {
            let fades = 2 * lease.age_ms(now) > lease.span_ms(false) && !lease.record.provisional && left > 0;
            left -= usize::from(fades);
            fades
        })
    }

    fn leases(&self, mut wanted: impl FnMut(&Lease) -> bool) -> Vec<(Arc<Record>, Heard)> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            let leases = shard.values().flat_map(|application| application.leases.values());
            found.extend(
                leases.filter(|lease| wanted(lease)).map(|lease| (Arc::clone(&lease.record), lease.heard())),
            );
        }
        found.sort_unstable_by(|(a, _), (b, _)| {
            (&a.instance.app, &a.instance.id).cmp(&(&b.instance.app, &b.instance.id))
        });
        found
    }

    /// The clean leaves that are remembered, of some buckets.
    pub fn ends(&self, wanted: &Buckets) -> Vec<Ended> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            for application in shard.values() {
                let cancelled = application.tombs.iter().filter(|(_, tomb)| tomb.cancelled);
                let of_wanted = cancelled.filter(|(id, _)| {
                    wanted.contains(tally::bucket_of(tally::key_of(&application.name, id)))
                });
                found.extend(of_wanted.map(|(id, tomb)| Ended {
                    app: Arc::clone(&application.name),
                    id: id.clone(),
                    end: End::from(tomb),
                }));
            }
        }
        found.sort_unstable_by(|a, b| (&a.app, &a.id).cmp(&(&b.app, &b.id)));
        found
    }

    /// What is remembered of an instance that left or ran out.
    pub(super) fn tomb_of(&self, app: &str, id: &str) -> Option<Tomb> {
        let shard = self.shard(app).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(app)?.tombs.get(id).copied()
    }

    /// One record as it is told to another node. Provisional ones are not.
    pub fn news_of(&self, app: &str, id: &str, now: Now) -> Option<News> {
        let (record, heard) = self.told(app, id)?;
        Some(News::of(&record, heard, now))
    }

    /// One confirmed record with its last sign of life.
    pub fn told(&self, app: &str, id: &str) -> Option<(Arc<Record>, Heard)> {
        let shard = self.shard(app).read().unwrap_or_else(PoisonError::into_inner);
        let lease = shard.get(app)?.leases.get(id).filter(|lease| !lease.record.provisional)?;
        Some((Arc::clone(&lease.record), lease.heard()))
    }
}
