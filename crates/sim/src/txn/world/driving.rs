//! The driver's part: its calls go out, their ends come back, what it proposes goes into the queue.

use synod_core::txn::Command;
use synod_core::txn::drive::{Call, CallId, Effect, Effects, Event as Told, Urgency};
use synod_core::txn::mode::{CallResult, Errand};
use synod_core::txn::{Txn, Way};

use super::coordinating::Ticket;
use super::{Asker, Event, Step, World};
use crate::txn::oracle;
use crate::txn::participant::Op;
use crate::txn::plan::{Breakage, CALL_MS};

impl World {
    pub(super) fn take_over(&mut self) -> Step {
        let now = self.moment();
        let Some(node) = &mut self.node else { return Ok(()) };
        let mut effects = Effects::new();
        let driver = &mut node.driver;
        node.machine.read(|view| driver.take_over(&view.state, now, &mut effects));
        self.follow(effects)?;
        self.work()
    }

    pub(super) fn drive(&mut self, told: Told) -> Step {
        let now = self.moment();
        let Some(node) = &mut self.node else { return Ok(()) };
        let mut effects = Effects::new();
        let driver = &mut node.driver;
        node.machine.read(|view| driver.on(&view.state, now, told, &mut effects));
        self.follow(effects)
    }

    fn follow(&mut self, effects: Effects) -> Step {
        for effect in effects {
            match effect {
                Effect::Call(call) => self.call(&call)?,
                // Aborted, it comes back as given up.
                Effect::Cancel(call) => self.later(
                    0,
                    Event::Returned { life: self.life, call, result: CallResult::Failed("given up".into()) },
                ),
                Effect::Propose(command, urgency) => self.propose_for_driver(command, urgency),
                Effect::Through(xid) => oracle::atomicity::through(self, xid)?,
                Effect::Stalled(..) | Effect::History(..) => {}
            }
        }
        Ok(())
    }

    fn propose_for_driver(&mut self, command: Command, urgency: Urgency) {
        let subject = command.subject().filter(|_| urgency == Urgency::Now);
        let command = match command {
            Command::Turn(mut turn) if self.plan.breakage == Breakage::IsSureAfterTakeOver => {
                turn.unsure = false;
                Command::Turn(turn)
            }
            Command::TimeOut { xid, .. } if self.plan.breakage == Breakage::IsSureAfterTakeOver => {
                Command::TimeOut { xid, unsure: false }
            }
            other => other,
        };
        self.push(command, Ticket::Driver(subject), urgency);
    }

    fn call(&mut self, call: &Call) -> Step {
        oracle::call_made(self, call)?;
        self.report.calls += 1;
        let (xid, errand, life) = (call.txn.xid, call.errand, self.life);
        self.note(|| format!("{xid}: calls {}", in_words(&call.txn, errand)));
        if let Some(node) = &mut self.node {
            node.flights.insert(call.id, (xid, errand));
        }
        self.later(CALL_MS, Event::Timeout { life, call: call.id });
        let url = match errand {
            Errand::Leg(branch, way) => call.txn.branches[usize::from(branch)].leg(way).target.as_ref(),
            Errand::BackCheck => call.txn.back_check.as_ref(),
        };
        let host = url.and_then(|target| target.url.strip_prefix("http://")?.split('/').next());
        let to = host.and_then(|host| host[1..].parse().ok()).expect("clients name whom they know");
        match errand {
            Errand::BackCheck => self.send(Event::BackCheck { client: to, xid, life, call: call.id }),
            Errand::Leg(branch, way) => {
                let name = (xid, call.txn.branches[usize::from(branch)].id.clone());
                let op = if way == Way::Forward { Op::Forward } else { Op::Backward };
                let from = Asker::Node { life, call: call.id };
                self.send(Event::Ask { to, from, name, mode: call.txn.mode, op });
            }
        }
        Ok(())
    }

    /// A call has ended; only the first end of it counts.
    pub(super) fn returned(&mut self, call: CallId, result: CallResult, answered: bool) -> Step {
        let Some(node) = &mut self.node else { return Ok(()) };
        let Some((xid, errand)) = node.flights.remove(&call) else { return Ok(()) };
        if self.plan.breakage == Breakage::LosesReturns && self.rng.percent(10) {
            return Ok(());
        }
        oracle::contract::returned(self, xid, errand, &result);
        self.note(|| format!("{xid}: {errand:?} ended with {result:?}"));
        self.drive(Told::Returned { call, result, answered })?;
        self.work()
    }
}

fn in_words(txn: &Txn, errand: Errand) -> String {
    let word = match errand {
        Errand::Leg(branch, way) => format!("branch {branch} {way:?}"),
        Errand::BackCheck => "its initiator".to_owned(),
    };
    format!("{word} of a {}, {}", txn.mode.as_str(), txn.status)
}
