//! The own zone first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use synod_base::rng::Rng;

use super::picker::{Member, Picker, Request, lock, random_seed};

/// Calls instances of the own zone, as far as they can bear it; among those of a zone, another picker chooses.
///
/// Callers are taken to be spread evenly over the zones that have instances. If the own zone has at least its part of all weight, everything
/// stays in it. If it has less, what is above goes to zones that have more than their part, by how much more.
#[derive(Debug)]
pub struct ZoneAware<P> {
    zone: Arc<str>,
    min_instances: usize,
    within: P,
    rng: Mutex<Rng>,
}

impl<P: Picker> ZoneAware<P> {
    /// A caller in `zone`. If fewer than `min_instances` of it can be called, zones are not looked at.
    pub fn new(zone: impl Into<Arc<str>>, min_instances: usize, within: P) -> Self {
        Self::with_seed(zone, min_instances, within, random_seed())
    }

    /// The same; what spills over is the same for the same seed.
    pub fn with_seed(zone: impl Into<Arc<str>>, min_instances: usize, within: P, seed: u64) -> Self {
        Self { zone: zone.into(), min_instances, within, rng: Mutex::new(Rng::new(seed)) }
    }

    /// The zone for a call; `None` if it does not matter.
    fn zone<'a>(&self, usable: &[&'a Member]) -> Option<&'a str> {
        let mut weights: BTreeMap<&str, u64> = BTreeMap::new();
        let mut own_instances = 0;
        for member in usable {
            let zone = zone_of(member);
            own_instances += usize::from(zone == &*self.zone);
            *weights.entry(zone).or_default() += u64::from(member.endpoint.weight.max(1));
        }
        let (&own, &own_weight) = weights.get_key_value(&*self.zone)?;
        if own_instances < self.min_instances {
            return None;
        }
        // All in units of the weight of all times the number of zones: one zone's part is `all`.
        let zones = weights.len() as u64;
        let all: u64 = weights.values().sum();
        let drawn = lock(&self.rng).below(all);
        if drawn < own_weight * zones {
            return Some(own);
        }
        let surplus = |weight: u64| (weight * zones).saturating_sub(all);
        let spare: u64 = weights.values().map(|&weight| surplus(weight)).sum();
        let mut left = lock(&self.rng).below(spare.max(1));
        for (zone, weight) in weights {
            if left < surplus(weight) {
                return Some(zone);
            }
            left -= surplus(weight);
        }
        None
    }
}

fn zone_of(member: &Member) -> &str {
    member.endpoint.zone.as_deref().unwrap_or_default()
}

impl<P: Picker> Picker for ZoneAware<P> {
    fn pick(&self, usable: &[&Member], request: &Request<'_>) -> usize {
        let Some(zone) = self.zone(usable) else { return self.within.pick(usable, request) };
        let at: Vec<usize> = (0..usable.len()).filter(|&at| zone_of(usable[at]) == zone).collect();
        let there: Vec<&Member> = at.iter().map(|&at| usable[at]).collect();
        at[self.within.pick(&there, request) % at.len()]
    }

    fn refresh(&self, members: &[Member]) {
        self.within.refresh(members);
    }
}
