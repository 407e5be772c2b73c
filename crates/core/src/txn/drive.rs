//! The leader's part: who has to be called now, when to try again, and what to propose when a call has ended.
//!
//! Nothing here is durable. A new leader builds a driver from the state ([`Driver::take_over`]) and goes on. Three rules make
//! that safe:
//!
//! - Participants are called again when it is not known whether they have been. They are idempotent by contract.
//! - An acknowledgement is proposed lazily, unless it ends the transaction. Until it is applied the driver goes on from a
//!   copy of the transaction that has it ([`task`]).
//! - A driver that took a saga over does not know which actions its predecessor had called behind the last acknowledgement
//!   that survived. When such a saga turns, all of its branches are compensated.
//!
//! The driver reads no clock: it is told the moment, and says with [`Driver::next_wake`] when it wants to be asked again.

mod gate;
mod task;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use synod_base::hash::Keyed;
use synod_base::rng::Rng;
use synod_base::time::Now;
use synod_base::xid::Xid;

use self::gate::{Admission, Gate};
use self::task::Task;
use super::command::Command;
use super::mode::{CallResult, Errand, Next, Overdue, Verdict};
use super::model::{Status, Txn, Way};
use super::state::State;

pub use self::gate::GateSettings;
pub use self::task::{Attempt, Pause};

/// How the driver behaves. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The first pause after a failed call, where the transaction names none.
    pub retry_ms: u64,
    /// The longest pause, unless the transaction's own first one is longer.
    pub retry_max_ms: u64,
    /// So many failures of one call in a row call for a person.
    pub attention_after: u32,
    /// How long an outcome is remembered.
    pub outcome_keep_ms: u64,
    /// How long a notification that was given up waits for an operator.
    pub given_up_keep_ms: u64,
    /// Who may be called at once.
    pub gate: GateSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retry_ms: 1_000,
            retry_max_ms: 60_000,
            attention_after: 3,
            outcome_keep_ms: 3_600_000,
            given_up_keep_ms: 7 * 86_400_000,
            gate: GateSettings::default(),
        }
    }
}

/// Names one call that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// An open transaction came to be or changed.
    Changed(Xid),
    /// A transaction ended.
    Ended(Xid),
    /// A call has ended.
    Returned {
        /// Which.
        call: CallId,
        /// How.
        result: CallResult,
        /// Whether anybody answered at all.
        answered: bool,
    },
    /// What the driver proposed for a transaction with [`Urgency::Now`] has been applied, or refused.
    Settled(Xid),
    /// An operator wants every call of the transaction tried at once.
    RetryNow(Xid),
    /// Time has passed.
    Tick,
}

/// Whether somebody waits for a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// It may wait a moment for company.
    Lazy,
    /// At once; [`Event::Settled`] is expected.
    Now,
}

/// A call to make.
#[derive(Clone, Debug)]
pub struct Call {
    /// Names it in [`Event::Returned`].
    pub id: CallId,
    /// Whom.
    pub errand: Errand,
    /// The transaction, whose branch says where and with what.
    pub txn: Arc<Txn>,
}

/// Something to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Make this call.
    Call(Call),
    /// Whatever this call brings is of no interest any more.
    Cancel(CallId),
    /// Propose this.
    Propose(Command, Urgency),
    /// The transaction goes on later: a call has failed, or was answered "ongoing". Told each time, for those who wait.
    Stalled(Xid, CallResult),
    /// What was tried for a transaction that ended.
    History(Xid, Vec<Attempt>),
}

/// What the driver wants done.
pub type Effects = Vec<Effect>;

#[derive(Debug)]
struct Flight {
    xid: Xid,
    errand: Errand,
    destination: Arc<str>,
    since: Now,
}

/// See the module.
#[derive(Debug)]
pub struct Driver {
    settings: Settings,
    tasks: BTreeMap<Xid, Task>,
    timers: BTreeSet<(u64, Xid)>,
    flights: HashMap<CallId, Flight, Keyed>,
    troubled: BTreeSet<Xid>,
    gate: Gate,
    last_call: u64,
    forget_due_mono: u64,
    rng: Rng,
}

