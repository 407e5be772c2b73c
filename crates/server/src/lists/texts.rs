//! What is kept with a chunk of the list: its records, encoded and deflated, once for each view that was asked for.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use synod_core::registry::{Chunk, Record};
use synod_wire::eureka::{self as wire, Place};

use super::gzip::Piece;
use super::{Encoder, View};

/// The cache of one chunk; the core empties it when the chunk changes.
#[derive(Debug, Default)]
pub struct Texts {
    full: [OnceLock<Piece>; View::COUNT],
    recent: [Mutex<Option<Recent>>; View::COUNT],
}

/// The part of a chunk that belongs into the delta.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    /// For which floor it was made.
    floor: u64,
    /// The oldest version in it; `u64::MAX` when it is empty.
    oldest: u64,
    /// Registered and changed instances, if any.
    pub(super) live: Option<Piece>,
    /// Removed ones, if any and if they are to be listed apart.
    pub(super) dead: Option<Piece>,
}

impl Recent {
    /// A floor that rose without passing anything in here changes nothing.
    fn holds_at(&self, floor: u64) -> bool {
        floor == self.floor || (floor > self.floor && self.oldest > floor)
    }
}

/// Whether the chunk belongs to one application alone: then the list opens the application around its chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    Shared,
    Own,
}

impl Encoder {
    /// All live records of a chunk.
    pub(super) fn full(&self, chunk: &Chunk<Texts>, sharing: Sharing) -> Piece {
        let make = || Piece::new(&self.plain(&chunk.live, sharing));
        chunk.cache.full[self.view.index()].get_or_init(make).clone()
    }

    /// What changed in a chunk after `floor`.
    pub(super) fn recent(&self, chunk: &Chunk<Texts>, floor: u64, sharing: Sharing) -> Recent {
        let mut kept = chunk.cache.recent[self.view.index()].lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(recent) if recent.holds_at(floor) => recent.clone(),
            _ => kept.insert(self.encode_recent(chunk, floor, sharing)).clone(),
        }
    }

    fn encode_recent(&self, chunk: &Chunk<Texts>, floor: u64, sharing: Sharing) -> Recent {
        let [live, dead] = recent_records(chunk, floor);
        let oldest = live.iter().chain(&dead).map(|record| record.version).min().unwrap_or(u64::MAX);
        let piece = |records: &[Arc<Record>]| {
            (!records.is_empty()).then(|| Piece::new(&self.plain(records, sharing)))
        };
        match sharing {
            Sharing::Own => Recent { floor, oldest, live: piece(&live), dead: piece(&dead) },
            Sharing::Shared => Recent { floor, oldest, live: piece(&by_application(live, dead)), dead: None },
        }
    }

    /// Whether a piece would have to be made.
    pub(super) fn lacks(&self, chunk: &Chunk<Texts>, floor: Option<u64>) -> bool {
        match floor {
            None => chunk.cache.full[self.view.index()].get().is_none(),
            Some(floor) => {
                let kept =
                    chunk.cache.recent[self.view.index()].lock().unwrap_or_else(PoisonError::into_inner);
                !kept.as_ref().is_some_and(|recent| recent.holds_at(floor))
            }
        }
    }

    /// Encodes neighbours: the applications around them where the chunk is shared, else the instances alone.
    pub(super) fn plain(&self, records: &[Arc<Record>], sharing: Sharing) -> Vec<u8> {
        let mut out = Vec::with_capacity(records.len() * 1_100);
        let separator = wire::separator(self.view.format);
        for (at, neighbours) in records.chunk_by(|a, b| a.instance.app == b.instance.app).enumerate() {
            if at > 0 {
                out.extend_from_slice(separator);
            }
            if sharing == Sharing::Shared {
                wire::application_open(
                    &mut out,
                    self.view.format,
                    self.view.form,
                    &neighbours[0].instance.app,
                );
            }
            for (at, record) in neighbours.iter().enumerate() {
                if at > 0 {
                    out.extend_from_slice(separator);
                }
                self.instance(&mut out, record, record.renewed_ms, Place::InList);
            }
            if sharing == Sharing::Shared {
                wire::application_close(&mut out, self.view.format, self.view.form);
            }
        }
        out
    }
}

/// A chunk's records with a version above `floor`: live, dead.
pub(super) fn recent_records(chunk: &Chunk<Texts>, floor: u64) -> [Vec<Arc<Record>>; 2] {
    let above =
        |records: &[Arc<Record>]| records.iter().filter(|record| record.version > floor).cloned().collect();
    [above(&chunk.live), above(&chunk.dead)]
}

/// One neighbourhood per application, its dead last: a client that meets an unknown application takes it over whole, with
/// whatever stands before the first live entry (`eureka.md` 5.1, bug #1528).
pub(super) fn by_application(live: Vec<Arc<Record>>, mut dead: Vec<Arc<Record>>) -> Vec<Arc<Record>> {
    let mut all = Vec::with_capacity(live.len() + dead.len());
    for neighbours in live.chunk_by(|a, b| a.instance.app == b.instance.app) {
        all.extend_from_slice(neighbours);
        all.extend(dead.extract_if(.., |record| record.instance.app == neighbours[0].instance.app));
    }
    all.extend(dead);
    all
}
