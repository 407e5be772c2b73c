//! What is known of the list, and what to ask next: decided from what servers answer, in whatever order the answers come.
//!
//! Each question has a number. An answer to an older question than one whose answer was taken already is dropped: a slow old list
//! never replaces a newer one. Single changes that come while a full list is under way are laid over it when it is there.

mod apps;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use synod_wire::eureka::Status;

use super::list::{Entry, List, hash};
use super::snapshot::{Instances, Snapshot};
use apps::Apps;

/// Most single changes that are kept for lists under way.
const JOURNAL_MAX: usize = 10_000;

/// What is kept, shown and believed; see [`super::Config`].
#[derive(Clone, Debug)]
pub(super) struct Policy {
    /// Only these, in upper case.
    pub(super) services: Option<BTreeSet<Arc<str>>>,
    pub(super) only_up: bool,
    pub(super) shrink: f64,
    pub(super) confirmations: u32,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Everything.
    Full,
    /// What changed lately.
    Delta,
}

/// What came of a question.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// A server, by its place in the list of servers, has answered with this.
    List { server: usize, kind: Kind, list: List },
    /// A server has answered, with something that is no list.
    Unusable { kind: Kind },
    /// No server has answered.
    Nothing,
}

/// What to do after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing but to go on.
    Wait,
    /// Ask for everything, now.
    Full,
    /// Ask another server than this one for everything, now; or this one, later.
    Confirm { server: usize },
}

/// One change that a server has announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Put(Arc<crate::registry::Instance>),
    Remove { app: Arc<str>, id: Arc<str> },
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Cache {
    policy: Policy,
    apps: Apps,
    /// The number of the last question, and of the last one whose answer was taken.
    asked: u64,
    answered: u64,
    under_way: BTreeSet<u64>,
    /// Changes that came while questions were under way, each with the number of the last question then.
    journal: Vec<(u64, Change)>,
    journal_is_cut: bool,
    /// The server the list is from; none at the start.
    base: Option<usize>,
    /// How many full lists in a row were suspiciously small.
    doubts: u32,
    generation: u64,
    shown: HashMap<Arc<str>, Instances>,
}

