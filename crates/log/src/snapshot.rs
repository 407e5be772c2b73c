//! Snapshot files beside the log: written under another name, synced, renamed, checked block by block when read.
//!
//! What a snapshot holds is not known here, nor when the log before it may be purged: after [`SnapshotWriter::finish`]
//! has returned, and not before.
//!
//! ```text
//! head    "synodsnp", version, bytes of meta, id of the log, number, meta, CRC32C of all that
//! block   length, CRC32C of (id, number, number of the block, length, content), content; 64 KiB, the last one less
//! end     a block of length 0
//! ```

use std::sync::Arc;

use bytes::Bytes;

use crate::disk::{Disk, DiskFile, is_full};
use crate::error::{Damage, Fatal, Fault};

const MAGIC: &[u8; 8] = b"synodsnp";
const VERSION: u32 = 1;
/// Bytes of the head before meta.
const HEAD: usize = 32;
/// Content of a full block.
const BLOCK: usize = 64 * 1024;
/// Length and CRC.
const BLOCK_HEAD: usize = 8;
/// Bytes of meta at most.
pub const META_BYTES_MAX: usize = 64 * 1024;

/// Why a snapshot cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// There is no room on the disk; what was written of the snapshot is deleted.
    #[error("no room on the disk for the snapshot {file}")]
    Full {
        /// The file.
        file: String,
    },
    /// It is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// What the caller wants to say of it is too long.
    #[error("{bytes} bytes about a snapshot: at most {META_BYTES_MAX} are allowed")]
    MetaTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The system refused something; when it was writing, the process should end.
    #[error(transparent)]
    Failed(#[from] Fatal),
}

/// The snapshots of a directory.
#[derive(Clone, Debug)]
pub struct Snapshots {
    disk: Arc<dyn Disk>,
    id: u64,
}

fn name(number: u64) -> String {
    format!("snap-{number:020}")
}

fn number_of(file_name: &str) -> Option<u64> {
    let number = file_name.strip_prefix("snap-")?.parse().ok()?;
    (name(number) == file_name).then_some(number)
}

impl Snapshots {
    /// The snapshots beside the log `id`. Deletes what was never finished; whoever calls has the directory's lock.
    ///
    /// # Errors
    /// When the directory cannot be read or changed.
    pub fn new(disk: Arc<dyn Disk>, id: u64) -> Result<Self, Fatal> {
        for file in disk.list().map_err(Fatal::of("list", disk.place("")))? {
            let unfinished = file.strip_suffix(".tmp").and_then(number_of);
            if unfinished.is_some() {
                disk.unlink(&file).map_err(Fatal::of("delete", disk.place(&file)))?;
            }
        }
        Ok(Self { disk, id })
    }

    /// Their numbers, ascending.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<u64>, Fatal> {
        let names = self.disk.list().map_err(Fatal::of("list", self.disk.place("")))?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Begins a snapshot. It exists once it is finished, in place of one with the same number.
    ///
    /// # Errors
    /// When `meta` is too long, there is no room, or the system refuses something.
    pub fn create(&self, number: u64, meta: &[u8]) -> Result<SnapshotWriter, SnapshotError> {
        if meta.len() > META_BYTES_MAX {
            return Err(SnapshotError::MetaTooLarge { bytes: meta.len() });
        }
        let temporary = format!("{}.tmp", name(number));
        // One that was begun before and given up.
        self.disk.unlink(&temporary).ok();
        let place = self.disk.place(&name(number));
        let file = match self.disk.create(&temporary) {
            Ok(file) => file,
            Err(error) if is_full(&error) => return Err(SnapshotError::Full { file: place }),
            Err(error) => return Err(Fatal::of("make", self.disk.place(&temporary))(error).into()),
        };
        let mut writer = SnapshotWriter {
            disk: Arc::clone(&self.disk),
            file,
            place,
            number,
            seed: seed(self.id, number),
            offset: 0,
            blocks: 0,
            buffer: Vec::with_capacity(BLOCK_HEAD + BLOCK),
            finished: false,
        };
        writer.write_out(&head(self.id, number, meta))?;
        writer.begin_block();
        Ok(writer)
    }

