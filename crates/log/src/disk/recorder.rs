//! The journal of a [`RealDisk`](super::RealDisk): what a process outside must know to undo all that is not durable.
//!
//! An entry is written, with one `write`, before that which it tells is done; a sync is told after it is done, with how
//! far the journal was when it began. The journal itself is never synced: the power cut is an imitation, the page cache
//! survives it. Entries are numbered from 1 on in the order in which they lie.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Recording;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// From here on a number stands for the file that has this name now.
    File { file: u32, name: String },
    /// `len` bytes are written; `old` is what was there, as far as the file went.
    Write { file: u32, offset: u64, len: u64, old_size: u64, old: Vec<u8> },
    /// What was noted on this file before entry `since` is durable.
    Synced { file: u32, since: u64 },
    /// A file is made.
    Create { name: String },
    /// A file is renamed; what had the name `to` is kept under a number, unless that is 0.
    Rename { from: String, to: String, kept: u32 },
    /// A file is deleted, and kept under a number.
    Unlink { name: String, kept: u32 },
    /// Names noted before entry `since` are durable.
    SyncedDir { since: u64 },
}

/// Where files that were deleted or replaced are kept.
pub(super) fn kept(journal: &Path, number: u32) -> PathBuf {
    journal.with_added_extension("kept").join(number.to_string())
}

#[derive(Debug)]
pub(super) struct Recorder {
    dir: PathBuf,
    path: PathBuf,
    skip_sync: bool,
    slow_names: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    journal: File,
    /// Entries so far.
    notes: u64,
    files: BTreeMap<String, u32>,
    next_file: u32,
    next_kept: u32,
}

impl Recorder {
    /// Goes on with the journal that is there: a process that was killed and started again has lost no power.
    pub(super) fn new(dir: &Path, recording: &Recording) -> io::Result<Self> {
        let path = recording.journal.clone();
        fs::create_dir_all(path.with_added_extension("kept"))?;
        let notes = if path.exists() { read(&path)? } else { Vec::new() };
        let journal = OpenOptions::new().create(true).append(true).open(&path)?;
        let mut inner =
            Inner { journal, notes: notes.len() as u64, files: BTreeMap::new(), next_file: 1, next_kept: 1 };
        for note in notes {
            inner.follow(&note);
        }
        let Recording { skip_sync, slow_names, .. } = *recording;
        Ok(Self { dir: dir.to_owned(), path, skip_sync, slow_names, inner: Mutex::new(inner) })
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the file with this name.
    pub(super) fn file(&self, name: &str) -> u32 {
        let mut inner = self.inner();
        if let Some(file) = inner.files.get(name) {
            return *file;
        }
        let note = Note::File { file: inner.next_file, name: name.to_owned() };
        // Without its name, nothing of the file could be set back: the test would see damage that is none.
        inner.note(&note).expect("the journal of a test can be written");
        inner.files[name]
    }

    /// Writes; nobody else writes meanwhile, so that a sync which begins later covers it.
    pub(super) fn writing(&self, real: &File, file: u32, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        let old_size = real.metadata()?.len();
        let len = bytes.len() as u64;
        let mut old = vec![0; old_size.saturating_sub(offset).min(len) as usize];
        real.read_exact_at(&mut old, offset.min(old_size))?;
        inner.note(&Note::Write { file, offset, len, old_size, old })?;
        real.write_all_at(bytes, offset)
    }

    pub(super) fn syncing(&self, file: u32, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        if self.skip_sync {
            return Ok(());
        }
        let since = self.inner().notes + 1;
        sync()?;
        self.inner().note(&Note::Synced { file, since })
    }

    pub(super) fn syncing_dir(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let since = self.inner().notes + 1;
        std::thread::sleep(self.slow_names);
        sync()?;
        self.inner().note(&Note::SyncedDir { since })
    }

    pub(super) fn creating(&self, name: &str) -> io::Result<()> {
        self.inner().note(&Note::Create { name: name.to_owned() })
    }

    pub(super) fn renaming(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.inner();
        let kept = if self.dir.join(to).exists() { self.keep(&inner, to)? } else { 0 };
        inner.note(&Note::Rename { from: from.to_owned(), to: to.to_owned(), kept })
    }

    pub(super) fn unlinking(&self, name: &str) -> io::Result<()> {
        if !self.dir.join(name).exists() {
            return Ok(());
        }
        let mut inner = self.inner();
        let kept = self.keep(&inner, name)?;
        inner.note(&Note::Unlink { name: name.to_owned(), kept })
    }

    fn keep(&self, inner: &Inner, name: &str) -> io::Result<u32> {
        let link = kept(&self.path, inner.next_kept);
        // Left there by a process that died before it could note it.
        if link.exists() {
            fs::remove_file(&link)?;
        }
        fs::hard_link(self.dir.join(name), link)?;
        Ok(inner.next_kept)
    }
}

impl Inner {
    fn note(&mut self, note: &Note) -> io::Result<()> {
        let mut bytes = vec![0; 4];
        encode(note, &mut bytes);
        let len = bytes.len() as u32 - 4;
        bytes[..4].copy_from_slice(&len.to_le_bytes());
        self.journal.write_all(&bytes)?;
        self.notes += 1;
        self.follow(note);
        Ok(())
    }

