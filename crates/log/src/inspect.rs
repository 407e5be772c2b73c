//! The records of a log as they lie on the disk, damaged or not: for people who have to find out what happened.
//!
//! Nothing is changed and no lock is taken. What cannot be read is told as a gap, and reading goes on behind it.

use bytes::Bytes;

use crate::disk::Disk;
use crate::error::{Damage, Fatal, OpenError};
use crate::manifest::Manifest;
use crate::record::{self, HEADER, Header, Kind, is_zero};
use crate::segment::{self, DATA, Segment};

/// What the manifest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// First segment that must exist.
    pub first: u32,
    /// Last segment that must exist.
    pub last: u32,
    /// Last sequence known to be acknowledged.
    pub acknowledged: u64,
}

/// Reads the manifest.
///
/// # Errors
/// When it is missing or damaged.
pub fn summary(disk: &dyn Disk) -> Result<Summary, OpenError> {
    let (_, range, acknowledged) = Manifest::open(disk, None)?;
    Ok(Summary { first: range.first, last: range.last, acknowledged })
}

/// What is wrong with the files of the segments that must exist, whatever lies in them.
///
/// # Errors
/// When one cannot be read.
pub fn unreadable(disk: &dyn Disk, summary: Summary) -> Result<Vec<Damage>, Fatal> {
    let mut found = Vec::new();
    for number in summary.first..=summary.last {
        match segment::open(disk, None, number) {
            Err(OpenError::Damaged(damage)) => found.push(damage),
            Err(OpenError::Failed(error)) => return Err(error),
            _ => {}
        }
    }
    Ok(found)
}

/// Something that lies in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A record whose header is whole.
    Record(RawRecord),
    /// Bytes that are no record. Zeros at the end of a segment are not told.
    Gap {
        /// The file.
        file: String,
        /// Where they begin.
        offset: u64,
        /// How many.
        len: u64,
        /// Whether all are zero.
        zero: bool,
    },
    /// A segment that cannot be read at all.
    Unreadable(Damage),
}

/// A record as it lies on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRecord {
    /// The file.
    pub file: String,
    /// Where in it.
    pub offset: u64,
    /// What it is.
    pub kind: Kind,
    /// Sequence of its batch.
    pub sequence: u64,
    /// Of an entry, its index; of a slot, its number; of a frame, the number of records.
    pub index: u64,
    /// Bytes of payload; of a frame, of the whole batch.
    pub len: u32,
    /// Whether the payload is as it was written.
    pub intact: bool,
    /// The payload.
    pub payload: Bytes,
}

/// All records, segment by segment in their order, whatever the manifest says.
///
/// # Errors
/// When the directory cannot be listed. Errors of a segment end the iteration.
pub fn records(disk: &dyn Disk) -> Result<impl Iterator<Item = Result<Item, Fatal>>, Fatal> {
    let names = disk.list().map_err(Fatal::of("list", disk.place("")))?;
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| segment::number_of(name)).collect();
    numbers.sort_unstable();
    Ok(numbers.into_iter().flat_map(move |number| match segment::open(disk, None, number) {
        Ok((segment, _)) => Walk::new(&segment),
        Err(OpenError::Damaged(damage)) => Walk::of(vec![Ok(Item::Unreadable(damage))]),
        Err(OpenError::Failed(error)) => Walk::of(vec![Err(error)]),
        Err(_) => Walk::of(Vec::new()),
    }))
}

/// A segment, item by item.
struct Walk {
    first: std::vec::IntoIter<Result<Item, Fatal>>,
    place: String,
    seed: record::Seed,
    /// The whole segment, or nothing.
    bytes: Bytes,
    at: usize,
}

impl Walk {
    fn of(first: Vec<Result<Item, Fatal>>) -> Self {
        let seed = record::Seed::new(0, 0);
        Self { first: first.into_iter(), place: String::new(), seed, bytes: Bytes::new(), at: 0 }
    }

    fn new(segment: &Segment) -> Self {
        let mut bytes = vec![0; segment.bytes as usize];
        match segment.file.read_at(0, &mut bytes) {
            Ok(()) => Self {
                place: segment.place.clone(),
                seed: segment.seed,
                bytes: bytes.into(),
                at: DATA as usize,
                ..Self::of(Vec::new())
            },
            Err(error) => Self::of(vec![Err(segment.failed("read")(error))]),
        }
    }

    fn header(&self, at: usize) -> Option<Header> {
        Header::read(self.bytes.get(at..)?, self.seed, at as u32)
    }

    fn record(&mut self, header: Header) -> Item {
        let at = self.at;
        let (stored, payload) = match header.kind {
            Kind::Frame => (Some(Bytes::new()), Bytes::new()),
            _ => {
                let stored = at + HEADER..at + HEADER + header.stored();
                let stored = (stored.end <= self.bytes.len()).then(|| self.bytes.slice(stored));
                let payload =
                    stored.as_ref().map(|stored| &stored[..header.len as usize]).unwrap_or_default();
                let payload = record::plain(payload, header.mask).into();
                (stored, payload)
            }
        };
        let intact = header.kind == Kind::Frame
            || stored.as_ref().is_some_and(|stored| crc32c::crc32c(stored) == header.crc);
        // The header is whole, and so is the length that it tells.
        self.at += HEADER + stored.map_or(0, |stored| stored.len());
        Item::Record(RawRecord {
            file: self.place.clone(),
            offset: at as u64,
            kind: header.kind,
            sequence: header.sequence,
            index: header.index,
            len: header.len,
            intact,
            payload,
        })
    }
}

impl Iterator for Walk {
    type Item = Result<Item, Fatal>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(item) = self.first.next() {
            return Some(item);
        }
        if let Some(header) = self.header(self.at) {
            return Some(Ok(self.record(header)));
        }
        let begin = self.at;
        while self.at < self.bytes.len() && self.header(self.at).is_none() {
            self.at += 8;
        }
        let gap = self.bytes.get(begin..self.at.min(self.bytes.len())).unwrap_or_default();
        let zero = is_zero(gap);
        if gap.is_empty() || (zero && self.at >= self.bytes.len()) {
            return None;
        }
        let (file, offset, len) = (self.place.clone(), begin as u64, gap.len() as u64);
        Some(Ok(Item::Gap { file, offset, len, zero }))
    }
}