    /// Opens a snapshot for reading.
    ///
    /// # Errors
    /// When it is missing or damaged, or cannot be read.
    pub fn open(&self, number: u64) -> Result<SnapshotReader, SnapshotError> {
        let place = self.disk.place(&name(number));
        let damaged = |fault| Damage { file: place.clone(), offset: 0, sequence: 0, fault };
        let file = match self.disk.open(&name(number)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(damaged(Fault::Missing).into());
            }
            Err(error) => return Err(Fatal::of("open", place)(error).into()),
        };
        let size = file.size().map_err(Fatal::of("read", place.clone()))?;
        let mut reader = SnapshotReader {
            file,
            place: place.clone(),
            seed: seed(self.id, number),
            size,
            offset: 0,
            blocks: 0,
            meta: Bytes::new(),
        };
        let start = reader.take(HEAD)?;
        let len = start[12..].first_chunk().map_or(0, |len| u32::from_le_bytes(*len) as usize);
        let found = start[16..].first_chunk().map_or(0, |id| u64::from_le_bytes(*id));
        if len > META_BYTES_MAX {
            return Err(damaged(Fault::Head).into());
        }
        let rest = reader.take(len + 4)?;
        let (meta, _) = rest.split_at(len);
        if head(found, number, meta) != [&start[..], &rest].concat() {
            return Err(damaged(Fault::Head).into());
        }
        if found != self.id {
            return Err(damaged(Fault::OtherLog { found, want: self.id }).into());
        }
        reader.meta = Bytes::copy_from_slice(meta);
        Ok(reader)
    }

    /// Deletes all snapshots before `number`.
    ///
    /// # Errors
    /// When the directory cannot be read or changed.
    pub fn delete_before(&self, number: u64) -> Result<(), Fatal> {
        for old in self.list()?.into_iter().filter(|old| *old < number) {
            let file = name(old);
            self.disk.unlink(&file).map_err(Fatal::of("delete", self.disk.place(&file)))?;
        }
        self.disk.sync_dir().map_err(Fatal::of("sync", self.disk.place("")))
    }
}

fn seed(id: u64, number: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&id.to_le_bytes()), &number.to_le_bytes())
}

fn head(id: u64, number: u64, meta: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + meta.len() + 4);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(meta.len() as u32).to_le_bytes());
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(meta);
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

fn block_crc(seed: u32, block: u64, content: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(seed, &block.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, &(content.len() as u32).to_le_bytes()), content)
}

/// A snapshot being written. Dropped before it is finished, it leaves nothing behind.
#[derive(Debug)]
pub struct SnapshotWriter {
    disk: Arc<dyn Disk>,
    file: Arc<dyn DiskFile>,
    place: String,
    number: u64,
    seed: u32,
    offset: u64,
    blocks: u64,
    /// A block's head, then its content so far.
    buffer: Vec<u8>,
    finished: bool,
}

