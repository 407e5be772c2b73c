//! How one instance does. Kept under its id, so that a refreshed list does not forget.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::picker::lock;

/// How fast latencies of the past lose weight.
const DECAY: Duration = Duration::from_secs(10);
/// What an instance is thought to take before it was called.
const UNKNOWN: Duration = Duration::from_millis(30);
/// The least a failure counts as: failing fast must not attract calls.
const FAILURE: Duration = Duration::from_secs(1);
/// Below this, latencies do not differ.
const LEAST: Duration = Duration::from_micros(10);

#[derive(Debug)]
pub(super) struct Stats {
    in_flight: AtomicU32,
    latency: Mutex<Latency>,
    /// In ms of the balancer's clock; what is not later than now is over.
    ejected_until: AtomicU64,
    pub(super) health: Mutex<Health>,
}

/// What outliers are found by.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Failures since the last success.
    pub(super) consecutive: u32,
    /// Of the present interval.
    pub(super) successes: u32,
    pub(super) failures: u32,
    /// How often it was ejected, less the intervals that were good since.
    pub(super) ejections: u32,
}

/// Peak EWMA: up at once, down slowly, and down as well while nothing is heard, so that a slow instance is tried again.
#[derive(Debug)]
struct Latency {
    seconds: f64,
    at: Instant,
}

impl Latency {
    fn at(&self, now: Instant) -> f64 {
        self.seconds * self.kept(now)
    }

    fn kept(&self, now: Instant) -> f64 {
        (-now.saturating_duration_since(self.at).as_secs_f64() / DECAY.as_secs_f64()).exp()
    }

    fn observe(&mut self, seconds: f64, now: Instant) {
        let kept = self.kept(now);
        self.seconds = seconds.max(self.seconds * kept + seconds * (1.0 - kept));
        self.at = now;
    }
}

impl Stats {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            in_flight: AtomicU32::new(0),
            latency: Mutex::new(Latency { seconds: UNKNOWN.as_secs_f64(), at: now }),
            ejected_until: AtomicU64::new(0),
            health: Mutex::default(),
        }
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn start(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn cost(&self, now: Instant) -> f64 {
        let latency = lock(&self.latency).at(now).max(LEAST.as_secs_f64());
        (f64::from(self.in_flight()) + 1.0) * latency
    }

    pub(super) fn answered(&self, took: Duration, failed: bool, now: Instant) {
        let took = if failed { took.max(FAILURE) } else { took };
        lock(&self.latency).observe(took.as_secs_f64(), now);
    }

    /// A call was given up after `took`: it would have taken at least as long.
    pub(super) fn given_up(&self, took: Duration, now: Instant) {
        let mut latency = lock(&self.latency);
        if took.as_secs_f64() > latency.at(now) {
            latency.observe(took.as_secs_f64(), now);
        }
    }

    pub(super) fn is_ejected(&self, now_ms: u64) -> bool {
        self.ejected_until.load(Ordering::Relaxed) > now_ms
    }

    pub(super) fn eject_until(&self, ms: u64) {
        self.ejected_until.store(ms, Ordering::Relaxed);
    }
}
