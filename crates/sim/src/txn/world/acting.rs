//! Clients and participants: what they do, and how they fail.

use synod_base::xid::Xid;
use synod_core::txn::drive::CallId;
use synod_core::txn::mode::CallResult;
use synod_core::txn::{Amend, Command, Decision, Enlist, Enrolment, Mode, Way};

use super::{Asker, Event, Reply, Step, Wish, World};
use crate::txn::client::{Client, Deed, Local, Noted};
use crate::txn::oracle;
use crate::txn::participant::{Name, Op, Says};
use crate::txn::plan::{CALL_MS, DOUBT_MS, REQUEST_MS};

/// A client whose participant does not answer gives up after so many tries.
const TRIES_MAX: u32 = 4;

impl Client {
    /// Whether it has nothing to do any more.
    pub(super) fn rests(&self) -> bool {
        !self.alive || self.next == Deed::Rest
    }

    /// An answer came, or will not: the next request has another number.
    fn go_on(&mut self, next: Deed) {
        self.next = next;
        self.tries = 0;
        self.waits += 1;
    }
}

impl World {
    /// A client does its next deed. `number` is that of the step that was waited for.
    pub(super) fn step(&mut self, client: usize, number: u64) -> Step {
        let it = &mut self.clients[client];
        if !it.alive || it.waits != number {
            return Ok(());
        }
        if !self.healing && self.rng.percent(self.plan.client_crash_percent) {
            it.alive = false;
            // Its database takes back what was not committed.
            if it.local == Local::Open {
                it.local = Local::Aborted;
            }
            self.note(|| format!("fault: client {client} dies"));
            return Ok(());
        }
        let (next, xid) = (it.next.clone(), it.xid);
        let wish = match (next, xid) {
            (Deed::Rest, _) => return Ok(()),
            (Deed::Begin, _) => Wish::Begin,
            (Deed::Query, xid) => Wish::Query(xid),
            (Deed::Ask(at, op), Some(xid)) => return self.ask(client, at, op, xid),
            (Deed::Local, _) => return self.end_local(client),
            (Deed::Enlist(at), Some(xid)) => {
                Wish::Command(Command::Enlist(Box::new(Enlist { xid, branch: it.branch(at) })))
            }
            (Deed::Note(at, way, refused), Some(xid)) => {
                let branch = it.note(at, way, refused);
                Wish::Command(Command::Enlist(Box::new(Enlist { xid, branch })))
            }
            (Deed::Decide(way), Some(xid)) => {
                let decision = Decision { xid, way, reason: "".into(), result: "".into() };
                Wish::Command(Command::Decide(Box::new(decision)))
            }
            (Deed::Look(at), Some(xid)) => Wish::Look { xid, at },
            (Deed::Withdraw(at), Some(xid)) => {
                let amend = Amend { xid, branch: it.numbers[at], payload: None, withdraw: true };
                Wish::Command(Command::Amend(Box::new(amend)))
            }
            (_, None) => Wish::Begin,
        };
        self.send(Event::Wish { client, number, wish });
        self.later(REQUEST_MS, Event::Impatience { client, number });
        Ok(())
    }

    fn ask(&mut self, client: usize, at: usize, op: Op, xid: Xid) -> Step {
        let it = &self.clients[client];
        let (to, number, mode) = (it.branches[at], it.waits, it.mode);
        let name: Name = (xid, Client::branch_id(at).into());
        self.send(Event::Ask { to, from: Asker::Client { client, number }, name, mode, op });
        self.later(CALL_MS, Event::Impatience { client, number });
        Ok(())
    }

    fn end_local(&mut self, client: usize) -> Step {
        let commits = !self.rng.percent(20);
        let takes = self.rng.below(4_000);
        let it = &mut self.clients[client];
        // A back-check may have seen to it that it cannot commit any more.
        if it.local == Local::Open {
            it.local = if commits { Local::Committed } else { Local::Aborted };
        }
        let way = if it.local == Local::Committed { Way::Forward } else { Way::Backward };
        it.go_on(Deed::Decide(way));
        let number = it.waits;
        self.later(takes, Event::Step { client, number });
        Ok(())
    }

