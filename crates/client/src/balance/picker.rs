//! What chooses, and from what.

use std::fmt::Debug;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Endpoint;
use super::stats::Stats;

/// What a request wants of the choice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// What [`super::Hashing`] goes by: requests of one key go to one instance.
    pub key: Option<&'a [u8]>,
    /// Ids of instances that must not be chosen, as they were tried before.
    pub tried: &'a [Arc<str>],
}

/// An instance of the list, and how it does.
#[derive(Clone, Debug)]
pub struct Member {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) stats: Arc<Stats>,
}

impl Member {
    /// Where it is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How many calls of this process it is working on.
    pub fn in_flight(&self) -> u32 {
        self.stats.in_flight()
    }

    /// What a call to it costs now: calls in flight with this one, times the latency in seconds that it lately had.
    pub fn cost(&self) -> f64 {
        self.stats.cost(crate::clock::now())
    }
}

/// How one of several instances is chosen.
pub trait Picker: Send + Sync + Debug {
    /// The index of the choice in `usable`, which is sorted by id and never empty. An index that is too large counts from the start again.
    fn pick(&self, usable: &[&Member], request: &Request<'_>) -> usize;

    /// The list is now `members`, sorted by id.
    fn refresh(&self, members: &[Member]) {
        let _ = members;
    }
}

/// A seed that differs between processes, so that not all of them start with the same instance.
pub(super) fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Nothing panics while it holds one of these locks, and what they guard is whole between any two statements.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
