//! Reading entries, from any thread, while the log is written.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::error::{Fault, ReadError};
use crate::index::{Index, Place};
use crate::record::{self, HEADER, Header, Kind};
use crate::segment::Segment;

/// Entries that lie this close together are read with one call.
const GAP_BYTES: u32 = 4096;
/// The most that is read with one call, unless one entry is larger.
const READ_BYTES: u32 = 1 << 20;

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its index.
    pub index: u64,
    /// What was given for it.
    pub payload: Bytes,
}

/// Reads a log; clones read the same one. Shows what is durable, and nothing else.
#[derive(Clone, Debug)]
pub struct Reader {
    index: Arc<Mutex<Index>>,
}

/// Where the bytes of an entry are.
enum Source {
    Memory(Bytes),
    Disk(Arc<Segment>),
}

impl Reader {
    pub(crate) fn new(index: Index) -> Self {
        Self { index: Arc::new(Mutex::new(index)) }
    }

    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The indexes held: first, and one past the last. A log begins with `0..0`.
    pub fn range(&self) -> Range<u64> {
        let index = self.index();
        index.state.first..index.state.next
    }

    /// The value of a slot, if it ever had one.
    pub fn slot(&self, slot: usize) -> Option<Bytes> {
        self.index().state.slots.get(slot).cloned().flatten()
    }

    /// Bytes of log from an entry on: what must be read to go on from there.
    pub fn bytes_from(&self, index: u64) -> u64 {
        self.index().bytes_from(index)
    }

    /// The first entry from which on there are at most `bytes` of log.
    pub fn within(&self, bytes: u64) -> u64 {
        self.index().within(bytes)
    }

    /// Bytes that the log takes on the disk, without its spare segment.
    pub fn disk_bytes(&self) -> u64 {
        self.index().disk_bytes()
    }

    /// The entries in `range` that exist, in order, up to the one with which their payloads exceed `bytes_max`; at
    /// least one if there is one.
    ///
    /// # Errors
    /// When the first was purged, or the disk does not give back what was written.
    pub fn entries(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Entry>, ReadError> {
        let wanted = self.find(range.clone(), bytes_max)?;
        let mut entries = Vec::with_capacity(wanted.len());
        let mut next = range.start;
        let mut rest = &wanted[..];
        while let Some((place, source)) = rest.first() {
            let taken = match source {
                Source::Memory(bytes) => {
                    entries.push(Entry { index: next, payload: payload(bytes, *place, None)? });
                    1
                }
                Source::Disk(segment) => {
                    let run = run_of(rest, segment);
                    read_run(segment, run, next, &mut entries)?;
                    run.len()
                }
            };
            next += taken as u64;
            rest = &rest[taken..];
        }
        Ok(entries)
    }

    fn find(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<(Place, Source)>, ReadError> {
        let index = self.index();
        if range.start < index.state.first {
            return Err(ReadError::Purged { index: range.start, first: index.state.first });
        }
        let count = range.end.min(index.state.next).saturating_sub(range.start) as usize;
        let mut wanted = Vec::new();
        let mut bytes = 0;
        for place in index.places(range.start).take(count) {
            bytes += place.len as usize;
            if bytes > bytes_max && !wanted.is_empty() {
                break;
            }
            let source = match index.recent(place) {
                Some(bytes) => Source::Memory(bytes),
                None => match index.segment(place.segment) {
                    Some(segment) => Source::Disk(Arc::clone(segment)),
                    None => break,
                },
            };
            wanted.push((place, source));
        }
        Ok(wanted)
    }
}

/// The first of `wanted` that one read of `segment` gets.
fn run_of<'a>(wanted: &'a [(Place, Source)], segment: &Segment) -> &'a [(Place, Source)] {
    let begin = wanted.first().map_or(0, |(place, _)| place.offset);
    let mut end = begin;
    let near = |(place, source): &(Place, Source)| {
        let fits = matches!(source, Source::Disk(other) if other.number == segment.number)
            && place.offset.saturating_sub(end) <= GAP_BYTES
            && (end == begin || end_of(*place) - begin <= READ_BYTES);
        end = end_of(*place);
        fits
    };
    let len = wanted.iter().map(near).take_while(|fits| *fits).count();
    &wanted[..len.max(1)]
}

/// Where the usual padding of an entry ends. Its batch may go on with more, but the file does too.
fn end_of(place: Place) -> u32 {
    place.offset + (HEADER + record::padded(place.len as usize)) as u32
}

fn read_run(
    segment: &Segment,
    run: &[(Place, Source)],
    first: u64,
    entries: &mut Vec<Entry>,
) -> Result<(), ReadError> {
    let (Some((begin, _)), Some((last, _))) = (run.first(), run.last()) else { return Ok(()) };
    // The last one of a batch is padded by up to 24 bytes more.
    let end = (end_of(*last) + 24).min(segment.bytes);
    let mut buffer = vec![0; (end - begin.offset) as usize];
    segment.file.read_at(begin.offset.into(), &mut buffer).map_err(segment.failed("read"))?;
    let buffer = Bytes::from(buffer);
    for (index, (place, _)) in (first..).zip(run) {
        let bytes = buffer.slice((place.offset - begin.offset) as usize..);
        entries.push(Entry { index, payload: payload(&bytes, *place, Some((segment, index)))? });
    }
    Ok(())
}

/// The payload of the entry whose header `bytes` begin with; checked if it was read from a segment.
fn payload(bytes: &Bytes, place: Place, read: Option<(&Segment, u64)>) -> Result<Bytes, ReadError> {
    let header = match read {
        None => Header::read_unsealed(bytes),
        Some((segment, index)) => {
            let header = Header::read(bytes, segment.seed, place.offset);
            let intact = |header: &Header| {
                let stored = bytes.get(HEADER..HEADER + header.stored());
                header.kind == Kind::Entry
                    && (header.index, header.len) == (index, place.len)
                    && stored.is_some_and(|stored| crc32c::crc32c(stored) == header.crc)
            };
            let sequence = header.map_or(0, |header| header.sequence);
            let damage = || segment.damaged(place.offset, sequence, Fault::Content);
            Some(header.filter(intact).ok_or_else(damage)?)
        }
    };
    let mask = header.map_or(0, |header| header.mask);
    let payload = bytes.slice(HEADER..HEADER + place.len as usize);
    Ok(if mask == 0 { payload } else { record::plain(&payload, mask).into() })
}
