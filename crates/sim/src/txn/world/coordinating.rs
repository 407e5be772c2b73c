//! The coordinator: what the server's shell does with the core, over a log that is flushed after a while.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use synod_base::time::Now;
use synod_base::xid::Xid;
use synod_core::txn::codec::{snapshot, v1};
use synod_core::txn::drive::{self, CallId, Driver, GateSettings, Settings, Urgency};
use synod_core::txn::mode::Errand;
use synod_core::txn::{Command, Outcome, State, Txn};
use synod_replica::{Batcher, IdBlocks, Machine, Tidings};

use super::store::Failure;
use super::{BEGIN_MS, Event, Reply, Step, World};
use crate::txn::oracle::{self, Broken};
use crate::txn::plan::Breakage;

/// How a snapshot's records of rows begin.
const ROWS_RECORD: u8 = 7;

/// Who hears what became of a command.
#[derive(Debug)]
pub(super) enum Ticket {
    Client { client: usize, number: u64, command: Command },
    Driver(Option<Xid>),
    Ids,
    Nobody,
}

/// A running coordinator.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) machine: Machine,
    pub(super) batcher: Batcher<Ticket>,
    pub(super) ids: IdBlocks,
    pub(super) driver: Driver,
    /// Whom its calls under way are about.
    pub(super) flights: BTreeMap<CallId, (Xid, Errand)>,
    /// The batch that is being flushed.
    batch: Option<(u64, Bytes, Vec<Ticket>)>,
    /// How far its wall clock is off.
    skew_ms: u64,
    next_index: u64,
    wake: Option<u64>,
}

impl Node {
    pub(super) fn is_idle(&self) -> bool {
        self.machine.read(|view| view.state.open_len()) == 0
            && self.batcher.is_empty()
            && self.batch.is_none()
    }
}

fn settings(per_destination_max: usize) -> Settings {
    Settings {
        retry_ms: 300,
        retry_max_ms: 3_000,
        given_up_keep_ms: 4_000,
        gate: GateSettings {
            per_destination_max,
            break_after: 5,
            break_ms: 500,
            break_max_ms: 3_000,
            ..GateSettings::default()
        },
        ..Settings::default()
    }
}

impl World {
    pub(super) fn moment(&self) -> Now {
        let skew_ms = self.node.as_ref().map_or(0, |node| node.skew_ms);
        Now { wall_ms: BEGIN_MS + self.now_ms + skew_ms, mono_ms: 77 + self.now_ms }
    }

    /// The transaction as applied, if it has not ended.
    pub(in crate::txn) fn open(&self, xid: Xid) -> Option<Arc<Txn>> {
        self.node.as_ref().and_then(|node| node.machine.read(|view| view.state.open(xid).cloned()))
    }

    /// The state as applied.
    pub(in crate::txn) fn state(&self) -> Option<State> {
        self.node.as_ref().map(|node| node.machine.copy().state)
    }

    /// Reads what the disk has, and takes over.
    pub(super) fn start(&mut self) -> Step {
        if self.node.is_some() {
            return Ok(());
        }
        self.life += 1;
        self.report.starts += 1;
        // Not from the beginning: a log that was never there would be too easy to miss.
        if self.plan.breakage == Breakage::SkipsFlushes && self.report.starts > 1 {
            self.store.skip_syncs();
        }
        let opened = self.store.open()?;
        let machine = Machine::new(Self::limits());
        let mut next_index = 1;
        let damage = |what: &str| Broken::new("survival", "", format!("the disk cannot be read: {what}"));
        if let Some((index, records)) = &opened.snapshot {
            let mut loader = snapshot::Loader::new(Self::limits());
            records.iter().try_for_each(|record| loader.take(record)).map_err(|error| damage(error.what))?;
            let state = loader.finish().map_err(|error| damage(error.what))?;
            drop(machine.replace(state, *index));
            next_index = index + 1;
        }
        // What the last life wrote and never applied may be among it.
        let mut replayed = Vec::new();
        for (index, bytes) in &opened.entries {
            let (_, tidings) = machine.apply(*index, bytes).map_err(|error| damage(error.what))?;
            if let Tidings::Applied { news, .. } = tidings {
                replayed.push(news);
            }
            next_index = index + 1;
        }
        let (reserved, open) = machine.read(|view| (view.state.reserved(), view.state.open_len()));
        let skew_ms = self.rng.below(3_000);
        let reserved = if self.plan.breakage == Breakage::ReusesIds { 1 } else { reserved.max(1) };
        let plan = &self.plan;
        let batching = synod_replica::Settings {
            batch_commands_max: plan.batch_commands_max,
            linger_ms: plan.linger_ms,
            // What fits in a segment of the smallest size.
            batch_bytes_max: 16 << 10,
            ..Default::default()
        };
        self.node = Some(Node {
            machine,
            batcher: Batcher::new(batching),
            ids: IdBlocks::take_over(0, reserved, 0).with_block(8),
            driver: Driver::new(settings(plan.per_destination_max), plan.seed ^ u64::from(self.life)),
            flights: BTreeMap::new(),
            batch: None,
            skew_ms,
            next_index,
            wake: None,
        });
        self.note(|| format!("coordinator: starts with {open} open, skew {skew_ms} ms"));
        oracle::survival::after_start(self)?;
        replayed.iter().try_for_each(|news| oracle::decision::applied(self, news))?;
        oracle::rows::are_right(self)?;
        if self.plan.snapshot_every_ms > 0 {
            self.later(self.plan.snapshot_every_ms, Event::Snapshot { life: self.life });
        }
        self.take_over()
    }

