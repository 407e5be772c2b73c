//! The better one of two.

use std::sync::Mutex;

use synod_base::rng::Rng;

use super::picker::{Member, Picker, Request, lock, random_seed};

/// The less loaded one of two that are drawn by chance, by [`Member::cost`] for its weight: calls in flight times latency lately.
///
/// Choosing the best of all would send every client to the same instance at once; of two, hardly ever, and it is nearly as good.
#[derive(Debug)]
pub struct LeastLoaded(Mutex<Rng>);

impl LeastLoaded {
    /// Draws the same for the same seed.
    pub fn with_seed(seed: u64) -> Self {
        Self(Mutex::new(Rng::new(seed)))
    }
}

impl Default for LeastLoaded {
    fn default() -> Self {
        Self::with_seed(random_seed())
    }
}

impl Picker for LeastLoaded {
    fn pick(&self, usable: &[&Member], _request: &Request<'_>) -> usize {
        if usable.len() < 2 {
            return 0;
        }
        let (one, other) = {
            let mut rng = lock(&self.0);
            let one = rng.below(usable.len() as u64) as usize;
            let other = rng.below(usable.len() as u64 - 1) as usize;
            (one, if other >= one { other + 1 } else { other })
        };
        let cost = |at: usize| usable[at].cost() / f64::from(usable[at].endpoint.weight.max(1));
        if cost(other) < cost(one) { other } else { one }
    }
}
