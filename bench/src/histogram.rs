//! Latencies as counts in buckets that grow with the value: recording is one addition, the error of a quantile is
//! at most 1.6 %, and the size is fixed whatever comes in.

use std::time::Duration;

use serde::Serialize;

/// Sub-buckets per power of two, as a power of two.
const PRECISION: u32 = 6;
const SUB_BUCKETS: u64 = 1 << PRECISION;
const BUCKETS: usize = (64 - PRECISION as usize + 1) << PRECISION;

/// Counts of durations, in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, max_ns: 0 }
    }
}

impl Histogram {
    /// Counts one duration; more than 584 years count as 584 years.
    pub(crate) fn record(&mut self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket_of(ns)] += 1;
        self.total += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    /// Adds the counts of another one, as of another thread.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// How many durations were counted.
    pub(crate) fn count(&self) -> u64 {
        self.total
    }

    /// The upper end of the bucket in which the quantile lies (never above the largest value seen), in ms.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        let rank = ((quantile * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_end(bucket).min(self.max_ns) as f64 / 1e6;
            }
        }
        self.max_ns as f64 / 1e6
    }

    /// The quantiles that every row of a result shows.
    pub(crate) fn summary(&self) -> Latency {
        Latency {
            p50_ms: self.quantile_ms(0.50),
            p99_ms: self.quantile_ms(0.99),
            p999_ms: self.quantile_ms(0.999),
            max_ms: self.max_ns as f64 / 1e6,
        }
    }
}

/// Quantiles of a run, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, serde::Deserialize)]
pub(crate) struct Latency {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

fn bucket_of(ns: u64) -> usize {
    if ns < SUB_BUCKETS {
        return ns as usize;
    }
    let shift = ns.ilog2() - PRECISION;
    let within = (ns >> shift) - SUB_BUCKETS;
    (u64::from(shift + 1) * SUB_BUCKETS + within) as usize
}

fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < SUB_BUCKETS {
        return bucket;
    }
    let shift = bucket / SUB_BUCKETS - 1;
    let low = (bucket % SUB_BUCKETS + SUB_BUCKETS) << shift;
    low + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_within_its_bucket() {
        for value in
            (0..64).flat_map(|bits| [1_u64 << bits, (1 << bits) + 1, (1_u64 << bits).wrapping_mul(3) / 2])
        {
            let bucket = bucket_of(value);
            assert!(upper_end(bucket) >= value, "{value}");
            assert!(bucket == 0 || upper_end(bucket - 1) < value, "{value}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert_eq!(upper_end(BUCKETS - 1), u64::MAX);
    }

    #[test]
    fn quantiles_are_within_two_percent() {
        let mut histogram = Histogram::default();
        for us in 1..=10_000 {
            histogram.record(Duration::from_micros(us));
        }
        for (quantile, want_ms) in [(0.5, 5.0), (0.99, 9.9), (0.999, 9.99), (1.0, 10.0)] {
            let got = histogram.quantile_ms(quantile);
            assert!(got >= want_ms && got <= want_ms * 1.02, "{quantile}: {got}");
        }
    }

    #[test]
    fn merged_counts_are_the_sum() {
        let (mut left, mut right) = (Histogram::default(), Histogram::default());
        left.record(Duration::from_millis(1));
        right.record(Duration::from_millis(100));
        left.merge(&right);
        assert_eq!(left.count(), 2);
        assert_eq!(left.summary().max_ms, 100.0);
        assert!(left.quantile_ms(0.5) < 1.02);
    }

    #[test]
    fn an_empty_histogram_answers_zero() {
        assert_eq!(Histogram::default().quantile_ms(0.99), 0.0);
    }
}