    pub(super) fn crash(&mut self) -> Step {
        if self.healing {
            return Ok(());
        }
        let next = self.soon(self.plan.crash_every_ms);
        self.later(next, Event::Crash);
        self.die()
    }

    /// The coordinator ends, if it runs, with whatever is under way.
    fn die(&mut self) -> Step {
        if self.node.take().is_none() {
            return Ok(());
        }
        let how = self.store.die(&mut self.rng);
        self.life += 1;
        self.note(|| format!("fault: the coordinator {how}"));
        if self.rng.percent(self.plan.flip_percent) {
            self.report.flips += u64::from(self.store.damage_a_copy(&mut self.rng)?);
        }
        let down = self.rng.below(1_500);
        self.later(down, Event::Start);
        Ok(())
    }

    /// Puts a command into the queue for the log. Whether there was room.
    pub(super) fn push(&mut self, command: Command, ticket: Ticket, urgency: Urgency) -> bool {
        let now = self.moment();
        let Some(node) = &mut self.node else { return false };
        node.batcher.push(command, ticket, urgency, now).is_ok()
    }

    /// Does whatever is due now, and sees to it that the next thing is done in time.
    pub(super) fn work(&mut self) -> Step {
        self.drive(drive::Event::Tick)?;
        if let Some(node) = &mut self.node
            && let Some(command) = node.ids.wanted()
        {
            self.push(command, Ticket::Ids, Urgency::Now);
        }
        self.propose()?;
        let now = self.moment();
        let life = self.life;
        let Some(node) = &mut self.node else { return Ok(()) };
        let wake =
            node.batcher.next_wake().unwrap_or(u64::MAX).min(node.driver.next_wake()).max(now.mono_ms + 1);
        if node.wake.is_none_or(|known| known > wake || known <= now.mono_ms) {
            node.wake = Some(wake);
            self.later(wake - now.mono_ms, Event::Work { life });
        }
        Ok(())
    }

    fn propose(&mut self) -> Step {
        let now = self.moment();
        let Some(node) = &mut self.node else { return Ok(()) };
        let applied_ms = node.machine.read(|view| view.state.stamp_ms());
        let Some(gathered) = node.batcher.next(now, applied_ms) else { return Ok(()) };
        if self.full {
            node.batcher.done();
            for ticket in gathered.tickets {
                self.not_taken(ticket)?;
            }
            return Ok(());
        }
        let bytes = v1::encode(&gathered.batch);
        let index = node.next_index;
        node.next_index += 1;
        node.batch = Some((index, bytes.clone(), gathered.tickets));
        self.store.push(index, bytes);
        let life = self.life;
        let flush = 1 + self.rng.below(self.plan.flush_ms_max);
        if self.plan.breakage == Breakage::AnswersBeforeFlush {
            self.later(0, Event::Applied { life });
            return Ok(());
        }
        self.later(flush, Event::Flushed { life });
        Ok(())
    }

    /// The log has no room for it.
    fn not_taken(&mut self, ticket: Ticket) -> Step {
        match ticket {
            Ticket::Client { client, number, .. } => {
                self.send(Event::Reply { client, number, reply: Reply::Busy });
                Ok(())
            }
            Ticket::Driver(Some(xid)) => self.drive(drive::Event::Settled(xid)),
            Ticket::Ids => {
                if let Some(node) = &mut self.node {
                    node.ids.failed();
                }
                Ok(())
            }
            Ticket::Driver(None) | Ticket::Nobody => Ok(()),
        }
    }

