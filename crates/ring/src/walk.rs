//! Nodes in the order of the ring.

use std::iter::FusedIterator;

use crate::Ring;

/// The nodes of a ring from some key on, each once. See [`Ring::walk`].
#[derive(Clone, Debug)]
pub struct Walk<'a, T> {
    ring: &'a Ring<T>,
    /// The index of the next point.
    at: usize,
    /// How many points are left until the walk is around.
    left: usize,
    seen: Vec<bool>,
}

impl<'a, T> Walk<'a, T> {
    pub(crate) fn new(ring: &'a Ring<T>, at: usize) -> Self {
        Self { ring, at, left: ring.points.len(), seen: vec![false; ring.nodes.len()] }
    }

    /// The index of the next node.
    pub(crate) fn next_index(&mut self) -> Option<usize> {
        while self.left > 0 {
            let node = self.ring.points[self.at].node;
            self.at = (self.at + 1) % self.ring.points.len();
            self.left -= 1;
            if !self.seen[node] {
                self.seen[node] = true;
                return Some(node);
            }
        }
        None
    }
}

impl<'a, T> Iterator for Walk<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        self.next_index().map(|node| &self.ring.nodes[node].node)
    }
}

impl<T> FusedIterator for Walk<'_, T> {}
