//! Where nodes and keys are on the ring. What is written here must never change: callers on different releases share rings.

use xxhash_rust::xxh3::xxh3_64;

/// How many points a node has for each unit of its weight, unless a ring is made with another number.
pub const DEFAULT_POINTS: u32 = 160;

/// The most points of one node, whatever its weight: a weight from a configuration must not decide how much memory is used.
pub const MAX_POINTS: u32 = 1 << 16;

/// What can be a node: something with an identity.
///
/// The identity says where the node is on the ring, so it must stay as long as the node is on a ring, and be the same wherever the same ring
/// is wanted: a name or an address, not a number that was given out at start. Strings and bytes are nodes already.
pub trait Node {
    /// The identity. Nodes with equal ones are the same node.
    fn id(&self) -> &[u8];
}

impl<T: AsRef<[u8]>> Node for T {
    fn id(&self) -> &[u8] {
        self.as_ref()
    }
}

/// Where `key` is on the ring: XXH3 with 64 bits and seed 0.
pub fn hash(key: &[u8]) -> u64 {
    xxh3_64(key)
}

/// One of the points of the node at index `node`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    pub(crate) hash: u64,
    pub(crate) node: usize,
}

/// The points of a node: point number `n` is at the hash of the identity followed by `n`, 4 bytes with the lowest first.
///
/// The number is not the seed, as XXH3 mixes a seed into short inputs by one addition: the points of "a" would be those of "b".
pub(crate) fn points(id: &[u8], node: usize, weight: u32, per_weight: u32) -> impl Iterator<Item = Point> {
    let (mut input, len) = (id.to_vec(), id.len());
    let number = weight.saturating_mul(per_weight).min(MAX_POINTS);
    (0..number).map(move |n| {
        input.truncate(len);
        input.extend_from_slice(&n.to_le_bytes());
        Point { hash: hash(&input), node }
    })
}
