//! What is measured of Seata clients.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use synod_wire::seata::{Answer, Request};

use super::{No, map};
use crate::metrics::{NetMetrics, Registry};

/// The requests' names in metrics, in the order of [`map::number`].
const REQUESTS: [&str; 8] =
    ["begin", "commit", "rollback", "status", "report", "branch_register", "branch_report", "lock_query"];
/// In the order of [`Result`].
const RESULTS: [&str; 3] = ["done", "refused", "unanswered"];

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Result {
    Done,
    Refused,
    Unanswered,
}

impl Result {
    pub(super) fn of(answer: &std::result::Result<Answer, No>) -> Self {
        match answer {
            Ok(answer) if map::is_refusal(answer) => Self::Refused,
            Ok(_) => Self::Done,
            Err(_) => Self::Unanswered,
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct SeataMetrics {
    /// Their connections.
    pub net: NetMetrics,
    requests: [[Counter; RESULTS.len()]; REQUESTS.len()],
}

impl SeataMetrics {
    /// Adds them to `registry`, all at zero.
    pub fn new(registry: &mut Registry) -> Self {
        let net = NetMetrics::new(registry, "seata");
        let family = Family::<[(&str, &str); 2], Counter>::default();
        registry.register("seata_requests", "Requests of Seata clients about transactions", family.clone());
        let counter =
            |request, result| family.get_or_create_owned(&[("request", request), ("result", result)]);
        Self { net, requests: REQUESTS.map(|request| RESULTS.map(|result| counter(request, result))) }
    }

    pub(super) fn count(&self, request: &Request, result: Result) {
        self.requests[map::number(request)][result as usize].inc();
    }
}
