//! Trying again, as long as that does not make things worse.

use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::picker::{Request, lock};
use super::{Balancer, Pick};
use crate::clock;

/// How many retries may be made, over all requests: a part of the requests, and a few each second for those that make few.
///
/// Three attempts for each request would triple the load on a service that fails for being overloaded. A budget of 0.2 adds a fifth to it.
#[derive(Debug)]
pub struct RetryBudget {
    ratio: f64,
    per_second: f64,
    most: f64,
    state: Mutex<Tokens>,
}

#[derive(Debug)]
struct Tokens {
    left: f64,
    at: Instant,
}

impl Default for RetryBudget {
    /// A fifth of the requests, and 10 a second.
    fn default() -> Self {
        Self::new(0.2, 10)
    }
}

impl RetryBudget {
    /// `ratio` retries for each request, and `per_second`, which are there at the start. What is not used is kept, up to 10 seconds of the latter
    /// or 100 retries, whichever is more: the most that can come at once. A ratio that is negative or no number is 0.
    pub fn new(ratio: f64, per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        let state = Tokens { left: per_second, at: clock::now() };
        Self {
            ratio: ratio.max(0.0),
            per_second,
            most: (10.0 * per_second).max(100.0),
            state: Mutex::new(state),
        }
    }

    /// A request is made for the first time.
    pub fn deposit(&self) {
        let mut state = lock(&self.state);
        state.left = (state.left + self.ratio).min(self.most);
    }

    /// Takes one retry from the budget; false if there is none.
    pub fn withdraw(&self) -> bool {
        let now = clock::now();
        let mut state = lock(&self.state);
        let passed = now.saturating_duration_since(state.at).as_secs_f64();
        state.left = (state.left + passed * self.per_second).min(self.most);
        state.at = now;
        // Ten deposits of 0.1 are a little less than 1.
        let enough = state.left > 1.0 - 1e-9;
        if enough {
            state.left = (state.left - 1.0).max(0.0);
        }
        enough
    }
}

/// The attempts of one request. See [`Balancer::attempts`].
#[derive(Debug)]
pub struct Attempts<'a> {
    balancer: &'a Balancer,
    budget: &'a RetryBudget,
    key: Option<&'a [u8]>,
    most: u32,
    tried: Vec<Arc<str>>,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(
        balancer: &'a Balancer,
        budget: &'a RetryBudget,
        key: Option<&'a [u8]>,
        most: u32,
    ) -> Self {
        Self { balancer, budget, key, most, tried: Vec::new() }
    }
}

impl Iterator for Attempts<'_> {
    type Item = Pick;

    /// The instance for the next attempt. `None` when there were enough, nobody is left to try, or the budget is spent.
    fn next(&mut self) -> Option<Pick> {
        if self.tried.len() >= self.most as usize {
            return None;
        }
        // Chosen before it is paid for, and begun after: an attempt that nobody pays for was none.
        let choice = self.balancer.choose(&Request { key: self.key, tried: &self.tried }).ok()?;
        if self.tried.is_empty() {
            self.budget.deposit();
        } else if !self.budget.withdraw() {
            return None;
        }
        self.tried.push(Arc::clone(&choice.endpoint().id));
        Some(self.balancer.start(choice))
    }
}
