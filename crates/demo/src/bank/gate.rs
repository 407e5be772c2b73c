//! Where the demonstration makes a bank wait, or lose an answer: faults that the network makes elsewhere.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// What the demonstration wants of a bank.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wish {
    /// Wait at this point, until released.
    Hold(String),
    /// Go on at this point.
    Release(String),
    /// Do it, but close the connection instead of answering; once.
    LoseReply(String),
}

/// The points of one bank.
#[derive(Debug, Default)]
pub(super) struct Gate {
    held: watch::Sender<BTreeSet<String>>,
    lost: Mutex<BTreeSet<String>>,
}

impl Gate {
    pub(super) fn set(&self, wish: Wish) {
        match wish {
            Wish::Hold(point) => self.held.send_modify(|held| held.extend([point])),
            Wish::Release(point) => self.held.send_modify(|held| held.retain(|other| *other != point)),
            Wish::LoseReply(point) => self.lost().extend([point]),
        }
    }

    pub(super) fn holds(&self, point: &str) -> bool {
        self.held.borrow().contains(point)
    }

    /// Returns when `point` is not held.
    pub(super) async fn pass(&self, point: &str) {
        // The sender lives as long as this, so that the wait cannot fail.
        drop(self.held.subscribe().wait_for(|held| !held.contains(point)).await);
    }

    /// Whether the answer of `point` is to be lost this time.
    pub(super) fn loses(&self, point: &str) -> bool {
        self.lost().remove(point)
    }

    fn lost(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
