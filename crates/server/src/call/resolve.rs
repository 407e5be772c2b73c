//! `synod://service/…`: instances of the registry take turns. Those that could not be reached a moment ago are passed over
//! while there are others.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use synod_core::registry::{Instance, Record, Status, Vip};

use super::Trouble;
use crate::registry::Registry;

/// For how long an instance that could not be reached is passed over.
const SHUNNED_MS: u64 = 5_000;
/// Services whose instances are kept at hand.
const SERVICES_MAX: usize = 1_000;
/// Instances remembered as not to be reached.
const SHUNNED_MAX: usize = 10_000;

/// Where an instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Host and port, as in a URL.
    pub(super) authority: Box<str>,
    /// It speaks TLS only.
    pub(super) secure: bool,
}

/// Finds instances.
#[derive(Debug)]
pub(super) struct Services {
    registry: Arc<Registry>,
    known: RwLock<HashMap<Box<str>, Arc<Service>>>,
    /// Until when, on the monotonic clock.
    shunned: Mutex<HashMap<Box<str>, u64>>,
    /// How many these are, for a look without a lock.
    shunned_len: AtomicUsize,
}

/// The instances of a service at one version of the registry.
#[derive(Debug)]
struct Service {
    version: u64,
    endpoints: Box<[Endpoint]>,
    next: AtomicUsize,
}

impl Services {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        let (known, shunned) = (RwLock::default(), Mutex::default());
        Self { registry, known, shunned, shunned_len: AtomicUsize::new(0) }
    }

    /// The instance whose turn it is, and how many there are. `plain`: those over TLS are of no use.
    pub(super) fn pick(&self, name: &str, plain: bool, now_mono: u64) -> Result<(Endpoint, usize), Trouble> {
        let service = self.service(name);
        let usable = |endpoint: &&Endpoint| !(plain && endpoint.secure);
        let count = service.endpoints.iter().filter(usable).count();
        if count == 0 {
            let why = if service.endpoints.is_empty() {
                "is UP"
            } else {
                "is UP without TLS, which gRPC needs here"
            };
            return Err(Trouble::ours(format!("no instance of the service \"{name}\" {why}")));
        }
        let turn = service.next.fetch_add(1, Ordering::Relaxed);
        let mut in_turn = service.endpoints.iter().filter(usable).cycle().skip(turn % count).take(count);
        let first = in_turn.next().expect("they are not none");
        if !self.is_shunned(first, now_mono) {
            return Ok((first.clone(), count));
        }
        let better = in_turn.find(|endpoint| !self.is_shunned(endpoint, now_mono));
        Ok((better.unwrap_or(first).clone(), count))
    }

    /// It could not be reached.
    pub(super) fn shun(&self, endpoint: &Endpoint, now_mono: u64) {
        let mut shunned = self.shunned.lock().unwrap_or_else(PoisonError::into_inner);
        if shunned.len() >= SHUNNED_MAX {
            shunned.retain(|_, until| *until > now_mono);
        }
        if shunned.len() < SHUNNED_MAX {
            shunned.insert(endpoint.authority.clone(), now_mono + SHUNNED_MS);
        }
        self.shunned_len.store(shunned.len(), Ordering::Relaxed);
    }

    fn is_shunned(&self, endpoint: &Endpoint, now_mono: u64) -> bool {
        if self.shunned_len.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let mut shunned = self.shunned.lock().unwrap_or_else(PoisonError::into_inner);
        let until = shunned.get(&endpoint.authority).copied();
        if until.is_some_and(|until| until <= now_mono) {
            shunned.remove(&endpoint.authority);
            self.shunned_len.store(shunned.len(), Ordering::Relaxed);
        }
        until.is_some_and(|until| until > now_mono)
    }

    fn service(&self, name: &str) -> Arc<Service> {
        // Taken before the look-up: a change in between makes the next call look again.
        let version = self.registry.core().version();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(name).map(Arc::clone);
        let turn = match known {
            Some(known) if known.version == version => return known,
            Some(known) => known.next.load(Ordering::Relaxed),
            None => 0,
        };
        let endpoints = self.look_up(name);
        let service = Arc::new(Service { version, endpoints, next: AtomicUsize::new(turn) });
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= SERVICES_MAX && !known.contains_key(name) {
            known.clear();
        }
        known.insert(name.into(), Arc::clone(&service));
        service
    }

    /// By application; if there is none of that name, by virtual address.
    fn look_up(&self, name: &str) -> Box<[Endpoint]> {
        let core = self.registry.core();
        let (_, mut records) = core.application(&name.to_uppercase());
        if records.is_empty() {
            records = core.vip(Vip::Plain, name).into_iter().flatten().collect();
        }
        if records.is_empty() {
            records = core.vip(Vip::Secure, name).into_iter().flatten().collect();
        }
        // The registry's order is that of hashes: the turns should be the same after every change.
        records.sort_by(|a, b| (&a.instance.app, &a.instance.id).cmp(&(&b.instance.app, &b.instance.id)));
        let is_up = |record: &&Arc<Record>| record.status == Status::Up;
        records.iter().filter(is_up).filter_map(|record| endpoint(&record.instance)).collect()
    }
}

