//! Calls to the participants of global transactions: one of the driver's calls goes out, what came of it comes back. When to
//! call and when to call again is the driver's business ([`synod_core::txn::drive`]); here is how.
//!
//! | module | concern |
//! |---|---|
//! | [`policy`] | who may be called |

pub mod policy;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use synod_core::txn::drive;
use synod_core::txn::mode::CallResult;

use self::policy::{Allow, BadDestination};
use crate::clock::Clock;
use crate::config::Config;
use crate::metrics;
use crate::net::tls::Trust;
use crate::registry::Registry;

/// How calls are made.
#[derive(Clone, Debug)]
pub struct Settings {
    allow: Allow,
    timeout: Duration,
    connect_timeout: Duration,
    response_bytes_max: usize,
    idle_timeout: Duration,
    idle_max: usize,
    address: Box<str>,
}

impl Settings {
    /// From the configuration. `address` is the `host:port` that stands in the text of an XID.
    ///
    /// # Errors
    /// `call.allow` has an entry that is none.
    pub fn new(config: &Config, address: &str) -> Result<Self, BadDestination> {
        let call = &config.call;
        Ok(Self {
            allow: Allow::parse(&call.allow)?,
            timeout: call.timeout,
            connect_timeout: call.connect_timeout,
            response_bytes_max: call.response_bytes_max,
            idle_timeout: call.idle_timeout,
            idle_max: call.idle_max,
            address: address.into(),
        })
    }
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// What it means.
    pub result: CallResult,
    /// Whether anybody answered, or the call was never made: a destination that does not answer is left alone for a while.
    pub answered: bool,
    /// The body of the answer, when it was understood.
    pub reply: Option<Bytes>,
}

/// The numbers of all calls.
#[derive(Clone, Debug)]
pub struct CallMetrics {}

impl CallMetrics {
    /// Adds them to `registry`.
    pub fn new(_registry: &mut metrics::Registry) -> Self {
        Self {}
    }
}

/// Makes calls. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    registry: Arc<Registry>,
    trust: Arc<Trust>,
    clock: Clock,
    metrics: CallMetrics,
}

impl Caller {
    /// Without connections.
    pub fn new(
        settings: Settings,
        registry: Arc<Registry>,
        trust: Arc<Trust>,
        clock: Clock,
        metrics: CallMetrics,
    ) -> Self {
        Self(Arc::new(Inner { settings, registry, trust, clock, metrics }))
    }

    /// Makes a call and waits for its end; takes no longer than the transaction, or `call.timeout`, allows. Dropping the
    /// future abandons the request.
    pub async fn deliver(&self, _call: &drive::Call) -> Delivered {
        let result = CallResult::Failed("calls cannot be made yet".into());
        Delivered { result, answered: true, reply: None }
    }

    /// The headers of a request that travel with all calls of the transaction it begins (`traceparent`, `tracestate`), to be
    /// put among [`synod_core::txn::Begin::headers`].
    pub fn trace(&self, _headers: &HeaderMap) -> Vec<(Box<str>, Box<str>)> {
        Vec::new()
    }
}
