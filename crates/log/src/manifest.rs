//! The file `manifest`: which segments must exist, and up to where batches are known to be acknowledged.
//!
//! Four pages of 4 KiB with one sector of content each, overwritten in place, so that neither a full disk nor a power
//! cut leaves less than the latest but one. Two hold the range of segments and take turns; a change is synced before
//! anybody relies on it. Two hold the last acknowledged sequence and take turns as well; they are written after each
//! batch and *not* synced. After a power cut they may be old, which does no harm; in every other case they tell a batch
//! that was acknowledged and then damaged from one that was never finished.
//!
//! The segment after the last one named may exist in any state: it was being made.

use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::error::{Damage, Fatal, Fault, OpenError};

pub(crate) const NAME: &str = "manifest";
const TEMPORARY: &str = "manifest.tmp";
const PAGE: usize = 4096;
const SIZE: usize = 4 * PAGE;
const MAGIC: &[u8; 8] = b"synodlog";
const VERSION: u32 = 1;
/// Bytes of a page that mean something; the rest is zero.
const USED: usize = 64;

/// What a page of the first kind says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// Grows by one with each change.
    pub generation: u64,
    /// First segment that must exist.
    pub first: u32,
    /// Last segment that must exist; before `first` in a log that has none yet.
    pub last: u32,
}

