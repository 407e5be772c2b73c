//! Everything between this node and one peer, without any I/O: what it has to be told ([`Lane`]), the comparing
//! ([`Sync`]), and what either of them means for the other and for the registry.
//!
//! The server's shell and the simulator drive it alike: poll for a batch and for a question, carry them over, hand in the
//! answer or the failure. Batches and questions travel independently of each other, one of each at a time.
//!
//! [`Lane`]: super::lane::Lane
//! [`Sync`]: super::sync::Sync

use std::sync::Arc;

use synod_base::hash::Keyed;
use synod_base::time::Now;

use super::change::Origin;
use super::instance::{Instance, Record, Status};
use super::lane::{Batch, Dialect, Failure, Item, Kind, Lane, LaneSettings, Told, Verdict, What};
use super::listing::Change;
use super::merge::{End, Merged, News};
use super::store::Registry;
use super::survey::{Ended, Sign};
use super::sync::{Answer, Ask, Exchanged, Greeting, Notice, Reply, Start, Sync, SyncSettings, listed};

/// What is known of who the peer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Peer {
    /// Nothing yet, or nothing any more.
    #[default]
    Unknown,
    /// A Synod node of this name.
    Synod(Box<str>),
    /// A Eureka server.
    Eureka,
    /// This very node.
    Itself,
}

impl Peer {
    fn dialect(&self) -> Option<Dialect> {
        match self {
            Self::Synod(_) => Some(Dialect::Synod),
            Self::Eureka => Some(Dialect::Eureka),
            Self::Unknown | Self::Itself => None,
        }
    }
}

/// How a link behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkSettings {
    /// The lane's part.
    pub lane: LaneSettings,
    /// The comparing's part.
    pub sync: SyncSettings,
}

/// What an operator is shown of a link.
#[derive(Clone, Debug)]
pub struct LinkView {
    /// Who it is.
    pub peer: Peer,
    /// Instances waiting to be told of.
    pub queued: usize,
    /// Whether a batch is on its way.
    pub sending: bool,
    /// Whether it pauses after a failure.
    pub pausing: bool,
    /// Whether the last batch or question was answered.
    pub reachable: bool,
    /// How long the oldest news has been waiting, in ms.
    pub lag_ms: u64,
    /// Items that the peer took.
    pub sent: u64,
    /// Items that the peer refused, and batches that came to nothing.
    pub failed: u64,
    /// Wall time of the last answer.
    pub last_success_ms: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub struct Link {
    own_id: Box<str>,
    peer: Peer,
    lane: Lane,
    sync: Sync,
    /// What is told again, because the lane lost something.
    replay: Vec<Arc<Record>>,
    reachable: bool,
    sent: u64,
    failed: u64,
    last_success_ms: Option<u64>,
}

impl Link {
    /// A link of the node `own_id` to a peer not talked to yet. `seed` is for the jitter of pauses.
    pub fn new(own_id: &str, settings: LinkSettings, keyed: Keyed, seed: u64) -> Self {
        Self {
            own_id: own_id.into(),
            peer: Peer::Unknown,
            lane: Lane::new(settings.lane, keyed, seed),
            sync: Sync::new(settings.sync, seed.rotate_left(32)),
            replay: Vec::new(),
            reachable: false,
            sent: 0,
            failed: 0,
            last_success_ms: None,
        }
    }

    /// Notes what the peer has to hear of.
    pub fn tell(&mut self, told: Told, now: Now) {
        if self.peer != Peer::Itself {
            self.lane.tell(told, now);
        }
    }

    /// Something that the peer has to hear of was lost on the way to [`Self::tell`]: everything is told again.
    pub fn lost(&mut self) {
        self.lane.lose();
    }

    /// The next batch, when one is due.
    pub fn poll_batch<C: Default>(&mut self, registry: &Registry<C>, now: Now) -> Option<(Dialect, Batch)> {
        let dialect = self.peer.dialect()?;
        if self.lane.overflowed() {
            self.replay =
                registry.snapshot().records().filter(|record| !record.provisional).cloned().collect();
            self.sync.hurry(now);
        }
        while self.lane.has_room()
            && let Some(record) = self.replay.pop()
        {
            if let Some((record, heard)) = registry.told(&record.instance.app, &record.instance.id) {
                self.lane.tell(Told { what: What::Renewed, record, heard }, now);
            }
        }
        let mut batch = self.lane.poll(dialect, now)?;
        for item in &mut batch.items {
            // The lease may have been renewed since, here or through another node.
            if let Some((_, heard)) = registry.told(&item.record.instance.app, &item.record.instance.id) {
                item.heard = heard;
            }
        }
        Some((dialect, batch))
    }

