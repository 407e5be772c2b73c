//! Who may be called at once: so many calls in all, so many to one destination, and one to one that does not answer.
//!
//! Who has to wait stands in line for its destination. Places are numbered across all lines: of the destinations that have room,
//! the one where somebody has waited longest is next.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use smallvec::SmallVec;
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

/// A transaction's place in a line.
#[derive(Clone, Debug)]
pub(super) struct Place {
    destination: Arc<str>,
    number: u64,
}

/// The places of one transaction.
pub(super) type Places = SmallVec<[Place; 1]>;

/// What the end of a call says about its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It answers.
    Answer,
    /// It does not answer.
    Silence,
    /// Nothing: the call was given up.
    Nothing,
}

#[derive(Debug, Default)]
struct Destination {
    flights: usize,
    line: BTreeMap<u64, Xid>,
    /// Its number in [`Gate::ready`]: of the first place of the line, while it has room.
    ready: Option<u64>,
    /// Calls without an answer in a row.
    silent: u32,
    /// On the monotonic clock.
    closed_until: u64,
}

impl Destination {
    fn has_room(&self, settings: &GateSettings, now_mono: u64) -> bool {
        // One call tries whether a silent destination answers again.
        let limit = if self.silent >= settings.break_after { 1 } else { settings.per_destination_max };
        now_mono >= self.closed_until && self.flights < limit
    }

    fn is_idle(&self) -> bool {
        self.flights == 0 && self.line.is_empty() && self.silent == 0
    }
}

#[derive(Debug)]
pub(super) struct Gate {
    settings: GateSettings,
    destinations: HashMap<Arc<str>, Destination, Keyed>,
    /// Destinations that have room and somebody in line, by the first place. Not empty only while there are as many calls in
    /// all as may be.
    ready: BTreeMap<u64, Arc<str>>,
    /// Destinations that are left alone, by the moment until when.
    closed: BTreeSet<(u64, Arc<str>)>,
    flights: usize,
    last_place: u64,
    /// Whose turn it is, and where: who has stood in line goes before who has just come.
    turn: Option<(Xid, Arc<str>)>,
}

impl Gate {
    pub(super) fn new(settings: GateSettings, keyed: Keyed) -> Self {
        // With no room at all nothing would ever end.
        let settings = GateSettings {
            flights_max: settings.flights_max.max(1),
            per_destination_max: settings.per_destination_max.max(1),
            break_after: settings.break_after.max(1),
            ..settings
        };
        Self {
            settings,
            destinations: HashMap::with_hasher(keyed),
            ready: BTreeMap::new(),
            closed: BTreeSet::new(),
            flights: 0,
            last_place: 0,
            turn: None,
        }
    }

    /// Whether a call may be made now; if not, the transaction stands in line: [`Self::next`] names it when it is its turn.
    pub(super) fn admit(
        &mut self,
        name: &str,
        xid: Xid,
        places: &mut Places,
        now_mono: u64,
    ) -> Option<Arc<str>> {
        let key = self.known(name);
        let destination = self.destinations.get_mut(name).expect("just made sure of");
        let has_room =
            self.flights < self.settings.flights_max && destination.has_room(&self.settings, now_mono);
        let nobody_waits = destination.line.is_empty() && self.ready.is_empty();
        let is_next = self.turn.as_ref().is_some_and(|(who, whose)| *who == xid && *whose == key);
        if has_room && (nobody_waits || is_next) {
            self.turn = None;
            destination.flights += 1;
            self.flights += 1;
            self.sort(&key, now_mono);
            return Some(key);
        }
        if !places.iter().any(|place| place.destination == key) {
            self.last_place += 1;
            destination.line.insert(self.last_place, xid);
            self.sort(&key, now_mono);
            places.push(Place { destination: key, number: self.last_place });
        }
        None
    }

    fn known(&mut self, name: &str) -> Arc<str> {
        if let Some((key, _)) = self.destinations.get_key_value(name) {
            return Arc::clone(key);
        }
        if self.destinations.len() >= DESTINATIONS_MAX {
            // Who is only remembered for its silence has to be found out again.
            self.destinations.retain(|_, known| known.flights > 0 || !known.line.is_empty());
        }
        let key: Arc<str> = name.into();
        self.destinations.insert(Arc::clone(&key), Destination::default());
        key
    }

