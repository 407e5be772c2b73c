//! The list, and the way from a request to a choice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::time::Instant;

use super::outlier::Interval;
use super::picker::{Member, Picker, Request, lock};
use super::stats::Stats;
use super::{Attempts, Endpoint, NoEndpoint, Outliers, Pick, RetryBudget, RoundRobin};
use crate::clock;

/// Chooses instances of one service. Clones share everything.
#[derive(Clone, Debug)]
pub struct Balancer(Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    /// Sorted by id.
    pub(super) members: ArcSwap<Vec<Member>>,
    picker: Box<dyn Picker>,
    pub(super) outliers: Option<Outliers>,
    /// Also what makes ejections come one after the other, so that their number holds.
    pub(super) interval: Mutex<Interval>,
    updating: Mutex<()>,
    epoch: Instant,
}

impl Default for Balancer {
    /// Round robin, with the usual [`Outliers`].
    fn default() -> Self {
        Self::new(RoundRobin::default())
    }
}

impl Balancer {
    /// A balancer without instances, that leaves out the usual [`Outliers`].
    pub fn new(picker: impl Picker + 'static) -> Self {
        Self::with_outliers(picker, Some(Outliers::default()))
    }

    /// A balancer without instances, that leaves out these outliers, or none.
    pub fn with_outliers(picker: impl Picker + 'static, outliers: Option<Outliers>) -> Self {
        let epoch = clock::now();
        Self(Arc::new(Shared {
            members: ArcSwap::default(),
            picker: Box::new(picker),
            outliers,
            interval: Mutex::new(Interval::new(epoch)),
            updating: Mutex::default(),
            epoch,
        }))
    }

    /// Takes a new list. What is known of instances that stay, by their id, is kept; calls to those that go may end in peace.
    pub fn update(&self, endpoints: impl IntoIterator<Item = Endpoint>) {
        let mut endpoints: Vec<Endpoint> = endpoints.into_iter().collect();
        endpoints.sort_by(|a, b| a.id.cmp(&b.id));
        endpoints.dedup_by(|a, b| a.id == b.id);
        let _one_at_a_time = lock(&self.0.updating);
        let old = self.0.members.load();
        let known: HashMap<&str, &Arc<Stats>> =
            old.iter().map(|member| (&*member.endpoint.id, &member.stats)).collect();
        let now = clock::now();
        let members: Vec<Member> = endpoints
            .into_iter()
            .map(|endpoint| {
                let stats = known
                    .get(&*endpoint.id)
                    .map_or_else(|| Arc::new(Stats::new(now)), |stats| Arc::clone(stats));
                Member { endpoint: Arc::new(endpoint), stats }
            })
            .collect();
        self.0.picker.refresh(&members);
        self.0.members.store(Arc::new(members));
    }

    /// The list as it is, sorted by id.
    pub fn members(&self) -> Arc<Vec<Member>> {
        self.0.members.load_full()
    }

    /// Chooses an instance. Costs time in proportion to the list.
    ///
    /// # Errors
    ///
    /// When the list is empty or all of it is in [`Request::tried`].
    pub fn pick(&self, request: &Request<'_>) -> Result<Pick, NoEndpoint> {
        self.choose(request).map(|choice| self.start(choice))
    }

    pub(super) fn choose(&self, request: &Request<'_>) -> Result<Member, NoEndpoint> {
        let members = self.0.members.load();
        let usable = self.0.usable(&members, request, clock::now());
        if usable.is_empty() {
            return Err(NoEndpoint);
        }
        Ok(usable[self.0.picker.pick(&usable, request) % usable.len()].clone())
    }

    /// A call to it begins.
    pub(super) fn start(&self, choice: Member) -> Pick {
        Pick::new(Arc::clone(&self.0), choice, clock::now())
    }

    /// The attempts of one request, at most `most` with the first: each on another instance, and all but the first paid from `budget`.
    pub fn attempts<'a>(&'a self, budget: &'a RetryBudget, key: Option<&'a [u8]>, most: u32) -> Attempts<'a> {
        Attempts::new(self, budget, key, most)
    }
}

impl Shared {
    /// Milliseconds since this balancer was made.
    pub(super) fn ms(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_millis() as u64
    }

    /// Those a request may go to.
    fn usable<'a>(&self, members: &'a [Member], request: &Request<'_>, now: Instant) -> Vec<&'a Member> {
        let weighted = members.iter().any(|member| member.endpoint.weight > 0);
        let callable = |member: &&Member| member.endpoint.weight > 0 || !weighted;
        let fresh = |member: &&Member| !request.tried.contains(&member.endpoint.id);
        let mut usable: Vec<&Member> = members.iter().filter(callable).collect();
        if let Some(outliers) = &self.outliers {
            let now_ms = self.ms(now);
            let healthy: Vec<&Member> =
                usable.iter().copied().filter(|member| !member.stats.is_ejected(now_ms)).collect();
            // With too few left, these would be drowned: then ejections do not count.
            let calm = healthy.len() as f64 >= outliers.panic_below * usable.len() as f64;
            // A retry rather goes to an ejected instance than nowhere.
            if calm && healthy.iter().any(&fresh) {
                usable = healthy;
            }
        }
        if !request.tried.is_empty() {
            usable.retain(fresh);
        }
        usable
    }
}
