//! The leader's part: who has to be called now, when to try again, and what to propose when a call has ended.
//!
//! Nothing here is durable. A new leader builds a driver from the state ([`Driver::take_over`]) and goes on. Three rules make
//! that safe:
//!
//! - Participants are called again when it is not known whether they have been. They are idempotent by contract.
//! - An acknowledgement is proposed lazily, unless it ends the transaction. Until it is applied the driver goes on from a
//!   copy of the transaction that has it ([`task`]).
//! - A driver that took a saga over does not know which actions its predecessor had called behind the last acknowledgement
//!   that survived. When such a saga turns, all of its branches are compensated. The same holds when one of its own
//!   acknowledgements got lost, as while the disk is full; it is proposed again.
//!
//! The driver reads no clock: it is told the moment, and says with [`Driver::next_wake`] when it wants to be asked again.

mod gate;
mod hurry;
mod task;
mod terms;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use synod_base::hash::Keyed;
use synod_base::rng::Rng;
use synod_base::time::Now;
use synod_base::xid::Xid;

use self::gate::{Gate, Heard};
use self::hurry::Failed;
use self::task::Task;
use super::command::{Command, Report};
use super::mode::{CallResult, Errand, Next, Overdue, Verdict};
use super::model::{Status, Txn};
use super::state::State;

pub use self::gate::GateSettings;
pub use self::task::{Attempt, Pause};
pub use self::terms::{Call, CallId, Effect, Effects, Event, Settings, Urgency};

/// An acknowledgement that has not been applied after so long has been lost.
const APPLY_MS: u64 = 10_000;
/// It is looked for that often.
const APPLY_CHECK_MS: u64 = 1_000;