    /// A call has ended.
    pub(super) fn release(&mut self, name: &Arc<str>, heard: Heard, now_mono: u64) {
        self.flights -= 1;
        let destination = self.destinations.get_mut(name).expect("it had a call under way");
        destination.flights -= 1;
        match heard {
            Heard::Nothing => {}
            Heard::Answer => {
                destination.silent = 0;
                self.closed.remove(&(std::mem::take(&mut destination.closed_until), Arc::clone(name)));
            }
            // It left before others came back without an answer, and tells nothing new.
            Heard::Silence if now_mono < destination.closed_until => {}
            Heard::Silence => {
                destination.silent = destination.silent.saturating_add(1);
                if destination.silent >= self.settings.break_after {
                    let over = destination.silent - self.settings.break_after;
                    let pause = self.settings.break_ms.saturating_mul(1 << over.min(20));
                    destination.closed_until = now_mono.saturating_add(pause.min(self.settings.break_max_ms));
                    self.closed.insert((destination.closed_until, Arc::clone(name)));
                }
            }
        }
        self.sort(name, now_mono);
    }

    /// Gives places up.
    pub(super) fn leave(&mut self, places: Places, now_mono: u64) {
        for Place { destination: name, number } in places {
            if let Some(destination) = self.destinations.get_mut(&name) {
                destination.line.remove(&number);
                self.sort(&name, now_mono);
            }
        }
    }

    /// Whether a call there is under way.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.destinations.get(name).is_some_and(|destination| destination.flights > 0)
    }

    /// A destination that is left alone may be tried at once, by this transaction.
    pub(super) fn open(&mut self, name: &str, xid: Xid, now_mono: u64) {
        let Some((key, _)) = self.destinations.get_key_value(name) else { return };
        let key = Arc::clone(key);
        self.turn = Some((xid, Arc::clone(&key)));
        let destination = self.destinations.get_mut(name).expect("just found");
        let until = std::mem::take(&mut destination.closed_until);
        self.sort(&key, now_mono);
        self.closed.remove(&(until, key));
    }

    /// A destination is known to answer again.
    pub(super) fn answers(&mut self, name: &str, now_mono: u64) {
        let Some((key, _)) = self.destinations.get_key_value(name) else { return };
        let key = Arc::clone(key);
        let destination = self.destinations.get_mut(name).expect("just found");
        destination.silent = 0;
        let until = std::mem::take(&mut destination.closed_until);
        self.sort(&key, now_mono);
        self.closed.remove(&(until, key));
    }

    /// Takes note of the destinations that may be tried again.
    pub(super) fn reopen(&mut self, now_mono: u64) {
        while let Some((until, _)) = self.closed.first()
            && *until <= now_mono
        {
            let (_, name) = self.closed.pop_first().expect("just seen");
            self.sort(&name, now_mono);
        }
    }

    /// When there will be one, on the monotonic clock.
    pub(super) fn next_reopen(&self) -> Option<u64> {
        self.closed.first().map(|(until, _)| *until)
    }

    /// Takes out of line whose turn it is, and says in whose line it stood. To be asked until nobody is left.
    pub(super) fn next(&mut self, now_mono: u64) -> Option<(Xid, Arc<str>)> {
        self.turn = None;
        if self.flights >= self.settings.flights_max {
            return None;
        }
        let (_, name) = self.ready.first_key_value()?;
        let name = Arc::clone(name);
        let destination = self.destinations.get_mut(&name).expect("who is ready is known");
        let (_, xid) = destination.line.pop_first().expect("who is ready has a line");
        self.sort(&name, now_mono);
        self.turn = Some((xid, Arc::clone(&name)));
        Some((xid, name))
    }

    /// Puts a destination where it belongs after anything about it changed.
    fn sort(&mut self, name: &Arc<str>, now_mono: u64) {
        let Some(destination) = self.destinations.get_mut(name) else { return };
        let first = destination.line.first_key_value().map(|(place, _)| *place);
        let ready = first.filter(|_| destination.has_room(&self.settings, now_mono));
        if let Some(old) = std::mem::replace(&mut destination.ready, ready) {
            self.ready.remove(&old);
        }
        let idle = destination.is_idle();
        self.ready.extend(ready.map(|place| (place, Arc::clone(name))));
        if idle {
            self.destinations.remove(name);
        }
    }
}

impl Place {
    pub(super) fn is_for(&self, name: &Arc<str>) -> bool {
        self.destination == *name
    }
}
