//! What the server says of itself: `status` and `serverinfo/statusoverrides`. Section 1.10 of `eureka.md`. A peer is
//! available here when it answers, not when a host name matches (9.20).

use http::{HeaderMap, Response};
use synod_core::registry::{Record, Status};
use synod_wire::eureka::{self as wire, Format, StatusDocument};

use super::{answer, negotiate};
use crate::net::Body;
use crate::node::Node;
use crate::registry::convert;

/// `GET status`.
pub(super) fn status(node: &Node, headers: &HeaderMap, format: Format) -> Response<Body> {
    let now = node.registry.now();
    let uptime = uptime(now.mono_ms / 60_000);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    let memory = node.memory();
    let percent = memory.used_mb * 100 / memory.total_mb.max(1);
    let (total, used) = (format!("{}mb", memory.total_mb), format!("{}mb ({percent}%)", memory.used_mb));
    let general = [
        ("environment", &*node.config.registry.environment),
        ("num-of-cpus", &cpus),
        ("total-avail-memory", &total),
        ("current-memory-usage", &used),
        ("server-uptime", &uptime),
    ];
    let peers: Vec<_> =
        node.registry.peers().views(now).into_iter().filter(|peer| peer.state != "self").collect();
    let registered = peers.iter().map(|peer| &*peer.url).collect::<Vec<_>>().join(", ");
    let each = |reachable: bool| -> String {
        let urls = peers.iter().filter(|peer| peer.reachable == reachable).map(|peer| &*peer.url);
        urls.flat_map(|url| [url, ","]).collect()
    };
    let (available, unavailable) = (each(true), each(false));
    let application = [
        ("registered-replicas", &*registered),
        ("available-replicas", &*available),
        ("unavailable-replicas", &*unavailable),
    ];
    let own = node.registry.lists().own();
    let found = node.registry.core().find(&own.app, &own.id, now);
    let shown = found.as_ref().map(|found| convert::shown(&found.record, found.renewed_ms, true));
    let instance = shown.unwrap_or_default();
    let document =
        StatusDocument { general: &general, application: &application, instance: &instance, healthy: None };
    let mut out = Vec::with_capacity(2_048);
    wire::write_status_document(&mut out, &document, format);
    answer::document(format, negotiate::gzip(headers), out)
}

/// `hh:mm`, with the days in front once there are some.
fn uptime(minutes: u64) -> String {
    let (days, hours, minutes) = (minutes / 1_440, minutes / 60 % 24, minutes % 60);
    let days = match days {
        0 => String::new(),
        1 => "1 day ".to_owned(),
        days => format!("{days} days "),
    };
    format!("{days}{hours:02}:{minutes:02}")
}

/// `GET serverinfo/statusoverrides`: JSON only.
pub(super) fn overrides(node: &Node, headers: &HeaderMap) -> Response<Body> {
    let snapshot = node.registry.core().snapshot();
    let overridden = |record: &&std::sync::Arc<Record>| record.overridden != Status::Unknown;
    let overrides = snapshot.records().filter(overridden);
    let mut out = Vec::new();
    let pairs = overrides.map(|record| (&*record.instance.id, convert::wire_status(record.overridden)));
    wire::write_status_overrides(&mut out, pairs);
    answer::document(Format::Json, negotiate::gzip(headers), out)
}

#[cfg(test)]
mod tests {
    #[test]
    fn uptimes() {
        for (minutes, shown) in
            [(0, "00:00"), (61, "01:01"), (1_440, "1 day 00:00"), (3 * 1_440 + 59, "3 days 00:59")]
        {
            assert_eq!(super::uptime(minutes), shown);
        }
    }
}