    /// Nothing was heard: the same again.
    pub(super) fn impatience(&mut self, client: usize, number: u64) -> Step {
        let it = &mut self.clients[client];
        if !it.alive || it.waits != number {
            return Ok(());
        }
        it.tries += 1;
        it.waits += 1;
        if it.tries >= TRIES_MAX {
            match it.next {
                Deed::Ask(_, Op::Try | Op::Change(_)) => it.go_on(Deed::Decide(Way::Backward)),
                // Its database will see by itself that nobody is there any more.
                Deed::Ask(at, Op::Abandon) => it.go_on(it.without(at)),
                _ => {}
            }
        }
        let number = it.waits;
        self.later(100, Event::Step { client, number });
        Ok(())
    }

    /// Some initiators do not know what they do: one that has been told of its decision decides otherwise, or has one more
    /// branch join. Nobody waits for the answer.
    fn contradict(&mut self, client: usize, xid: Xid, way: Way) {
        if !self.rng.percent(15) {
            return;
        }
        let command = if self.rng.percent(50) {
            let way = way.opposite();
            Command::Decide(Box::new(Decision { xid, way, reason: "".into(), result: "".into() }))
        } else {
            let branch = Enrolment { id: Client::LATE.into(), ..self.clients[client].branch(0) };
            Command::Enlist(Box::new(Enlist { xid, branch }))
        };
        let pause = self.rng.below(200);
        self.later(pause, Event::Wish { client, number: u64::MAX, wish: Wish::Command(command) });
    }

    pub(super) fn reply(&mut self, client: usize, number: u64, reply: Reply) -> Step {
        let it = &mut self.clients[client];
        if !it.alive || it.waits != number {
            return Ok(());
        }
        if let (Deed::Decide(way), Some(xid), Reply::Done) = (&it.next, it.xid, &reply) {
            let way = *way;
            self.contradict(client, xid, way);
        }
        let it = &mut self.clients[client];
        let next = match (&it.next, reply) {
            (_, Reply::Busy) => {
                it.waits += 1;
                let number = it.waits;
                self.later(300, Event::Step { client, number });
                return Ok(());
            }
            (Deed::Begin, Reply::Begun(xid)) => {
                it.xid = Some(xid);
                it.first()
            }
            (Deed::Enlist(at), Reply::Joined(number)) => {
                it.numbers[*at] = number;
                it.after_enlist(*at)
            }
            (Deed::Enlist(at) | Deed::Look(at), Reply::Locked { rolling_back }) => {
                let at = *at;
                return self.locked_out(client, at, rolling_back);
            }
            (Deed::Look(at), Reply::Done) => it.after_look(*at),
            (Deed::Withdraw(at), Reply::Done) => it.without(*at),
            (Deed::Note(at, way, refused), Reply::Joined(_)) => {
                let noted = Noted { branch: *at, way: *way, refused: *refused };
                it.noted.push(noted);
                it.workflow()
            }
            (Deed::Query, Reply::Notes(Some(notes))) if it.mode == Mode::Workflow => {
                it.noted = notes;
                it.workflow()
            }
            (Deed::Query, Reply::Open | Reply::Notes(Some(_))) => Deed::Query,
            // Somebody else decided, or it is over.
            _ => Deed::Rest,
        };
        let pause = if next == Deed::Query { 1_000 } else { self.rng.below(self.plan.think_ms_max) };
        let it = &mut self.clients[client];
        it.go_on(next);
        let number = it.waits;
        self.later(pause, Event::Step { client, number });
        Ok(())
    }

    /// Another transaction has the rows.
    fn locked_out(&mut self, client: usize, at: usize, rolling_back: bool) -> Step {
        self.report.conflicts += 1;
        let pause = 20 + self.rng.below(60);
        let it = &mut self.clients[client];
        let tries = it.tries + 1;
        let next = it.after_conflict(at, rolling_back, tries);
        let again = next == it.next;
        it.go_on(next);
        if again {
            it.tries = tries;
        } else {
            it.given_up.push(at);
        }
        let number = it.waits;
        self.later(pause, Event::Step { client, number });
        Ok(())
    }

    /// What a participant answered a client.
    pub(super) fn told(&mut self, client: usize, number: u64, result: &CallResult) -> Step {
        let it = &mut self.clients[client];
        let (true, true, Deed::Ask(at, op)) = (it.alive, it.waits == number, &it.next) else { return Ok(()) };
        let next = match result {
            CallResult::Done => it.after_ask(*at, *op, true),
            CallResult::Refused(_) if *op != Op::Backward => it.after_ask(*at, *op, false),
            _ => return self.impatience(client, number),
        };
        it.go_on(next);
        let number = it.waits;
        self.later(1, Event::Step { client, number });
        Ok(())
    }

