//! Who may be called at once: so many calls in all, so many to one destination, and few to one that does not answer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use synod_base::hash::Keyed;
use synod_base::xid::Xid;

/// Destinations remembered, apart from those that are in use.
const DESTINATIONS_MAX: usize = 10_000;

/// How many calls. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct GateSettings {
    /// Calls under way in all.
    pub flights_max: usize,
    /// Calls under way to one destination.
    pub per_destination_max: usize,
    /// So many calls in a row without an answer, and a destination is left alone for a while.
    pub break_after: u32,
    /// For how long first; each further failure doubles it.
    pub break_ms: u64,
    /// For how long at most.
    pub break_max_ms: u64,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            flights_max: 10_000,
            per_destination_max: 1_000,
            break_after: 10,
            break_ms: 1_000,
            break_max_ms: 30_000,
        }
    }
}

pub(super) enum Admission {
    /// Now.
    Go(Arc<str>),
    /// The transaction is woken when it is its turn.
    Queued,
    /// Not before this moment on the monotonic clock.
    Later(u64),
}

#[derive(Debug, Default)]
struct Destination {
    flights: usize,
    waiting: VecDeque<Xid>,
    /// Calls without an answer in a row.
    silent: u32,
    closed_until: u64,
}

#[derive(Debug)]
pub(super) struct Gate {
    settings: GateSettings,
    destinations: HashMap<Arc<str>, Destination, Keyed>,
    flights: usize,
    /// Who waits for the limit of all calls.
    waiting: VecDeque<Xid>,
}

impl Gate {
    pub(super) fn new(settings: GateSettings, keyed: Keyed) -> Self {
        Self { settings, destinations: HashMap::with_hasher(keyed), flights: 0, waiting: VecDeque::new() }
    }

    pub(super) fn admit(&mut self, name: &str, xid: Xid, now_mono: u64) -> Admission {
        if self.flights >= self.settings.flights_max {
            self.waiting.push_back(xid);
            return Admission::Queued;
        }
        let key = match self.destinations.get_key_value(name) {
            Some((key, _)) => Arc::clone(key),
            None => {
                if self.destinations.len() >= DESTINATIONS_MAX {
                    // Who is only remembered for its silence has to be found out again.
                    self.destinations.retain(|_, known| known.flights > 0 || !known.waiting.is_empty());
                }
                let key: Arc<str> = name.into();
                self.destinations.insert(Arc::clone(&key), Destination::default());
                key
            }
        };
        let destination = self.destinations.get_mut(name).expect("just made sure of");
        if now_mono < destination.closed_until {
            return Admission::Later(destination.closed_until);
        }
        // One call tries whether a silent destination answers again.
        let silent = destination.silent >= self.settings.break_after;
        let limit = if silent { 1 } else { self.settings.per_destination_max };
        if destination.flights >= limit {
            destination.waiting.push_back(xid);
            return Admission::Queued;
        }
        destination.flights += 1;
        self.flights += 1;
        Admission::Go(key)
    }

    /// A call has ended. Returns the transactions whose turn it may be now.
    pub(super) fn release(&mut self, name: &str, answered: bool, now_mono: u64) -> Vec<Xid> {
        self.flights -= 1;
        let destination = self.destinations.get_mut(name).expect("it had a call under way");
        destination.flights -= 1;
        let mut freed = 1;
        if answered {
            if destination.silent >= self.settings.break_after {
                freed = self.settings.per_destination_max;
            }
            destination.silent = 0;
            destination.closed_until = 0;
        } else {
            destination.silent = destination.silent.saturating_add(1);
            let over = destination.silent.saturating_sub(self.settings.break_after);
            if destination.silent >= self.settings.break_after {
                let pause = self.settings.break_ms.saturating_mul(1 << over.min(20));
                destination.closed_until = now_mono + pause.min(self.settings.break_max_ms);
                // Woken all the same: they learn until when to wait.
                freed = usize::MAX;
            }
        }
        let mut next: Vec<Xid> = Vec::new();
        let take = freed.min(destination.waiting.len());
        next.extend(destination.waiting.drain(..take));
        if destination.flights == 0 && destination.waiting.is_empty() && destination.silent == 0 {
            self.destinations.remove(name);
        }
        next.extend(self.waiting.pop_front());
        next
    }
}
