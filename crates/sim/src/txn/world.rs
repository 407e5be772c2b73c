//! The loop over events: virtual time jumps from one to the next.

mod acting;
mod coordinating;
mod driving;
mod faults;
mod serving;
mod store;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use bytes::Bytes;
use synod_base::rng::Rng;
use synod_base::xid::Xid;
use synod_core::txn::drive::CallId;
use synod_core::txn::mode::CallResult;
use synod_core::txn::{Command, Limits, Mode, Status, Txn};

use self::coordinating::Node;
use self::store::Store;
use super::client::{Client, Noted};
use super::database::Stage;
use super::oracle::{self, Broken, Violation};
use super::participant::{Name, Op, Participant};
use super::plan::{HEAL_MS, Plan};
use super::record::Record;
use crate::timeline::Timeline;

/// Events that one run may take; more would be an endless exchange.
const EVENTS_MAX: u64 = 400_000;
/// How often it is seen whether all is over.
const LOOK_MS: u64 = 1_000;
/// The wall clock when it all begins.
const BEGIN_MS: u64 = 1_700_000_000_000;

/// Who asked.
#[derive(Clone, Copy, Debug)]
enum Asker {
    Client { client: usize, number: u64 },
    Node { life: u32, call: CallId },
}

/// What a client wants of the coordinator.
#[derive(Clone, Debug)]
enum Wish {
    Begin,
    Command(Command),
    /// Whether another transaction has changed rows of this branch.
    Look {
        xid: Xid,
        at: usize,
    },
    Query(Option<Xid>),
}

/// What the coordinator answers.
#[derive(Clone, Debug)]
enum Reply {
    Begun(Xid),
    Done,
    Joined(u16),
    Locked { rolling_back: bool },
    Refused,
    Notes(Option<Vec<Noted>>),
    Open,
    Ended,
    Busy,
}

#[derive(Clone, Debug)]
enum Event {
    Work { life: u32 },
    Flushed { life: u32 },
    Applied { life: u32 },
    Snapshot { life: u32 },
    SnapshotWritten { life: u32, index: u64, records: Vec<Bytes> },
    Timeout { life: u32, call: CallId },
    Returned { life: u32, call: CallId, result: CallResult },
    Ask { to: usize, from: Asker, name: Name, mode: Mode, op: Op },
    Commit { to: usize, life: u32, from: Asker, name: Name, mode: Mode, op: Op, fails: bool },
    BackCheck { client: usize, xid: Xid, life: u32, call: CallId },
    Step { client: usize, number: u64 },
    Wish { client: usize, number: u64, wish: Wish },
    Reply { client: usize, number: u64, reply: Reply },
    Told { client: usize, number: u64, result: CallResult },
    Impatience { client: usize, number: u64 },
    Doubt { participant: usize },
    Crash,
    Start,
    ParticipantCrash,
    ParticipantStart { participant: usize },
    Full(bool),
    Operator,
    Attend,
    Look,
    Heal,
}

/// What a run that went well came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Events that happened.
    pub events: u64,
    /// Starts of the coordinator.
    pub starts: u32,
    /// Calls that it made.
    pub calls: u64,
    /// Transactions that committed, rolled back, were stopped.
    pub ends: [u64; 3],
    /// Row locks that somebody did not get.
    pub conflicts: u64,
    /// Branches whose changes of rows have stayed, and those whose changes were undone.
    pub changes: [u64; 2],
    /// Sagas that turned.
    pub turns: u64,
    /// Messages lost.
    pub lost: u64,
    /// Flushes and snapshots that failed and ended the coordinator.
    pub failures: u64,
    /// Bits that were flipped and found.
    pub flips: u64,
    /// Virtual milliseconds from the end of the faults to the end of everything.
    pub healed_ms: u64,
}

type Step = Result<(), Broken>;

/// Everything there is.
#[derive(Debug)]
pub struct World {
    /// What the seed stands for.
    pub plan: Plan,
    /// Virtual time.
    pub now_ms: u64,
    /// Who takes part.
    pub participants: Vec<Participant>,
    /// Who begins.
    pub clients: Vec<Client>,
    /// What was promised and seen.
    pub record: Record,
    node: Option<Node>,
    store: Store,
    life: u32,
    full: bool,
    healing: bool,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    last_event: u64,
    rng: Rng,
    timeline: Timeline,
    report: Report,
}

