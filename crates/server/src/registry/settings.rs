//! From the table of keys to the core's settings.

use std::time::Duration;

use synod_base::hash::Keyed;
use synod_core::registry::Settings;
use synod_core::registry::preserve::{Fixed, Policy};

use crate::config::RegistryConfig;

/// What the core has to know.
pub(super) fn settings(config: &RegistryConfig, seed: u64) -> Settings {
    let compat = &config.compat;
    let fixed = compat.fixed_threshold.then(|| Fixed {
        interval_ms: millis(compat.expected_renewal_interval),
        clients: u64::from(compat.open_for_traffic_count),
    });
    Settings {
        keyed: Keyed(seed),
        delta_retention_ms: millis(config.delta_retention),
        instances_max: config.instances_max as u64,
        metadata_keys_max: config.metadata_keys_max,
        metadata_bytes_max: config.instance_bytes_max,
        double_lease: compat.double_lease,
        sticky_out_of_service: compat.sticky_out_of_service,
        tick_ms: millis(config.eviction_interval),
        preservation: Policy {
            enabled: config.self_preservation,
            threshold: config.preservation_threshold,
            window_ms: millis(config.preservation_window),
            limit_ms: millis(config.preservation_limit),
            fixed,
        },
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
