//! Pauses between attempts.

#![cfg_attr(not(feature = "full"), allow(dead_code, reason = "not every feature tries again"))]

use std::time::Duration;

/// Pauses that double.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
}

impl Backoff {
    /// From `first` up to `most`.
    pub(crate) const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most }
    }

    /// The pause after so many failures in a row.
    pub(crate) fn after(self, failures: u32) -> Duration {
        let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.first.saturating_mul(factor).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(300));
        let pauses = [0, 1, 2, 3, 10, 11, 40, u32::MAX].map(|failures| backoff.after(failures).as_millis());
        assert_eq!(pauses, [500, 500, 1_000, 2_000, 256_000, 300_000, 300_000, 300_000]);
    }
}
