//! How many calls may be sent again.

use std::sync::atomic::{AtomicU32, Ordering};

/// What a repetition costs, and a call brings in one.
const COST: u32 = 10;
/// What there is at first, and at most.
const FIRST: u32 = 10 * COST;
const MOST: u32 = 100 * COST;

/// A budget of repetitions: one for every ten calls, ten to begin with, a hundred saved up at most. When a service is down for good, its
/// callers add a tenth to the load, not a multiple of it.
#[derive(Debug)]
pub struct Budget(AtomicU32);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicU32::new(FIRST))
    }
}

impl Budget {
    /// A call was made.
    pub fn earn(&self) {
        let more = |now: u32| (now < MOST).then(|| now + 1);
        // An error says that it is full.
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok();
    }

    /// Whether a call may be repeated. It is paid for then.
    #[must_use]
    pub fn spend(&self) -> bool {
        let less = |now: u32| now.checked_sub(COST);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_calls_earn_a_repetition_and_savings_end() {
        let budget = Budget::default();
        let spent = |budget: &Budget| std::iter::from_fn(|| budget.spend().then_some(())).count();
        assert_eq!(spent(&budget), 10);
        (0..19).for_each(|_| budget.earn());
        assert_eq!(spent(&budget), 1);
        budget.earn();
        assert_eq!(spent(&budget), 1, "nothing is lost");
        (0..5000).for_each(|_| budget.earn());
        assert_eq!(spent(&budget), 100);
    }
}
