//! The shell of the leader's driver: feeds it events, makes its calls, proposes what it wants proposed.
//!
//! It is one task. Calls run in tasks of their own and come back as events; a call that is not wanted any more is aborted.
//! A node that does not lead has no driver; it still hears of what was applied.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use synod_base::xid::Xid;
use synod_core::txn::Txn;
use synod_core::txn::drive::{self, Attempt, Call, CallId, Driver, Effect, Event, Urgency};
use synod_core::txn::mode::CallResult;
use synod_replica::{Later, Replicator, Role, Sink, Tidings};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::alarm::Alarm;
use super::{Coordinator, View};
use crate::call::Caller;
use crate::task::{self, Stopping};

/// Events handled before effects are carried out: a burst shares one look at the state.
const BURST: usize = 256;
/// Notices that wait; who applies waits when it is full.
const BACKLOG: usize = 1_024;

/// What the task is told.
#[derive(Debug)]
pub(super) enum Notice {
    /// Commands were applied, or the state was replaced.
    Tidings(Tidings),
    /// Something happened to one transaction.
    Event(Event),
    /// Somebody wants to know what the driver knows of a transaction.
    View(Xid, oneshot::Sender<View>),
    /// Somebody wants to know where somebody should look: at which of these, or of all.
    Troubled(Option<Vec<Xid>>, oneshot::Sender<Vec<Xid>>),
}

/// The queue of notices.
pub(super) fn notices() -> (mpsc::Sender<Notice>, mpsc::Receiver<Notice>) {
    mpsc::channel(BACKLOG)
}

/// Hands what was applied to the task, in order.
#[derive(Debug)]
pub(super) struct Ear(pub(super) mpsc::Sender<Notice>);

impl Sink for Ear {
    fn take(&self, tidings: Tidings) -> Later<'_, ()> {
        let nothing = matches!(&tidings, Tidings::Applied { news, .. } if news.touched.is_empty() && news.ended.is_empty());
        Box::pin(async move {
            if !nothing {
                // The task is gone only when the node stops.
                drop(self.0.send(Notice::Tidings(tidings)).await);
            }
        })
    }
}

#[derive(Debug)]
struct Return {
    /// In which term of office the call was made; another driver counts its calls anew.
    office: u64,
    call: CallId,
    result: CallResult,
    answered: bool,
}

/// The task.
pub(super) struct Driving {
    coordinator: Arc<Coordinator>,
    replicator: Arc<dyn Replicator>,
    settings: drive::Settings,
    seed: u64,
    caller: Caller,
    /// While this node leads.
    driver: Option<Driver>,
    office: u64,
    calls: HashMap<CallId, AbortHandle>,
    returns: mpsc::Sender<Return>,
    returned: mpsc::Receiver<Return>,
    /// Of transactions that ended in this burst.
    ended: Vec<Arc<Txn>>,
}

impl std::fmt::Debug for Driving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driving").field("calls", &self.calls.len()).finish_non_exhaustive()
    }
}

impl Driving {
    pub(super) fn new(
        coordinator: Arc<Coordinator>,
        replicator: Arc<dyn Replicator>,
        settings: drive::Settings,
        seed: u64,
        caller: Caller,
    ) -> Self {
        // No more calls are under way than this, of the present driver and of the one before.
        let (returns, returned) = mpsc::channel(settings.gate.flights_max.max(1) * 2);
        Self {
            coordinator,
            replicator,
            settings,
            seed,
            caller,
            driver: None,
            office: 0,
            calls: HashMap::new(),
            returns,
            returned,
            ended: Vec::new(),
        }
    }

    /// Drives, while this node leads, until the node stops.
    pub(super) async fn run(mut self, mut notices: mpsc::Receiver<Notice>, mut stopping: Stopping) {
        let replicator = Arc::clone(&self.replicator);
        let mut role = Role::Stopped;
        let mut changed = replicator.role_after(role);
        let mut told = pin!(stopping.given());
        let mut alarm = Alarm::new();
        loop {
            alarm.set(self.driver.as_ref().map(Driver::next_wake), self.coordinator.now().mono_ms);
            let mut events = Vec::new();
            tokio::select! {
                new = &mut changed => {
                    role = new;
                    changed = replicator.role_after(role);
                    self.become_(role);
                }
                Some(notice) = notices.recv() => self.hear(notice, &mut events),
                Some(back) = self.returned.recv() => self.take_back(back, &mut events),
                () = alarm.ring() => events.push(Event::Tick),
                () = &mut told => break,
            }
            while events.len() < BURST {
                if let Ok(back) = self.returned.try_recv() {
                    self.take_back(back, &mut events);
                } else if let Ok(notice) = notices.try_recv() {
                    self.hear(notice, &mut events);
                } else {
                    break;
                }
            }
            self.handle(events);
        }
        self.resign();
        // Whoever still applies must not wait for nobody.
        notices.close();
        while let Some(notice) = notices.recv().await {
            self.hear(notice, &mut Vec::new());
        }
        self.handle(Vec::new());
    }

