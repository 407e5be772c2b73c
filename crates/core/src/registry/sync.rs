//! Comparing everything with one peer: at the start, to learn what is there, and regularly, to heal what got lost.
//!
//! A round with a Synod peer: greet it, compare fingerprints, and for the buckets that differ exchange what each side
//! holds. The asker names the versions it holds and the ends it remembers; the answer has the records that are later or
//! unknown to the asker, the ends, and whose records the answerer wants, which then go through the lane. Nothing here
//! makes a lease longer than the heartbeats that were really heard allow: every version comes with its age.
//!
//! Leases that fade, because heartbeats do not come through from the node that gets them, are named with every round; a
//! peer that heard of them later says so. That bridges a cut between two nodes as long as a third sees both.
//!
//! A round with a Java peer reads its whole list, and asks again for whom both sides show differently ([`listed`]).

pub mod listed;
mod serve;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use synod_base::rng::Rng;
use synod_base::time::Now;

use super::lane::{Failure, backoff};
use super::merge::News;
use super::store::Registry;
use super::survey::{Buckets, Ended, Sign};
use super::tally::Bucket;

pub use self::serve::{Answer, Notice, changes, compare, exchange};

/// Fading leases named in one round at most.
const FADING_MAX: usize = 10_000;
/// Records on either side of one exchange, unless a single bucket holds more: some milliseconds of work.
const EXCHANGE_RECORDS: u32 = 500;
/// Exchanges that a whole registry is divided into at most, because each looks through all of it once.
const EXCHANGES_MAX: u32 = 64;

/// What a node asks a peer.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Who are you?
    Hello,
    /// What is your fingerprint? These leases fade here; did you hear of them?
    Compare {
        /// The fading leases.
        fading: Vec<Sign>,
    },
    /// Here is what I hold of these buckets; what do you?
    Exchange(Holdings),
    /// Give me your whole list (Java peers); to be compared with [`listed::compare`].
    List {
        /// Whether this is the first round with the peer.
        first: bool,
    },
    /// Show me these alone, as they are at this moment (Java peers).
    Look(Vec<listed::Key>),
}

/// What a node holds of some buckets.
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    /// Which.
    pub buckets: Vec<u16>,
    /// The versions held.
    pub signs: Vec<Sign>,
    /// The clean leaves remembered.
    pub ends: Vec<Ended>,
}

/// The answer to an [`Ask`].
#[derive(Clone, Debug)]
pub enum Reply {
    /// To [`Ask::Hello`].
    Hello(Greeting),
    /// To [`Ask::Compare`].
    Compared(Compared),
    /// To [`Ask::Exchange`].
    Exchanged(Exchanged),
    /// To [`Ask::List`]: what comparing the list came to.
    Listed(listed::Outcome),
    /// To [`Ask::Look`]: those of them that the peer has.
    Looked(Vec<listed::Shown>),
}

/// Who a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// A Synod node.
    Synod {
        /// Its identity.
        id: Box<str>,
        /// What people call it.
        name: Box<str>,
    },
    /// Anything else that speaks HTTP: taken for a Eureka server.
    Eureka,
}

/// See [`Ask::Compare`].
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// The fingerprint, [`super::tally::BUCKETS`] long.
    pub fingerprint: Vec<Bucket>,
    /// Of the fading leases those that were heard of later here.
    pub fresher: Vec<Sign>,
}

/// See [`Ask::Exchange`].
#[derive(Clone, Debug, Default)]
pub struct Exchanged {
    /// Records that the asker lacks or holds in an earlier version.
    pub news: Vec<News>,
    /// The clean leaves remembered.
    pub ends: Vec<Ended>,
    /// Whose records the answerer wants: application and id.
    pub wanted: Vec<(Arc<str>, Arc<str>)>,
}

/// How the first round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The peer gave what it has, and it had something.
    Data,
    /// The peer has nothing, refused, or is not there: nothing to wait for.
    Nothing,
}

/// How rounds are paced.
#[derive(Clone, Copy, Debug)]
pub struct SyncSettings {
    /// From one round to the next.
    pub interval_ms: u64,
    /// The first pause after a failure; each further one doubles it.
    pub backoff_ms: u64,
    /// The longest pause after a failure.
    pub backoff_max_ms: u64,
}

impl Default for SyncSettings {
    fn default() -> Self {
        Self { interval_ms: 30_000, backoff_ms: 100, backoff_max_ms: 5_000 }
    }
}

#[derive(Debug)]
enum Phase {
    Greet,
    Compare,
    Exchange(VecDeque<Vec<u16>>),
    List,
    Look(Vec<listed::Key>),
}

/// The rounds with one peer: which question is next, and when.
#[derive(Debug)]
pub struct Sync {
    settings: SyncSettings,
    phase: Phase,
    asked: Option<u64>,
    last_number: u64,
    due_mono: u64,
    failures: u32,
    start: Option<Start>,
    had_data: bool,
    rng: Rng,
}

impl Sync {
    /// Rounds of which the first is due at once.
    pub fn new(settings: SyncSettings, seed: u64) -> Self {
        Self {
            settings,
            phase: Phase::Greet,
            asked: None,
            last_number: 0,
            due_mono: 0,
            failures: 0,
            start: None,
            had_data: false,
            rng: Rng::new(seed),
        }
    }

    /// How the first round ended, once it did.
    pub fn start(&self) -> Option<Start> {
        self.start
    }

