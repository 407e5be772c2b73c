//! Connections of MySQL that have prepared a branch. To end it over its own connection is the only way that never meets MariaDB while it
//! hands the branch over; so it is kept for a moment, in which the decision nearly always comes. After that it is closed, and whoever is
//! asked ends the branch: this process or another one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Name, TwoPhase};
use crate::sql::driver::Held;
use crate::task;

/// How long a connection is kept.
const MOMENT: Duration = Duration::from_secs(2);
/// How long it may take to close it.
const CLOSING: Duration = Duration::from_secs(5);

pub(super) struct Kept<DB: TwoPhase>(Mutex<BTreeMap<Name, Held<DB>>>);

impl<DB: TwoPhase> Default for Kept<DB> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<DB: TwoPhase> std::fmt::Debug for Kept<DB> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kept({})", self.all().len())
    }
}

impl<DB: TwoPhase> Kept<DB> {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Name, Held<DB>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the connection that has prepared this branch, for a moment.
    pub(super) fn keep(self: &Arc<Self>, name: Name, held: Held<DB>) {
        self.all().insert(name.clone(), held);
        let kept = Arc::clone(self);
        task::last_will(MOMENT + CLOSING, async move {
            tokio::time::sleep(MOMENT).await;
            if let Some(held) = kept.take(&name) {
                held.close().await;
            }
        });
    }

    /// The connection of a branch, if it is here.
    pub(super) fn take(&self, name: &Name) -> Option<Held<DB>> {
        self.all().remove(name)
    }
}
