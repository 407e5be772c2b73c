//! A choice, until its call is over.

use std::sync::Arc;

use tokio::time::Instant;

use super::Endpoint;
use super::balancer::Shared;
use super::picker::Member;
use crate::clock;

/// An instance that was chosen for one call. Say what came of the call; a pick that is dropped instead counts as a call that was given up:
/// it no longer is in flight, and is neither a success nor a failure.
#[derive(Debug)]
#[must_use = "a dropped pick counts as a call that was given up"]
pub struct Pick {
    shared: Arc<Shared>,
    member: Member,
    started: Instant,
    told: bool,
}

impl Pick {
    pub(super) fn new(shared: Arc<Shared>, member: Member, now: Instant) -> Self {
        member.stats.start();
        Self { shared, member, started: now, told: false }
    }

    /// The instance.
    pub fn endpoint(&self) -> &Endpoint {
        &self.member.endpoint
    }

    /// Its host and port.
    pub fn address(&self) -> &str {
        &self.member.endpoint.address
    }

    /// The instance answered as it should; a refusal for the caller's fault is such an answer.
    pub fn success(mut self) {
        self.tell(false);
    }

    /// The instance did not answer, or said that it cannot.
    pub fn failure(mut self) {
        self.tell(true);
    }

    /// There is no connection to the instance. A failure that is certain to come again soon: see [`Outliers::unreachable`].
    ///
    /// [`Outliers::unreachable`]: super::Outliers::unreachable
    pub fn unreachable(mut self) {
        self.tell(true);
        self.shared.pass_over(&self.member, clock::now());
    }

    fn tell(&mut self, failed: bool) {
        self.told = true;
        let now = clock::now();
        self.member.stats.answered(now.saturating_duration_since(self.started), failed, now);
        self.shared.judge(&self.member, failed, now);
    }
}

impl Drop for Pick {
    fn drop(&mut self) {
        self.member.stats.end();
        if !self.told {
            let now = clock::now();
            self.member.stats.given_up(now.saturating_duration_since(self.started), now);
        }
    }
}
