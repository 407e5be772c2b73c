//! A driver on virtual time: a state that applies what is proposed after a while, and participants that answer as the test says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use synod_base::time::Now;
use synod_base::xid::Xid;
use synod_core::txn::drive::{Attempt, Call, CallId, Driver, Effect, Event, Settings, Urgency};
use synod_core::txn::mode::{CallResult, Errand};
use synod_core::txn::{Command, Limits, News, Outcome, State, Txn, Way};

use super::support::BEGIN_MS;

/// How a participant answers.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) after_ms: u64,
    pub(crate) result: CallResult,
    pub(crate) answered: bool,
}

pub(crate) fn done() -> Option<Answer> {
    done_after(1)
}

pub(crate) fn done_after(after_ms: u64) -> Option<Answer> {
    Some(Answer { after_ms, result: CallResult::Done, answered: true })
}

pub(crate) fn refused() -> Option<Answer> {
    Some(Answer { after_ms: 1, result: CallResult::Refused("no".into()), answered: true })
}

pub(crate) fn ongoing() -> Option<Answer> {
    Some(Answer { after_ms: 1, result: CallResult::Ongoing, answered: true })
}

/// It answers that something went wrong.
pub(crate) fn failed() -> Option<Answer> {
    Some(Answer { after_ms: 1, result: CallResult::Failed("500".into()), answered: true })
}

/// It does not answer, and that is noticed after a while.
pub(crate) fn silent(after_ms: u64) -> Option<Answer> {
    Some(Answer { after_ms, result: CallResult::Failed("no answer".into()), answered: false })
}

/// A call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    /// Milliseconds after the beginning.
    pub(crate) at: u64,
    pub(crate) xid: Xid,
    pub(crate) errand: Errand,
}

type Script = Box<dyn FnMut(&Call, u64) -> Option<Answer>>;

/// See the module. Times of its methods are in milliseconds after the beginning.
pub(crate) struct Rig {
    pub(crate) state: State,
    pub(crate) driver: Driver,
    pub(crate) now: u64,
    /// From a proposal to its application.
    pub(crate) lag_ms: u64,
    /// Nothing that is proposed is applied, and whoever waits for it hears that.
    pub(crate) full: bool,
    script: Script,
    under_way: BTreeMap<CallId, (u64, CallResult, bool)>,
    proposed: VecDeque<(u64, Command, Urgency)>,
    pub(crate) made: Vec<Made>,
    pub(crate) cancelled: Vec<CallId>,
    pub(crate) ended: Vec<Arc<Txn>>,
    pub(crate) history: Vec<(Xid, Vec<Attempt>)>,
    /// Whose initiators need not wait any more, and since when.
    pub(crate) through: Vec<(u64, Xid)>,
    /// What did not go on, and why.
    pub(crate) stalled: Vec<(Xid, CallResult)>,
    pub(crate) proposals: Vec<(u64, Command, Urgency)>,
}

impl Rig {
    pub(crate) fn new(
        settings: Settings,
        script: impl FnMut(&Call, u64) -> Option<Answer> + 'static,
    ) -> Self {
        Self {
            state: State::new(Limits::default()),
            driver: Driver::new(settings, 7),
            now: 0,
            lag_ms: 2,
            full: false,
            script: Box::new(script),
            under_way: BTreeMap::new(),
            proposed: VecDeque::new(),
            made: Vec::new(),
            cancelled: Vec::new(),
            ended: Vec::new(),
            history: Vec::new(),
            through: Vec::new(),
            stalled: Vec::new(),
            proposals: Vec::new(),
        }
    }

    /// With the settings that a server has unless told otherwise.
    pub(crate) fn plain(script: impl FnMut(&Call, u64) -> Option<Answer> + 'static) -> Self {
        Self::new(Settings::default(), script)
    }

    fn moment(&self) -> Now {
        // The clocks have nothing in common.
        Now { wall_ms: BEGIN_MS + self.now, mono_ms: 5_000_000 + self.now }
    }

    /// Applies a client's command at once.
    pub(crate) fn apply(&mut self, command: &Command) -> Outcome {
        let mut news = News::default();
        self.state.begin_batch((BEGIN_MS + self.now).max(self.state.stamp_ms() + 1));
        let outcome = self.state.apply(command, &mut news);
        for xid in news.touched {
            self.tell(Event::Changed(xid));
        }
        for txn in news.ended {
            let xid = txn.xid;
            self.ended.push(txn);
            self.tell(Event::Ended(xid));
        }
        outcome
    }

