//! From the name of a service to an address of one of its instances.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::http::uri::Authority;
use tokio::time::Instant;

use crate::clock;
use crate::registry::{Consumer, Instance, Status};

/// How long an instance is passed over that could not be reached.
const PASSED_OVER: Duration = Duration::from_secs(5);

/// Knows who serves what, and whose turn it is.
pub trait Resolver: Send + Sync + 'static {
    /// An instance of the service that is none of `tried`; `None` when there is no (other) one.
    fn pick(&self, service: &str, tried: &[Authority]) -> Option<Authority>;

    /// There is no connection to this address.
    fn unreachable(&self, _address: &Authority) {}
}

/// Services at addresses that are known beforehand. They take turns; one that cannot be reached is passed over for five seconds.
#[derive(Debug, Default)]
pub struct Fixed {
    services: HashMap<String, Vec<Authority>>,
    turns: Turns,
}

impl Fixed {
    /// The same, with these instances of one more service.
    pub fn with(mut self, service: &str, instances: impl IntoIterator<Item = Authority>) -> Self {
        self.services.insert(service.to_ascii_lowercase(), instances.into_iter().collect());
        self
    }
}

impl Resolver for Fixed {
    fn pick(&self, service: &str, tried: &[Authority]) -> Option<Authority> {
        let all = self.services.get(&service.to_ascii_lowercase())?;
        self.turns.pick(all.iter().filter(|address| !tried.contains(address)).cloned().collect())
    }

    fn unreachable(&self, address: &Authority) {
        self.turns.pass_over(address);
    }
}

/// The instances that a registry knows: those of an application of that name, or if there is none those with that virtual address. They
/// take turns; one that cannot be reached is passed over for five seconds, and the list is asked for anew.
#[derive(Debug)]
pub struct Registered {
    consumer: Arc<Consumer>,
    turns: Turns,
}

impl Registered {
    /// Over a copy of the list that is kept up to date.
    pub fn new(consumer: Arc<Consumer>) -> Self {
        Self { consumer, turns: Turns::default() }
    }
}

impl Resolver for Registered {
    fn pick(&self, service: &str, tried: &[Authority]) -> Option<Authority> {
        let mut known = self.consumer.instances(service);
        if known.is_empty() {
            known = self.consumer.by_vip(service);
        }
        let is_up = |instance: &&Arc<Instance>| instance.status == Status::Up;
        let addresses = known.iter().filter(is_up).filter_map(|instance| address(instance));
        self.turns.pick(addresses.filter(|address| !tried.contains(address)).collect())
    }

    fn unreachable(&self, address: &Authority) {
        self.turns.pass_over(address);
        self.consumer.refresh();
    }
}

/// Host and plain port, if it serves one.
fn address(instance: &Instance) -> Option<Authority> {
    let bracketed = instance.host.contains(':');
    let host = if bracketed { format!("[{}]", instance.host) } else { instance.host.to_string() };
    format!("{host}:{}", instance.port?).parse().ok()
}

/// Whose turn it is, and who is passed over.
#[derive(Default)]
pub(super) struct Turns {
    next: AtomicUsize,
    until: Mutex<HashMap<Authority, Instant>>,
}

impl Turns {
    /// The next one of those that are not passed over, or else of all.
    pub(super) fn pick(&self, mut addresses: Vec<Authority>) -> Option<Authority> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let passed_over = |address: &Authority| {
            let until = self.until.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            until.get(address).is_some_and(|until| *until > clock::now())
        };
        if !addresses.iter().all(passed_over) {
            addresses.retain(|address| !passed_over(address));
        }
        (!addresses.is_empty()).then(|| addresses.swap_remove(turn % addresses.len()))
    }

    pub(super) fn pass_over(&self, address: &Authority) {
        let now = clock::now();
        let mut until = self.until.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        until.retain(|_, until| *until > now);
        until.insert(address.clone(), now + PASSED_OVER);
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn instances_take_turns_and_the_unreachable_are_passed_over() {
        let addresses: Vec<Authority> = ["a:1", "b:1"].map(Authority::from_static).into();
        let (a, b) = (&addresses[0], &addresses[1]);
        let fixed = Fixed::default().with("Bank", addresses.clone());
        let mut picked: Vec<_> = (0..4).map(|_| fixed.pick("bank", &[]).unwrap()).collect();
        picked.sort_by_key(ToString::to_string);
        assert_eq!(picked, [a, a, b, b].map(Clone::clone));
        assert_eq!(fixed.pick("bank", std::slice::from_ref(a)).as_ref(), Some(b));
        assert_eq!(fixed.pick("bank", &addresses), None);
        assert_eq!(fixed.pick("shop", &[]), None);
        fixed.unreachable(a);
        assert!((0..4).all(|_| fixed.pick("bank", &[]).as_ref() == Some(b)));
        fixed.unreachable(b);
        assert!(fixed.pick("bank", &[]).is_some(), "better one that may be back than none");
        tokio::time::advance(PASSED_OVER).await;
        assert!((0..4).any(|_| fixed.pick("bank", &[]).as_ref() == Some(a)));
    }

    #[test]
    fn an_instance_is_called_at_its_plain_port() {
        let at = |instance: Instance| address(&instance).map(|address| address.to_string());
        assert_eq!(at(Instance::new("bank", "1", "node-1", 80)).as_deref(), Some("node-1:80"));
        assert_eq!(at(Instance::new("bank", "1", "::1", 80)).as_deref(), Some("[::1]:80"));
        assert_eq!(at(Instance::new("bank", "1", "no host", 80)), None);
        let mut secure = Instance::new("bank", "1", "node-1", 80);
        secure.port = None;
        assert_eq!(at(secure), None);
    }
}