    /// The peer answered a batch, item by item. Returns what changed here.
    pub fn answered<C: Default>(
        &mut self,
        registry: &Registry<C>,
        number: u64,
        answers: Vec<Answer>,
        now: Now,
    ) -> Vec<Change> {
        let verdicts: Vec<Verdict> = answers.iter().map(verdict).collect();
        let Some(outcome) = self.lane.answered(number, &verdicts, now) else { return Vec::new() };
        self.success(now);
        let refused = verdicts.iter().filter(|verdict| **verdict == Verdict::Refused).count() as u64;
        self.failed += refused;
        self.sent += verdicts.len() as u64 - refused;
        for record in outcome.unknown {
            self.tell_record(registry, &record.instance.app, &record.instance.id, now);
        }
        let learn = |(record, answer): (Arc<Record>, Answer)| match answer {
            Answer::Newer(news) => changed(registry.merge(news, now)),
            Answer::Ended(end) => {
                changed(registry.merge_end(&record.instance.app, &record.instance.id, end, now))
            }
            Answer::Conflict(instance) => conflict(registry, *instance, now),
            Answer::Done | Answer::Unknown | Answer::Refused => None,
        };
        outcome.records.into_iter().zip(answers).filter_map(learn).collect()
    }

    fn tell_record<C: Default>(&mut self, registry: &Registry<C>, app: &str, id: &str, now: Now) {
        if let Some((record, heard)) = registry.told(app, id) {
            self.lane.tell(Told { what: What::Corrected, record, heard }, now);
        }
    }

    /// Batch `number` came to nothing.
    pub fn batch_failed(&mut self, number: u64, failure: Failure, now: Now) {
        self.failed += 1 + self.lane.failed(number, failure, now) as u64;
        self.failure(failure, now);
    }

    /// Whatever became of the batch in flight will never be known: it is due again at once.
    pub fn abandon_batch(&mut self) {
        self.lane.abandon();
    }

    /// The next question, when one is due.
    pub fn poll_ask<C: Default>(&mut self, registry: &Registry<C>, now: Now) -> Option<(u64, Ask)> {
        self.sync.poll(registry, now)
    }

    /// The peer answered a question. Returns what changed here.
    pub fn replied<C: Default>(
        &mut self,
        registry: &Registry<C>,
        number: u64,
        reply: Reply,
        now: Now,
    ) -> Vec<Change> {
        if !self.sync.settle(number) {
            return Vec::new();
        }
        self.success(now);
        match reply {
            Reply::Hello(greeting) => {
                self.greeted(greeting, now);
                Vec::new()
            }
            Reply::Compared(compared) => {
                for sign in &compared.fresher {
                    registry.attend(sign, now);
                }
                self.sync.compared(registry, &compared.fingerprint, now);
                Vec::new()
            }
            Reply::Exchanged(exchanged) => {
                let changes = self.exchanged(registry, exchanged, now);
                self.sync.exchanged(now);
                changes
            }
            Reply::Listed(outcome) => {
                outcome.told.into_iter().for_each(|told| self.lane.tell(told, now));
                self.sync.listed(outcome.had_data, outcome.doubtful, now);
                outcome.changes
            }
            Reply::Looked(shown) => {
                let outcome = listed::settle(registry, shown, now);
                outcome.told.into_iter().for_each(|told| self.lane.tell(told, now));
                self.sync.looked(now);
                outcome.changes
            }
        }
    }

    fn greeted(&mut self, greeting: Greeting, now: Now) {
        let itself = matches!(&greeting, Greeting::Synod { id, .. } if *id == self.own_id);
        self.sync.greeted(Some(&greeting).filter(|_| !itself), now);
        self.peer = match greeting {
            Greeting::Synod { .. } if itself => Peer::Itself,
            Greeting::Synod { name, .. } => Peer::Synod(name),
            Greeting::Eureka => Peer::Eureka,
        };
        if itself {
            self.lane.clear();
        }
    }

