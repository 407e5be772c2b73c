//! What is tried again before its pause is over: because an operator wants it, or because somebody answers again.

use std::collections::BTreeSet;
use std::sync::Arc;

use synod_base::time::Now;
use synod_base::xid::Xid;

use super::task::Task;
use super::{Driver, Effects, destination};

/// Open transactions by where a call of theirs has failed. Whoever pauses somewhere is among those of that place, also when there
/// are a million others.
#[derive(Debug, Default)]
pub(super) struct Failed(BTreeSet<(Arc<str>, Xid)>);

impl Failed {
    /// A call of the transaction has failed there.
    pub(super) fn note(&mut self, xid: Xid, task: &mut Task, name: Arc<str>) {
        if self.0.insert((Arc::clone(&name), xid)) {
            task.failed_at.push(name);
        }
    }

    /// The transaction is over.
    pub(super) fn forget(&mut self, xid: Xid, names: Vec<Arc<str>>) {
        for name in names {
            self.0.remove(&(name, xid));
        }
    }

    fn at(&self, name: &str) -> Vec<Xid> {
        let name: Arc<str> = name.into();
        self.0.range((Arc::clone(&name), Xid::FIRST)..=(name, Xid::LAST)).map(|(_, xid)| *xid).collect()
    }
}

impl Driver {
    pub(super) fn retry_now(&mut self, xid: Xid, now: Now, effects: &mut Effects) {
        let Some(task) = self.tasks.get_mut(&xid) else { return };
        task.held_until = 0;
        task.hurried = task.flights.iter().map(|(errand, _)| *errand).collect();
        for pause in &mut task.pauses {
            pause.due_mono = now.mono_ms;
            if let Some(name) = destination(&task.txn, pause.errand) {
                self.gate.open(name, xid, now.mono_ms);
            }
        }
        self.advance(xid, now, effects);
    }

    pub(super) fn reachable(&mut self, name: &str, now: Now, effects: &mut Effects) {
        // What is under way went to whoever was there before. If he is gone, that comes back as a failure after this.
        if self.gate.is_called(name) {
            for flight in self.flights.values().filter(|flight| *flight.destination == *name) {
                if let Some(task) = self.tasks.get_mut(&flight.xid) {
                    task.hurried.push(flight.errand);
                }
            }
        }
        self.gate.answers(name, now.mono_ms);
        for xid in self.failed.at(name) {
            let Some(task) = self.tasks.get_mut(&xid) else { continue };
            let mut waited = false;
            for pause in &mut task.pauses {
                if destination(&task.txn, pause.errand) == Some(name) {
                    pause.due_mono = now.mono_ms;
                    waited = true;
                }
            }
            if waited {
                self.advance(xid, now, effects);
            }
        }
    }
}
