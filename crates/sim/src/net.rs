//! The network between nodes: what is lost, when things arrive, who cannot reach whom.

use std::collections::BTreeMap;

use synod_base::rng::Rng;

use crate::plan::Plan;

/// The network loses at most so many messages of one direction one after the other, so that "it gets through in the end"
/// has a bound that can be checked.
pub const LOST_IN_A_ROW: u32 = 3;

/// See the module.
#[derive(Debug)]
pub struct Net {
    rng: Rng,
    loss: u64,
    duplicate: u64,
    delay_ms_max: u64,
    /// Directions that are cut.
    cut: BTreeMap<(usize, usize), bool>,
    /// Since when both directions of a pair (smaller number first) are open.
    open_since: BTreeMap<(usize, usize), u64>,
    lost: BTreeMap<(usize, usize), u32>,
}

impl Net {
    /// An undisturbed network.
    pub fn new(plan: &Plan) -> Self {
        Self {
            rng: Rng::new(plan.seed ^ 0x4e_e7),
            loss: plan.loss,
            duplicate: plan.duplicate,
            delay_ms_max: plan.delay_ms_max,
            cut: BTreeMap::new(),
            open_since: BTreeMap::new(),
            lost: BTreeMap::new(),
        }
    }

    /// After how many milliseconds each copy of a message arrives: none, one or two.
    pub fn send(&mut self, from: usize, to: usize) -> Vec<u64> {
        if self.is_cut(from, to) {
            return Vec::new();
        }
        let lost = self.lost.entry((from, to)).or_default();
        if *lost < LOST_IN_A_ROW && self.rng.percent(self.loss) {
            *lost += 1;
            return Vec::new();
        }
        *lost = 0;
        let copies = if self.rng.percent(self.duplicate) { 2 } else { 1 };
        (0..copies).map(|_| 1 + self.rng.below(self.delay_ms_max)).collect()
    }

    /// Whether nothing passes in this direction.
    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cut.get(&(from, to)).copied().unwrap_or(false)
    }

    /// Whether either direction is cut.
    pub fn is_cut_between(&self, a: usize, b: usize) -> bool {
        self.is_cut(a, b) || self.is_cut(b, a)
    }

    /// Cuts or mends one direction.
    pub fn set_cut(&mut self, from: usize, to: usize, cut: bool, now_ms: u64) {
        if self.is_cut(from, to) != cut {
            self.cut.insert((from, to), cut);
            self.touch(from, to, now_ms);
        }
    }

    /// The pair starts over: something about it changed, or one of the two began to run.
    pub fn touch(&mut self, a: usize, b: usize, now_ms: u64) {
        self.open_since.insert((a.min(b), a.max(b)), now_ms);
    }

    /// Since when both directions are open; `None` while one is cut.
    pub fn open_since(&self, a: usize, b: usize) -> Option<u64> {
        let open = !self.is_cut_between(a, b);
        open.then(|| self.open_since.get(&(a.min(b), a.max(b))).copied().unwrap_or(0))
    }

    /// From now on everything arrives, once and soon.
    pub fn heal(&mut self, now_ms: u64) {
        (self.loss, self.duplicate) = (0, 0);
        for (from, to) in self.cut.clone().into_keys() {
            self.set_cut(from, to, false, now_ms);
        }
    }
}
