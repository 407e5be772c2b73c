//! Some 64 records that are encoded together.

use std::sync::Arc;

use crate::registry::instance::Record;

/// Records that lie together. Those of one application are neighbours, so that a list can name it once.
#[derive(Debug, Default)]
pub struct Chunk<C> {
    /// Who is there.
    pub live: Vec<Arc<Record>>,
    /// Who left lately.
    pub dead: Vec<Arc<Record>>,
    /// No record here has a version above this one.
    pub newest: u64,
    /// Whatever a reader has made of these records; empty again after a change.
    pub cache: C,
}

impl<C: Default> Clone for Chunk<C> {
    fn clone(&self) -> Self {
        Self { live: self.live.clone(), dead: self.dead.clone(), newest: self.newest, cache: C::default() }
    }
}

impl<C: Default> Chunk<C> {
    /// The chunk, writable: in place when nobody reads it, else a copy.
    pub(super) fn open(chunk: &mut Arc<Self>) -> &mut Self {
        let chunk = Arc::make_mut(chunk);
        chunk.cache = C::default();
        chunk
    }

    pub(super) fn len(&self) -> usize {
        self.live.len() + self.dead.len()
    }

    /// Puts `record` in the place of `old`, or among its neighbours; says whether it rose from the dead.
    pub(super) fn put(&mut self, old: Option<&Arc<Record>>, record: &Arc<Record>) -> bool {
        self.newest = record.version;
        if let Some(old) = old {
            let place = self.live.iter_mut().find(|other| Arc::ptr_eq(other, old));
            *place.expect("a listed record is in the chunk of its hash") = Arc::clone(record);
            return false;
        }
        insert(&mut self.live, Arc::clone(record));
        let grave = self.dead.iter().position(|dead| {
            dead.instance.id == record.instance.id && dead.instance.app == record.instance.app
        });
        grave.map(|at| self.dead.remove(at)).is_some()
    }

    /// Moves `old` from the living to the dead, as `dead`.
    pub(super) fn bury(&mut self, old: &Arc<Record>, dead: &Arc<Record>) {
        self.newest = dead.version;
        let place = self.live.iter().position(|other| Arc::ptr_eq(other, old));
        self.live.remove(place.expect("a listed record is in the chunk of its hash"));
        insert(&mut self.dead, Arc::clone(dead));
    }

    /// Forgets a dead record; false when it is not here.
    pub(super) fn exhume(&mut self, dead: &Arc<Record>) -> bool {
        let place = self.dead.iter().position(|other| Arc::ptr_eq(other, dead));
        place.map(|at| self.dead.remove(at)).is_some()
    }

    /// Takes out the records that satisfy `wanted`: (live, dead).
    pub(super) fn take_if(&mut self, wanted: impl Fn(&Record) -> bool) -> [Vec<Arc<Record>>; 2] {
        [&mut self.live, &mut self.dead].map(|list| list.extract_if(.., |record| wanted(record)).collect())
    }

    /// Adds what was taken out of another chunk.
    pub(super) fn append(&mut self, [live, dead]: [Vec<Arc<Record>>; 2]) {
        // Whole neighbourhoods move: an application is either all in one chunk or has its chunks to itself.
        self.newest = live.iter().chain(&dead).map(|record| record.version).fold(self.newest, u64::max);
        self.live.extend(live);
        self.dead.extend(dead);
    }
}

/// Inserts behind the last record of the same application.
fn insert(list: &mut Vec<Arc<Record>>, record: Arc<Record>) {
    let neighbour = list.iter().rposition(|other| other.instance.app == record.instance.app);
    list.insert(neighbour.map_or(list.len(), |at| at + 1), record);
}