    pub(super) fn flushed(&mut self) -> Step {
        if !self.healing && self.rng.percent(self.plan.flush_fails_percent) {
            self.store.fail_next_sync();
        }
        match self.store.flush() {
            Ok(()) => {}
            Err(Failure::Full) => return self.no_room(),
            Err(Failure::Fatal) => return self.fail("flush"),
        }
        if self.plan.breakage == Breakage::AnswersBeforeFlush {
            return Ok(());
        }
        let life = self.life;
        let apply = self.rng.below(3);
        self.later(apply, Event::Applied { life });
        Ok(())
    }

    /// The batch that was to be flushed is not in the log.
    fn no_room(&mut self) -> Step {
        let Some(node) = &mut self.node else { return Ok(()) };
        let Some((index, _, tickets)) = node.batch.take() else { return Ok(()) };
        node.next_index = index;
        node.batcher.done();
        tickets.into_iter().try_for_each(|ticket| self.not_taken(ticket))
    }

    /// What is on the disk is not known any more, and so the process ends.
    fn fail(&mut self, what: &str) -> Step {
        self.report.failures += 1;
        self.note(|| format!("fault: a {what} fails"));
        self.die()
    }

    pub(super) fn applied(&mut self) -> Step {
        let Some(node) = &mut self.node else { return Ok(()) };
        let Some((index, bytes, tickets)) = node.batch.take() else { return Ok(()) };
        let damage = |error: synod_core::txn::codec::Damage| Broken::new("codec", "", error.to_string());
        let (applied, tidings) = node.machine.apply(index, &bytes).map_err(damage)?;
        node.batcher.done();
        if self.plan.breakage == Breakage::AnswersBeforeFlush {
            let flush = 1 + self.rng.below(self.plan.flush_ms_max);
            self.later(flush, Event::Flushed { life: self.life });
        }
        let Tidings::Applied { news, .. } = tidings else { return Ok(()) };
        oracle::decision::applied(self, &news)?;
        oracle::rows::are_right(self)?;
        for xid in news.touched {
            self.drive(drive::Event::Changed(xid))?;
        }
        for txn in news.ended {
            self.note(|| format!("{}: {} {}", txn.xid, txn.mode.as_str(), txn.status));
            self.drive(drive::Event::Ended(txn.xid))?;
        }
        for (ticket, outcome) in tickets.into_iter().zip(applied.outcomes) {
            self.settle(ticket, outcome)?;
        }
        self.work()
    }

    fn settle(&mut self, ticket: Ticket, outcome: Outcome) -> Step {
        match ticket {
            Ticket::Client { client, number, command } => self.answer(client, number, &command, outcome),
            Ticket::Driver(Some(xid)) => self.drive(drive::Event::Settled(xid)),
            Ticket::Ids => {
                let Some(node) = &mut self.node else { return Ok(()) };
                if outcome.is_ok() {
                    node.ids.granted()
                } else {
                    node.ids.failed()
                }
                Ok(())
            }
            Ticket::Driver(None) | Ticket::Nobody => Ok(()),
        }
    }

    pub(super) fn take_snapshot(&mut self) -> Step {
        let life = self.life;
        self.later(self.plan.snapshot_every_ms, Event::Snapshot { life });
        let Some(node) = &self.node else { return Ok(()) };
        // Of one moment, and written while others pass.
        let view = node.machine.copy();
        let forgets = self.plan.breakage == Breakage::ForgetsRows;
        let rows = |record: &Bytes| record.first() == Some(&ROWS_RECORD);
        let records = snapshot::records(&view.state).filter(|record| !forgets || !rows(record)).collect();
        let written = 1 + self.rng.below(100);
        self.later(written, Event::SnapshotWritten { life, index: view.index, records });
        Ok(())
    }

    pub(super) fn snapshot_written(&mut self, index: u64, records: Vec<Bytes>) -> Step {
        if !self.healing && self.rng.percent(self.plan.snapshot_fails_percent) {
            self.store.cut_power_soon(&mut self.rng);
        }
        let more = if self.plan.breakage == Breakage::CutsLogTooFar { 2 } else { 0 };
        match self.store.write_snapshot(index, &records, index + more) {
            // Another one comes.
            Ok(()) | Err(Failure::Full) => Ok(()),
            Err(Failure::Fatal) => self.fail("snapshot"),
        }
    }
}
