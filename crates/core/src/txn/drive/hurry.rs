//! What is tried again before its pause is over: because an operator wants it, or because somebody answers again.

use synod_base::time::Now;
use synod_base::xid::Xid;

use super::task::Task;
use super::{Driver, Effects, destination};

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
        for flight in self.flights.values().filter(|flight| *flight.destination == *name) {
            if let Some(task) = self.tasks.get_mut(&flight.xid) {
                task.hurried.push(flight.errand);
            }
        }
        let pauses_there =
            |task: &Task| task.pauses.iter().any(|pause| destination(&task.txn, pause.errand) == Some(name));
        let waiting: Vec<Xid> =
            self.tasks.iter().filter(|(_, task)| pauses_there(task)).map(|(xid, _)| *xid).collect();
        self.gate.answers(name, now.mono_ms);
        for xid in waiting {
            let task = self.tasks.get_mut(&xid).expect("it was found there");
            for pause in &mut task.pauses {
                if destination(&task.txn, pause.errand) == Some(name) {
                    pause.due_mono = now.mono_ms;
                }
            }
            self.advance(xid, now, effects);
        }
    }
}
