//! A power cut for a real directory. Its process was killed, and everything that no completed sync covered is set back.
//!
//! `kill -9` alone proves nothing about `fdatasync`, since the page cache survives it. A process that runs on
//! [`RealDisk::recording`](super::RealDisk::recording) leaves a journal; once it is dead, a test calls [`set_back`] and
//! starts it again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use synod_base::rng::Rng;

use super::Loss;
use super::recorder::{self, Note, kept};
use crate::record::pieces;

/// What [`set_back`] undid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetBack {
    /// Writes that no sync covered.
    pub writes: usize,
    /// Names made, changed or deleted that no sync covered.
    pub names: usize,
    /// The changes of names that no sync covered when the process died, in their order, whatever was undone of them: `create NAME`,
    /// `rename FROM TO`, `unlink NAME`.
    pub under_way: Vec<String>,
}

/// Sets a directory back to what is durable, and removes the journal. The process that wrote both must be dead.
///
/// # Errors
/// When something cannot be read or written, or the journal is none.
pub fn set_back(dir: &Path, journal: &Path, loss: Loss) -> io::Result<SetBack> {
    let notes = recorder::read(journal)?;
    let names = set_back_names(dir, journal, &notes, loss)?;
    let mut writes = 0;
    for (file, name) in durable_names(&notes, names.durable) {
        let path = dir.join(name);
        if path.exists() {
            writes += set_back_file(&path, file, &notes, loss)?;
        }
    }
    fs::remove_dir_all(journal.with_added_extension("kept"))?;
    fs::remove_file(journal)?;
    Ok(SetBack { writes, names: names.undone, under_way: names.under_way })
}

struct Names {
    /// Entries before this one are durable as far as they tell names.
    durable: usize,
    undone: usize,
    under_way: Vec<String>,
}

fn set_back_names(dir: &Path, journal: &Path, notes: &[Note], loss: Loss) -> io::Result<Names> {
    let synced = notes.iter().filter_map(|note| match note {
        Note::SyncedDir { since } => Some(*since as usize - 1),
        _ => None,
    });
    let mut durable = synced.max().unwrap_or(0);
    let under_way = notes[durable..].iter().filter_map(change_of_name).collect();
    if let Loss::Torn(seed) = loss {
        // A file system with a journal keeps the order of changes: some of the first survive.
        durable += Rng::new(seed).below((notes.len() - durable) as u64 + 1) as usize;
    }
    let undone = notes[durable..].iter().filter_map(change_of_name).count();
    for note in notes[durable..].iter().rev() {
        undo_name(dir, journal, note)?;
    }
    Ok(Names { durable, undone, under_way })
}

/// What an entry changes of names, in words.
fn change_of_name(note: &Note) -> Option<String> {
    match note {
        Note::Create { name } => Some(format!("create {name}")),
        Note::Rename { from, to, .. } => Some(format!("rename {from} {to}")),
        Note::Unlink { name, .. } => Some(format!("unlink {name}")),
        Note::File { .. } | Note::Write { .. } | Note::Synced { .. } | Note::SyncedDir { .. } => None,
    }
}

/// Each of these may have been noted and then not done.
fn undo_name(dir: &Path, journal: &Path, note: &Note) -> io::Result<()> {
    match note {
        Note::Create { name } => match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
        Note::Rename { from, to, kept: number } => {
            if !dir.join(from).exists() {
                fs::rename(dir.join(to), dir.join(from))?;
            }
            if *number > 0 { put_back(&kept(journal, *number), &dir.join(to)) } else { Ok(()) }
        }
        Note::Unlink { name, kept: number } => put_back(&kept(journal, *number), &dir.join(name)),
        _ => Ok(()),
    }
}

fn put_back(kept: &Path, path: &Path) -> io::Result<()> {
    if path.exists() { Ok(()) } else { fs::rename(kept, path) }
}

/// The name that each file has now.
fn durable_names(notes: &[Note], durable: usize) -> BTreeMap<u32, &str> {
    let mut names = BTreeMap::new();
    let mut undone = BTreeSet::new();
    for (at, note) in notes.iter().enumerate() {
        match note {
            Note::Create { name } if at >= durable => {
                undone.insert(name);
            }
            Note::File { file, name } if !undone.contains(name) => {
                names.insert(*file, name.as_str());
            }
            Note::Rename { from, to, .. } if at < durable => {
                names.retain(|_, name| *name != to);
                names.values_mut().filter(|name| *name == from).for_each(|name| *name = to);
            }
            Note::Unlink { name: gone, .. } if at < durable => names.retain(|_, name| *name != gone),
            _ => {}
        }
    }
    names
}

/// A write that no sync covered.
struct Lost<'a> {
    offset: u64,
    len: u64,
    old_size: u64,
    old: &'a [u8],
}

fn set_back_file(path: &Path, number: u32, notes: &[Note], loss: Loss) -> io::Result<usize> {
    let synced = notes.iter().filter_map(|note| match note {
        Note::Synced { file, since } if *file == number => Some(*since as usize - 1),
        _ => None,
    });
    let durable = synced.max().unwrap_or(0);
    let lost: Vec<Lost> = notes[durable..]
        .iter()
        .filter_map(|note| match note {
            Note::Write { file, offset, len, old_size, old } if *file == number => {
                Some(Lost { offset: *offset, len: *len, old_size: *old_size, old })
            }
            _ => None,
        })
        .collect();
    let Some(first) = lost.first() else { return Ok(0) };
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    for (at, write) in lost.iter().enumerate().rev() {
        for piece in pieces(write.len as usize, (write.offset % 4096) as u32) {
            let sector = (write.offset + piece.start as u64) / crate::record::SECTOR as u64;
            if at >= survivors(loss, number, sector, lost.len()) {
                undo(&file, write, piece)?;
            }
        }
    }
    let keeps_size = match loss {
        Loss::All => false,
        Loss::Torn(seed) => Rng::new(seed ^ u64::from(number)).percent(50),
    };
    if !keeps_size {
        file.set_len(first.old_size)?;
    }
    Ok(lost.len())
}