/// The plain port, or the secure one if that is the only one in use.
fn endpoint(instance: &Instance) -> Option<Endpoint> {
    let secure = !instance.port.enabled && instance.secure_port.enabled;
    let port = if secure { instance.secure_port } else { instance.port };
    let port = u16::try_from(port.number).ok().filter(|port| *port > 0)?;
    let host = if instance.host.is_empty() { &*instance.ip } else { &*instance.host };
    let authority = if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    (!host.is_empty()).then(|| Endpoint { authority: authority.into(), secure })
}

#[cfg(test)]
mod tests {
    use synod_base::time::Now;
    use synod_core::registry::{Origin, Port};

    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;
    use crate::config::RegistryConfig;
    use crate::lists::OwnInstance;

    fn services() -> Services {
        let clock = Clock::manual(Now { wall_ms: 1_000_000, mono_ms: 0 });
        let config: RegistryConfig = Config::default().registry;
        Services::new(Arc::new(Registry::new(&config, clock, OwnInstance::default(), 1)))
    }

    fn register(services: &Services, app: &str, id: &str, change: impl FnOnce(&mut Instance)) {
        let mut instance = Instance::new(app, id);
        instance.port = Port { number: 80, enabled: true };
        change(&mut instance);
        services.registry.register(instance, Origin::Client).unwrap();
    }

    fn turns(services: &Services, name: &str, count: usize, now_mono: u64) -> Vec<String> {
        let pick = |_| services.pick(name, false, now_mono).unwrap().0.authority.into();
        (0..count).map(pick).collect()
    }

    #[test]
    fn instances_take_turns_and_changes_show_at_once() {
        let services = services();
        register(&services, "pay", "a", |_| {});
        register(&services, "pay", "b", |_| {});
        register(&services, "pay", "c", |instance| instance.status = Status::Down);
        assert_eq!(turns(&services, "Pay", 4, 0), ["a:80", "b:80", "a:80", "b:80"]);
        register(&services, "pay", "c", |_| {});
        assert_eq!(turns(&services, "pay", 3, 0), ["a:80", "b:80", "c:80"]);
        for id in ["a", "b", "c"] {
            services.registry.cancel("PAY", id, Origin::Client);
        }
        let trouble = services.pick("pay", false, 0).unwrap_err();
        assert!(
            trouble.answered && trouble.text.contains("no instance of the service \"pay\""),
            "{trouble:?}"
        );
    }

    #[test]
    fn who_could_not_be_reached_is_passed_over_for_a_while() {
        let services = services();
        register(&services, "pay", "a", |_| {});
        register(&services, "pay", "b", |_| {});
        let (a, count) = services.pick("pay", false, 0).unwrap();
        assert_eq!((&*a.authority, count), ("a:80", 2));
        services.shun(&a, 0);
        assert_eq!(turns(&services, "pay", 3, SHUNNED_MS - 1), ["b:80", "b:80", "b:80"]);
        let b = Endpoint { authority: "b:80".into(), secure: false };
        services.shun(&b, SHUNNED_MS - 1);
        assert_eq!(turns(&services, "pay", 1, SHUNNED_MS - 1).len(), 1, "better a bad one than none");
        assert_eq!(turns(&services, "pay", 2, SHUNNED_MS), ["a:80", "a:80"]);
        assert_eq!(services.shunned_len.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn addresses_of_all_kinds() {
        let services = services();
        let secure = |instance: &mut Instance| {
            instance.port.enabled = false;
            instance.secure_port = Port { number: 443, enabled: true };
        };
        register(&services, "one", "1", |instance| {
            secure(instance);
            instance.vip = Some("x,one-vip".into());
        });
        register(&services, "two", "2", |instance| instance.host = "fd00::1".into());
        register(&services, "three", "3", |instance| {
            instance.host = "".into();
            instance.ip = "10.0.0.3".into();
        });
        register(&services, "four", "4", |instance| instance.port.number = 70_000);
        let pick = |name| services.pick(name, false, 0).map(|(endpoint, _)| endpoint);
        assert_eq!(pick("one").unwrap(), Endpoint { authority: "1:443".into(), secure: true });
        assert_eq!(pick("one-vip").unwrap(), pick("one").unwrap());
        assert_eq!(&*pick("two").unwrap().authority, "[fd00::1]:80");
        assert_eq!(&*pick("three").unwrap().authority, "10.0.0.3:80");
        assert!(pick("four").is_err());
        assert!(services.pick("one", true, 0).unwrap_err().text.contains("TLS"));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let services = services();
        for number in 0..SERVICES_MAX + 10 {
            assert!(services.pick(&format!("none-{number}"), false, 0).is_err());
        }
        assert!(services.known.read().unwrap().len() <= SERVICES_MAX);
        for number in 0..SHUNNED_MAX + 10 {
            let authority = format!("h{number}:1").into();
            services.shun(&Endpoint { authority, secure: false }, 0);
        }
        assert_eq!(services.shunned_len.load(Ordering::Relaxed), SHUNNED_MAX);
    }
}
