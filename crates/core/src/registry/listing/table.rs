//! A linear-hashing table of chunks: it grows and shrinks by one chunk at a time, so that no single change ever has to
//! move more than one chunk's records.

use std::sync::Arc;

use super::Chunk;
use crate::registry::instance::Record;

/// Records a chunk holds on average when the table has just grown: about 64 kB of JSON.
const RECORDS_PER_CHUNK: usize = 64;

/// Chunks addressed by a hash of a record's key.
#[derive(Debug)]
pub(super) struct Table<C> {
    chunks: Vec<Arc<Chunk<C>>>,
    records: usize,
}

impl<C: Default> Table<C> {
    pub(super) fn new() -> Self {
        Self { chunks: vec![Arc::default()], records: 0 }
    }

    pub(super) fn chunks(&self) -> &[Arc<Chunk<C>>] {
        &self.chunks
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    pub(super) fn chunk(&self, hash: u64) -> &Chunk<C> {
        &self.chunks[index(hash, self.chunks.len())]
    }

    /// Changes the chunk that `hash` falls into. What it had encoded is forgotten; a reader that holds the chunk keeps
    /// its own unchanged one.
    pub(super) fn edit<R>(&mut self, hash: u64, change: impl FnOnce(&mut Chunk<C>) -> R) -> R {
        let at = index(hash, self.chunks.len());
        let chunk = Chunk::open(&mut self.chunks[at]);
        let before = chunk.len();
        let result = change(chunk);
        self.records = self.records + chunk.len() - before;
        result
    }

    /// Grows or shrinks by at most one chunk; `hash_of` must be the function that addressed the records.
    pub(super) fn balance(&mut self, hash_of: impl Fn(&Record) -> u64) {
        let count = self.chunks.len();
        if self.records > count * RECORDS_PER_CHUNK {
            self.chunks.push(Arc::default());
            let moved = Chunk::open(&mut self.chunks[buddy(count)])
                .take_if(|record| index(hash_of(record), count + 1) == count);
            Chunk::open(&mut self.chunks[count]).append(moved);
        } else if count > 1 && self.records < (count - 1) * RECORDS_PER_CHUNK / 4 {
            let mut last = self.chunks.pop().expect("count > 1");
            let moved = Chunk::open(&mut last).take_if(|_| true);
            Chunk::open(&mut self.chunks[buddy(count - 1)]).append(moved);
        }
    }
}

/// Where a hash lives among `count` chunks.
fn index(hash: u64, count: usize) -> usize {
    let span = count.next_power_of_two();
    let at = hash as usize & (span - 1);
    if at < count { at } else { at & (span / 2 - 1) }
}

/// The chunk that number `count` is split off from.
fn buddy(count: usize) -> usize {
    let span = (count + 1).next_power_of_two();
    count & (span / 2 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growing_by_one_moves_only_from_the_buddy() {
        for count in 1..200 {
            for hash in 0..2_000u64 {
                let (before, after) = (index(hash, count), index(hash, count + 1));
                assert!(before == after || (after == count && before == buddy(count)), "{hash} at {count}");
            }
        }
    }
}
