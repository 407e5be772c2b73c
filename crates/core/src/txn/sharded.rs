//! A map that can be copied in a moment: its shards are shared until one of them is written to.
//!
//! A snapshot has to be of one state, but encoding it takes long. So the table is cut into shards behind reference counts, and
//! those into groups behind counts of their own: a copy costs one count per group, and a write after it copies one group's
//! counts and one shard. With a million entries a shard holds some sixty, so that the writes that follow a snapshot do not
//! wait for one another's copies.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Bound;
use std::sync::Arc;

const GROUPS: usize = 128;
/// In each group.
const SHARDS: usize = 128;

/// How a key finds its shard; the same on every node.
pub(super) trait Place {
    fn place(&self) -> u64;
}

type Group<K, V> = Vec<Arc<BTreeMap<K, V>>>;

#[derive(Clone, Debug)]
pub(super) struct Sharded<K, V> {
    groups: Vec<Arc<Group<K, V>>>,
    len: usize,
}

impl<K: Ord + Clone, V: Clone> Default for Sharded<K, V> {
    fn default() -> Self {
        // All the empty groups are one, as are all the empty shards.
        let shard = Arc::default();
        let group = Arc::new(vec![shard; SHARDS]);
        Self { groups: vec![group; GROUPS], len: 0 }
    }
}

impl<K: Ord + Clone, V: Clone> Sharded<K, V> {
    fn shard<Q: Place + ?Sized>(&self, key: &Q) -> &BTreeMap<K, V> {
        let place = key.place() as usize;
        &self.groups[place % GROUPS][place / GROUPS % SHARDS]
    }

    fn shard_mut<Q: Place + ?Sized>(&mut self, key: &Q) -> &mut BTreeMap<K, V> {
        let place = key.place() as usize;
        let group = Arc::make_mut(&mut self.groups[place % GROUPS]);
        Arc::make_mut(&mut group[place / GROUPS % SHARDS])
    }

    /// Those that hold anything, always in the same order.
    fn shards(&self) -> impl Iterator<Item = &BTreeMap<K, V>> {
        self.groups
            .iter()
            .flat_map(|group| group.iter())
            .filter(|shard| !shard.is_empty())
            .map(|shard| &**shard)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get<Q: Place + Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.shard(key).get(key)
    }

    pub(super) fn get_mut<Q: Place + Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.shard_mut(key).get_mut(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V>
    where
        K: Place,
    {
        let old = self.shard_mut(&key).insert(key, value);
        self.len += usize::from(old.is_none());
        old
    }

    pub(super) fn remove<Q: Place + Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let old = self.shard_mut(key).remove(key);
        self.len -= usize::from(old.is_some());
        old
    }

    /// All entries, shard by shard: the same order on every node, though not that of the keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards().flatten()
    }

    /// All keys below `before`, the greatest first.
    pub(super) fn below(&self, before: Option<K>) -> impl Iterator<Item = (&K, &V)> {
        let upper = before.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut shards: Vec<_> =
            self.shards().map(|shard| shard.range((Bound::Unbounded, upper)).rev()).collect();
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