    /// Tells the driver something.
    pub(crate) fn tell(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.driver.on(&self.state, self.moment(), event, &mut effects);
        self.carry_out(effects);
    }

    /// Another driver takes over; calls under way are lost, and so is what was proposed and not applied.
    pub(crate) fn take_over(&mut self, settings: Settings) {
        self.driver = Driver::new(settings, 8);
        self.under_way.clear();
        self.proposed.clear();
        let mut effects = Vec::new();
        self.driver.take_over(&self.state, self.moment(), &mut effects);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Call(call) => {
                    self.made.push(Made { at: self.now, xid: call.txn.xid, errand: call.errand });
                    if let Some(Answer { after_ms, result, answered }) = (self.script)(&call, self.now) {
                        let known = self.under_way.insert(call.id, (self.now + after_ms, result, answered));
                        assert!(known.is_none(), "one id for two calls");
                    }
                }
                // As the server does it: the call comes back, given up.
                Effect::Cancel(call) => {
                    self.cancelled.push(call);
                    self.under_way.insert(call, (self.now, CallResult::Failed("given up".into()), true));
                }
                Effect::Propose(command, urgency) => {
                    self.proposals.push((self.now, command.clone(), urgency));
                    self.proposed.push_back((self.now + self.lag_ms, command, urgency));
                }
                Effect::Stalled(xid, result) => self.stalled.push((xid, result)),
                Effect::Through(xid) => self.through.push((self.now, xid)),
                Effect::History(xid, attempts) => self.history.push((xid, attempts)),
            }
        }
    }

    /// Lets time pass until `until`.
    pub(crate) fn run(&mut self, until: u64) {
        for _ in 0..5_000_000 {
            let call = self.under_way.iter().min_by_key(|(id, (due, ..))| (*due, **id));
            let call = call.map(|(id, (due, ..))| (*due, *id));
            let proposal = self.proposed.front().map(|(due, ..)| *due);
            let wake = (self.driver.next_wake().saturating_sub(5_000_000)).max(self.now);
            let next = [call.map(|(due, _)| due), proposal, Some(wake)].into_iter().flatten().min();
            let next = next.unwrap_or(until);
            if next > until {
                self.now = until;
                return;
            }
            self.now = self.now.max(next);
            if proposal == Some(next) {
                self.apply_next();
            } else if let Some((due, id)) = call
                && due == next
            {
                let (_, result, answered) = self.under_way.remove(&id).expect("just found");
                self.tell(Event::Returned { call: id, result, answered });
            } else {
                self.tell(Event::Tick);
                assert!(self.driver.next_wake() > 5_000_000 + self.now, "a wake that wakes nobody");
            }
        }
        panic!("no end of events");
    }

    fn apply_next(&mut self) {
        let (_, command, urgency) = self.proposed.pop_front().expect("somebody has looked");
        let subject = command.subject();
        if !self.full {
            // Who proposes hears of refusals too, and does nothing about it.
            drop(self.apply(&command));
        }
        if urgency == Urgency::Now {
            self.tell(Event::Settled(
                subject.expect("an urgent command of the driver is about a transaction"),
            ));
        }
    }

    /// The calls made for one transaction: when, and what.
    pub(crate) fn calls(&self, xid: Xid) -> Vec<(u64, String)> {
        let of = |made: &&Made| made.xid == xid;
        self.made.iter().filter(of).map(|made| (made.at, name(made.errand))).collect()
    }

    /// The same without the times.
    pub(crate) fn order(&self, xid: Xid) -> Vec<String> {
        self.calls(xid).into_iter().map(|(_, name)| name).collect()
    }

    /// The transaction that ended.
    pub(crate) fn end_of(&self, xid: Xid) -> Option<&Arc<Txn>> {
        self.ended.iter().find(|txn| txn.xid == xid)
    }
}

/// `+0` for branch 0 forward, `-0` for branch 0 back, `?` for a back-check.
pub(crate) fn name(errand: Errand) -> String {
    match errand {
        Errand::Leg(branch, Way::Forward) => format!("+{branch}"),
        Errand::Leg(branch, Way::Backward) => format!("-{branch}"),
        Errand::BackCheck => "?".to_owned(),
    }
}

/// The branch and the way that a call is about; none for a back-check.
pub(crate) fn leg(call: &Call) -> Option<(u16, Way)> {
    match call.errand {
        Errand::Leg(branch, way) => Some((branch, way)),
        Errand::BackCheck => None,
    }
}
