//! Consistent hashing: which node a key belongs to.

#![doc = include_str!("../README.md")]

mod bounded;
#[cfg(test)]
mod collisions;
mod place;
mod walk;

use std::mem;

pub use place::{DEFAULT_POINTS, MAX_POINTS, Node, hash};
use place::{Point, points};
pub use walk::Walk;

/// Nodes on a ring of 64 bits. A key belongs to the node whose point is the first at or after the key's hash.
///
/// A ring is the same for the same nodes and weights, in whatever order they came and went, on every platform and in every
/// release. A lookup is a binary search over `weight × points` of all nodes, of 16 bytes each.
#[derive(Clone, Debug)]
pub struct Ring<T> {
    /// By identity, so that an index orders nodes as their identities do.
    nodes: Vec<Placed<T>>,
    /// By hash; where hashes are equal, by node.
    points: Vec<Point>,
    per_weight: u32,
}

#[derive(Clone, Debug)]
struct Placed<T> {
    node: T,
    weight: u32,
}

impl<T: Node> Default for Ring<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Node> Ring<T> {
    /// A ring without nodes, with [`DEFAULT_POINTS`] for each unit of weight.
    pub fn new() -> Self {
        Self::with_points(DEFAULT_POINTS)
    }

    /// A ring without nodes, with `per_weight` points for each unit of weight; 0 counts as 1. More points spread keys more evenly and
    /// take more memory: see the table at the head of this crate.
    pub fn with_points(per_weight: u32) -> Self {
        Self { nodes: Vec::new(), points: Vec::new(), per_weight: per_weight.max(1) }
    }

    /// Adds `node` with a weight of 1, in place of the node of the same identity, which it returns.
    pub fn insert(&mut self, node: T) -> Option<T> {
        self.insert_weighted(node, 1)
    }

    /// Adds `node` with a share of the keys in proportion to `weight`, in place of the node of the same identity, which it returns.
    ///
    /// A node of weight 0 is kept, and owns nothing. No node gets more than [`MAX_POINTS`] points, which is the weight of 409 at the
    /// default: what is heavier counts as that. Costs time in proportion to all points; [`Ring::extend`] adds many at once.
    pub fn insert_weighted(&mut self, node: T, weight: u32) -> Option<T> {
        let (at, replaced) = match self.find(node.id()) {
            Ok(at) if self.nodes[at].weight == weight => {
                return Some(mem::replace(&mut self.nodes[at].node, node));
            }
            Ok(at) => (at, Some(self.remove_at(at))),
            Err(at) => (at, None),
        };
        self.points.iter_mut().filter(|point| point.node >= at).for_each(|point| point.node += 1);
        let mut new: Vec<Point> = points(node.id(), at, weight, self.per_weight).collect();
        new.sort_unstable();
        self.points.append(&mut new);
        // Two sorted runs: a stable sort merges them in one pass.
        self.points.sort();
        self.nodes.insert(at, Placed { node, weight });
        replaced
    }

    /// Adds nodes with their weights. Where identities are equal the last one stays.
    pub fn extend(&mut self, nodes: impl IntoIterator<Item = (T, u32)>) {
        self.nodes.extend(nodes.into_iter().map(|(node, weight)| Placed { node, weight }));
        // Stable, so that of those with one identity the last is still the last.
        self.nodes.sort_by(|a, b| a.node.id().cmp(b.node.id()));
        self.nodes.dedup_by(|later, kept| {
            let same = later.node.id() == kept.node.id();
            if same {
                mem::swap(later, kept);
            }
            same
        });
        self.points.clear();
        for (at, placed) in self.nodes.iter().enumerate() {
            self.points.extend(points(placed.node.id(), at, placed.weight, self.per_weight));
        }
        self.points.sort_unstable();
    }

    /// Takes out the node of this identity.
    pub fn remove(&mut self, id: impl AsRef<[u8]>) -> Option<T> {
        let at = self.find(id.as_ref()).ok()?;
        Some(self.remove_at(at))
    }

    fn remove_at(&mut self, at: usize) -> T {
        self.points.retain(|point| point.node != at);
        self.points.iter_mut().filter(|point| point.node > at).for_each(|point| point.node -= 1);
        self.nodes.remove(at).node
    }

    fn find(&self, id: &[u8]) -> Result<usize, usize> {
        self.nodes.binary_search_by(|placed| placed.node.id().cmp(id))
    }

    /// The node of this identity.
    pub fn node(&self, id: impl AsRef<[u8]>) -> Option<&T> {
        self.find(id.as_ref()).ok().map(|at| &self.nodes[at].node)
    }

    /// All nodes with their weights, by identity.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (&T, u32)> {
        self.nodes.iter().map(|placed| (&placed.node, placed.weight))
    }

    /// How many nodes there are, those of weight 0 among them.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node that `key` belongs to. `None` if no node has a weight.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&T> {
        let at = self.first_point(hash(key.as_ref()));
        self.points.get(at).map(|point| &self.nodes[point.node].node)
    }

    /// The `n` nodes to keep replicas of `key` on, all different, the one it belongs to first; fewer if there are fewer.
    pub fn get_n(&self, key: impl AsRef<[u8]>, n: usize) -> Vec<&T> {
        self.walk(key).take(n).collect()
    }

    /// Every node that has a weight, once, in the order of the ring from `key` on: whom to ask if the one before has failed.
    pub fn walk(&self, key: impl AsRef<[u8]>) -> Walk<'_, T> {
        Walk::new(self, self.first_point(hash(key.as_ref())))
    }

    /// The part of all hashes that each node owns, by identity: between 0 and 1, and 1 together unless the ring owns nothing.
    pub fn shares(&self) -> Vec<(&T, f64)> {
        let mut owned = vec![0_u128; self.nodes.len()];
        let mut before = self.points.last().map_or(0, |point| point.hash);
        for (at, point) in self.points.iter().enumerate() {
            // From the last point to the first is over the end of the ring, or all of it if they are one.
            let whole = at == 0 && self.points.last().is_some_and(|last| last.hash == point.hash);
            owned[point.node] += if whole { 1 << 64 } else { u128::from(point.hash.wrapping_sub(before)) };
            before = point.hash;
        }
        let whole = 2_f64.powi(64);
        self.nodes.iter().zip(owned).map(|(placed, owned)| (&placed.node, owned as f64 / whole)).collect()
    }

    /// The index of the point that owns `hash`: 0, after the last.
    fn first_point(&self, hash: u64) -> usize {
        let at = self.points.partition_point(|point| point.hash < hash);
        if at == self.points.len() { 0 } else { at }
    }
}

impl<T: Node> FromIterator<T> for Ring<T> {
    /// A ring of nodes of equal weight.
    fn from_iter<I: IntoIterator<Item = T>>(nodes: I) -> Self {
        let mut ring = Self::new();
        ring.extend(nodes.into_iter().map(|node| (node, 1)));
        ring
    }
}
