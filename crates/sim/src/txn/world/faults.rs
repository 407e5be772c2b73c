//! What goes wrong, and how it stops.

use synod_core::txn::drive::{Event as Told, Urgency};
use synod_core::txn::{Command, Mode};

use super::coordinating::Ticket;
use super::{Event, Step, World};

/// How often somebody looks after what was refused.
const ATTEND_MS: u64 = 2_500;

impl World {
    /// About that long.
    pub(super) fn soon(&mut self, average_ms: u64) -> u64 {
        1 + self.rng.below(2 * average_ms.max(1))
    }

    pub(super) fn plan_faults(&mut self) {
        let plan = self.plan.clone();
        let faults = [
            (plan.crash_every_ms, Event::Crash),
            (plan.participant_crash_every_ms, Event::ParticipantCrash),
            (plan.full_every_ms, Event::Full(true)),
            (plan.operator_every_ms, Event::Operator),
        ];
        self.later(ATTEND_MS, Event::Attend);
        for (every_ms, event) in faults {
            if every_ms > 0 {
                let first = self.soon(every_ms);
                self.later(first, event);
            }
        }
    }

    pub(super) fn participant_crash(&mut self) -> Step {
        if self.healing {
            return Ok(());
        }
        let next = self.soon(self.plan.participant_crash_every_ms);
        self.later(next, Event::ParticipantCrash);
        let participant = self.rng.below(self.participants.len() as u64) as usize;
        let it = &mut self.participants[participant];
        if it.up {
            it.crash();
            self.note(|| format!("fault: participant {participant} crashes"));
            let down = self.rng.below(6_000);
            self.later(down, Event::ParticipantStart { participant });
        }
        Ok(())
    }

    pub(super) fn participant_start(&mut self, participant: usize) -> Step {
        self.participants[participant].up = true;
        Ok(())
    }

    pub(super) fn fill(&mut self, full: bool) -> Step {
        self.full = full && !self.healing;
        self.store.set_full(self.full);
        self.note(|| format!("fault: the disk is full: {full}"));
        if full {
            let spell = self.rng.below(2_000);
            self.later(spell, Event::Full(false));
        } else if !self.healing {
            let next = self.soon(self.plan.full_every_ms);
            self.later(next, Event::Full(true));
        }
        Ok(())
    }

    /// An operator has something tried at once, sends a notification again, or, rarely, stops something.
    pub(super) fn operate(&mut self) -> Step {
        if self.healing {
            return Ok(());
        }
        let next = self.soon(self.plan.operator_every_ms);
        self.later(next, Event::Operator);
        let Some(state) = self.state() else { return Ok(()) };
        let open: Vec<_> = state.iter().map(|txn| (txn.xid, txn.mode)).collect();
        if open.is_empty() {
            return Ok(());
        }
        let (xid, mode) = open[self.rng.below(open.len() as u64) as usize];
        match self.rng.below(6) {
            0 => {
                let command = Command::Stop { xid, reason: "an operator".into() };
                self.push(command, Ticket::Nobody, Urgency::Now);
            }
            1 | 2 if mode == Mode::Notification => {
                self.push(Command::Resend { xid }, Ticket::Nobody, Urgency::Now);
            }
            _ => {
                self.record.hurried.insert(xid, self.now_ms);
                self.drive(Told::RetryNow(xid))?;
            }
        }
        self.work()
    }

    /// An operator finds what participants have refused for good, and has it tried again; no refusal ends by itself.
    pub(super) fn attend(&mut self) -> Step {
        self.later(ATTEND_MS, Event::Attend);
        let Some(state) = self.state() else { return Ok(()) };
        let refused: Vec<_> = state.iter().filter(|txn| txn.is_refused()).map(|txn| txn.xid).collect();
        for xid in refused {
            // Some have to wait for the next round.
            if self.healing || self.rng.percent(60) {
                self.record.hurried.insert(xid, self.now_ms);
                self.push(Command::Resend { xid }, Ticket::Nobody, Urgency::Now);
            }
        }
        self.work()
    }

    pub(super) fn heal(&mut self) -> Step {
        self.healing = true;
        self.full = false;
        self.store.set_full(false);
        self.note(|| "fault: there are no more".to_owned());
        for participant in &mut self.participants {
            participant.up = true;
        }
        self.start()?;
        self.later(1, Event::Look);
        Ok(())
    }
}
