//! One file of records: length, CRC-32, body; again and again.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;

const HEAD: usize = 16;

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) length: u64,
    /// When its last record was written.
    pub(super) newest_ms: u64,
    file: File,
    path: PathBuf,
}

fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:010}.details"))
}

/// The number of the segment with this file name.
pub(super) fn number(name: &OsStr) -> Option<u64> {
    name.to_str()?.strip_suffix(".details")?.parse().ok()
}

impl Segment {
    pub(super) fn create(directory: &Path, number: u64) -> io::Result<Self> {
        let path = path(directory, number);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        Ok(Self { number, length: 0, newest_ms: 0, file, path })
    }

    /// Opens a segment and shows each record's offset, length and body; what follows the first damaged one is cut off.
    pub(super) fn open(
        directory: &Path,
        number: u64,
        mut each: impl FnMut(u64, u32, &Bytes),
    ) -> io::Result<Self> {
        let path = path(directory, number);
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let bytes = Bytes::from(std::fs::read(&path)?);
        let mut segment = Self { number, length: 0, newest_ms: 0, file, path };
        while let Some((length, written_ms, body)) = record(&bytes, segment.length as usize) {
            each(segment.length, length, &body);
            segment.length += HEAD as u64 + u64::from(length);
            segment.newest_ms = written_ms;
        }
        if segment.length < bytes.len() as u64 {
            tracing::warn!(file = %segment.path.display(), at = segment.length, "details of ended transactions are cut off");
            segment.file.set_len(segment.length)?;
        }
        Ok(segment)
    }

    /// Appends records that [`write`] made.
    pub(super) fn append(&mut self, records: &[u8], now_ms: u64) -> io::Result<()> {
        self.file.write_all_at(records, self.length)?;
        self.length += records.len() as u64;
        self.newest_ms = now_ms;
        Ok(())
    }

    pub(super) fn read(&self, offset: u64, length: u32) -> io::Result<Bytes> {
        let mut body = vec![0; length as usize];
        self.file.read_exact_at(&mut body, offset + HEAD as u64)?;
        Ok(body.into())
    }

    pub(super) fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

/// Adds a record to others.
pub(super) fn write(records: &mut Vec<u8>, body: &[u8], now_ms: u64) {
    records.reserve(HEAD + body.len());
    records.extend_from_slice(&(body.len() as u32).to_le_bytes());
    records.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
    records.extend_from_slice(&now_ms.to_le_bytes());
    records.extend_from_slice(body);
}

fn record(bytes: &Bytes, at: usize) -> Option<(u32, u64, Bytes)> {
    let head = bytes.get(at..at + HEAD)?;
    let word = |from: usize| u32::from_le_bytes(head[from..from + 4].try_into().expect("four bytes"));
    let (length, crc) = (word(0), word(4));
    let written_ms = u64::from_le_bytes(head[8..16].try_into().expect("eight bytes"));
    let body = bytes.get(at + HEAD..(at + HEAD).checked_add(length as usize)?)?;
    (crc32fast::hash(body) == crc).then(|| (length, written_ms, bytes.slice_ref(body)))
}
