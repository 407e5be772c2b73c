//! Who waits for what becomes of a transaction.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use synod_base::xid::Xid;
use synod_core::txn::Txn;
use synod_core::txn::mode::CallResult;
use tokio::sync::mpsc;

/// What somebody who waits is told.
#[derive(Clone, Debug)]
pub enum Seen {
    /// It has ended; this is how.
    Ended(Arc<Txn>),
    /// Everything that its initiator waits for has been done, in the way in which it was decided.
    Through,
    /// A call of it was answered "ongoing" or failed: it goes on later.
    Stalled(CallResult),
}

/// More than this many things are not told to one who does not listen; the end always is the last.
const BACKLOG: usize = 4;

#[derive(Debug)]
struct Waiter {
    number: u64,
    seen: mpsc::Sender<Seen>,
}

#[derive(Debug, Default)]
struct Inner {
    by_xid: HashMap<Xid, Vec<Waiter>>,
    last: u64,
}

/// All who wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiters(Arc<Mutex<Inner>>);

/// One who waits; no longer when dropped.
#[derive(Debug)]
pub struct Wait {
    waiters: Waiters,
    xid: Xid,
    number: u64,
    seen: mpsc::Receiver<Seen>,
}

impl Waiters {
    fn with<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins to wait. What happened before is not told.
    pub(super) fn wait(&self, xid: Xid) -> Wait {
        let (sender, seen) = mpsc::channel(BACKLOG);
        let number = self.with(|inner| {
            inner.last += 1;
            inner.by_xid.entry(xid).or_default().push(Waiter { number: inner.last, seen: sender });
            inner.last
        });
        Wait { waiters: self.clone(), xid, number, seen }
    }

    /// Tells of an end; nobody waits for the transaction afterwards.
    pub(super) fn ended(&self, txn: &Arc<Txn>) {
        for waiter in self.with(|inner| inner.by_xid.remove(&txn.xid)).into_iter().flatten() {
            // One whose backlog is full sees the channel close, and looks.
            drop(waiter.seen.try_send(Seen::Ended(Arc::clone(txn))));
        }
    }

    /// Tells of a call that has to be repeated.
    pub(super) fn stalled(&self, xid: Xid, result: &CallResult) {
        self.tell(xid, &Seen::Stalled(result.clone()));
    }

    /// Tells that the initiator need not wait any more.
    pub(super) fn through(&self, xid: Xid) {
        self.tell(xid, &Seen::Through);
    }

    fn tell(&self, xid: Xid, seen: &Seen) {
        self.with(|inner| {
            for waiter in inner.by_xid.get(&xid).into_iter().flatten() {
                drop(waiter.seen.try_send(seen.clone()));
            }
        });
    }
}

impl Wait {
    /// The next thing that happens; `None` when nothing more will be told: look at the transaction.
    pub async fn next(&mut self) -> Option<Seen> {
        self.seen.recv().await
    }

    /// The end; `None` as in [`Self::next`].
    pub async fn end(&mut self) -> Option<Arc<Txn>> {
        loop {
            match self.next().await? {
                Seen::Ended(txn) => return Some(txn),
                Seen::Stalled(_) | Seen::Through => {}
            }
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.waiters.with(|inner| {
            let Some(waiters) = inner.by_xid.get_mut(&self.xid) else { return };
            waiters.retain(|waiter| waiter.number != self.number);
            if waiters.is_empty() {
                inner.by_xid.remove(&self.xid);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_who_waits_hears_of_it_and_leaves_nothing_behind() {
        let waiters = Waiters::default();
        let xid = Xid::from_number(7).unwrap();
        let (mut one, two) = (waiters.wait(xid), waiters.wait(xid));
        waiters.stalled(xid, &CallResult::Ongoing);
        assert!(matches!(one.next().await, Some(Seen::Stalled(CallResult::Ongoing))));
        drop(two);
        for _ in 0..2 * BACKLOG {
            waiters.stalled(xid, &CallResult::Ongoing);
        }
        drop(one);
        assert!(waiters.with(|inner| inner.by_xid.is_empty()));
    }
}
