//! The replicated state and the one place where it changes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use synod_base::xid::Xid;
use synod_core::txn::codec::{Damage, v1};
use synod_core::txn::{Limits, News, Outcome, State, Txn};

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Index of its entry in the log; 0 if nothing of it was proposed.
    pub index: u64,
    /// The stamp that counted.
    pub at_ms: u64,
    /// One for each command, in their order.
    pub outcomes: Vec<Outcome>,
}

/// What happened to the state.
#[derive(Debug)]
pub enum Tidings {
    /// An entry was applied.
    Applied {
        /// Its index.
        index: u64,
        /// Its stamp.
        at_ms: u64,
        /// What changed.
        news: News,
    },
    /// The whole state was replaced by a snapshot of another node.
    Replaced {
        /// Index of the last entry that the snapshot holds.
        index: u64,
    },
}

/// The state as of one entry.
#[derive(Clone, Debug)]
pub struct View {
    /// The state.
    pub state: State,
    /// Index of the last entry that was applied.
    pub index: u64,
}

/// The state. Read from any thread; changed by whoever applies the log, and by nobody else.
pub struct Machine {
    limits: Limits,
    view: RwLock<View>,
    /// What ended and has not been taken up by whoever keeps details: see [`Machine::ending`].
    ending: Mutex<BTreeMap<Xid, Arc<Txn>>>,
}

impl Machine {
    /// An empty state.
    pub fn new(limits: Limits) -> Self {
        let view = RwLock::new(View { state: State::new(limits), index: 0 });
        Self { limits, view, ending: Mutex::default() }
    }

    /// What the state refuses.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Looks at the state. Whoever applies waits meanwhile: take what you need and go.
    pub fn read<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The state as it is now. A copy costs little and stays as it is.
    pub fn copy(&self) -> View {
        self.read(View::clone)
    }

    /// Applies the entry `index`, a batch in bytes.
    ///
    /// # Errors
    /// When it is not a batch. The state is then what it was, and this node cannot go on.
    pub fn apply(&self, index: u64, bytes: &Bytes) -> Result<(Applied, Tidings), Damage> {
        let batch = v1::decode(bytes)?;
        let mut news = News::default();
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        view.state.begin_batch(batch.at_ms);
        let outcomes = batch.commands.iter().map(|command| view.state.apply(command, &mut news)).collect();
        view.index = index;
        let at_ms = view.state.stamp_ms();
        // Before anybody can see that they have ended.
        self.endings(|ending| ending.extend(news.ended.iter().map(|txn| (txn.xid, Arc::clone(txn)))));
        drop(view);
        Ok((Applied { index, at_ms, outcomes }, Tidings::Applied { index, at_ms, news }))
    }

    /// What a transaction looked like that has ended, until somebody has [taken it up](Self::taken_up). The state shows its end
    /// a moment before its details are kept elsewhere; this closes the gap.
    pub fn ending(&self, xid: Xid) -> Option<Arc<Txn>> {
        self.endings(|ending| ending.get(&xid).cloned())
    }

    /// The details of an ended transaction are kept elsewhere now, or nowhere.
    pub fn taken_up(&self, xid: Xid) {
        self.endings(|ending| drop(ending.remove(&xid)));
    }

    /// Nobody takes up what ended so far: it was applied again at the start, before anybody listened.
    pub fn none_ending(&self) {
        self.endings(BTreeMap::clear);
    }

    fn endings<T>(&self, look: impl FnOnce(&mut BTreeMap<Xid, Arc<Txn>>) -> T) -> T {
        look(&mut self.ending.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes note of an entry that does not concern the state.
    pub fn pass(&self, index: u64) {
        self.view.write().unwrap_or_else(PoisonError::into_inner).index = index;
    }

    /// Replaces the state by one that was read from a snapshot.
    pub fn replace(&self, state: State, index: u64) -> Tidings {
        let before = {
            let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *view, View { state, index })
        };
        // Outside the lock: it may be large.
        drop(before);
        Tidings::Replaced { index }
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read(|view| {
            f.debug_struct("Machine")
                .field("index", &view.index)
                .field("open", &view.state.open_len())
                .finish_non_exhaustive()
        })
    }
}