/// How many of a file's lost writes have reached this sector after all.
fn survivors(loss: Loss, file: u32, sector: u64, writes: usize) -> usize {
    match loss {
        Loss::All => 0,
        Loss::Torn(seed) => {
            Rng::new(seed ^ (u64::from(file) << 40) ^ sector).below(writes as u64 + 1) as usize
        }
    }
}

fn undo(file: &File, write: &Lost, piece: Range<usize>) -> io::Result<()> {
    let known = write.old.len().clamp(piece.start, piece.end);
    let old = write.old.get(piece.start..known).unwrap_or_default();
    file.write_all_at(old, write.offset + piece.start as u64)?;
    file.write_all_at(&vec![0; piece.end - known], write.offset + known as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk as _, RealDisk, Recording};

    fn recorded(work: impl FnOnce(&RealDisk)) -> (tempfile::TempDir, SetBack) {
        let dir = tempfile::tempdir().unwrap();
        let recording = Recording { journal: dir.path().join("journal"), ..Recording::default() };
        let data = dir.path().join("data");
        work(&RealDisk::recording(&data, &recording).unwrap());
        let undone = set_back(&data, &recording.journal, Loss::All).unwrap();
        assert!(!recording.journal.exists());
        (dir, undone)
    }

    fn content(dir: &tempfile::TempDir, name: &str) -> Option<Vec<u8>> {
        fs::read(dir.path().join("data").join(name)).ok()
    }

    #[test]
    fn what_was_synced_stays_and_the_rest_goes() {
        let (dir, undone) = recorded(|disk| {
            let file = disk.create("a").unwrap();
            disk.sync_dir().unwrap();
            file.write_at(0, b"one two").unwrap();
            file.sync_data().unwrap();
            file.write_at(4, b"TWO three").unwrap();
            file.write_at(0, b"ONE").unwrap();
        });
        assert_eq!(content(&dir, "a").as_deref(), Some(&b"one two"[..]));
        assert_eq!(undone, SetBack { writes: 2, ..SetBack::default() });
    }

    #[test]
    fn names_are_set_back_in_reverse() {
        let (dir, undone) = recorded(|disk| {
            for name in ["a", "b"] {
                let file = disk.create(name).unwrap();
                file.write_at(0, name.as_bytes()).unwrap();
                file.sync_data().unwrap();
            }
            disk.sync_dir().unwrap();
            disk.rename("a", "b").unwrap();
            disk.create("c").unwrap();
            disk.unlink("b").unwrap();
        });
        assert_eq!(content(&dir, "a").as_deref(), Some(&b"a"[..]));
        assert_eq!(content(&dir, "b").as_deref(), Some(&b"b"[..]));
        assert_eq!(content(&dir, "c"), None);
        assert_eq!(undone.names, 3);
        assert_eq!(undone.under_way, ["rename a b", "create c", "unlink b"]);
    }

    #[test]
    fn a_synced_rename_takes_the_lost_writes_along() {
        let (dir, _) = recorded(|disk| {
            let file = disk.create("a.tmp").unwrap();
            file.write_at(0, b"old").unwrap();
            file.sync_data().unwrap();
            file.write_at(0, b"new").unwrap();
            disk.rename("a.tmp", "a").unwrap();
            disk.sync_dir().unwrap();
            disk.open("a").unwrap().write_at(2, b"!").unwrap();
        });
        assert_eq!(content(&dir, "a").as_deref(), Some(&b"old"[..]));
        assert_eq!(content(&dir, "a.tmp"), None);
    }

    #[test]
    fn a_journal_is_continued_by_the_next_process() {
        let dir = tempfile::tempdir().unwrap();
        let recording = Recording { journal: dir.path().join("journal"), ..Recording::default() };
        let data = dir.path().join("data");
        let disk = || RealDisk::recording(&data, &recording).unwrap();
        let file = disk().create("a").unwrap();
        file.write_at(0, b"lost").unwrap();
        disk().open("a").unwrap().write_at(4, b", too").unwrap();
        disk().sync_dir().unwrap();
        let undone = set_back(&data, &recording.journal, Loss::All).unwrap();
        assert_eq!(undone.writes, 2);
        assert_eq!(content(&dir, "a").as_deref(), Some(&b""[..]));
    }

    #[test]
    fn without_syncs_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let recording =
            Recording { journal: dir.path().join("journal"), skip_sync: true, ..Recording::default() };
        let data = dir.path().join("data");
        let disk = RealDisk::recording(&data, &recording).unwrap();
        let file = disk.create("a").unwrap();
        disk.sync_dir().unwrap();
        file.write_at(0, b"x").unwrap();
        file.sync_data().unwrap();
        set_back(&data, &recording.journal, Loss::All).unwrap();
        assert_eq!(content(&dir, "a").as_deref(), Some(&b""[..]));
    }
}
