//! What holds for all calls of a transaction, whatever its kind.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::payload::serialize_ms;

/// A part of each request that begins something; what is not said is up to the server.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Terms {
    #[serde(serialize_with = "serialize_ms")]
    pub(super) timeout: Option<Duration>,
    #[serde(serialize_with = "serialize_ms")]
    pub(super) call_timeout: Option<Duration>,
    #[serde(serialize_with = "serialize_ms")]
    pub(super) retry_interval: Option<Duration>,
    pub(super) headers: BTreeMap<String, String>,
}

/// The methods by which a type with `terms` is told them, and the sentence that says what its timeout is.
macro_rules! terms {
    ($timeout:literal) => {
        #[doc = $timeout]
        #[must_use]
        pub const fn timeout(mut self, timeout: Duration) -> Self {
            self.terms.timeout = Some(timeout);
            self
        }

        /// How long one call may take.
        #[must_use]
        pub const fn call_timeout(mut self, timeout: Duration) -> Self {
            self.terms.call_timeout = Some(timeout);
            self
        }

        /// The first pause before a call is repeated.
        #[must_use]
        pub const fn retry_interval(mut self, interval: Duration) -> Self {
            self.terms.retry_interval = Some(interval);
            self
        }

        /// Sent with every call.
        #[must_use]
        pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
            self.terms.headers.insert(name.into(), value.into());
            self
        }
    };
}

pub(super) use terms;
