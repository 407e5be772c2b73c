//! Transactions under the names of a Seata server's metrics, so that its dashboards go on working (`docs/protocol/seata.md` 8.3):
//! `seata_transaction{role="tc",meter=…,statistic=…,status=…}`.
//!
//! Counters are since the start, as there. Summaries and timers are of the time since the scrape before, as there: with two who
//! scrape, each sees a part. Transactions of all faces count, as one transaction may have branches of several. What a client could
//! grow without limit, as its application's name, is no label here.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use synod_core::txn::{End, Txn};

use super::{LogMetrics, TxnMetrics};
use crate::clock::Clock;

/// The statuses, in the order of [`Tallies`].
const STATUSES: [&str; 4] = ["committed", "rollbacked", "failed", "2phaseTimeout"];

/// What ended, by status.
#[derive(Debug, Default)]
pub(super) struct Tallies([Tally; STATUSES.len()]);

#[derive(Debug, Default)]
struct Tally {
    count: AtomicU64,
    total_ms: AtomicU64,
    /// Since the last scrape.
    max_ms: AtomicU64,
}

impl Tallies {
    pub(super) fn ended(&self, txn: &Txn, end: End) {
        let [committed, rolled_back, failed, timed_out] = &self.0;
        let took_ms = txn.touched_ms.saturating_sub(txn.begun_ms);
        match end {
            End::Committed => committed,
            End::RolledBack => rolled_back,
            End::Stopped => failed,
        }
        .add(took_ms);
        if end == End::RolledBack && txn.timed_out() {
            timed_out.add(took_ms);
        }
    }
}

impl Tally {
    fn add(&self, took_ms: u64) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.total_ms.fetch_add(took_ms, Ordering::Relaxed);
        self.max_ms.fetch_max(took_ms, Ordering::Relaxed);
    }
}

/// How things stood when somebody scraped.
#[derive(Debug, Default)]
struct Scrape {
    at_mono: u64,
    counts: [(u64, u64); STATUSES.len()],
}

/// See the module.
#[derive(Debug)]
pub struct SeataAliases {
    tallies: Arc<Tallies>,
    log: LogMetrics,
    clock: Clock,
    last: Mutex<Scrape>,
}

impl SeataAliases {
    /// Shows what these count.
    pub fn new(metrics: &TxnMetrics, log: LogMetrics, clock: Clock) -> Self {
        let last = Scrape { at_mono: clock.now().mono_ms, ..Scrape::default() };
        Self { tallies: Arc::clone(&metrics.tallies), log, clock, last: Mutex::new(last) }
    }
}

impl Collector for SeataAliases {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Global transactions, as a Seata server shows them";
        let mut metric = encoder.encode_descriptor("seata_transaction", help, None, MetricType::Gauge)?;
        counter(&mut metric, "active", self.log.open() as f64)?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now_mono = self.clock.now().mono_ms;
        let passed_s = now_mono.saturating_sub(last.at_mono).max(1) as f64 / 1_000.0;
        last.at_mono = now_mono;
        for ((status, tally), before) in STATUSES.iter().zip(&self.tallies.0).zip(&mut last.counts) {
            let now = (tally.count.load(Ordering::Relaxed), tally.total_ms.load(Ordering::Relaxed));
            let (count, total_ms) = ((now.0 - before.0) as f64, (now.1.saturating_sub(before.1)) as f64);
            *before = now;
            let max_ms = tally.max_ms.swap(0, Ordering::Relaxed) as f64;
            let average_ms = if count > 0.0 { total_ms / count } else { 0.0 };
            counter(&mut metric, status, now.0 as f64)?;
            for (meter, statistic, value) in [
                ("summary", "count", count),
                ("summary", "total", count),
                ("summary", "tps", count / passed_s),
                ("timer", "count", count),
                ("timer", "total", total_ms),
                ("timer", "max", max_ms),
                ("timer", "average", average_ms),
            ] {
                let labels = [("role", "tc"), ("meter", meter), ("statistic", statistic), ("status", status)];
                ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

fn counter(metric: &mut MetricEncoder<'_>, status: &str, value: f64) -> fmt::Result {
    let labels = [("role", "tc"), ("meter", "counter"), ("status", status)];
    ConstGauge::new(value).encode(metric.encode_family(&labels)?)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use synod_base::xid::Xid;
    use synod_core::txn::{Mode, Options, Status};

    use super::*;
    use crate::metrics::{self, Registry};

    fn ended(end: End, took_ms: u64, timeout_ms: u64) -> Txn {
        Txn {
            xid: Xid::new(0, 1).unwrap(),
            gid: None,
            mode: Mode::Mixed,
            name: "".into(),
            status: Status::Ended(end),
            options: Options { timeout_ms, ..Options::default() },
            headers: Vec::new(),
            back_check: None,
            note: Bytes::new(),
            begun_ms: 1_000,
            decided_ms: 1_000 + took_ms,
            touched_ms: 1_000 + took_ms,
            reason: "".into(),
            result: Bytes::new(),
            branches: Vec::new(),
            digest: 0,
        }
    }

    #[test]
    fn counters_go_on_and_the_rest_is_of_the_time_since_the_last_scrape() {
        let counted = TxnMetrics::new(&mut Registry::default());
        let mut registry = Registry::default();
        let aliases = SeataAliases::new(&counted, LogMetrics::default(), Clock::system());
        registry.register_collector(Box::new(aliases));
        for (end, took_ms, timeout_ms) in [
            (End::Committed, 10, 0),
            (End::Committed, 30, 0),
            (End::RolledBack, 50, 50),
            (End::RolledBack, 8, 50),
        ] {
            counted.ended(&ended(end, took_ms, timeout_ms));
        }
        let line = |meter: &str, statistic: &str, status: &str, value: &str| {
            let statistic =
                if statistic.is_empty() { String::new() } else { format!("statistic=\"{statistic}\",") };
            format!(
                "seata_transaction{{role=\"tc\",meter=\"{meter}\",{statistic}status=\"{status}\"}} {value}"
            )
        };
        let text = metrics::render(&[&registry]);
        for line in [
            line("counter", "", "active", "0.0"),
            line("counter", "", "committed", "2.0"),
            line("counter", "", "rollbacked", "2.0"),
            line("summary", "count", "committed", "2.0"),
            line("summary", "count", "2phaseTimeout", "1.0"),
            line("timer", "average", "committed", "20.0"),
            line("timer", "max", "committed", "30.0"),
            line("timer", "total", "rollbacked", "58.0"),
            line("summary", "tps", "failed", "0.0"),
        ] {
            assert!(text.lines().any(|each| each == line), "{line} is missing in\n{text}");
        }
        counted.ended(&ended(End::Stopped, 7, 0));
        let text = metrics::render(&[&registry]);
        for line in [
            line("counter", "", "committed", "2.0"),
            line("summary", "count", "committed", "0.0"),
            line("timer", "max", "committed", "0.0"),
            line("timer", "average", "failed", "7.0"),
        ] {
            assert!(text.lines().any(|each| each == line), "{line} is missing in\n{text}");
        }
        assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
    }
}