/// The open manifest. Both kinds of pages are written through it, by different threads: they share nothing.
#[derive(Debug)]
pub(crate) struct Manifest {
    file: Arc<dyn DiskFile>,
    place: String,
    id: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Page {
    id: u64,
    /// Of a range; the sequence, of an acknowledgement.
    turn: u64,
    first: u32,
    last: u32,
}

const RANGE: u32 = 1;
const ACKNOWLEDGED: u32 = 2;

impl Page {
    fn encode(self, kind: u32) -> [u8; USED] {
        let mut out = [0; USED];
        out[..8].copy_from_slice(MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&kind.to_le_bytes());
        out[16..24].copy_from_slice(&self.id.to_le_bytes());
        out[24..32].copy_from_slice(&self.turn.to_le_bytes());
        out[32..36].copy_from_slice(&self.first.to_le_bytes());
        out[36..40].copy_from_slice(&self.last.to_le_bytes());
        let crc = crc32c::crc32c(&out[..USED - 4]);
        out[USED - 4..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The page, if nothing but what [`encode`](Self::encode) writes is there.
    fn decode(bytes: &[u8], kind: u32) -> Option<Self> {
        let word = |at: usize| bytes.get(at..)?.first_chunk::<4>().map(|word| u32::from_le_bytes(*word));
        let long = |at: usize| bytes.get(at..)?.first_chunk::<8>().map(|long| u64::from_le_bytes(*long));
        let page = Self { id: long(16)?, turn: long(24)?, first: word(32)?, last: word(36)? };
        let (used, rest) = bytes.split_at_checked(USED)?;
        (used == page.encode(kind) && rest.iter().all(|byte| *byte == 0)).then_some(page)
    }
}

/// The page that a turn is written to.
fn page_of(turn: u64) -> usize {
    (turn % 2) as usize
}

impl Manifest {
    /// Makes the manifest of a log without segments. Until it has its name, nothing else exists.
    pub(crate) fn create(disk: &dyn Disk, id: u64) -> Result<(Self, Range), OpenError> {
        let place = disk.place(NAME);
        let failed = |action| Fatal::of(action, place.clone());
        let range = Range { generation: 2, first: 1, last: 0 };
        let mut bytes = vec![0; SIZE];
        for turn in [1, 2] {
            let page = Page { id, turn, first: range.first, last: range.last }.encode(RANGE);
            bytes[page_of(turn) * PAGE..][..USED].copy_from_slice(&page);
        }
        let file = disk.create(TEMPORARY).map_err(failed("make"))?;
        let written = file.write_at(0, &bytes).and_then(|()| file.sync_data());
        if let Err(error) = written {
            disk.unlink(TEMPORARY).ok();
            let full = crate::disk::is_full(&error);
            return Err(if full {
                OpenError::Full { dir: disk.place("") }
            } else {
                failed("write")(error).into()
            });
        }
        disk.rename(TEMPORARY, NAME).map_err(failed("rename"))?;
        disk.sync_dir().map_err(failed("sync the directory of"))?;
        Ok((Self { file, place, id }, range))
    }

    /// Reads the manifest of the log `id`, or of any: the range, and the last sequence known to be acknowledged, 0 if
    /// none.
    pub(crate) fn open(disk: &dyn Disk, id: Option<u64>) -> Result<(Self, Range, u64), OpenError> {
        let place = disk.place(NAME);
        let file = disk.open(NAME).map_err(Fatal::of("open", place.clone()))?;
        let size = file.size().map_err(Fatal::of("read", place.clone()))?;
        let damaged = |page: usize, fault| Damage {
            file: place.clone(),
            offset: (page * PAGE) as u64,
            sequence: 0,
            fault,
        };
        if size != SIZE as u64 {
            let want = SIZE as u64;
            let fault = if size < want { Fault::Short { size, want } } else { Fault::Long { size, want } };
            return Err(damaged(0, fault).into());
        }
        let mut bytes = vec![0; SIZE];
        file.read_at(0, &mut bytes).map_err(Fatal::of("read", place.clone()))?;
        let page = |at: usize, kind| {
            let bytes = &bytes[at * PAGE..(at + 1) * PAGE];
            if kind == ACKNOWLEDGED && crate::record::is_zero(bytes) {
                return Ok(None);
            }
            match Page::decode(bytes, kind) {
                None => Err(damaged(at, Fault::Head)),
                Some(page) => match id.filter(|id| *id != page.id) {
                    Some(want) => Err(damaged(at, Fault::OtherLog { found: page.id, want })),
                    None => Ok(Some(page)),
                },
            }
        };
        let latest = |kind, pages: [usize; 2]| -> Result<Option<Page>, Damage> {
            let both = [page(pages[0], kind)?, page(pages[1], kind)?];
            Ok(both.into_iter().flatten().max_by_key(|page| page.turn))
        };
        let range = latest(RANGE, [0, 1])?;
        let acknowledged = latest(ACKNOWLEDGED, [2, 3])?.map_or(0, |page| page.turn);
        let Page { id, turn, first, last } = range.ok_or_else(|| damaged(0, Fault::Head))?;
        let manifest = Self { file, place: place.clone(), id };
        Ok((manifest, Range { generation: turn, first, last }, acknowledged))
    }

    /// Names other segments, durably.
    pub(crate) fn set(&self, range: Range) -> Result<(), Fatal> {
        let page = Page { id: self.id, turn: range.generation, first: range.first, last: range.last };
        let at = page_of(range.generation) * PAGE;
        self.file.write_at(at as u64, &page.encode(RANGE)).map_err(Fatal::of("write", &*self.place))?;
        self.file.sync_data().map_err(Fatal::of("sync", &*self.place))
    }

    /// Notes that a batch is durable. The note itself need not be.
    pub(crate) fn acknowledge(&self, sequence: u64) -> Result<(), Fatal> {
        let page = Page { id: self.id, turn: sequence, first: 0, last: 0 };
        let at = (2 + page_of(sequence)) * PAGE;
        self.file.write_at(at as u64, &page.encode(ACKNOWLEDGED)).map_err(Fatal::of("write", &*self.place))
    }

    /// Makes the notes durable, at a clean end.
    pub(crate) fn sync(&self) -> Result<(), Fatal> {
        self.file.sync_data().map_err(Fatal::of("sync", &*self.place))
    }
}

/// Removes what a start that was interrupted has left.
pub(crate) fn remove_temporary(disk: &dyn Disk) -> Result<(), Fatal> {
    disk.unlink(TEMPORARY).map_err(Fatal::of("delete", disk.place(TEMPORARY)))
}

/// Whether this is the name of a manifest that was never finished.
pub(crate) fn is_temporary(name: &str) -> bool {
    name == TEMPORARY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemDisk;

    fn open(disk: &MemDisk, id: u64) -> Result<(Range, u64), OpenError> {
        Manifest::open(disk, Some(id)).map(|(_, range, acknowledged)| (range, acknowledged))
    }

    #[test]
    fn the_latest_of_both_kinds_is_found() {
        let disk = MemDisk::new(1);
        let (manifest, range) = Manifest::create(&disk, 7).unwrap();
        assert_eq!(open(&disk, 7).unwrap(), (range, 0));
        for last in 1..=5 {
            let range = Range { generation: range.generation + u64::from(last), first: 1, last };
            manifest.set(range).unwrap();
            manifest.acknowledge(u64::from(last) * 10 + 1).unwrap();
            assert_eq!(open(&disk, 7).unwrap(), (range, u64::from(last) * 10 + 1));
        }
        assert!(matches!(
            open(&disk, 8),
            Err(OpenError::Damaged(Damage { fault: Fault::OtherLog { found: 7, want: 8 }, .. }))
        ));
    }

    #[test]
    fn any_flip_of_a_bit_is_refused() {
        let disk = MemDisk::new(1);
        let (manifest, _) = Manifest::create(&disk, 7).unwrap();
        manifest.acknowledge(4).unwrap();
        manifest.acknowledge(5).unwrap();
        for bit in (0..SIZE as u64 * 8).step_by(101).chain(0..USED as u64 * 8) {
            let disk = disk.copy(1);
            disk.flip(NAME, bit);
            assert!(matches!(open(&disk, 7), Err(OpenError::Damaged(_))), "bit {bit}");
        }
    }
}