    fn exchanged<C: Default>(
        &mut self,
        registry: &Registry<C>,
        exchanged: Exchanged,
        now: Now,
    ) -> Vec<Change> {
        let ends = exchanged.ends.into_iter();
        let mut changes: Vec<Change> = ends
            .filter_map(|Ended { app, id, end }| changed(registry.merge_end(&app, &id, end, now)))
            .collect();
        changes.extend(exchanged.news.into_iter().filter_map(|news| changed(registry.merge(news, now))));
        for (app, id) in exchanged.wanted {
            self.tell_record(registry, &app, &id, now);
        }
        changes
    }

    /// Question `number` came to nothing.
    pub fn ask_failed(&mut self, number: u64, failure: Failure, now: Now) {
        if self.sync.settle(number) {
            self.sync.failed(failure, now);
            self.failure(failure, now);
        }
    }

    /// When [`Self::poll_batch`] is worth calling again, on the monotonic clock.
    pub fn next_batch_wake(&self) -> Option<u64> {
        self.peer.dialect()?;
        if self.replay.is_empty() { self.lane.next_wake() } else { self.lane.next_room() }
    }

    /// When [`Self::poll_ask`] is worth calling again, on the monotonic clock.
    pub fn next_ask_wake(&self) -> Option<u64> {
        self.sync.next_wake()
    }

    /// How the first comparing ended, once it did.
    pub fn start(&self) -> Option<Start> {
        self.sync.start()
    }

    /// Who the peer is.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What an operator is shown.
    pub fn view(&self, now: Now) -> LinkView {
        LinkView {
            peer: self.peer.clone(),
            queued: self.lane.queued(),
            sending: self.lane.is_sending(),
            pausing: self.lane.is_pausing(now),
            reachable: self.reachable,
            lag_ms: self.lane.lag_ms(now),
            sent: self.sent,
            failed: self.failed,
            last_success_ms: self.last_success_ms,
        }
    }

    fn success(&mut self, now: Now) {
        self.reachable = true;
        self.last_success_ms = Some(now.wall_ms);
    }

    fn failure(&mut self, failure: Failure, now: Now) {
        match failure {
            Failure::Refused => {}
            Failure::Congested => self.reachable = false,
            // Whoever answers there next may be somebody else.
            Failure::Unreachable | Failure::Foreign => {
                self.reachable = false;
                if self.peer != Peer::Unknown {
                    self.peer = Peer::Unknown;
                    self.sync.hurry(now);
                }
            }
        }
    }
}

fn verdict(answer: &Answer) -> Verdict {
    match answer {
        Answer::Unknown => Verdict::Unknown,
        Answer::Refused => Verdict::Refused,
        Answer::Done | Answer::Newer(_) | Answer::Conflict(_) | Answer::Ended(_) => Verdict::Done,
    }
}

fn changed(merged: Merged) -> Option<Change> {
    match merged {
        Merged::Changed(change) => Some(change),
        Merged::Same | Merged::Outranked(_) | Merged::Ended(_) => None,
    }
}

/// A Java peer's record is the newer one: its override first, then the rest (`eureka.md` 4.5).
fn conflict<C: Default>(registry: &Registry<C>, instance: Instance, now: Now) -> Option<Change> {
    if instance.overridden != Status::Unknown {
        registry.note_override(&instance.app, &instance.id, instance.overridden, now);
    }
    // Refused only when the registry is full, and this instance is in it.
    registry.register(instance, Origin::Peer, now).ok()
}

/// What a Synod peer is told with an item.
pub fn notice(item: &Item, now: Now) -> Notice {
    let Item { kind, record, heard } = item;
    match kind {
        Kind::Heartbeat => Notice::Heartbeat(Sign::of(record, *heard, now)),
        Kind::Cancel => Notice::Ended(Ended {
            app: Arc::clone(&record.instance.app),
            id: record.instance.id.clone(),
            end: End {
                rank: record.rank(),
                stamp_ms: heard.stamp_ms,
                duration_s: record.instance.duration_s,
            },
        }),
        Kind::Register | Kind::StatusUpdate | Kind::DeleteStatusOverride => {
            Notice::Record(News::of(record, *heard, now))
        }
    }
}