impl Cache {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            apps: Apps::default(),
            asked: 0,
            answered: 0,
            under_way: BTreeSet::new(),
            journal: Vec::new(),
            journal_is_cut: false,
            base: None,
            doubts: 0,
            generation: 0,
            shown: HashMap::new(),
        }
    }

    /// Starts with what was kept from an earlier life.
    pub(super) fn restore(&mut self, list: List) {
        self.apps.replace(self.wanted(list));
    }

    /// What to ask this server for.
    pub(super) fn wants(&self, server: usize) -> Kind {
        let whole = self.policy.services.is_none() && self.base == Some(server) && self.doubts == 0;
        // The hash of a delta sums up all services, which can only be compared by who has them all.
        if whole { Kind::Delta } else { Kind::Full }
    }

    /// The services to ask for one by one; none to ask for all.
    pub(super) const fn services(&self) -> Option<&BTreeSet<Arc<str>>> {
        self.policy.services.as_ref()
    }

    /// Whether a small list waits for its confirmation.
    pub(super) const fn doubts(&self) -> bool {
        self.doubts > 0
    }

    /// A question is asked; this is its number.
    pub(super) fn ask(&mut self) -> u64 {
        self.asked += 1;
        self.under_way.insert(self.asked);
        self.asked
    }

    /// A question has come to its end.
    pub(super) fn answer(&mut self, number: u64, outcome: Outcome) -> Next {
        let next = match outcome {
            _ if number < self.answered => Next::Wait,
            Outcome::Nothing => Next::Wait,
            Outcome::Unusable { kind: Kind::Delta } => Next::Full,
            Outcome::Unusable { kind: Kind::Full } => Next::Wait,
            Outcome::List { server, kind, list } => {
                self.answered = number;
                match kind {
                    Kind::Full => self.full(number, server, list),
                    Kind::Delta => self.delta(server, list),
                }
            }
        };
        self.under_way.remove(&number);
        let oldest = self.under_way.first().copied();
        self.journal.retain(|(after, _)| oldest.is_some_and(|oldest| *after >= oldest));
        next
    }

    /// A server has announced a change. It counts from now on.
    pub(super) fn change(&mut self, change: Change) {
        if !self.is_wanted(change.app()) {
            return;
        }
        if !self.under_way.is_empty() {
            if self.journal.len() < JOURNAL_MAX {
                self.journal.push((self.asked, change.clone()));
            } else {
                self.journal_is_cut = true;
            }
        }
        self.apps.change(change);
    }

    /// The next thing to show, if it differs from what was shown last.
    pub(super) fn publish(&mut self) -> Option<Snapshot> {
        let mut changed = false;
        for app in self.apps.take_touched() {
            let shown = self.apps.of(&app).filter(|found| !self.policy.only_up || found.status == Status::Up);
            let shown: Vec<_> = shown.cloned().collect();
            let before = self.shown.get(&app).map_or(&[][..], |before| before);
            if before.len() == shown.len()
                && before.iter().zip(&shown).all(|(old, new)| old.says_the_same_as(new))
            {
                continue;
            }
            changed = true;
            if shown.is_empty() {
                self.shown.remove(&app)
            } else {
                self.shown.insert(app, shown.into())
            };
        }
        if !changed {
            return None;
        }
        self.generation += 1;
        Some(Snapshot::new(self.generation, self.shown.clone()))
    }

    /// Everything that is known, to be kept. Cheap.
    pub(super) fn contents(&self) -> Apps {
        self.apps.clone()
    }

    fn is_wanted(&self, app: &Arc<str>) -> bool {
        self.policy.services.as_ref().is_none_or(|services| services.contains(app))
    }

    fn wanted(&self, list: List) -> Vec<crate::registry::Instance> {
        let present = list.entries.into_iter().filter(|entry| !entry.removed).map(|entry| entry.instance);
        present.filter(|instance| self.is_wanted(&instance.app)).collect()
    }

    fn full(&mut self, number: u64, server: usize, list: List) -> Next {
        if list.refused > 0 {
            tracing::warn!(refused = list.refused, "instances in a server's list cannot be read");
        }
        let new = self.wanted(list);
        let before = self.apps.len();
        if (new.len() as f64) < self.policy.shrink * before as f64 && self.doubts < self.policy.confirmations
        {
            self.doubts += 1;
            tracing::warn!(before, now = new.len(), "a server's list is suspiciously small: asking again");
            return Next::Confirm { server };
        }
        self.doubts = 0;
        self.base = Some(server);
        self.apps.replace(new);
        let later = self.journal.iter().filter(|(after, _)| *after >= number);
        for (_, change) in later {
            self.apps.change(change.clone());
        }
        if std::mem::take(&mut self.journal_is_cut) { Next::Full } else { Next::Wait }
    }

    /// Takes a delta, unless the hash says that the result is not what the server has.
    fn delta(&mut self, server: usize, list: List) -> Next {
        if self.base != Some(server) {
            return Next::Full;
        }
        let mut apps = self.apps.clone();
        for Entry { removed, instance } in list.entries {
            if apps
                .find(&instance.app, &instance.id)
                .is_some_and(|found| found.updated_ms > instance.updated_ms)
            {
                continue; // Java servers keep deltas for a while: this one is older than what we have.
            }
            apps.change(if removed {
                Change::Remove { app: instance.app, id: instance.id }
            } else {
                Change::Put(Arc::new(instance))
            });
        }
        if list.hash != Some(hash(apps.all().map(|instance| instance.status))) {
            tracing::debug!(theirs = list.hash, "a delta does not add up: asking for everything");
            return Next::Full;
        }
        self.apps = apps;
        Next::Wait
    }
}

impl Change {
    fn app(&self) -> &Arc<str> {
        match self {
            Self::Put(instance) => &instance.app,
            Self::Remove { app, .. } => app,
        }
    }
}
