//! Token buckets over fetches (`eureka.md` 3.10). Off unless configured.

use std::sync::{Mutex, PoisonError};

use http::HeaderMap;

use crate::config::RateLimitConfig;

/// The limiter of one node.
#[derive(Debug)]
pub struct RateLimit {
    config: RateLimitConfig,
    fetches: Mutex<Bucket>,
    full_fetches: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    burst: f64,
    per_ms: f64,
    tokens: f64,
    filled_mono: u64,
}

impl Bucket {
    fn new(burst: u32, per_second: u32) -> Self {
        let burst = f64::from(burst);
        Self { burst, per_ms: f64::from(per_second) / 1_000.0, tokens: burst, filled_mono: 0 }
    }

    fn take(&mut self, now_mono: u64) -> bool {
        let elapsed = now_mono.saturating_sub(self.filled_mono) as f64;
        self.filled_mono = now_mono;
        self.tokens = (self.tokens + elapsed * self.per_ms).min(self.burst);
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

impl RateLimit {
    /// Full buckets.
    pub fn new(config: RateLimitConfig) -> Self {
        let bucket = |rate| Mutex::new(Bucket::new(config.burst, rate));
        Self { fetches: bucket(config.fetch_rate), full_fetches: bucket(config.full_fetch_rate), config }
    }

    /// Whether a fetch may go on; `full` for the whole list.
    pub fn admits(&self, headers: &HeaderMap, full: bool, now_mono: u64) -> bool {
        if !self.config.enabled || self.is_privileged(headers) {
            return true;
        }
        let take =
            |bucket: &Mutex<Bucket>| bucket.lock().unwrap_or_else(PoisonError::into_inner).take(now_mono);
        take(&self.fetches) && (!full || take(&self.full_fetches))
    }

    fn is_privileged(&self, headers: &HeaderMap) -> bool {
        let name = headers.get("discoveryidentity-name").and_then(|name| name.to_str().ok());
        name.is_some_and(|name| {
            let standard = matches!(name, "DefaultClient" | "DefaultServer");
            (standard && !self.config.throttle_standard_clients)
                || self.config.privileged_clients.iter().any(|privileged| privileged == name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let mut bucket = Bucket::new(2, 10);
        assert_eq!(
            [0, 0, 0, 99, 100, 101].map(|now| bucket.take(now)),
            [true, true, false, false, true, false]
        );
        assert_eq!([10_000, 10_000, 10_000].map(|now| bucket.take(now)), [true, true, false]);
    }
}
