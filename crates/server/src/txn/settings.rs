//! What the configuration says about global transactions, in the words of the core.

use synod_core::txn::{Limits, drive};

use crate::config::TxnConfig;

/// See the module. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What is refused.
    pub limits: Limits,
    /// How the driver behaves.
    pub drive: drive::Settings,
    /// How long details of ended transactions are kept.
    pub keep_ms: u64,
    /// How much room they may take.
    pub details_bytes: u64,
}

impl From<&TxnConfig> for Settings {
    fn from(config: &TxnConfig) -> Self {
        let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            limits: Limits {
                open_max: config.open_max,
                gids_max: config.outcomes_max,
                branches_max: config.branches_max,
                payload_bytes_max: config.payload_bytes_max,
                ..Limits::default()
            },
            drive: drive::Settings {
                retry_ms: ms(config.retry),
                retry_max_ms: ms(config.retry_max),
                attention_after: config.attention_after,
                outcome_keep_ms: ms(config.outcome_keep),
                given_up_keep_ms: ms(config.given_up_keep),
                gate: drive::GateSettings {
                    flights_max: config.calls_max,
                    per_destination_max: config.calls_per_destination_max,
                    ..drive::GateSettings::default()
                },
            },
            keep_ms: ms(config.keep),
            details_bytes: config.details_bytes as u64,
        }
    }
}
