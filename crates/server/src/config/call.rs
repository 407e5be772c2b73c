//! The keys of the calls to participants of global transactions.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::key::{INTERVAL, Kind, integer, settings};
use super::value::{FromValue, Value};

settings! {
    /// How participants are called.
    pub struct CallConfig {
        /// Who may be called: `host`, `host:port`, `*.suffix` or a network such as `10.0.0.0/8`; empty: everybody. Counts for
        /// instances of the registry too.
        allow: Vec<String> = "call.allow", Kind::List, "", "*.svc.cluster.local,10.0.0.0/8";
        /// How long a call may take when its transaction does not say.
        timeout: Duration = "call.timeout", INTERVAL, "3s", "10s";
        /// How much of that time connecting may take, and a TLS handshake as much again.
        connect_timeout: Duration = "call.connect_timeout", INTERVAL, "1s", "500ms";
        /// Largest body of an answer; a longer one is a failed call, and its connection is closed.
        response_bytes_max: usize = "call.response_bytes_max", Kind::Size, "64KiB", "1MiB";
        /// How long a connection is kept without a call.
        idle_timeout: Duration = "call.idle_timeout", INTERVAL, "60s", "20s";
        /// Connections without a call that are kept to one participant.
        idle_max: usize = "call.idle_max", integer(0, 100_000), "256", "32";
        /// Whether a transaction whose request carries no trace context (W3C `traceparent`) gets one.
        trace: bool = "call.trace", Kind::Bool, "false", "true";
    }
}

settings! {
    /// Notifications.
    pub struct NotifyConfig {
        /// The secret with which notifications are signed; empty: they are not.
        secret: Secret = "notify.secret", Kind::Text, "", "a long random text";
        /// The pauses between the attempts of a notification that names none; it is given up after the last.
        schedule: Vec<Duration> = "notify.schedule", Kind::Pauses,
            "15s/15s/30s/3m/10m/20m/30m/30m/30m/1h/3h/3h/3h/6h/6h", "15s/15s/30s/3m";
        /// The same by topic.
        schedules: BTreeMap<String, Vec<Duration>> = "notify.schedules", Kind::Schedules,
            "", "orders=15s/15s/30s/3m,bills=1m/1h/1d";
    }
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "Secret(empty)" } else { "Secret(…)" })
    }
}

impl FromValue for Secret {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(Self(text.clone())),
            _ => None,
        }
    }
}