    /// The coordinator asks what has become of a transaction's initiator.
    pub(super) fn back_check(&mut self, client: usize, xid: Xid, life: u32, call: CallId) -> Step {
        let lets_it_be = self.rng.percent(50);
        let it = &mut self.clients[client];
        let result = if it.mode == Mode::Workflow {
            // The program is started, or goes on.
            if !it.alive || it.next == Deed::Rest {
                it.alive = true;
                it.xid = Some(xid);
                it.go_on(Deed::Query);
                let number = it.waits;
                self.later(1, Event::Step { client, number });
            }
            CallResult::Done
        } else {
            match it.local {
                Local::Committed => CallResult::Done,
                Local::Open if it.alive && lets_it_be => CallResult::Ongoing,
                Local::Open | Local::Aborted => {
                    // From here on it cannot commit any more.
                    it.local = Local::Aborted;
                    CallResult::Refused("rolled back".into())
                }
            }
        };
        self.send(Event::Returned { life, call, result });
        Ok(())
    }

    /// A request arrives at a participant.
    pub(super) fn asked(&mut self, to: usize, from: Asker, name: Name, mode: Mode, op: Op) -> Step {
        if !self.participants[to].up {
            return Ok(());
        }
        let life = self.participants[to].life;
        let percent = |world: &mut Self, percent: u64| !world.healing && world.rng.percent(percent);
        // Whatever it says instead of doing its part.
        let refuses = percent(self, self.plan.refuse_percent) && self.participants[to].refuse(&name, op);
        let instead = if refuses {
            Some(CallResult::Refused("no".into()))
        } else if percent(self, self.plan.ongoing_percent) {
            Some(CallResult::Ongoing)
        } else if percent(self, self.plan.fail_percent / 2) {
            Some(CallResult::Failed("500".into()))
        } else {
            None
        };
        if let Some(result) = instead {
            self.tell(from, result);
            return Ok(());
        }
        let fails = percent(self, self.plan.fail_percent / 2);
        let slow = percent(self, self.plan.slow_percent);
        let takes = if slow { CALL_MS + self.rng.below(6_000) } else { self.rng.below(20) };
        self.later(takes, Event::Commit { to, life, from, name, mode, op, fails });
        Ok(())
    }

    /// It has done its part.
    pub(super) fn commit(
        &mut self,
        to: usize,
        life: u32,
        from: Asker,
        name: Name,
        (mode, op): (Mode, Op),
        fails: bool,
    ) -> Step {
        let participant = &mut self.participants[to];
        if !participant.up || participant.life != life {
            return Ok(());
        }
        let (xid, id) = (name.0, name.1.clone());
        let says = participant.commit(name, mode, op, self.now_ms);
        self.note(|| format!("{xid}: participant {to} does {op:?} of branch {id}: {says:?}"));
        oracle::rows::said(self, xid, &says)?;
        let result = match says {
            _ if fails => CallResult::Failed("500".into()),
            Says::Done => CallResult::Done,
            Says::Refused | Says::Dirty(_) => CallResult::Refused("too late".into()),
            Says::Busy => CallResult::Failed("a row is locked".into()),
        };
        self.tell(from, result);
        Ok(())
    }

    fn tell(&mut self, to: Asker, result: CallResult) {
        self.send(match to {
            Asker::Client { client, number } => Event::Told { client, number, result },
            Asker::Node { life, call } => Event::Returned { life, call, result },
        });
    }

    /// A participant asks about what it has prepared and heard nothing of.
    pub(super) fn doubt(&mut self, participant: usize) -> Step {
        self.later(1_000, Event::Doubt { participant });
        self.participants[participant].database.expire(self.now_ms);
        let before = self.now_ms.saturating_sub(DOUBT_MS);
        if !self.participants[participant].up || self.node.is_none() {
            return Ok(());
        }
        for name in self.participants[participant].in_doubt(before) {
            // Its question or the answer to it may be lost, as anything else.
            if !self.healing && self.rng.percent(self.plan.loss_percent) {
                continue;
            }
            if let Some(way) = self.decision(name.0)? {
                oracle::rows::settled(self, participant, &name, way)?;
                self.note(|| format!("{}: participant {participant} is told {way:?} in doubt", name.0));
                self.participants[participant].settle(&name, way);
            }
        }
        Ok(())
    }
}