impl SnapshotWriter {
    /// Adds bytes.
    ///
    /// # Errors
    /// When there is no room, or the system refuses something.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), SnapshotError> {
        while !bytes.is_empty() {
            let part = bytes.len().min(BLOCK_HEAD + BLOCK - self.buffer.len());
            self.buffer.extend_from_slice(&bytes[..part]);
            bytes = &bytes[part..];
            if self.buffer.len() == BLOCK_HEAD + BLOCK {
                self.end_block()?;
            }
        }
        Ok(())
    }

    /// Makes the snapshot durable under its name; its size.
    ///
    /// # Errors
    /// When there is no room, or the system refuses something.
    pub fn finish(mut self) -> Result<u64, SnapshotError> {
        if self.buffer.len() > BLOCK_HEAD {
            self.end_block()?;
        }
        self.end_block()?;
        let synced = self.file.sync_data();
        self.check("sync", synced)?;
        let (from, to) = (format!("{}.tmp", name(self.number)), name(self.number));
        let renamed = self.disk.rename(&from, &to);
        self.check("rename", renamed)?;
        self.finished = true;
        self.disk.sync_dir().map_err(Fatal::of("sync", self.disk.place("")))?;
        Ok(self.offset)
    }

    fn begin_block(&mut self) {
        self.buffer.clear();
        self.buffer.resize(BLOCK_HEAD, 0);
    }

    fn end_block(&mut self) -> Result<(), SnapshotError> {
        let content = &self.buffer[BLOCK_HEAD..];
        let (len, crc) = (content.len() as u32, block_crc(self.seed, self.blocks, content));
        self.buffer[..4].copy_from_slice(&len.to_le_bytes());
        self.buffer[4..BLOCK_HEAD].copy_from_slice(&crc.to_le_bytes());
        let block = std::mem::take(&mut self.buffer);
        let written = self.write_out(&block);
        self.buffer = block;
        written?;
        self.blocks += 1;
        self.begin_block();
        Ok(())
    }

    fn write_out(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let written = self.file.write_at(self.offset, bytes);
        self.check("write", written)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// No room is no disaster before the snapshot has its name: nobody relies on it.
    fn check(&self, action: &'static str, done: std::io::Result<()>) -> Result<(), SnapshotError> {
        match done {
            Ok(()) => Ok(()),
            Err(error) if is_full(&error) => Err(SnapshotError::Full { file: self.place.clone() }),
            Err(error) => Err(Fatal::of(action, &*self.place)(error).into()),
        }
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if !self.finished {
            // The next start deletes it if this does not.
            self.disk.unlink(&format!("{}.tmp", name(self.number))).ok();
        }
    }
}

/// A snapshot being read, block by block.
#[derive(Debug)]
pub struct SnapshotReader {
    file: Arc<dyn DiskFile>,
    place: String,
    seed: u32,
    size: u64,
    offset: u64,
    blocks: u64,
    meta: Bytes,
}

impl SnapshotReader {
    /// What the writer said of it.
    pub fn meta(&self) -> &Bytes {
        &self.meta
    }

    /// Size of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next part of the content; none at the end, where everything has been checked.
    ///
    /// # Errors
    /// When it is damaged, or cannot be read.
    pub fn next_block(&mut self) -> Result<Option<Bytes>, SnapshotError> {
        let at = self.offset;
        let block = self.blocks;
        let damaged =
            |place: &str, fault| Damage { file: place.to_owned(), offset: at, sequence: block, fault };
        let head = self.take(BLOCK_HEAD)?;
        let word = |at: usize| head[at..].first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
        if word(0) as usize > BLOCK {
            return Err(damaged(&self.place, Fault::Block).into());
        }
        let content = self.take(word(0) as usize)?;
        if block_crc(self.seed, block, &content) != word(4) {
            return Err(damaged(&self.place, Fault::Block).into());
        }
        self.blocks += 1;
        if !content.is_empty() {
            return Ok(Some(content.into()));
        }
        if self.offset != self.size {
            let fault = Fault::Long { size: self.size, want: self.offset };
            return Err(damaged(&self.place, fault).into());
        }
        // Asking again is answered in the same way.
        (self.offset, self.blocks) = (at, block);
        Ok(None)
    }

    fn take(&mut self, len: usize) -> Result<Vec<u8>, SnapshotError> {
        if self.size - self.offset < len as u64 {
            let (file, offset) = (self.place.clone(), self.offset);
            return Err(Damage { file, offset, sequence: self.blocks, fault: Fault::End }.into());
        }
        let mut bytes = vec![0; len];
        self.file.read_at(self.offset, &mut bytes).map_err(Fatal::of("read", &*self.place))?;
        self.offset += len as u64;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
