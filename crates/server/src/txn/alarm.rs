//! A timer that is set a thousand times for each time that it rings: setting it later costs nothing.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::Sleep;

/// Longest sleep: whoever uses it looks around at least that often.
const SLEEP_MAX_MS: u64 = 1_000;

/// See the module. It may ring early; then it is set again.
#[derive(Debug)]
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// When it rings, on the monotonic clock.
    at_mono: u64,
}

impl Alarm {
    /// One that rings soon.
    pub(super) fn new() -> Self {
        Self { sleep: Box::pin(tokio::time::sleep(Duration::ZERO)), at_mono: 0 }
    }

    /// Makes it ring at this moment or before; without one, within a second.
    pub(super) fn set(&mut self, due_mono: Option<u64>, now_mono: u64) {
        let latest = now_mono + SLEEP_MAX_MS;
        let due = due_mono.map_or(latest, |due| due.min(latest));
        if due < self.at_mono || self.at_mono <= now_mono {
            self.at_mono = due;
            self.sleep.set(tokio::time::sleep(Duration::from_millis(due.saturating_sub(now_mono))));
        }
    }

    /// Returns when it rings.
    pub(super) async fn ring(&mut self) {
        self.sleep.as_mut().await;
        self.at_mono = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[tokio::test]
    async fn it_rings_no_later_than_it_should() {
        let clock = Clock::system();
        let now = || clock.now().mono_ms;
        let mut alarm = Alarm::new();
        for _ in 0..3 {
            let begin = now();
            alarm.set(None, begin);
            alarm.set(Some(begin + 20), begin);
            alarm.set(Some(begin + 10_000), begin);
            alarm.ring().await;
            assert!((20..900).contains(&(now() - begin)), "{} to {}", begin, now());
        }
        let begin = now();
        alarm.set(Some(begin + 10_000), begin);
        alarm.ring().await;
        assert!((1_000..5_000).contains(&(now() - begin)), "within a second, whatever it was set to");
    }

    #[tokio::test]
    async fn one_that_was_not_waited_for_is_set_anew() {
        let mut alarm = Alarm::new();
        alarm.set(Some(5), 0);
        // Its moment passes while something else happens.
        alarm.set(Some(1_000_000), 10);
        let ring = tokio::time::timeout(Duration::from_millis(100), alarm.ring());
        assert!(ring.await.is_err(), "it rang for what was over");
    }
}