    /// The next question with its number, when it is due and none is open.
    pub fn poll<C: Default>(&mut self, registry: &Registry<C>, now: Now) -> Option<(u64, Ask)> {
        if self.asked.is_some() || (matches!(self.phase, Phase::Greet) && now.mono_ms < self.due_mono) {
            return None;
        }
        let ask = match &mut self.phase {
            Phase::Greet => Ask::Hello,
            Phase::Compare => {
                let fading = registry.fading(FADING_MAX, now);
                Ask::Compare {
                    fading: fading.iter().map(|(record, heard)| Sign::of(record, *heard, now)).collect(),
                }
            }
            Phase::Exchange(left) => Ask::Exchange(holdings(registry, left.front()?, now)),
            Phase::List => Ask::List { first: self.start.is_none() },
            Phase::Look(doubtful) => Ask::Look(doubtful.clone()),
        };
        self.last_number += 1;
        self.asked = Some(self.last_number);
        Some((self.last_number, ask))
    }

    /// Whether `number` is the open question; it no longer is afterwards.
    pub fn settle(&mut self, number: u64) -> bool {
        self.asked.take_if(|asked| *asked == number).is_some()
    }

    /// The peer said who it is; `None`: this very node, with which there is nothing to compare.
    pub fn greeted(&mut self, other: Option<&Greeting>, now: Now) {
        match other {
            Some(Greeting::Synod { .. }) => self.phase = Phase::Compare,
            Some(Greeting::Eureka) => self.phase = Phase::List,
            None => self.done(now),
        }
    }

    /// The peer told its fingerprint.
    pub fn compared<C: Default>(&mut self, registry: &Registry<C>, theirs: &[Bucket], now: Now) {
        self.had_data = theirs.iter().any(|bucket| bucket.count > 0);
        let mut parcels: VecDeque<Vec<u16>> = VecDeque::new();
        let ours = registry.fingerprint();
        let larger = |(ours, theirs): (&Bucket, &Bucket)| ours.count.max(theirs.count);
        let total = ours.iter().zip(theirs).map(larger).fold(0, u32::saturating_add);
        let parcel_max = EXCHANGE_RECORDS.max(total / EXCHANGES_MAX);
        let mut size = parcel_max;
        for (number, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            if ours == theirs {
                continue;
            }
            let records = ours.count.max(theirs.count);
            match parcels.back_mut().filter(|_| size.saturating_add(records) <= parcel_max) {
                Some(parcel) => parcel.push(number as u16),
                None => {
                    parcels.push_back(vec![number as u16]);
                    size = 0;
                }
            }
            size = size.saturating_add(records);
        }
        self.phase = Phase::Exchange(parcels);
        self.skip_if_done(now);
    }

    /// The peer answered the exchange of a parcel of buckets.
    pub fn exchanged(&mut self, now: Now) {
        if let Phase::Exchange(left) = &mut self.phase {
            left.pop_front();
        }
        self.skip_if_done(now);
    }

    fn skip_if_done(&mut self, now: Now) {
        if matches!(&self.phase, Phase::Exchange(left) if left.is_empty()) {
            self.done(now);
        }
    }

    /// The peer's list was dealt with, but for who is doubtful.
    pub fn listed(&mut self, had_data: bool, doubtful: Vec<listed::Key>, now: Now) {
        self.had_data = had_data;
        self.started();
        if doubtful.is_empty() {
            self.done(now);
        } else {
            self.phase = Phase::Look(doubtful);
        }
    }

    /// The doubtful were dealt with.
    pub fn looked(&mut self, now: Now) {
        self.done(now);
    }

    fn started(&mut self) {
        let start = if self.had_data { Start::Data } else { Start::Nothing };
        self.start.get_or_insert(start);
    }

    fn done(&mut self, now: Now) {
        self.started();
        self.failures = 0;
        self.phase = Phase::Greet;
        let interval = self.settings.interval_ms.max(2);
        self.due_mono = now.mono_ms + interval * 3 / 4 + self.rng.below(interval / 2);
    }

    /// The open question came to nothing: the round starts over, after a pause.
    pub fn failed(&mut self, failure: Failure, now: Now) {
        if failure != Failure::Congested {
            self.start.get_or_insert(Start::Nothing);
        }
        self.phase = Phase::Greet;
        let (first, max) = (self.settings.backoff_ms, self.settings.backoff_max_ms);
        self.due_mono = now.mono_ms + backoff(first, max, self.failures, &mut self.rng);
        self.failures += 1;
    }

    /// Makes the next round due soon, unless one is under way or pausing.
    pub fn hurry(&mut self, now: Now) {
        if self.failures == 0 && matches!(self.phase, Phase::Greet) {
            self.due_mono = self.due_mono.min(now.mono_ms + self.settings.backoff_ms);
        }
    }

    /// When [`Self::poll`] is worth calling again; `None` while a question is open.
    pub fn next_wake(&self) -> Option<u64> {
        match (&self.phase, self.asked) {
            (_, Some(_)) => None,
            (Phase::Greet, None) => Some(self.due_mono),
            (_, None) => Some(0),
        }
    }
}

fn holdings<C: Default>(registry: &Registry<C>, buckets: &[u16], now: Now) -> Holdings {
    let wanted = Buckets::of(buckets);
    let records = registry.holdings(&wanted);
    Holdings {
        buckets: buckets.to_vec(),
        signs: records.iter().map(|(record, heard)| Sign::of(record, *heard, now)).collect(),
        ends: registry.ends(&wanted),
    }
}
