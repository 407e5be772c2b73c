//! The ordered lane to one peer: what it still has to be told, and when to send.
//!
//! State, not history: of each instance the lane keeps the latest record and what the peer has to be told about it, so
//! its length is bounded by the number of instances, not by the number of events. An instance keeps its place in the
//! queue from the first thing that waited. Changes go before heartbeats, but a share of each batch is for heartbeats.
//!
//! One batch is in flight at a time, which is what keeps the order. As soon as the lane is idle the next one goes; only
//! heartbeats linger a moment, to travel together. When the peer does not take a batch, its items go back to their old
//! places, united with whatever came in meanwhile. A batch that the peer refuses as a whole is halved until the culprit
//! is alone, and dropped then.
//!
//! A full queue loses news, and says so: [`Lane::overflowed`] makes the owner compare everything with the peer.

mod entry;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use synod_base::hash::Keyed;
use synod_base::rng::Rng;
use synod_base::time::Now;

use self::entry::{Entry, Key};
use super::instance::Record;
use super::lease::Heard;

pub use self::entry::{Dialect, Item, Kind};

/// What a client did here, that peers have to hear of.
#[derive(Clone, Debug)]
pub struct Told {
    /// What it was.
    pub what: What,
    /// The record after it; of a cancel, the dead one.
    pub record: Arc<Record>,
    /// The sign of life that came with it.
    pub heard: Heard,
}

/// What a client can do to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Registered it, or changed its metadata.
    Registered,
    /// Sent a heartbeat.
    Renewed,
    /// Took it off.
    Cancelled,
    /// Set an override.
    StatusSet,
    /// Removed an override.
    OverrideCleared,
    /// Nothing, but the peer does not have the record, or has it otherwise: it is told all of it.
    Corrected,
}

/// How a lane behaves.
#[derive(Clone, Copy, Debug)]
pub struct LaneSettings {
    /// Items in one batch at most.
    pub batch_max: usize,
    /// Instances waiting at most.
    pub queue_max: usize,
    /// How long a heartbeat may wait for company.
    pub linger_ms: u64,
    /// The first pause after a failure; each further one doubles it.
    pub backoff_ms: u64,
    /// The longest pause.
    pub backoff_max_ms: u64,
}

impl Default for LaneSettings {
    fn default() -> Self {
        Self { batch_max: 250, queue_max: 100_000, linger_ms: 50, backoff_ms: 100, backoff_max_ms: 5_000 }
    }
}

/// A batch on its way.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Names the batch in [`Lane::answered`] and [`Lane::failed`], so that a late answer to another one does no harm.
    pub number: u64,
    /// What the peer is told, in this order.
    pub items: Vec<Item>,
}

/// The peer's answer to one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Taken, or of no interest: the peer knows better, or the same.
    Done,
    /// The peer does not know the instance, or not this version: it has to be told the whole record.
    Unknown,
    /// The peer could not make anything of it.
    Refused,
}

/// Why a request as a whole came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The peer is there but too slow or too busy (503, time-out): wait longer.
    Congested,
    /// Nobody was reached.
    Unreachable,
    /// Whoever answered is not what the peer was taken for.
    Foreign,
    /// The peer refused the request, or its answer made no sense.
    Refused,
}

/// What a batch came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The records that the peer does not know: the caller tells the lane their present state.
    pub unknown: Vec<Arc<Record>>,
    /// Of each item, the record that was told.
    pub records: Vec<Arc<Record>>,
}

#[derive(Debug)]
struct Flight {
    number: u64,
    entries: Vec<(u64, Entry, usize)>,
}

/// See the module.
#[derive(Debug)]
pub struct Lane {
    settings: LaneSettings,
    places: HashMap<Key, u64, Keyed>,
    changes: BTreeMap<u64, Entry>,
    heartbeats: BTreeMap<u64, Entry>,
    flight: Option<Flight>,
    last_place: u64,
    last_batch: u64,
    failures: u32,
    resume_mono: u64,
    entries_max: usize,
    overflowed: bool,
    rng: Rng,
}

impl Lane {
    /// An empty lane. `seed` is for the jitter of pauses.
    pub fn new(settings: LaneSettings, keyed: Keyed, seed: u64) -> Self {
        Self {
            places: HashMap::with_hasher(keyed),
            changes: BTreeMap::new(),
            heartbeats: BTreeMap::new(),
            flight: None,
            last_place: 0,
            last_batch: 0,
            failures: 0,
            resume_mono: 0,
            entries_max: settings.batch_max,
            overflowed: false,
            rng: Rng::new(seed),
            settings,
        }
    }

