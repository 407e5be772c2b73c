//! A fingerprint of all live records, in buckets, kept up to date by every change.
//!
//! Two Synod nodes compare fingerprints to find out what they disagree about. Each record adds a number made of its key
//! and its rank to the sum of its bucket; leaving takes the number away again. So a fingerprint costs nothing to have,
//! however many instances there are, and the order of changes does not matter. Provisional records are left out: they
//! are this node's memory, not news.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use synod_base::hash::Digest;

use super::lease::Lease;

/// Buckets of a fingerprint. Part of the protocol between Synod nodes: at 100,000 instances a bucket holds about 100.
pub const BUCKETS: usize = 1_024;

/// One bucket of a fingerprint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Sum over its records; equal sums mean equal records, but for one chance in 2^64.
    pub sum: u64,
    /// How many records are in it.
    pub count: u32,
}

/// The stable hash of a record's key.
pub(super) fn key_of(app: &str, id: &str) -> u64 {
    Digest::default().text(app).text(id).finish()
}

/// The bucket that a key falls into.
pub(super) fn bucket_of(key: u64) -> u16 {
    (key % BUCKETS as u64) as u16
}

/// The running fingerprint.
#[derive(Debug)]
pub(super) struct Tally(Box<[(AtomicU64, AtomicU32)]>);

impl Default for Tally {
    fn default() -> Self {
        Self((0..BUCKETS).map(|_| Default::default()).collect())
    }
}

impl Tally {
    pub(super) fn add(&self, lease: &Lease) {
        if !lease.record.provisional {
            let (sum, count) = &self.0[usize::from(bucket_of(lease.key))];
            sum.fetch_add(mark(lease), Relaxed);
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn remove(&self, lease: &Lease) {
        if !lease.record.provisional {
            let (sum, count) = &self.0[usize::from(bucket_of(lease.key))];
            sum.fetch_sub(mark(lease), Relaxed);
            count.fetch_sub(1, Relaxed);
        }
    }

    pub(super) fn read(&self) -> Vec<Bucket> {
        let bucket = |(sum, count): &(AtomicU64, AtomicU32)| Bucket {
            sum: sum.load(Relaxed),
            count: count.load(Relaxed),
        };
        self.0.iter().map(bucket).collect()
    }
}

fn mark(lease: &Lease) -> u64 {
    let rank = lease.rank;
    let mut digest = Digest::default();
    digest.number(lease.key).number(rank.dirty_ms).number(rank.override_ms).number(rank.digest).finish()
}