    /// Takes office, or leaves it.
    fn become_(&mut self, role: Role) {
        self.resign();
        if !role.is_leader() {
            return;
        }
        self.office += 1;
        let now = self.coordinator.now();
        let mut driver = Driver::new(self.settings, self.seed);
        let mut effects = Vec::new();
        let (reserved, open) = self.coordinator.read(|state| {
            driver.take_over(state, now, &mut effects);
            (state.reserved(), state.open_len())
        });
        tracing::info!(open, "coordinates global transactions");
        self.driver = Some(driver);
        self.coordinator.proposer.lead(reserved, now.wall_ms);
        self.carry_out(effects);
    }

    /// Calls under way are given up: who drives next makes them again.
    fn resign(&mut self) {
        self.driver = None;
        self.coordinator.proposer.follow();
        self.calls.drain().for_each(|(_, call)| call.abort());
    }

    fn hear(&mut self, notice: Notice, events: &mut Vec<Event>) {
        match notice {
            Notice::Event(event) => events.push(event),
            Notice::Tidings(Tidings::Applied { news, .. }) => {
                self.coordinator.touched(&news.touched);
                events.extend(news.touched.into_iter().map(Event::Changed));
                events.extend(news.ended.iter().map(|txn| Event::Ended(txn.xid)));
                self.ended.extend(news.ended);
            }
            // Only a follower takes a snapshot, and a follower drives nothing.
            Notice::Tidings(Tidings::Replaced { .. }) => {}
            Notice::View(xid, answer) => {
                let view = self.driver.as_ref().and_then(|driver| view(driver, xid));
                drop(answer.send(view.unwrap_or_default()));
            }
            Notice::Troubled(among, answer) => {
                let troubled = self.driver.as_ref().map(|driver| match among {
                    None => driver.troubled().collect(),
                    Some(xids) => xids.into_iter().filter(|xid| driver.is_troubled(*xid)).collect(),
                });
                drop(answer.send(troubled.unwrap_or_default()));
            }
        }
    }

    fn take_back(&mut self, Return { office, call, result, answered }: Return, events: &mut Vec<Event>) {
        if office == self.office {
            self.calls.remove(&call);
            events.push(Event::Returned { call, result, answered });
        }
    }

    fn handle(&mut self, events: Vec<Event>) {
        let mut effects = Vec::new();
        if let Some(driver) = &mut self.driver {
            let now = self.coordinator.now();
            self.coordinator.read(|state| {
                for event in events {
                    driver.on(state, now, event, &mut effects);
                }
            });
        }
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut histories = HashMap::new();
        for effect in effects {
            match effect {
                Effect::Call(call) => self.call(call),
                Effect::Cancel(id) => {
                    if let Some(call) = self.calls.remove(&id) {
                        call.abort();
                    }
                }
                Effect::Propose(command, urgency) => {
                    let subject = if urgency == Urgency::Now { command.subject() } else { None };
                    self.coordinator.proposer.propose_for_driver(command, urgency, subject);
                }
                Effect::Stalled(xid, result) => self.coordinator.stalled(xid, &result),
                Effect::Through(xid) => self.coordinator.waiters.through(xid),
                Effect::History(xid, attempts) => drop(histories.insert(xid, attempts)),
            }
        }
        let ended = self.ended.drain(..).map(|txn| {
            let attempts = histories.remove(&txn.xid).unwrap_or_default();
            (txn, attempts)
        });
        let ended: Vec<(Arc<Txn>, Vec<Attempt>)> = ended.collect();
        self.coordinator.ended(&ended, self.driver.is_some());
    }

    fn call(&mut self, call: Call) {
        let (caller, id) = (self.caller.clone(), call.id);
        let returns = Returns { to: self.returns.clone(), office: self.office, call: id, given: false };
        let task = task::spawn_connection(async move {
            let delivered = caller.deliver(&call).await;
            returns.give(delivered.result, delivered.answered);
        });
        self.calls.insert(id, task.abort_handle());
    }
}

fn view(driver: &Driver, xid: Xid) -> Option<View> {
    let (pauses, attempts) = driver.view(xid)?;
    let under_way = driver.under_way(xid).collect();
    let txn = driver.copy(xid).cloned();
    Some(View { txn, pauses: pauses.to_vec(), attempts: attempts.to_vec(), under_way })
}

/// Makes sure that a call comes back, whatever becomes of its task: a flight that never ends would hold its place for ever.
struct Returns {
    to: mpsc::Sender<Return>,
    office: u64,
    call: CallId,
    given: bool,
}

impl Returns {
    fn give(mut self, result: CallResult, answered: bool) {
        self.given = true;
        self.send(result, answered);
    }

    fn send(&self, result: CallResult, answered: bool) {
        let (office, call) = (self.office, self.call);
        // There is room: no more calls are under way than the channel holds.
        drop(self.to.try_send(Return { office, call, result, answered }));
    }
}

impl Drop for Returns {
    fn drop(&mut self) {
        if !self.given {
            self.send(CallResult::Failed("the call was given up".into()), true);
        }
    }
}
