//! A map that can be copied in a moment: its shards are shared until one of them is written to.
//!
//! A snapshot has to be of one state, but encoding it takes long. So the table is cut into shards behind reference counts;
//! a copy costs one count per shard, and a write after it copies one shard.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Bound;
use std::sync::Arc;

const SHARDS: usize = 256;

/// How a key finds its shard; the same on every node.
pub(super) trait Place {
    fn place(&self) -> u64;
}

#[derive(Clone, Debug)]
pub(super) struct Sharded<K, V> {
    shards: Vec<Arc<BTreeMap<K, V>>>,
    len: usize,
}

impl<K: Ord + Clone, V: Clone> Default for Sharded<K, V> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Arc::default()).collect(), len: 0 }
    }
}

impl<K: Ord + Clone, V: Clone> Sharded<K, V> {
    fn shard<Q: Place + ?Sized>(key: &Q) -> usize {
        key.place() as usize % SHARDS
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get<Q: Place + Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.shards[Self::shard(key)].get(key)
    }

    pub(super) fn get_mut<Q: Place + Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        Arc::make_mut(&mut self.shards[Self::shard(key)]).get_mut(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V>
    where
        K: Place,
    {
        let old = Arc::make_mut(&mut self.shards[Self::shard(&key)]).insert(key, value);
        self.len += usize::from(old.is_none());
        old
    }

    pub(super) fn remove<Q: Place + Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let old = Arc::make_mut(&mut self.shards[Self::shard(key)]).remove(key);
        self.len -= usize::from(old.is_some());
        old
    }

    /// All entries, shard by shard: the same order on every node, though not that of the keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    /// All keys below `before`, the greatest first.
    pub(super) fn below(&self, before: Option<K>) -> impl Iterator<Item = (&K, &V)> {
        let upper = before.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut shards: Vec<_> =
            self.shards.iter().map(|shard| shard.range((Bound::Unbounded, upper)).rev()).collect();
        let first = shards.iter_mut().enumerate();
        let mut heads: BinaryHeap<Head<'_, K, V>> =
            first.filter_map(|(from, shard)| Some(Head { entry: shard.next()?, from })).collect();
        let mut refill = None;
        std::iter::from_fn(move || {
            // The shard that gave the last entry has its next one among the heads before the greatest is looked for.
            let last = refill.take();
            heads.extend(last.and_then(|from: usize| Some(Head { entry: shards[from].next()?, from })));
            let Head { entry, from } = heads.pop()?;
            refill = Some(from);
            Some(entry)
        })
    }
}

/// The greatest entry left in a shard.
struct Head<'a, K, V> {
    entry: (&'a K, &'a V),
    from: usize,
}

impl<K: Ord, V> PartialEq for Head<'_, K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.entry.0 == other.entry.0
    }
}

impl<K: Ord, V> Eq for Head<'_, K, V> {}

impl<K: Ord, V> PartialOrd for Head<'_, K, V> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord, V> Ord for Head<'_, K, V> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.entry.0.cmp(other.entry.0)
    }
}