    /// Notes what the peer has to hear of.
    pub fn tell(&mut self, told: Told, now: Now) {
        self.last_place += 1;
        self.enqueue(self.last_place, Entry::new(told, now), false);
    }

    fn enqueue(&mut self, place: u64, mut entry: Entry, returned: bool) {
        let key = Key(Arc::clone(&entry.record.instance));
        let mut at = place;
        if let Some(known) = self.places.get(&key).copied() {
            let queued = self.changes.remove(&known).or_else(|| self.heartbeats.remove(&known));
            let queued = queued.expect("each key's place is in one of the queues");
            entry = if returned || queued.record.version > entry.record.version {
                entry.then(queued)
            } else {
                queued.then(entry)
            };
            at = known.min(place);
        } else if self.places.len() >= self.settings.queue_max {
            self.overflowed = true;
            // A change is worth more than a heartbeat, which is told again.
            let spared = if entry.is_heartbeat() { None } else { self.heartbeats.pop_last() };
            let Some((_, spared)) = spared else { return };
            self.places.remove(&Key(Arc::clone(&spared.record.instance)));
        }
        self.places.insert(key, at);
        let queue = if entry.is_heartbeat() { &mut self.heartbeats } else { &mut self.changes };
        queue.insert(at, entry);
    }

    /// Notes that news were lost.
    pub fn lose(&mut self) {
        self.overflowed = true;
    }

    /// Forgets everything that waits.
    pub fn clear(&mut self) {
        self.places.clear();
        self.changes.clear();
        self.heartbeats.clear();
    }

    /// Whether what is told again may join: there is not yet a batch of heartbeats waiting.
    pub fn has_room(&self) -> bool {
        self.heartbeats.len() < self.settings.batch_max && self.places.len() < self.settings.queue_max
    }

    /// Instances waiting, without those in flight.
    pub fn queued(&self) -> usize {
        self.places.len()
    }

    /// Whether a batch is on its way.
    pub fn is_sending(&self) -> bool {
        self.flight.is_some()
    }

    /// Whether the lane waits after a failure.
    pub fn is_pausing(&self, now: Now) -> bool {
        now.mono_ms < self.resume_mono
    }

    /// How long the oldest change or heartbeat has been waiting or on its way, in ms.
    pub fn lag_ms(&self, now: Now) -> u64 {
        let in_flight =
            self.flight.iter().flat_map(|flight| flight.entries.iter().map(|(_, entry, _)| entry));
        let first = [&self.changes, &self.heartbeats].into_iter().filter_map(|queue| queue.values().next());
        in_flight.chain(first).map(|entry| now.mono_ms.saturating_sub(entry.since_mono)).max().unwrap_or(0)
    }

    /// Whether news were lost since the last call because the queue was full.
    pub fn overflowed(&mut self) -> bool {
        std::mem::take(&mut self.overflowed)
    }

    /// The next batch, if the lane is idle and something is due. Expired work is dropped on the way.
    pub fn poll(&mut self, dialect: Dialect, now: Now) -> Option<Batch> {
        if self.flight.is_some() || self.is_pausing(now) || !self.is_due(now) {
            return None;
        }
        let mut entries = Vec::new();
        let mut items = Vec::new();
        let for_heartbeats = self.heartbeats.len().min(self.settings.batch_max / 5);
        self.take(true, self.settings.batch_max - for_heartbeats, dialect, now, &mut entries, &mut items);
        self.take(false, self.settings.batch_max, dialect, now, &mut entries, &mut items);
        if items.is_empty() {
            return None;
        }
        self.last_batch += 1;
        self.flight = Some(Flight { number: self.last_batch, entries });
        Some(Batch { number: self.last_batch, items })
    }

    fn is_due(&self, now: Now) -> bool {
        !self.changes.is_empty()
            || self.heartbeats.len() >= self.settings.batch_max
            || self.first_heartbeat().is_some_and(|since| now.mono_ms >= since + self.settings.linger_ms)
    }

    fn first_heartbeat(&self) -> Option<u64> {
        self.heartbeats.values().next().map(|entry| entry.since_mono)
    }

