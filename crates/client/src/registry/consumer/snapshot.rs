//! What is shown: never changed, only replaced.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::registry::Instance;

/// Instances of one service, ordered by their ids. Cheap to clone.
pub type Instances = Arc<[Arc<Instance>]>;

/// The list at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    generation: u64,
    services: HashMap<Arc<str>, Instances>,
    /// Made when it is first asked for: most never are.
    vips: OnceLock<HashMap<Box<str>, Instances>>,
}

impl Snapshot {
    pub(super) fn new(generation: u64, services: HashMap<Arc<str>, Instances>) -> Self {
        Self { generation, services, vips: OnceLock::new() }
    }

    /// Grows with each change that is shown.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The names of all services that have an instance to show, in no order.
    pub fn services(&self) -> impl Iterator<Item = &Arc<str>> {
        self.services.keys()
    }

    /// The instances of a service, by its name in any case.
    pub fn instances(&self, service: &str) -> Instances {
        let is_upper = !service.bytes().any(|byte| byte.is_ascii_lowercase() || !byte.is_ascii());
        let name = if is_upper { Cow::Borrowed(service) } else { Cow::Owned(service.to_uppercase()) };
        self.services.get(name.as_ref()).cloned().unwrap_or_default()
    }

    /// The instances with a virtual address, of either port.
    pub fn by_vip(&self, vip: &str) -> Instances {
        self.vips.get_or_init(|| self.index()).get(vip).cloned().unwrap_or_default()
    }

    fn index(&self) -> HashMap<Box<str>, Instances> {
        let mut vips: HashMap<Box<str>, Vec<Arc<Instance>>> = HashMap::new();
        for instance in self.services.values().flat_map(|instances| instances.iter()) {
            for vip in instance.vips() {
                let instances = vips.entry(vip.into()).or_default();
                // Plain and TLS port mostly have the same address.
                if !instances.last().is_some_and(|last| Arc::ptr_eq(last, instance)) {
                    instances.push(Arc::clone(instance));
                }
            }
        }
        vips.into_iter().map(|(vip, instances)| (vip, instances.into())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_found_by_name_in_any_case_and_by_each_virtual_address() {
        let one = Arc::new(Instance::new("a", "1", "h", 1).with_vip("x,y"));
        let mut two = Instance::new("b", "2", "h", 1).with_vip("y");
        two.secure_vip = Some("y".into());
        let services = [("A", one), ("B", Arc::new(two))];
        let snapshot = Snapshot::new(
            3,
            services.into_iter().map(|(name, instance)| (Arc::from(name), Arc::from([instance]))).collect(),
        );
        assert_eq!((snapshot.instances("a").len(), snapshot.instances("A").len()), (1, 1));
        assert!(snapshot.instances("none").is_empty());
        let ids = |vip: &str| {
            let mut ids: Vec<_> = snapshot.by_vip(vip).iter().map(|found| found.id.to_string()).collect();
            ids.sort();
            ids
        };
        assert_eq!(
            (ids("x"), ids("y"), ids("x,y")),
            (vec!["1".into()], vec!["1".into(), "2".into()], vec![])
        );
    }
}