#[derive(Debug)]
struct Flight {
    xid: Xid,
    errand: Errand,
    destination: Arc<str>,
    since: Now,
    /// Nobody wants to know any more.
    cancelled: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Driver {
    settings: Settings,
    tasks: BTreeMap<Xid, Task>,
    timers: BTreeSet<(u64, Xid)>,
    flights: HashMap<CallId, Flight, Keyed>,
    troubled: BTreeSet<Xid>,
    failed: Failed,
    gate: Gate,
    /// Who has acknowledgements proposed, and until when they should be applied.
    unapplied: VecDeque<(u64, Xid)>,
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
            failed: Failed::default(),
            gate: Gate::new(settings.gate, Keyed(seed)),
            unapplied: VecDeque::new(),
            last_call: 0,
            forget_due_mono: 0,
            rng: Rng::new(seed),
        }
    }

    /// Takes over all open transactions from whoever drove them before. From here on this node's limits count.
    pub fn take_over(&mut self, state: &State, now: Now, effects: &mut Effects) {
        effects.push(Effect::Propose(Command::Limit(Box::new(state.configured)), Urgency::Lazy));
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
                if let Some(txn) = state.open(xid) {
                    match self.tasks.get_mut(&xid) {
                        Some(task) => task.update(txn),
                        None => drop(self.tasks.insert(xid, Task::new(Arc::clone(txn), false))),
                    }
                    self.advance(xid, now, effects);
                }
            }
            Event::Ended(xid) => self.ended(xid, now, effects),
            Event::Returned { call, result, answered } => self.returned(call, result, answered, now, effects),
            Event::Settled(xid) => {
                if let Some(task) = self.tasks.get_mut(&xid) {
                    if task.deciding.take() == Some(task.txn.status) {
                        // It was refused, as while the disk is full. At once it would be again.
                        task.held_until = now.mono_ms.saturating_add(interval(&self.settings, &task.txn));
                    }
                    self.advance(xid, now, effects);
                }
            }
            Event::RetryNow(xid) => self.retry_now(xid, now, effects),
            Event::Reachable(name) => self.reachable(&name, now, effects),
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
        while let Some((due, xid)) = self.unapplied.front().copied()
            && due <= now.mono_ms
        {
            self.unapplied.pop_front();
            self.acknowledge_again(xid, now, effects);
        }
        self.gate.reopen(now.mono_ms);
        while let Some((xid, name)) = self.gate.next(now.mono_ms) {
            if let Some(task) = self.tasks.get_mut(&xid) {
                task.places.retain(|place| !place.is_for(&name));
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
        let timer = self.timers.first().map(|(due, _)| *due);
        let unapplied = self.unapplied.front().map(|(due, _)| *due);
        [timer, unapplied, self.gate.next_reopen()].into_iter().flatten().fold(self.forget_due_mono, u64::min)
    }

    fn ended(&mut self, xid: Xid, now: Now, effects: &mut Effects) {
        let Some(task) = self.tasks.remove(&xid) else { return };
        if let Some(due) = task.timer_mono {
            self.timers.remove(&(due, xid));
        }
        self.troubled.remove(&xid);
        self.failed.forget(xid, task.failed_at);
        self.gate.leave(task.places, now.mono_ms);
        for (_, call) in task.flights {
            if let Some(flight) = self.flights.get_mut(&call) {
                flight.cancelled = true;
            }
            effects.push(Effect::Cancel(call));
        }
        if !task.attempts.is_empty() {
            effects.push(Effect::History(xid, task.attempts));
        }
    }

    /// Does whatever can be done for a transaction now, and files when to look at it again.
    fn advance(&mut self, xid: Xid, now: Now, effects: &mut Effects) {
        let Some(task) = self.tasks.get_mut(&xid) else { return };
        if task.is_newly_told() {
            effects.push(Effect::Through(xid));
        }
        if task.deciding.is_some() {
            return;
        }
        let held_until = task.held_until;
        if now.mono_ms < held_until {
            return self.file(xid, held_until);
        }
        let unsure = task.unsure;
        let txn = Arc::clone(&task.txn);
        let rules = txn.mode.rules();
        let mut wake = u64::MAX;
        let in_time = |wall_ms: u64| now.mono_ms.saturating_add(wall_ms.saturating_sub(now.wall_ms));
        if txn.options.timeout_ms > 0 && rules.overdue(&txn) != Overdue::Nothing {
            let due_ms = txn.begun_ms.saturating_add(txn.options.timeout_ms);
            if now.wall_ms >= due_ms {
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
        let Some(name) = destination(txn, errand) else {
            // A back-check without anybody to ask: dtm takes it for a yes.
            self.verdict(txn.xid, errand, CallResult::Done, now, effects);
            return u64::MAX;
        };
        if let Some(destination) = self.gate.admit(name, txn.xid, &mut task.places, now.mono_ms) {
            self.last_call += 1;
            let id = CallId(self.last_call);
            task.flights.push((errand, id));
            let flight = Flight { xid: txn.xid, errand, destination, since: now, cancelled: false };
            self.flights.insert(id, flight);
            effects.push(Effect::Call(Call { id, errand, txn: Arc::clone(txn) }));
        }
        u64::MAX
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
        let heard = match answered {
            _ if flight.cancelled => Heard::Nothing,
            true => Heard::Answer,
            false => Heard::Silence,
        };
        self.gate.release(&flight.destination, heard, now.mono_ms);
        let Flight { xid, errand, since, destination, .. } = flight;
        if let Some(task) = self.tasks.get_mut(&xid) {
            task.flights.retain(|(_, other)| *other != call);
            if result != CallResult::Done {
                self.failed.note(xid, task, destination);
            }
            task.note(Attempt::new(errand, since, now, &result));
            self.verdict(xid, errand, result, now, effects);
        }
    }

    fn verdict(&mut self, xid: Xid, errand: Errand, result: CallResult, now: Now, effects: &mut Effects) {
        let Some(task) = self.tasks.get_mut(&xid) else { return };
        if !task.wants(errand) {
            // It was decided otherwise while the call was under way.
            if result == CallResult::Done {
                self.acknowledge(xid, errand, now, effects);
            }
            return self.advance(xid, now, effects);
        }
        let failures =
            task.failures(errand) + u32::from(!matches!(result, CallResult::Done | CallResult::Ongoing));
        let txn = Arc::clone(&task.txn);
        match txn.mode.rules().on_result(&txn, errand, &result, failures) {
            Verdict::Done => self.done(xid, errand, now, effects),
            Verdict::Again => {
                self.pause(xid, errand, failures, interval(&self.settings, &txn), result, now, effects)
            }
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
            Verdict::Refuse => {
                effects.push(Effect::Stalled(xid, result));
                self.troubled.insert(xid);
                let Errand::Leg(branch, way) = errand else { return self.advance(xid, now, effects) };
                return self.propose(xid, Command::Refuse(Report { xid, branch, way }), effects);
            }
            Verdict::GiveUp => {
                effects.extend(counted(xid, errand));
                return self.propose(xid, Command::GiveUp { xid }, effects);
            }
        }
        self.advance(xid, now, effects);
    }

    fn done(&mut self, xid: Xid, errand: Errand, now: Now, effects: &mut Effects) {
        let task = self.tasks.get_mut(&xid).expect("the caller has looked it up");
        if task.forgive(errand, self.settings.attention_after) {
            self.troubled.remove(&xid);
        }
        self.acknowledge(xid, errand, now, effects);
    }

    fn acknowledge(&mut self, xid: Xid, errand: Errand, now: Now, effects: &mut Effects) {
        let task = self.tasks.get_mut(&xid).expect("the caller has looked it up");
        let Some(report) = task.acknowledge(errand, now.mono_ms) else { return };
        let urgency = if task.is_awaited() { Urgency::Now } else { Urgency::Lazy };
        effects.push(Effect::Propose(Command::Report(report), urgency));
        self.look_later(xid, now);
    }

    /// Proposes acknowledgements once more that have not been applied although there was time.
    fn acknowledge_again(&mut self, xid: Xid, now: Now, effects: &mut Effects) {
        let Some(task) = self.tasks.get_mut(&xid) else { return };
        let late = task.late(now.mono_ms.saturating_sub(APPLY_MS), now.mono_ms);
        if late.is_empty() {
            return;
        }
        task.unsure = true;
        let urgency = if task.is_awaited() { Urgency::Now } else { Urgency::Lazy };
        effects.extend(late.into_iter().map(|late| Effect::Propose(Command::Report(late), urgency)));
        self.look_later(xid, now);
    }

    fn look_later(&mut self, xid: Xid, now: Now) {
        // At whole seconds: there are thousands of them.
        let due = (now.mono_ms.saturating_add(APPLY_MS) / APPLY_CHECK_MS + 1).saturating_mul(APPLY_CHECK_MS);
        self.unapplied.push_back((due, xid));
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
        let hurried = task.hurried.contains(&errand);
        task.hurried.retain(|other| *other != errand);
        let pause_ms = if hurried { 0 } else { pause_ms };
        task.pause(Pause { errand, failures, due_mono: now.mono_ms.saturating_add(pause_ms), error });
        if failures >= self.settings.attention_after {
            self.troubled.insert(xid);
        }
        effects.push(Effect::Stalled(xid, result));
    }

    fn propose(&mut self, xid: Xid, command: Command, effects: &mut Effects) {
        let task = self.tasks.get_mut(&xid).expect("the caller has looked it up");
        task.decides();
        // Where a saga turns depends on what is known to be done. Most likely this has been applied, or will be before the turn.
        let known = task.acknowledged().map(|report| Effect::Propose(Command::Report(report), Urgency::Lazy));
        effects.extend(known);
        effects.push(Effect::Propose(command, Urgency::Now));
    }

    /// Doubles with each failure, up to a limit; up to a tenth is left to chance, so that many do not come in step.
    fn back_off(&mut self, txn: &Txn, failures: u32) -> u64 {
        let first = interval(&self.settings, txn);
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

    /// Whether one of a transaction's calls has failed so often that somebody should look.
    pub fn is_troubled(&self, xid: Xid) -> bool {
        self.troubled.contains(&xid)
    }

    /// The calls of a transaction that are under way, and when each left, in milliseconds since 1970.
    pub fn under_way(&self, xid: Xid) -> impl Iterator<Item = (Errand, u64)> + '_ {
        let flights = self.tasks.get(&xid).into_iter().flat_map(|task| &task.flights);
        flights.filter_map(|(errand, call)| Some((*errand, self.flights.get(call)?.since.wall_ms)))
    }

    /// A transaction with the acknowledgements that are proposed but not applied yet.
    pub fn copy(&self, xid: Xid) -> Option<&Arc<Txn>> {
        self.tasks.get(&xid).map(|task| &task.txn)
    }

    /// What pauses of a transaction, and what has been tried for it.
    pub fn view(&self, xid: Xid) -> Option<(&[Pause], &[Attempt])> {
        self.tasks.get(&xid).map(|task| (&*task.pauses, &*task.attempts))
    }
}

/// The transaction's own interval, or the one that holds where it names none.
fn interval(settings: &Settings, txn: &Txn) -> u64 {
    if txn.options.retry_ms > 0 { txn.options.retry_ms } else { settings.retry_ms }
}

fn counted(xid: Xid, errand: Errand) -> Option<Effect> {
    let Errand::Leg(branch, way) = errand else { return None };
    let report = Report { xid, branch, way };
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
