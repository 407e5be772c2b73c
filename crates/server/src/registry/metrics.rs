//! The registry's numbers, read when somebody scrapes: counts that are kept anyway, so a scrape costs the same at any size.
//!
//! Those that Eureka's operators know have their old name behind `synod_eureka_` (`eureka.md` 9.20).

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use synod_core::registry::Status;

use super::Registry;

/// Reads a registry.
#[derive(Debug)]
pub struct RegistryMetrics(Arc<Registry>);

impl RegistryMetrics {
    /// A reader of `registry`.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self(registry)
    }
}

impl Collector for RegistryMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let core = self.0.core();
        let totals = core.totals();
        let (preservation, protected) = core.preservation_view();

        let statuses = Family::<[(&str, &str); 1], Gauge>::default();
        for status in Status::ALL {
            statuses.get_or_create_owned(&[("status", status.as_str())]).set(totals.of(status) as i64);
        }
        let family = encoder.encode_descriptor(
            "registry_instances",
            "Instances by status",
            None,
            statuses.metric_type(),
        )?;
        statuses.encode(family)?;
        let version = ConstCounter::new(core.version());
        let help = "Changes of the registry since the start";
        version.encode(encoder.encode_descriptor(
            "registry_changes",
            help,
            None,
            version.metric_type(),
        )?)?;

        let flag = |on: bool| f64::from(u8::from(on));
        let below = preservation.received_per_minute <= preservation.threshold_per_minute;
        let gauges = [
            ("registry_applications", "Applications with at least one instance", totals.applications as f64),
            (
                "registry_provisional_instances",
                "Instances restored from disk and not heard of since",
                totals.provisional as f64,
            ),
            (
                "registry_protected_instances",
                "Expired instances that self-preservation keeps",
                protected as f64,
            ),
            (
                "registry_self_preservation_active",
                "1 while self-preservation holds evictions back",
                flag(preservation.active),
            ),
            ("registry_open", "1 when lists may be read", flag(self.0.is_open())),
            (
                "eureka_num_of_renews_in_last_min",
                "Renewals of the last minute",
                preservation.received_per_minute,
            ),
            (
                "eureka_num_of_renews_per_min_threshold",
                "Renewals below which self-preservation begins",
                preservation.threshold_per_minute,
            ),
            ("eureka_is_below_renew_threshold", "1 when fewer renewals came than the threshold", flag(below)),
            ("eureka_local_registry_size", "Instances", totals.instances() as f64),
            ("eureka_should_allow_access", "1 when lists may be read", flag(self.0.is_open())),
            (
                "eureka_is_lease_expiration_enabled",
                "1 when expired leases are evicted",
                flag(core.is_expiring()),
            ),
            (
                "eureka_is_self_preservation_mode_enabled",
                "1 when self-preservation is switched on",
                flag(preservation.enabled),
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
