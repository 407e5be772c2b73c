//! Segments as files: their names, their first page, and how they are made.

use std::sync::Arc;

use crate::disk::{self, Disk, DiskFile};
use crate::error::{Damage, Fatal, Fault, OpenError};
use crate::record::{Seed, is_zero};

/// Where batches begin.
pub(crate) const DATA: u32 = 4096;
const MAGIC: &[u8; 8] = b"synodseg";
const VERSION: u32 = 1;
const USED: usize = 32;

/// An open segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub number: u32,
    /// The size it was made with.
    pub bytes: u32,
    pub file: Arc<dyn DiskFile>,
    pub seed: Seed,
    /// Where a person would look for it.
    pub place: String,
}

impl Segment {
    /// An error of the system with this segment.
    pub(crate) fn failed(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> Fatal {
        Fatal::of(action, self.place.clone())
    }

    /// A damage in this segment.
    pub(crate) fn damaged(&self, offset: u32, sequence: u64, fault: Fault) -> Damage {
        Damage { file: self.place.clone(), offset: offset.into(), sequence, fault }
    }
}

pub(crate) fn name(number: u32) -> String {
    format!("{number:08}.seg")
}

/// The number of a segment with this name.
pub(crate) fn number_of(file_name: &str) -> Option<u32> {
    let number = file_name.strip_suffix(".seg")?.parse().ok()?;
    (name(number) == file_name).then_some(number)
}

fn head(id: u64, number: u32, bytes: u32) -> [u8; USED] {
    let mut out = [0; USED];
    out[..8].copy_from_slice(MAGIC);
    out[8..12].copy_from_slice(&VERSION.to_le_bytes());
    out[12..20].copy_from_slice(&id.to_le_bytes());
    out[20..24].copy_from_slice(&number.to_le_bytes());
    out[24..28].copy_from_slice(&bytes.to_le_bytes());
    let crc = crc32c::crc32c(&out[..USED - 4]);
    out[USED - 4..].copy_from_slice(&crc.to_le_bytes());
    out
}

/// Makes a segment of zeros, durably. When the disk is full the file may be left behind: see [`remove_remains`].
pub(crate) fn create(disk: &dyn Disk, id: u64, number: u32, bytes: u32) -> std::io::Result<Arc<Segment>> {
    let file = disk.create(&name(number))?;
    file.write_at(0, &head(id, number, bytes))?;
    disk::write_zeros(&*file, USED as u64, u64::from(bytes) - USED as u64)?;
    file.sync_data()?;
    disk.sync_dir()?;
    let place = disk.place(&name(number));
    Ok(Arc::new(Segment { number, bytes, file, seed: Seed::new(id, number), place }))
}

/// Deletes a segment that was not finished; not durably, since its number is free until it is named.
pub(crate) fn remove_remains(disk: &dyn Disk, number: u32) -> std::io::Result<()> {
    match disk.unlink(&name(number)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Opens a segment that must exist, of the log `id` or of any, and tells how long its file is.
pub(crate) fn open(disk: &dyn Disk, id: Option<u64>, number: u32) -> Result<(Arc<Segment>, u64), OpenError> {
    let place = disk.place(&name(number));
    let damaged = |fault| Damage { file: place.clone(), offset: 0, sequence: 0, fault };
    let file = match disk.open(&name(number)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(damaged(Fault::Missing).into());
        }
        Err(error) => return Err(Fatal::of("open", place)(error).into()),
    };
    let size = file.size().map_err(Fatal::of("read", place.clone()))?;
    let mut page = [0; DATA as usize];
    if size < u64::from(DATA) {
        return Err(damaged(Fault::Short { size, want: u64::from(DATA) }).into());
    }
    file.read_at(0, &mut page).map_err(Fatal::of("read", place.clone()))?;
    let word = |at: usize| page[at..].first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
    let found = page[12..].first_chunk().map_or(0, |long| u64::from_le_bytes(*long));
    let bytes = word(24);
    if page[..USED] != head(found, number, bytes) || !is_zero(&page[USED..]) {
        return Err(damaged(Fault::Head).into());
    }
    if let Some(want) = id.filter(|id| *id != found) {
        return Err(damaged(Fault::OtherLog { found, want }).into());
    }
    if size < u64::from(bytes) {
        return Err(damaged(Fault::Short { size, want: bytes.into() }).into());
    }
    Ok((Arc::new(Segment { number, bytes, file, seed: Seed::new(found, number), place }), size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemDisk;

    const BYTES: u32 = 64 * 1024;

    fn fault(disk: &MemDisk) -> Option<Fault> {
        match open(disk, Some(7), 3) {
            Ok(_) => None,
            Err(OpenError::Damaged(damage)) => Some(damage.fault),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn names_are_read_back_and_nothing_else() {
        assert_eq!(number_of(&name(7)), Some(7));
        assert_eq!(number_of(&name(u32::MAX)), Some(u32::MAX));
        for other in ["7.seg", "+0000007.seg", "00000007.sgm", "manifest"] {
            assert_eq!(number_of(other), None);
        }
    }

    #[test]
    fn a_segment_is_known_by_its_head_and_size() {
        let disk = MemDisk::new(1);
        assert_eq!(fault(&disk), Some(Fault::Missing));
        create(&disk, 7, 3, BYTES).unwrap();
        assert_eq!(fault(&disk), None);
        for bit in (0..USED as u64 * 8).chain((0..u64::from(DATA) * 8).step_by(61)) {
            disk.flip(&name(3), bit);
            assert!(fault(&disk).is_some(), "bit {bit}");
            disk.flip(&name(3), bit);
        }
        disk.damage(&name(3), |bytes| bytes.truncate(BYTES as usize - 1));
        assert_eq!(fault(&disk), Some(Fault::Short { size: u64::from(BYTES) - 1, want: BYTES.into() }));
        disk.damage(&name(3), Vec::clear);
        assert_eq!(fault(&disk), Some(Fault::Short { size: 0, want: DATA.into() }));
    }
}