impl World {
    /// A world at its beginning; a verbose one writes to standard error what happens.
    pub fn new(plan: Plan, verbose: bool) -> Self {
        let mut rng = Rng::new(plan.seed);
        let clients = (0..plan.transactions).map(|at| Client::new(at, &plan, &mut rng)).collect();
        Self {
            now_ms: 0,
            participants: (0..plan.participants)
                .map(|_| Participant { up: true, ..Default::default() })
                .collect(),
            clients,
            record: Record::default(),
            node: None,
            store: Store::new(plan.seed),
            life: 0,
            full: false,
            healing: false,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            last_event: 0,
            rng,
            timeline: Timeline::new(verbose),
            report: Report::default(),
            plan,
        }
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Result<Report, Box<Violation>> {
        match self.go() {
            Ok(()) => Ok(self.report),
            Err(broken) => {
                let timeline = self.timeline.excerpt(&broken.subject);
                let (seed, at_ms) = (self.plan.seed, self.now_ms);
                Err(Box::new(Violation { seed, at_ms, plan: self.plan, broken, timeline }))
            }
        }
    }

    fn go(&mut self) -> Step {
        self.start()?;
        self.plan_faults();
        for client in 0..self.clients.len() {
            let at = self.rng.below(self.plan.storm_ms);
            self.later(at, Event::Step { client, number: 0 });
        }
        for participant in 0..self.participants.len() {
            self.later(1_000, Event::Doubt { participant });
        }
        self.later(self.plan.storm_ms, Event::Heal);
        while let Some(Reverse((at, number))) = self.queue.pop() {
            self.now_ms = at;
            self.report.events += 1;
            let event = self.events.remove(&number).expect("what is queued is there");
            if matches!(event, Event::Look) && self.is_over() {
                self.report.healed_ms = self.now_ms - self.plan.storm_ms;
                break;
            }
            if self.now_ms > self.plan.storm_ms + HEAL_MS || self.report.events > EVENTS_MAX {
                return oracle::ends::still_open(self);
            }
            self.happen(event)?;
        }
        let all = self.participants.iter().flat_map(|it| it.database.changes.values());
        let count = |wanted: fn(Stage) -> bool| all.clone().filter(|it| wanted(it.stage)).count() as u64;
        self.report.changes = [Stage::is_there, |stage| stage == Stage::Undone].map(count);
        oracle::at_the_end(self)
    }

    fn happen(&mut self, event: Event) -> Step {
        match event {
            Event::Work { life } if life == self.life => self.work(),
            Event::Flushed { life } if life == self.life => self.flushed(),
            Event::Applied { life } if life == self.life => self.applied(),
            Event::Snapshot { life } if life == self.life => self.take_snapshot(),
            Event::SnapshotWritten { life, index, records } if life == self.life => {
                self.snapshot_written(index, records)
            }
            Event::Timeout { life, call } if life == self.life => {
                self.returned(call, CallResult::Failed("no answer".into()), false)
            }
            Event::Returned { life, call, result } if life == self.life => self.returned(call, result, true),
            Event::Ask { to, from, name, mode, op } => self.asked(to, from, name, mode, op),
            Event::Commit { to, life, from, name, mode, op, fails } => {
                self.commit(to, life, from, name, (mode, op), fails)
            }
            Event::BackCheck { client, xid, life, call } => self.back_check(client, xid, life, call),
            Event::Step { client, number } => self.step(client, number),
            Event::Wish { client, number, wish } => self.wish(client, number, wish),
            Event::Reply { client, number, reply } => self.reply(client, number, reply),
            Event::Told { client, number, result } => self.told(client, number, &result),
            Event::Impatience { client, number } => self.impatience(client, number),
            Event::Doubt { participant } => self.doubt(participant),
            Event::Crash => self.crash(),
            Event::Start => self.start(),
            Event::ParticipantCrash => self.participant_crash(),
            Event::ParticipantStart { participant } => self.participant_start(participant),
            Event::Full(full) => self.fill(full),
            Event::Operator => self.operate(),
            Event::Attend => self.attend(),
            Event::Look => self.look(),
            Event::Heal => self.heal(),
            // Of a life of the coordinator that is over.
            _ => Ok(()),
        }
    }

    /// Makes something happen after so long.
    fn later(&mut self, after_ms: u64, event: Event) {
        self.last_event += 1;
        self.queue.push(Reverse((self.now_ms + after_ms, self.last_event)));
        self.events.insert(self.last_event, event);
    }

    /// Sends a message through the network.
    fn send(&mut self, event: Event) {
        if !self.healing {
            if self.rng.percent(self.plan.loss_percent) {
                self.report.lost += 1;
                return;
            }
            if self.rng.percent(self.plan.duplicate_percent) {
                let delay = self.delay() + self.rng.below(3_000);
                self.later(delay, event.clone());
            }
        }
        let delay = self.delay();
        self.later(delay, event);
    }

    fn delay(&mut self) -> u64 {
        let max = if self.healing { 2 } else { self.plan.delay_ms_max };
        self.rng.below(max + 1)
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        self.timeline.note(self.now_ms, line());
    }

    fn look(&mut self) -> Step {
        self.later(LOOK_MS, Event::Look);
        Ok(())
    }

    fn is_over(&self) -> bool {
        let nothing_open = self.node.as_ref().is_some_and(Node::is_idle);
        let all_rest = self.clients.iter().all(Client::rests);
        nothing_open && all_rest && self.participants.iter().all(|p| p.in_doubt(u64::MAX).is_empty())
    }

    /// How often the coordinator has started.
    pub(super) fn starts(&self) -> u32 {
        self.report.starts
    }

    /// Takes note of an end.
    pub(super) fn ended(&mut self, txn: &Arc<Txn>) {
        let Status::Ended(end) = txn.status else { return };
        // Reading the log again shows an end again.
        if self.record.ended.insert(txn.xid, Arc::clone(txn)).is_none() {
            self.report.ends[end as usize] += 1;
        }
    }

    /// Takes note of a saga that has turned.
    pub(super) fn turned(&mut self, xid: Xid) {
        if self.record.turned.insert(xid) {
            self.report.turns += 1;
        }
    }

    /// The limits of every life.
    fn limits() -> Limits {
        Limits::default()
    }
}
