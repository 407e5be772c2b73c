//! One after the other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::picker::{Member, Picker, Request, lock, random_seed};

/// Each in turn, whatever its weight.
#[derive(Debug)]
pub struct RoundRobin(AtomicUsize);

impl RoundRobin {
    /// Starts with the instance at index `start` of the list, counted around.
    pub fn starting_at(start: usize) -> Self {
        Self(AtomicUsize::new(start))
    }
}

impl Default for RoundRobin {
    /// Starts anywhere: clients that start together must not all begin with the same instance.
    fn default() -> Self {
        Self::starting_at(random_seed() as usize)
    }
}

impl Picker for RoundRobin {
    fn pick(&self, usable: &[&Member], _request: &Request<'_>) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed) % usable.len()
    }
}

/// In proportion to weights and smoothly: with 3 and 1, it is `aaba` and not `aaab`. The way nginx does it.
#[derive(Debug, Default)]
pub struct Weighted {
    /// What each instance is owed. The sum is 0.
    owed: Mutex<HashMap<Arc<str>, i64>>,
}

impl Picker for Weighted {
    fn pick(&self, usable: &[&Member], _request: &Request<'_>) -> usize {
        let mut owed = lock(&self.owed);
        let (mut total, mut choice, mut most) = (0, 0, i64::MIN);
        for (at, member) in usable.iter().enumerate() {
            let weight = i64::from(member.endpoint.weight.max(1));
            total += weight;
            let owed = match owed.get_mut(&member.endpoint.id) {
                Some(owed) => owed,
                None => owed.entry(Arc::clone(&member.endpoint.id)).or_default(),
            };
            *owed += weight;
            if *owed > most {
                (choice, most) = (at, *owed);
            }
        }
        if let Some(owed) = owed.get_mut(&usable[choice].endpoint.id) {
            *owed -= total;
        }
        choice
    }

    fn refresh(&self, members: &[Member]) {
        // From zero: debts to those that went would be paid by those that stayed.
        let mut owed = lock(&self.owed);
        let same = owed.len() == members.len()
            && members.iter().all(|member| owed.contains_key(&member.endpoint.id));
        if !same {
            owed.clear();
        }
    }
}