impl Driver {
    /// A driver of nothing. `seed` is for the jitter of pauses and for hashing.
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            tasks: BTreeMap::new(),
            timers: BTreeSet::new(),
            flights: HashMap::with_hasher(Keyed(seed)),
            troubled: BTreeSet::new(),
            gate: Gate::new(settings.gate, Keyed(seed)),
            last_call: 0,
            forget_due_mono: 0,
            rng: Rng::new(seed),
        }
    }

    /// Takes over all open transactions from whoever drove them before.
    pub fn take_over(&mut self, state: &State, now: Now, effects: &mut Effects) {
        for txn in state.iter() {
            self.tasks.insert(txn.xid, Task::new(Arc::clone(txn), true));
        }
        let all: Vec<Xid> = self.tasks.keys().copied().collect();
        all.into_iter().for_each(|xid| self.advance(xid, now, effects));
    }

    /// Takes note of an event.
    pub fn on(&mut self, state: &State, now: Now, event: Event, effects: &mut Effects) {
        match event {
            Event::Changed(xid) => {
                let Some(txn) = state.open(xid) else { return };
                match self.tasks.get_mut(&xid) {
                    Some(task) => task.update(txn),
                    None => drop(self.tasks.insert(xid, Task::new(Arc::clone(txn), false))),
                }
                self.advance(xid, now, effects);
            }
            Event::Ended(xid) => self.ended(xid, effects),
            Event::Returned { call, result, answered } => self.returned(call, result, answered, now, effects),
            Event::Settled(xid) => {
                if let Some(task) = self.tasks.get_mut(&xid) {
                    task.deciding = false;
                    self.advance(xid, now, effects);
                }
            }
            Event::RetryNow(xid) => {
                if let Some(task) = self.tasks.get_mut(&xid) {
                    task.pauses.iter_mut().for_each(|pause| pause.due_mono = now.mono_ms);
                    self.advance(xid, now, effects);
                }
            }
            Event::Tick => {}
        }
        self.tick(state, now, effects);
    }

    fn tick(&mut self, state: &State, now: Now, effects: &mut Effects) {
        while let Some((due, xid)) = self.timers.first().copied()
            && due <= now.mono_ms
        {
            self.timers.pop_first();
            if let Some(task) = self.tasks.get_mut(&xid) {
                task.timer_mono = None;
            }
            self.advance(xid, now, effects);
        }
        if now.mono_ms >= self.forget_due_mono {
            self.forget_due_mono = now.mono_ms + (self.settings.outcome_keep_ms / 60).clamp(1_000, 60_000);
            if !state.outcomes().is_empty() {
                let before_ms = now.wall_ms.saturating_sub(self.settings.outcome_keep_ms);
                effects.push(Effect::Propose(Command::Forget { before_ms }, Urgency::Lazy));
            }
        }
    }

    /// When [`Event::Tick`] is due, on the monotonic clock.
    pub fn next_wake(&self) -> u64 {
        self.timers.first().map_or(self.forget_due_mono, |(due, _)| (*due).min(self.forget_due_mono))
    }

    fn ended(&mut self, xid: Xid, effects: &mut Effects) {
        let Some(task) = self.tasks.remove(&xid) else { return };
        if let Some(due) = task.timer_mono {
            self.timers.remove(&(due, xid));
        }
        self.troubled.remove(&xid);
        effects.extend(task.flights.iter().map(|(_, call)| Effect::Cancel(*call)));
        if !task.attempts.is_empty() {
            effects.push(Effect::History(xid, task.attempts));
        }
    }

    /// Does whatever can be done for a transaction now, and files when to look at it again.
    fn advance(&mut self, xid: Xid, now: Now, effects: &mut Effects) {
        let Some(task) = self.tasks.get(&xid) else { return };
        if task.deciding {
            return;
        }
        let txn = Arc::clone(&task.txn);
        let rules = txn.mode.rules();
        let mut wake = u64::MAX;
        let in_time = |wall_ms: u64| now.mono_ms + wall_ms.saturating_sub(now.wall_ms);
        if txn.options.timeout_ms > 0 && rules.overdue(&txn) != Overdue::Nothing {
            let due_ms = txn.begun_ms.saturating_add(txn.options.timeout_ms);
            if now.wall_ms >= due_ms {
                let unsure = task.unsure;
                return self.propose(xid, Command::TimeOut { xid, unsure }, effects);
            }
            wake = in_time(due_ms);
        }
        if txn.status == Status::GivenUp {
            let due_ms = txn.decided_ms.saturating_add(self.settings.given_up_keep_ms);
            if now.wall_ms >= due_ms {
                return self.propose(xid, Command::Stop { xid, reason: txn.reason.clone() }, effects);
            }
            wake = in_time(due_ms);
        }
        match rules.next(&txn, now.wall_ms) {
            // The last acknowledgement has been proposed.
            Next::Finish(_) => {}
            Next::Wait(until) => wake = wake.min(until.map_or(u64::MAX, in_time)),
            Next::Call(errands) => {
                for errand in errands {
                    wake = wake.min(self.call(&txn, errand, now, effects));
                }
            }
        }
        self.file(xid, wake);
    }

    /// Makes a call, unless it is under way, pausing or has to wait for its turn. Returns when to look again.
    fn call(&mut self, txn: &Arc<Txn>, errand: Errand, now: Now, effects: &mut Effects) -> u64 {
        let task = self.tasks.get_mut(&txn.xid).expect("the caller has looked it up");
        if task.is_flying(errand) || task.is_blocked(errand) {
            return u64::MAX;
        }
        if let Some(due) = task.paused_until(errand, now.mono_ms) {
            return due;
        }
        let Some(destination) = destination(txn, errand) else {
            // A back-check without anybody to ask: dtm takes it for a yes.
            self.verdict(txn.xid, errand, CallResult::Done, now, effects);
            return u64::MAX;
        };
        match self.gate.admit(destination, txn.xid, now.mono_ms) {
            Admission::Go(destination) => {
                self.last_call += 1;
                let id = CallId(self.last_call);
                task.flights.push((errand, id));
                self.flights.insert(id, Flight { xid: txn.xid, errand, destination, since: now });
                effects.push(Effect::Call(Call { id, errand, txn: Arc::clone(txn) }));
                u64::MAX
            }
            Admission::Queued => u64::MAX,
            Admission::Later(due) => due,
        }
    }

    fn returned(
        &mut self,
        call: CallId,
        result: CallResult,
        answered: bool,
        now: Now,
        effects: &mut Effects,
    ) {
        let Some(flight) = self.flights.remove(&call) else { return };
        let freed = self.gate.release(&flight.destination, answered, now.mono_ms);
        let Flight { xid, errand, since, .. } = flight;
        if let Some(task) = self.tasks.get_mut(&xid) {
            task.flights.retain(|(_, other)| *other != call);
            task.note(Attempt::new(errand, since, now, &result));
            self.verdict(xid, errand, result, now, effects);
        }
        for xid in freed {
            self.advance(xid, now, effects);
        }
    }

    fn verdict(&mut self, xid: Xid, errand: Errand, result: CallResult, now: Now, effects: &mut Effects) {
        let Some(task) = self.tasks.get_mut(&xid) else { return };
        if !task.wants(errand) {
            // It was decided otherwise while the call was under way.
            if result == CallResult::Done {
                effects.extend(task.acknowledge(errand).map(|ack| Effect::Propose(ack, Urgency::Lazy)));
            }
            return self.advance(xid, now, effects);
        }
        let failures =
            task.failures(errand) + u32::from(!matches!(result, CallResult::Done | CallResult::Ongoing));
        let txn = Arc::clone(&task.txn);
        match txn.mode.rules().on_result(&txn, errand, &result, failures) {
            Verdict::Done => self.done(xid, errand, effects),
            Verdict::Again => self.pause(xid, errand, failures, self.interval(&txn), result, now, effects),
            Verdict::BackOff => {
                let pause_ms = self.back_off(&txn, failures);
                self.pause(xid, errand, failures, pause_ms, result, now, effects);
            }
            Verdict::Counted => {
                effects.extend(counted(xid, errand));
                let pause_ms = self.back_off(&txn, failures);
                self.pause(xid, errand, failures, pause_ms, result, now, effects);
            }
            Verdict::CountedAfter(pause_ms) => {
                effects.extend(counted(xid, errand));
                self.pause(xid, errand, failures, pause_ms, result, now, effects);
            }
            Verdict::Turn { refused, reason } => {
                let unsure = task.unsure;
                let refused = match errand {
                    Errand::Leg(branch, _) if refused => Some(branch),
                    _ => None,
                };
                let turn = super::Turn { xid, refused, reason, unsure };
                return self.propose(xid, Command::Turn(Box::new(turn)), effects);
            }
            Verdict::Decide(way, reason) => {
                let decision = super::Decision { xid, way, reason, result: bytes::Bytes::new() };
                return self.propose(xid, Command::Decide(Box::new(decision)), effects);
            }
            Verdict::GiveUp => {
                effects.extend(counted(xid, errand));
                return self.propose(xid, Command::GiveUp { xid }, effects);
            }
        }
        self.advance(xid, now, effects);
    }

    fn done(&mut self, xid: Xid, errand: Errand, effects: &mut Effects) {
        let task = self.tasks.get_mut(&xid).expect("the caller has looked it up");
        if task.forgive(errand, self.settings.attention_after) {
            self.troubled.remove(&xid);
        }
        let Some(ack) = task.acknowledge(errand) else { return };
        let last = matches!(task.txn.mode.rules().next(&task.txn, u64::MAX), Next::Finish(_));
        effects.push(Effect::Propose(ack, if last { Urgency::Now } else { Urgency::Lazy }));
    }

    #[expect(clippy::too_many_arguments, reason = "each of them is a part of the pause")]
    fn pause(
        &mut self,
        xid: Xid,
        errand: Errand,
        failures: u32,
        pause_ms: u64,
        result: CallResult,
        now: Now,
        effects: &mut Effects,
    ) {
        let task = self.tasks.get_mut(&xid).expect("the caller has looked it up");
        let error = match &result {
            CallResult::Failed(error) | CallResult::Refused(error) => error.clone(),
            CallResult::Done | CallResult::Ongoing => Box::default(),
        };
        task.pause(Pause { errand, failures, due_mono: now.mono_ms + pause_ms, error });
        if failures >= self.settings.attention_after {
            self.troubled.insert(xid);
        }
        effects.push(Effect::Stalled(xid, result));
    }

    fn propose(&mut self, xid: Xid, command: Command, effects: &mut Effects) {
        let task = self.tasks.get_mut(&xid).expect("the caller has looked it up");
        task.deciding = true;
        effects.push(Effect::Propose(command, Urgency::Now));
    }

    fn interval(&self, txn: &Txn) -> u64 {
        if txn.options.retry_ms > 0 { txn.options.retry_ms } else { self.settings.retry_ms }
    }

    /// Doubles with each failure, up to a limit; up to a tenth is left to chance, so that many do not come in step.
    fn back_off(&mut self, txn: &Txn, failures: u32) -> u64 {
        let first = self.interval(txn);
        let limit = self.settings.retry_max_ms.max(first);
        let full = first.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(limit);
        full - self.rng.below(full / 10 + 1)
    }

    fn file(&mut self, xid: Xid, wake: u64) {
        let task = self.tasks.get_mut(&xid).expect("the caller has looked it up");
        let timer = (wake != u64::MAX).then_some(wake);
        if task.timer_mono == timer {
            return;
        }
        if let Some(old) = std::mem::replace(&mut task.timer_mono, timer) {
            self.timers.remove(&(old, xid));
        }
        self.timers.extend(timer.map(|due| (due, xid)));
    }

    /// Calls under way.
    pub fn flying(&self) -> usize {
        self.flights.len()
    }

    /// Transactions one of whose calls has failed so often that somebody should look.
    pub fn troubled(&self) -> impl Iterator<Item = Xid> + '_ {
        self.troubled.iter().copied()
    }

    /// What pauses of a transaction, and what has been tried for it.
    pub fn view(&self, xid: Xid) -> Option<(&[Pause], &[Attempt])> {
        self.tasks.get(&xid).map(|task| (&*task.pauses, &*task.attempts))
    }
}

fn counted(xid: Xid, errand: Errand) -> Option<Effect> {
    let Errand::Leg(branch, way) = errand else { return None };
    let report = super::Report { xid, branch, way };
    Some(Effect::Propose(Command::Attempted(report), Urgency::Lazy))
}

/// Whose turn it is to be called: the part of the URL that names the host.
fn destination(txn: &Txn, errand: Errand) -> Option<&str> {
    let target = match errand {
        Errand::Leg(branch, way) => txn.branches.get(usize::from(branch))?.leg(way).target.as_ref(),
        Errand::BackCheck => txn.back_check.as_ref(),
    };
    let url = &*target?.url;
    let rest = url.find("://").map_or(url, |at| &url[at + 3..]);
    Some(rest.split(['/', '?']).next().unwrap_or(rest))
}

/// The other way.
pub(super) const fn opposite(way: Way) -> Way {
    match way {
        Way::Forward => Way::Backward,
        Way::Backward => Way::Forward,
    }
}