    fn take(
        &mut self,
        changes: bool,
        items_max: usize,
        dialect: Dialect,
        now: Now,
        entries: &mut Vec<(u64, Entry, usize)>,
        items: &mut Vec<Item>,
    ) {
        let queue = if changes { &mut self.changes } else { &mut self.heartbeats };
        while entries.len() < self.entries_max
            && let Some(first) = queue.first_entry()
        {
            let before = items.len();
            if !first.get().is_expired(dialect, now) {
                first.get().append_items(dialect, items);
                if items.len() > items_max && before > 0 {
                    items.truncate(before);
                    return;
                }
            }
            let (place, entry) = first.remove_entry();
            self.places.remove(&Key(Arc::clone(&entry.record.instance)));
            if items.len() > before {
                entries.push((place, entry, items.len() - before));
            }
        }
    }

    /// The peer answered batch `number`, item by item. `None` when that batch is not in flight, or when the answer is of the
    /// wrong length, which is a refusal of the whole.
    pub fn answered(&mut self, number: u64, verdicts: &[Verdict], now: Now) -> Option<Outcome> {
        let flight = self.flight.take_if(|flight| flight.number == number)?;
        if flight.entries.iter().map(|(.., items)| items).sum::<usize>() != verdicts.len() {
            self.flight = Some(flight);
            self.failed(number, Failure::Refused, now);
            return None;
        }
        self.failures = 0;
        self.resume_mono = 0;
        self.entries_max = (self.entries_max * 2).min(self.settings.batch_max);
        let mut outcome = Outcome::default();
        let mut left = verdicts;
        for (_, entry, items) in flight.entries {
            let (of_entry, rest) = left.split_at(items);
            left = rest;
            outcome.records.extend(std::iter::repeat_n(&entry.record, items).cloned());
            if entry.wants_record() && of_entry.contains(&Verdict::Unknown) {
                outcome.unknown.push(entry.record);
            }
        }
        Some(outcome)
    }

    /// Batch `number` came to nothing: its items go back, and the lane pauses. Returns how many instances were given up
    /// because the peer refuses even one of them alone.
    pub fn failed(&mut self, number: u64, failure: Failure, now: Now) -> usize {
        let Some(flight) = self.flight.take_if(|flight| flight.number == number) else { return 0 };
        let first = if failure == Failure::Congested {
            self.settings.backoff_ms * 5
        } else {
            self.settings.backoff_ms
        };
        let pause = backoff(first, self.settings.backoff_max_ms, self.failures, &mut self.rng);
        self.failures += 1;
        self.resume_mono = now.mono_ms + pause;
        if failure == Failure::Refused {
            if flight.entries.len() <= 1 {
                self.entries_max = self.settings.batch_max;
                return flight.entries.len();
            }
            self.entries_max = flight.entries.len() / 2;
        }
        for (place, entry, _) in flight.entries {
            self.enqueue(place, entry, true);
        }
        0
    }

    /// The batch in flight is given up without a pause: its items go back.
    pub fn abandon(&mut self) {
        for (place, entry, _) in self.flight.take().into_iter().flat_map(|flight| flight.entries) {
            self.enqueue(place, entry, true);
        }
    }

    /// When [`Self::poll`] is worth calling again, on the monotonic clock; `None` while a batch is in flight or nothing
    /// waits.
    pub fn next_wake(&self) -> Option<u64> {
        if self.flight.is_some() {
            return None;
        }
        let due = if !self.changes.is_empty() || self.heartbeats.len() >= self.settings.batch_max {
            0
        } else {
            self.first_heartbeat()? + self.settings.linger_ms
        };
        Some(due.max(self.resume_mono))
    }

    /// When the lane can send something that is told it only now; `None` while a batch is in flight.
    pub fn next_room(&self) -> Option<u64> {
        self.flight.is_none().then_some(self.resume_mono)
    }
}

/// The pause after the `failures + 1`th failure in a row: doubling, with up to half of it left to chance so that nodes do
/// not come back in step.
pub(super) fn backoff(first_ms: u64, max_ms: u64, failures: u32, rng: &mut Rng) -> u64 {
    let full = first_ms.saturating_mul(1 << failures.min(20)).min(max_ms).max(2);
    full / 2 + rng.below(full - full / 2)
}
