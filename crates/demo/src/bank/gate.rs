//! Where the demonstration makes a bank wait, or lose an answer: faults that the network makes elsewhere.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::report::{Kind, tell};

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

    /// Waits where the demonstration wants it, and says so.
    pub(super) async fn pass(&self, point: &str, words: &str) {
        let mut held = self.held.subscribe();
        if held.borrow().contains(point) {
            tell(Kind::Held, point, words);
            // The sender lives as long as this, so that the wait cannot fail.
            drop(held.wait_for(|held| !held.contains(point)).await);
        }
    }

    /// Whether the answer of `point` is to be lost this time.
    pub(super) fn loses(&self, point: &str) -> bool {
        let loses = self.lost().remove(point);
        if loses {
            tell(Kind::Lost, point, "its answer is lost on the way");
        }
        loses
    }

    fn lost(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
