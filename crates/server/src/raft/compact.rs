//! When a snapshot is taken and how much log is kept behind it: by bytes, where openraft would count entries.

use std::sync::Arc;
use std::time::Duration;

use synod_replica::Room;

use super::depot::Depot;
use super::store::Shared;
use super::types::Raft;
use crate::task::Stopping;

/// How often is looked.
const EVERY: Duration = Duration::from_millis(500);
/// A snapshot that could not be taken is not tried again before.
const AGAIN: Duration = Duration::from_secs(30);

/// Limits in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// Log since the last snapshot, at least, before the next one.
    pub(super) snapshot_bytes: u64,
    /// Log that is kept, whether it is in a snapshot or not.
    pub(super) keep_bytes: u64,
    /// Of a segment: less than that is not worth purging.
    pub(super) segment_bytes: u64,
}

impl Policy {
    /// Whether `log` bytes since a snapshot of `snapshot` bytes are enough for another one.
    fn wants_snapshot(&self, log: u64, snapshot: u64) -> bool {
        log > self.snapshot_bytes.max(snapshot.saturating_mul(4))
    }
}

/// Looks after log and snapshots until the node stops.
pub(super) async fn run(
    raft: Raft,
    shared: Arc<Shared>,
    depot: Arc<Depot>,
    policy: Policy,
    mut stopping: Stopping,
) {
    let mut tried = None;
    let mut pause = Duration::ZERO;
    while tokio::time::timeout(EVERY, stopping.given()).await.is_err() {
        let newest = depot.newest();
        let (next, bytes) = newest.map_or((0, 0), |newest| (newest.number + 1, newest.bytes));
        pause = pause.saturating_sub(EVERY);
        let log = shared.reader.bytes_from(next);
        if shared.room() == Room::Any && policy.wants_snapshot(log, bytes) {
            // One that is being written is not begun again by openraft, and one that failed not before long.
            if tried != Some(next) || pause.is_zero() {
                (tried, pause) = (Some(next), AGAIN);
                if raft.trigger().snapshot().await.is_err() {
                    return;
                }
            }
        }
        if let Some(up_to) = to_purge(&shared, policy, next)
            && raft.trigger().purge_log(up_to).await.is_err()
        {
            return;
        }
    }
}

/// Up to which entry to purge: never beyond the snapshot, before which lies `next`.
fn to_purge(shared: &Shared, policy: Policy, next: u64) -> Option<u64> {
    let first = shared.reader.range().start;
    // When room is short, nobody but a follower that is behind misses what is in the snapshot.
    let (keep, worth) = match shared.room() {
        Room::Any => (policy.keep_bytes, policy.segment_bytes),
        Room::Reserve | Room::Nothing => (0, 0),
    };
    let from = shared.reader.within(keep).min(next);
    let freed = shared.reader.bytes_from(first).saturating_sub(shared.reader.bytes_from(from));
    (from > first && freed >= worth).then(|| from - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_worth_four_times_its_size_of_log() {
        let policy = Policy { snapshot_bytes: 100, keep_bytes: 0, segment_bytes: 0 };
        assert!(!policy.wants_snapshot(100, 0));
        assert!(policy.wants_snapshot(101, 25));
        assert!(!policy.wants_snapshot(101, 26));
        assert!(policy.wants_snapshot(105, 26));
        assert!(!policy.wants_snapshot(u64::MAX, u64::MAX));
    }
}
