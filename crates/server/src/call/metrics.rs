//! What is measured of calls. The labels are words of our own; participants cannot add to them.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use synod_core::txn::Protocol;
use synod_core::txn::mode::CallResult;

use crate::metrics::Registry;

/// Upper ends of the classes of durations, in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0];

/// The numbers of all calls.
#[derive(Clone, Debug)]
pub struct CallMetrics {
    calls: Family<[(&'static str, &'static str); 3], Counter>,
    /// In the order of [`Protocol`].
    durations: Arc<[Histogram; 6]>,
    in_flight: Gauge,
}

impl CallMetrics {
    /// Adds them to `registry`.
    pub fn new(registry: &mut Registry) -> Self {
        let (calls, in_flight) = (Family::default(), Gauge::default());
        let durations =
            Family::<[(&str, &str); 1], Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        registry.register("calls", "Calls to participants of transactions", Family::clone(&calls));
        registry.register("calls_in_flight", "Calls to participants under way", in_flight.clone());
        let help = "Time a call to a participant took";
        registry.register("call_duration_seconds", help, durations.clone());
        let of = |protocol| durations.get_or_create_owned(&[("protocol", protocol_name(protocol))]);
        let durations = [
            of(Protocol::Http),
            of(Protocol::Grpc),
            of(Protocol::DtmHttp),
            of(Protocol::DtmJsonRpc),
            of(Protocol::DtmGrpc),
            of(Protocol::Seata),
        ];
        Self { calls, durations: Arc::new(durations), in_flight }
    }

    /// Counts a call as under way until what is returned is dropped.
    pub(super) fn begin(&self, protocol: Protocol, op: &'static str, now_ms: u64) -> Measured<'_> {
        self.in_flight.inc();
        Measured { metrics: self, protocol, op, began_ms: now_ms, result: "cancelled" }
    }
}

/// A call under way.
#[derive(Debug)]
pub(super) struct Measured<'a> {
    metrics: &'a CallMetrics,
    protocol: Protocol,
    op: &'static str,
    began_ms: u64,
    result: &'static str,
}

impl Measured<'_> {
    /// The call has ended. Returns how long it took.
    pub(super) fn end(mut self, result: &CallResult, now_ms: u64) -> u64 {
        self.result = result_name(result);
        let took_ms = now_ms.saturating_sub(self.began_ms);
        // Whole milliseconds, of which the parts cut off at both ends make up for each other.
        self.metrics.durations[self.protocol as usize].observe(took_ms as f64 / 1_000.0);
        took_ms
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        let labels = [("protocol", protocol_name(self.protocol)), ("op", self.op), ("result", self.result)];
        self.metrics.calls.get_or_create(&labels).inc();
    }
}

/// What a result is called here and in the log.
pub(super) fn result_name(result: &CallResult) -> &'static str {
    match result {
        CallResult::Done => "done",
        CallResult::Refused(_) => "refused",
        CallResult::Ongoing => "ongoing",
        CallResult::Failed(_) => "failed",
    }
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http => "http",
        Protocol::Grpc => "grpc",
        Protocol::DtmHttp => "dtm_http",
        Protocol::DtmJsonRpc => "dtm_json_rpc",
        Protocol::DtmGrpc => "dtm_grpc",
        Protocol::Seata => "seata",
    }
}
