//! Metrics of one node: a registry of its own, so that several nodes in one process do not mix.
//!
//! A part makes its metrics in a constructor that takes the registry, and keeps clones of what it counts; nothing is
//! looked up by name while serving. All names start with `synod_`, apart from aliases for others' dashboards,
//! units are in the name, and no label takes values that
//! a client could grow without limit.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Unit;

pub use prometheus_client::registry::Registry;

/// The content type of [`render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A registry with the metrics of the process; other parts add theirs.
pub fn registry(started_ms: u64) -> Registry {
    let mut registry = Registry::with_prefix("synod");
    registry.register_collector(Box::new(Process { started_ms }));
    registry
}

/// The text that a Prometheus server scrapes, of all these.
pub fn render(registries: &[&Registry]) -> String {
    let mut text = String::with_capacity(8 << 10);
    for registry in registries {
        encode_registry(&mut text, registry).expect("writing to a string cannot fail");
    }
    encode_eof(&mut text).expect("writing to a string cannot fail");
    text
}

/// Who answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// The Eureka protocol.
    Eureka,
    /// The native API.
    Native,
    /// What Seata's tools ask over HTTP.
    Seata,
    /// Health and metrics.
    Ops,
    /// The console and whatever is left.
    Console,
}

/// The faces' labels, in the order of [`Face`].
const FACES: [&str; 5] = ["eureka", "native", "seata", "ops", "console"];
/// The classes of status, from 2xx on; we send no other.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// Requests answered, by face and class of status.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    requests: [[Counter; CLASSES.len()]; FACES.len()],
}

impl HttpMetrics {
    /// Adds the counters to `registry`, all of them at zero.
    pub fn new(registry: &mut Registry) -> Self {
        let family = Family::<[(&str, &str); 2], Counter>::default();
        registry.register("http_requests", "HTTP requests answered", family.clone());
        let counter = |face, class| family.get_or_create_owned(&[("face", face), ("status", class)]);
        Self { requests: FACES.map(|face| CLASSES.map(|class| counter(face, class))) }
    }

    /// Counts one answer: an addition to a number, nothing else.
    pub fn count(&self, face: Face, status: http::StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(2, CLASSES.len() + 1) - 2;
        self.requests[face as usize][class].inc();
    }
}

/// Connections of one kind of listener.
#[derive(Clone, Debug)]
pub struct NetMetrics {
    /// Served right now.
    pub open: Gauge,
    /// Accepted since the start.
    pub accepted: Counter,
    /// Turned away because of the limit on connections.
    pub refused: Counter,
    /// Closed because the other side was silent or too slow.
    pub timed_out: Counter,
    /// Failures to accept, such as running out of file descriptors.
    pub accept_errors: Counter,
}

impl NetMetrics {
    /// Adds the metrics of the listeners of a protocol to `registry`, with the protocol's name at the head of theirs.
    pub fn new(registry: &mut Registry, protocol: &str) -> Self {
        let new = Self {
            open: Gauge::default(),
            accepted: Counter::default(),
            refused: Counter::default(),
            timed_out: Counter::default(),
            accept_errors: Counter::default(),
        };
        let name = |what: &str| format!("{protocol}_{what}");
        registry.register(name("connections"), "Connections served right now", new.open.clone());
        registry.register(name("connections_accepted"), "Connections accepted", new.accepted.clone());
        registry.register(name("connections_refused"), "Connections above the limit", new.refused.clone());
        let help = "Connections closed as silent or too slow";
        registry.register(name("connections_timed_out"), help, new.timed_out.clone());
        registry.register(
            name("accept_errors"),
            "Failures to accept a connection",
            new.accept_errors.clone(),
        );
        new
    }
}

/// What the kernel says about this process, read when somebody scrapes.
#[derive(Debug)]
struct Process {
    started_ms: u64,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(seconds) = cpu_seconds() {
            let cpu = ConstCounter::new(seconds);
            let help = "CPU time used, user and system.";
            cpu.encode(encoder.encode_descriptor(
                "process_cpu",
                help,
                Some(&Unit::Seconds),
                cpu.metric_type(),
            )?)?;
        }
        let started = self.started_ms as f64 / 1_000.0;
        let help = "When the process started, since the Unix epoch.";
        gauge(&mut encoder, "process_start_time", help, Some(&Unit::Seconds), started)?;
        if let Some(bytes) = resident_bytes() {
            let help = "Memory in RAM.";
            gauge(&mut encoder, "process_resident_memory", help, Some(&Unit::Bytes), bytes as f64)?;
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            let help = "Open file descriptors.";
            gauge(&mut encoder, "process_open_fds", help, None, files.count() as f64)?;
        }
        Ok(())
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: f64,
) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, unit, gauge.metric_type())?)
}

/// Seconds of CPU from `/proc/self/stat`, fields 14 and 15 (proc(5)), in ticks: 100 a second for user space on every
/// Linux, whatever the kernel's own rate.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in parentheses and may hold blanks.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / 100.0)
}

/// Resident bytes from `/proc/self/status`.
/// Memory in RAM.
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    #[test]
    fn the_text_names_what_was_counted() {
        let mut registry = registry(1_500);
        let http = HttpMetrics::new(&mut registry);
        let net = NetMetrics::new(&mut registry, "http");
        http.count(Face::Eureka, StatusCode::NO_CONTENT);
        http.count(Face::Eureka, StatusCode::OK);
        http.count(Face::Native, StatusCode::SWITCHING_PROTOCOLS);
        http.count(Face::Ops, StatusCode::SERVICE_UNAVAILABLE);
        net.open.set(3);
        let text = render(&[&registry]);
        for line in [
            "synod_http_requests_total{face=\"eureka\",status=\"2xx\"} 2",
            "synod_http_requests_total{face=\"native\",status=\"2xx\"} 1",
            "synod_http_requests_total{face=\"ops\",status=\"5xx\"} 1",
            "synod_http_requests_total{face=\"console\",status=\"4xx\"} 0",
            "synod_http_connections 3",
            "synod_http_connections_refused_total 0",
            "synod_process_start_time_seconds 1.5",
        ] {
            assert!(text.lines().any(|each| each == line), "{line} is missing in\n{text}");
        }
        for name in [
            "synod_process_resident_memory_bytes ",
            "synod_process_open_fds ",
            "synod_process_cpu_seconds_total ",
        ] {
            assert!(text.contains(&format!("\n{name}")), "{name}");
        }
        let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let unique: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len(), "a metric is registered twice");
    }
}
