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
        self.counts(&mut encoder)?;
        self.preservation(&mut encoder)
    }
}

impl RegistryMetrics {
    fn counts(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let core = self.0.core();
        let totals = core.totals();
        let statuses = Family::<[(&str, &str); 1], Gauge>::default();
        for status in Status::ALL {
            statuses.get_or_create_owned(&[("status", status.as_str())]).set(totals.of(status) as i64);
        }
        let (name, help) = ("registry_instances", "Instances by status");
        statuses.encode(encoder.encode_descriptor(name, help, None, statuses.metric_type())?)?;
        let version = ConstCounter::new(core.version());
        let (name, help) = ("registry_changes", "Changes of the registry since the start");
        version.encode(encoder.encode_descriptor(name, help, None, version.metric_type())?)?;
        let (applications, provisional) = (totals.applications as f64, totals.provisional as f64);
        let open = flag(self.0.is_open());
        gauge(encoder, "registry_applications", "Applications with at least one instance", applications)?;
        let help = "Instances restored from disk and not heard of since";
        gauge(encoder, "registry_provisional_instances", help, provisional)?;
        gauge(encoder, "registry_open", "1 when lists may be read", open)?;
        gauge(encoder, "eureka_should_allow_access", "1 when lists may be read", open)?;
        gauge(encoder, "eureka_local_registry_size", "Instances", totals.instances() as f64)
    }

    fn preservation(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let core = self.0.core();
        let (view, protected) = core.preservation_view();
        let below = view.received_per_minute <= view.threshold_per_minute;
        let help = "Expired instances that self-preservation keeps";
        gauge(encoder, "registry_protected_instances", help, protected as f64)?;
        let help = "1 while self-preservation holds evictions back";
        gauge(encoder, "registry_self_preservation_active", help, flag(view.active))?;
        let help = "Renewals of the last minute";
        gauge(encoder, "eureka_num_of_renews_in_last_min", help, view.received_per_minute)?;
        let help = "Renewals below which self-preservation begins";
        gauge(encoder, "eureka_num_of_renews_per_min_threshold", help, view.threshold_per_minute)?;
        let help = "1 when fewer renewals came than the threshold";
        gauge(encoder, "eureka_is_below_renew_threshold", help, flag(below))?;
        let help = "1 when expired leases are evicted";
        gauge(encoder, "eureka_is_lease_expiration_enabled", help, flag(core.is_expiring()))?;
        let help = "1 when self-preservation is switched on";
        gauge(encoder, "eureka_is_self_preservation_mode_enabled", help, flag(view.enabled))
    }
}

fn flag(on: bool) -> f64 {
    f64::from(u8::from(on))
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}
