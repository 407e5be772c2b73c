//! From the name of a service to its instances, and who of them is called.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ::http::uri::Authority;

use crate::balance::{Balancer, Endpoint};
use crate::registry::{Consumer, Instance, Status};

/// Knows who serves what.
pub trait Resolver: Send + Sync + 'static {
    /// Who chooses among the instances of a service; the same one each time, as it remembers how they did. `None` when the service is not
    /// known.
    fn balancer(&self, service: &str) -> Option<Balancer>;

    /// An instance of the service could not be reached: what is known of it may be old.
    fn unreachable(&self, _service: &str) {}
}

/// Services at addresses that are known beforehand.
#[derive(Debug, Default)]
pub struct Fixed(HashMap<String, Balancer>);

impl Fixed {
    /// The same, with these instances of one more service, which take turns.
    #[must_use]
    pub fn with(self, service: &str, instances: impl IntoIterator<Item = Authority>) -> Self {
        let balancer = Balancer::default();
        balancer.update(instances.into_iter().map(|at| Endpoint::new(at.as_str(), at.as_str())));
        self.balanced(service, balancer)
    }

    /// The same, with one more service. Who keeps a clone of the balancer can change the list.
    #[must_use]
    pub fn balanced(mut self, service: &str, balancer: Balancer) -> Self {
        self.0.insert(service.to_ascii_lowercase(), balancer);
        self
    }
}

impl Resolver for Fixed {
    fn balancer(&self, service: &str) -> Option<Balancer> {
        self.0.get(&service.to_ascii_lowercase()).cloned()
    }
}

/// The instances that a registry knows: those of an application of that name, or if there is none those with that virtual address, which
/// are up and have a plain port. When one cannot be reached, the list is asked for anew.
pub struct Registered {
    consumer: Arc<Consumer>,
    make: Box<Make>,
    services: Mutex<HashMap<String, Known>>,
}

type Make = dyn Fn(&str) -> Balancer + Send + Sync;

/// A service that was asked for.
struct Known {
    balancer: Balancer,
    /// Of the consumer's copy that the balancer has its list from.
    generation: u64,
}

impl Registered {
    /// Over a copy of the list that is kept up to date. Instances take turns.
    pub fn new(consumer: Arc<Consumer>) -> Self {
        Self::balanced(consumer, |_| Balancer::default())
    }

    /// The same, with a balancer that `make` makes for each service when it is called first, by its name in lower case.
    pub fn balanced(
        consumer: Arc<Consumer>,
        make: impl Fn(&str) -> Balancer + Send + Sync + 'static,
    ) -> Self {
        Self { consumer, make: Box::new(make), services: Mutex::default() }
    }

    fn endpoints(&self, service: &str) -> Vec<Endpoint> {
        let mut known = self.consumer.instances(service);
        if known.is_empty() {
            known = self.consumer.by_vip(service);
        }
        let is_callable =
            |instance: &&Arc<Instance>| instance.status == Status::Up && instance.port.is_some();
        known.iter().filter(is_callable).filter_map(|instance| instance.endpoint()).collect()
    }
}

impl Resolver for Registered {
    fn balancer(&self, service: &str) -> Option<Balancer> {
        let service = service.to_ascii_lowercase();
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the list is read, which may be newer then.
        let generation = self.consumer.snapshot().generation();
        if let Some(known) = services.get_mut(&service) {
            if known.generation != generation {
                known.balancer.update(self.endpoints(&service));
                known.generation = generation;
            }
            return Some(known.balancer.clone());
        }
        // Names that nobody serves are not kept.
        let endpoints = self.endpoints(&service);
        if endpoints.is_empty() {
            return None;
        }
        let balancer = (self.make)(&service);
        balancer.update(endpoints);
        services.insert(service, Known { balancer: balancer.clone(), generation });
        Some(balancer)
    }

    fn unreachable(&self, _service: &str) {
        self.consumer.refresh();
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registered").field("consumer", &self.consumer).finish_non_exhaustive()
    }
}
