//! Leaving out instances that fail, for a while.

use std::time::Duration;

use tokio::time::Instant;

use super::balancer::Shared;
use super::picker::{Member, lock};

/// When an instance is left out, and for how long.
#[derive(Clone, Debug)]
pub struct Outliers {
    /// This many failures without a success between them eject an instance. 0 ejects none for that.
    pub consecutive: u32,
    /// How often failure rates are compared.
    pub interval: Duration,
    /// An instance is ejected if its rate of failures in an interval is above the mean of the others by more than this (0 to 1).
    pub rate_margin: f64,
    /// Instances with fewer calls in the interval are not compared.
    pub min_calls: u32,
    /// How long the first ejection takes; the second twice as long, and so on. An interval without ejection makes the next shorter again.
    pub ejection: Duration,
    /// The longest ejection.
    pub max_ejection: Duration,
    /// How long an instance is left out to which there is no connection; not at all if this is zero.
    pub unreachable: Duration,
    /// The part of the list that may be ejected at a time (0 to 1), rounded down, but one of two or more. Never all.
    pub max_share: f64,
    /// If a smaller part than this is left, as when the list shrinks, all are called.
    pub panic_below: f64,
}

impl Default for Outliers {
    /// 5 failures, or a rate 0.3 above the others in 10 s with 10 calls; 30 s at first and 5 minutes at most; 5 s without a
    /// connection; half of the list.
    fn default() -> Self {
        Self {
            consecutive: 5,
            interval: Duration::from_secs(10),
            rate_margin: 0.3,
            min_calls: 10,
            ejection: Duration::from_secs(30),
            max_ejection: Duration::from_secs(300),
            unreachable: Duration::from_secs(5),
            max_share: 0.5,
            panic_below: 0.5,
        }
    }
}

/// The interval that calls are counted in.
#[derive(Debug)]
pub(super) struct Interval {
    started: Instant,
}

impl Interval {
    pub(super) fn new(now: Instant) -> Self {
        Self { started: now }
    }
}

impl Shared {
    /// A call to `member` has ended.
    pub(super) fn judge(&self, member: &Member, failed: bool, now: Instant) {
        let Some(outliers) = &self.outliers else { return };
        let too_many = {
            let mut health = lock(&member.stats.health);
            if failed {
                health.failures = health.failures.saturating_add(1);
                health.consecutive = health.consecutive.saturating_add(1);
            } else {
                health.successes = health.successes.saturating_add(1);
                health.consecutive = 0;
            }
            outliers.consecutive > 0 && health.consecutive >= outliers.consecutive
        };
        let mut interval = lock(&self.interval);
        if too_many {
            self.eject(outliers, member, now);
        }
        if now.saturating_duration_since(interval.started) >= outliers.interval {
            interval.started = now;
            self.compare(outliers, now);
        }
    }

    /// Ejects who failed much more than the others in the interval that is over, and begins a new one.
    fn compare(&self, outliers: &Outliers, now: Instant) {
        let members = self.members.load();
        let mut rates: Vec<(&Member, f64)> = Vec::new();
        for member in members.iter() {
            let mut health = lock(&member.stats.health);
            let calls = health.successes.saturating_add(health.failures);
            if calls >= outliers.min_calls.max(1) {
                rates.push((member, f64::from(health.failures) / f64::from(calls)));
            }
            (health.successes, health.failures) = (0, 0);
            if !member.stats.is_ejected(self.ms(now)) {
                health.ejections = health.ejections.saturating_sub(1);
            }
        }
        let sum: f64 = rates.iter().map(|(_, rate)| rate).sum();
        let others = rates.len().saturating_sub(1) as f64;
        // The worst first, as not all may be allowed to go.
        rates.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (member, rate) in rates {
            if others > 0.0 && rate - (sum - rate) / others > outliers.rate_margin {
                self.eject(outliers, member, now);
            }
        }
    }

    /// There is no connection to `member`.
    pub(super) fn pass_over(&self, member: &Member, now: Instant) {
        let Some(outliers) = &self.outliers else { return };
        let _one_after_the_other = lock(&self.interval);
        if self.may_eject(outliers, member, now) {
            member.stats.eject_until(self.ms(now + outliers.unreachable));
        }
    }

    /// Called under the lock of the interval.
    fn may_eject(&self, outliers: &Outliers, member: &Member, now: Instant) -> bool {
        let now_ms = self.ms(now);
        let members = self.members.load();
        let ejected = members.iter().filter(|member| member.stats.is_ejected(now_ms)).count();
        let share = (outliers.max_share * members.len() as f64) as usize;
        let most = share.max(1).min(members.len().saturating_sub(1));
        ejected < most && !member.stats.is_ejected(now_ms)
    }

    /// Called under the lock of the interval.
    fn eject(&self, outliers: &Outliers, member: &Member, now: Instant) {
        if !self.may_eject(outliers, member, now) {
            return;
        }
        let mut health = lock(&member.stats.health);
        health.ejections = health.ejections.saturating_add(1);
        health.consecutive = 0;
        let time = outliers.ejection.saturating_mul(health.ejections).min(outliers.max_ejection);
        member.stats.eject_until(self.ms(now + time));
        tracing::debug!(instance = %member.endpoint.id, seconds = time.as_secs(), "left out, as it fails");
    }
}
