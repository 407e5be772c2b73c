//! Choosing one of several instances.
//!
//! ```
//! use synod_client::balance::{Balancer, Endpoint, LeastLoaded, Request};
//!
//! let balancer = Balancer::new(LeastLoaded::default());
//! balancer.update([Endpoint::new("a", "10.0.0.1:80"), Endpoint::new("b", "10.0.0.2:80")]);
//! let pick = balancer.pick(&Request::default())?;
//! // ... call pick.address(), then say what came of it; dropping the pick says that the call was given up.
//! pick.success();
//! # Ok::<(), synod_client::balance::NoEndpoint>(())
//! ```
//!
//! A [`Balancer`] holds the list and how its instances did; a [`Picker`] chooses. [`Outliers`] says which instances are left out for a while
//! because they fail. [`RetryBudget`] and [`Balancer::attempts`] try others without making an outage worse.

mod balancer;
mod budget;
mod hashing;
mod least_loaded;
mod outlier;
mod pick;
mod picker;
mod round_robin;
mod stats;
#[cfg(test)]
mod tests;
mod zone;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use balancer::Balancer;
pub use budget::{Attempts, RetryBudget};
pub use hashing::Hashing;
pub use least_loaded::LeastLoaded;
pub use outlier::Outliers;
pub use pick::Pick;
pub use picker::{Member, Picker, Request};
pub use round_robin::{RoundRobin, Weighted};
pub use zone::ZoneAware;

/// Where a service can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Unique within the list. What is known of an instance is kept under it when the list is refreshed.
    pub id: Arc<str>,
    /// Host and port, as `10.0.0.1:8080`.
    pub address: Arc<str>,
    /// Its part of the load, against those of others. 0 is not called, unless all are 0. Round robin does not look at it otherwise.
    pub weight: u32,
    /// Where it runs.
    pub zone: Option<Arc<str>>,
    /// What it says of itself.
    pub metadata: Arc<BTreeMap<String, String>>,
}

impl Endpoint {
    /// An endpoint of weight 1, in no zone.
    pub fn new(id: impl Into<Arc<str>>, address: impl Into<Arc<str>>) -> Self {
        Self { id: id.into(), address: address.into(), weight: 1, zone: None, metadata: Arc::default() }
    }
}

/// No instance can be called: the list is empty, or all of it was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no instance to call")]
pub struct NoEndpoint;
