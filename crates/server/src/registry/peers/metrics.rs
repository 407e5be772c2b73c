//! The peers' numbers, read when somebody scrapes. One series per peer: operators choose those, clients cannot.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Unit;

use super::PeerView;
use crate::registry::Registry;

/// Reads the peers of a registry.
#[derive(Debug)]
pub struct PeerMetrics(Arc<Registry>);

impl PeerMetrics {
    /// A reader of `registry`'s peers.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self(registry)
    }
}

type Gauges = Family<[(&'static str, String); 1], Gauge<f64, AtomicU64>>;
type Counters = Family<[(&'static str, String); 1], Counter>;

impl Collector for PeerMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let peers = self.0.peers().views(self.0.now());
        type Number = fn(&PeerView) -> f64;
        let gauges: [(&str, &str, Option<Unit>, Number); 3] = [
            ("peer_reachable", "1 when the peer answered the last time", None, |peer| {
                f64::from(u8::from(peer.reachable))
            }),
            ("peer_queued", "Instances that the peer has to be told of", None, |peer| peer.queued as f64),
            ("peer_lag", "How long the oldest change waits for the peer", Some(Unit::Seconds), |peer| {
                peer.lag_ms as f64 / 1_000.0
            }),
        ];
        for (name, help, unit, number) in gauges {
            let family = Gauges::default();
            for peer in &peers {
                family.get_or_create_owned(&[("peer", peer.url.clone())]).set(number(peer));
            }
            family.encode(encoder.encode_descriptor(name, help, unit.as_ref(), family.metric_type())?)?;
        }
        type Count = fn(&PeerView) -> u64;
        let counters: [(&str, &str, Count); 2] = [
            ("peer_items_sent", "Changes and heartbeats that the peer took", |peer| peer.sent),
            ("peer_failures", "Items that the peer refused, and batches that came to nothing", |peer| {
                peer.failed
            }),
        ];
        for (name, help, count) in counters {
            let family = Counters::default();
            for peer in &peers {
                family.get_or_create_owned(&[("peer", peer.url.clone())]).inc_by(count(peer));
            }
            family.encode(encoder.encode_descriptor(name, help, None, family.metric_type())?)?;
        }
        Ok(())
    }
}
