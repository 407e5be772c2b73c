//! What a Java server still has to tell one peer: section 4.2 of `eureka.md`.

use std::collections::{BTreeMap, VecDeque};

use synod_core::registry::Status;

use super::registry::Holder;
use super::{Action, Item};
use crate::truth::Key;

/// The age at which the first task makes a batch.
const BATCHING_MS: u64 = 500;
/// Tasks in one batch at most.
const BATCH_MAX: usize = 250;
/// The pause after a time-out.
const CONGESTED_MS: u64 = 1_000;
/// The pause after a connection that failed.
const UNREACHABLE_MS: u64 = 100;

/// One action on one instance. What is sent of the instance is what it has become by then.
#[derive(Clone, Debug)]
pub struct Task {
    /// What was done.
    pub action: Action,
    /// To whom.
    pub key: Key,
    /// The instance as it was held then; cancels have none.
    pub holder: Option<Holder>,
    /// Of a heartbeat: the override at that time.
    pub overridden: Option<Status>,
}

impl Task {
    fn item(&self) -> Item {
        let info = self.holder.as_ref().map(|holder| holder.borrow().clone());
        Item {
            action: self.action,
            key: self.key.clone(),
            dirty_ms: info.as_ref().map(|info| info.dirty_ms),
            status: info.as_ref().map(|info| info.status),
            overridden: self.overridden,
            info: info.filter(|_| self.action == Action::Register),
        }
    }
}

#[derive(Debug)]
struct Waiting {
    task: Task,
    submitted_ms: u64,
    expires_ms: u64,
}

type Name = (Action, Key);

/// See the module.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: BTreeMap<Name, Waiting>,
    order: VecDeque<Name>,
    /// Batches on their way: there may be many, and they may overtake each other.
    flights: BTreeMap<u64, Vec<Waiting>>,
    last_batch: u64,
    resume_ms: u64,
}

impl Queue {
    /// A newer task of the same name takes the place of the one that waits.
    pub fn add(&mut self, task: Task, expires_ms: u64, now_ms: u64) {
        let name = (task.action, task.key.clone());
        let waiting = Waiting { task, submitted_ms: now_ms, expires_ms };
        if self.waiting.insert(name.clone(), waiting).is_none() {
            self.order.push_back(name);
        }
    }

    /// The next batch, if one is due.
    pub fn poll(&mut self, now_ms: u64) -> Option<(u64, Vec<Item>)> {
        while self.due_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            let mut taken = Vec::new();
            while taken.len() < BATCH_MAX
                && let Some(name) = self.order.pop_front()
            {
                let waiting = self.waiting.remove(&name).expect("what is in order waits");
                if waiting.expires_ms > now_ms {
                    taken.push(waiting);
                }
            }
            if !taken.is_empty() {
                let items = taken.iter().map(|waiting| waiting.task.item()).collect();
                self.last_batch += 1;
                self.flights.insert(self.last_batch, taken);
                return Some((self.last_batch, items));
            }
        }
        None
    }

    /// When the next batch is due.
    pub fn due_ms(&self) -> Option<u64> {
        let first = self.waiting.get(self.order.front()?)?;
        Some((first.submitted_ms + BATCHING_MS).max(self.resume_ms))
    }

    /// The peer answered: what it was told.
    pub fn answered(&mut self, number: u64) -> Vec<Task> {
        let flight = self.flights.remove(&number).unwrap_or_default();
        flight.into_iter().map(|waiting| waiting.task).collect()
    }

    /// The peer did not answer: all goes back to the head, unless something newer of its name waits.
    pub fn failed(&mut self, number: u64, congested: bool, now_ms: u64) {
        let Some(flight) = self.flights.remove(&number) else { return };
        self.resume_ms = now_ms + if congested { CONGESTED_MS } else { UNREACHABLE_MS };
        for waiting in flight.into_iter().rev() {
            let name = (waiting.task.action, waiting.task.key.clone());
            if waiting.expires_ms > now_ms && !self.waiting.contains_key(&name) {
                self.waiting.insert(name.clone(), waiting);
                self.order.push_front(name);
            }
        }
    }
}
