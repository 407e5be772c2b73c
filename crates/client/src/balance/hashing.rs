//! The same instance for the same key.

use std::sync::Arc;

use arc_swap::ArcSwap;
use synod_ring::{DEFAULT_POINTS, Node, Ring};

use super::picker::{Member, Picker, Request};
use super::round_robin::RoundRobin;

/// Requests of one [`Request::key`] go to one instance, by consistent hashing with weights. Above its bounded load, they go to the next on
/// the ring, and so do those of instances that are left out. Requests without a key take turns.
///
/// All clients agree on the owner of a key while they have the same list.
#[derive(Debug)]
pub struct Hashing {
    factor: f64,
    points: u32,
    ring: ArcSwap<Ring<Id>>,
    keyless: RoundRobin,
}

#[derive(Clone, Debug)]
struct Id(Arc<str>);

impl Node for Id {
    fn id(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Default for Hashing {
    /// At most 1.25 times its share of calls in flight for each instance.
    fn default() -> Self {
        Self::bounded(1.25)
    }
}

impl Hashing {
    /// At most `factor` times its share, by weight, of this process's calls in flight for each instance; infinity is no bound.
    pub fn bounded(factor: f64) -> Self {
        Self { factor, points: DEFAULT_POINTS, ring: ArcSwap::default(), keyless: RoundRobin::default() }
    }

    /// Points on the ring for each unit of weight. Fewer are enough where weights are large, as 100 for a usual instance.
    #[must_use]
    pub fn with_points(mut self, points: u32) -> Self {
        self.points = points;
        self
    }
}

impl Picker for Hashing {
    fn pick(&self, usable: &[&Member], request: &Request<'_>) -> usize {
        let Some(key) = request.key else { return self.keyless.pick(usable, request) };
        let ring = self.ring.load();
        let find = |id: &Id| usable.binary_search_by(|member| member.endpoint.id.cmp(&id.0)).ok();
        let total = usable.iter().map(|member| u64::from(member.in_flight())).sum();
        let load = |id: &Id| find(id).map_or(u64::MAX, |at| u64::from(usable[at].in_flight()));
        let owner = ring.get_bounded(key, self.factor, total, load).and_then(find);
        // All that are usable are full, as the shares of the others are not theirs: the first of them.
        owner.or_else(|| ring.walk(key).find_map(find)).unwrap_or_else(|| self.keyless.pick(usable, request))
    }

    fn refresh(&self, members: &[Member]) {
        let mut ring = Ring::with_points(self.points);
        ring.extend(
            members.iter().map(|member| (Id(Arc::clone(&member.endpoint.id)), member.endpoint.weight)),
        );
        self.ring.store(Arc::new(ring));
    }
}