    fn follow(&mut self, note: &Note) {
        match note {
            Note::File { file, name } => {
                self.files.insert(name.clone(), *file);
                self.next_file = self.next_file.max(file + 1);
            }
            Note::Rename { from, to, kept } => {
                self.next_kept = self.next_kept.max(kept + 1);
                if let Some(file) = self.files.remove(from) {
                    self.files.insert(to.clone(), file);
                }
            }
            Note::Unlink { name, kept } => {
                self.next_kept = self.next_kept.max(kept + 1);
                self.files.remove(name);
            }
            _ => {}
        }
    }
}

/// All entries; a last one that is cut short was never acted upon.
pub(super) fn read(path: &Path) -> io::Result<Vec<Note>> {
    let bytes = fs::read(path)?;
    let mut rest = &bytes[..];
    let mut notes = Vec::new();
    while let Some((len, after)) = rest.split_first_chunk::<4>() {
        let len = u32::from_le_bytes(*len) as usize;
        let Some((entry, after)) = after.split_at_checked(len) else { break };
        notes.push(decode(entry).ok_or(io::ErrorKind::InvalidData)?);
        rest = after;
    }
    Ok(notes)
}

fn encode(note: &Note, out: &mut Vec<u8>) {
    let (tag, numbers, texts): (u8, [u64; 4], [&[u8]; 2]) = match note {
        Note::File { file, name } => (1, [(*file).into(), 0, 0, 0], [name.as_bytes(), b""]),
        Note::Write { file, offset, len, old_size, old } => {
            (2, [(*file).into(), *offset, *len, *old_size], [old, b""])
        }
        Note::Synced { file, since } => (3, [(*file).into(), *since, 0, 0], [b"", b""]),
        Note::Create { name } => (4, [0; 4], [name.as_bytes(), b""]),
        Note::Rename { from, to, kept } => (5, [(*kept).into(), 0, 0, 0], [from.as_bytes(), to.as_bytes()]),
        Note::Unlink { name, kept } => (6, [(*kept).into(), 0, 0, 0], [name.as_bytes(), b""]),
        Note::SyncedDir { since } => (7, [*since, 0, 0, 0], [b"", b""]),
    };
    out.push(tag);
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&(texts[0].len() as u32).to_le_bytes());
    out.extend_from_slice(texts[0]);
    out.extend_from_slice(texts[1]);
}

fn decode(bytes: &[u8]) -> Option<Note> {
    let (tag, rest) = bytes.split_first()?;
    let (numbers, rest) = rest.split_first_chunk::<32>()?;
    let number = |at: usize| numbers.as_chunks::<8>().0.get(at).map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let (first, second) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(match tag {
        1 => Note::File { file: number(0) as u32, name: text(first) },
        2 => Note::Write {
            file: number(0) as u32,
            offset: number(1),
            len: number(2),
            old_size: number(3),
            old: first.to_vec(),
        },
        3 => Note::Synced { file: number(0) as u32, since: number(1) },
        4 => Note::Create { name: text(first) },
        5 => Note::Rename { from: text(first), to: text(second), kept: number(0) as u32 },
        6 => Note::Unlink { name: text(first), kept: number(0) as u32 },
        7 => Note::SyncedDir { since: number(0) },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_survive_being_written() {
        let notes = [
            Note::File { file: 3, name: "a".to_owned() },
            Note::Write { file: 3, offset: 9, len: 5, old_size: 12, old: vec![1, 2, 3] },
            Note::Synced { file: 3, since: 2 },
            Note::Create { name: "b".to_owned() },
            Note::Rename { from: "b".to_owned(), to: "c".to_owned(), kept: 0 },
            Note::Unlink { name: "c".to_owned(), kept: 4 },
            Note::SyncedDir { since: 6 },
        ];
        for note in notes {
            let mut bytes = Vec::new();
            encode(&note, &mut bytes);
            assert_eq!(decode(&bytes), Some(note));
        }
    }
}
