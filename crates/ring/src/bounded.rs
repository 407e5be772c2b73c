//! Bounded load: no node gets much more than its share, however popular its keys are.

use crate::{Node, Ring};

impl<T: Node> Ring<T> {
    /// The node for `key` when none may be loaded with more than `factor` times its share: the one it belongs to or, if that is full, the
    /// next on the ring that is not. (Mirrokni, Thorup and Zadimoghaddam: Consistent Hashing with Bounded Loads.)
    ///
    /// The caller keeps the loads: `load` says how many a node has now, and `total` how many all have together, both without the one that is
    /// to be placed. A node is full at `factor × (total + 1) × weight / sum of weights`, rounded up. A factor below 1, under which
    /// not all would find a place, counts as 1; 1.25 is usual: nearer to 1 is more even, and moves more keys.
    ///
    /// `None` only where [`Ring::get`] has none. Should all be full, as when `total` is not their sum, it is the one the key belongs to.
    pub fn get_bounded(
        &self,
        key: impl AsRef<[u8]>,
        factor: f64,
        total: u64,
        load: impl Fn(&T) -> u64,
    ) -> Option<&T> {
        let weights = self.weights();
        let mut walk = self.walk(key);
        let mut first = None;
        while let Some(at) = walk.next_index() {
            let placed = &self.nodes[at];
            if load(&placed.node) < capacity(factor, total, placed.weight, weights) {
                return Some(&placed.node);
            }
            first.get_or_insert(&placed.node);
        }
        first
    }

    /// How many `node` of this identity may have of `total` loads, under [`Ring::get_bounded`]. 0 for one that is not there.
    pub fn capacity(&self, id: impl AsRef<[u8]>, factor: f64, total: u64) -> u64 {
        let weight = self.find(id.as_ref()).map_or(0, |at| self.nodes[at].weight);
        capacity(factor, total.saturating_sub(1), weight, self.weights())
    }

    fn weights(&self) -> u64 {
        self.nodes.iter().map(|placed| u64::from(placed.weight)).sum()
    }
}

fn capacity(factor: f64, total: u64, weight: u32, weights: u64) -> u64 {
    if weight == 0 {
        return 0;
    }
    // `max` takes 1 for a factor that is no number. An infinite one becomes the largest load: no bound.
    let share = (total as f64 + 1.0) * f64::from(weight) / weights as f64;
    (factor.max(1.0) * share).ceil() as u64
}
