//! All I/O of this crate goes through [`Disk`]: one directory with flat names.
//!
//! [`RealDisk`] is the only code here that names `std::fs`. [`MemDisk`] is a disk in memory that can lose power, lie,
//! fail and be full, by seed. [`power_cut`] does to a real directory what a power cut would have done.

mod mem;
pub mod power_cut;
mod real;
mod recorder;

use std::fmt;
use std::io;
use std::sync::Arc;

pub use mem::MemDisk;
pub use real::{RealDisk, Recording};

/// A directory.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Takes the directory for this owner until the guard is dropped; [`io::ErrorKind::WouldBlock`] when another has it.
    ///
    /// # Errors
    /// Whatever the system says.
    fn lock(&self) -> io::Result<Box<dyn Guard>>;

    /// Names of all files.
    ///
    /// # Errors
    /// Whatever the system says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes an empty file, which must not exist. It is durable after [`sync_dir`](Self::sync_dir).
    ///
    /// # Errors
    /// Whatever the system says.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// Whatever the system says.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, in place of the file that had it. Durable after [`sync_dir`](Self::sync_dir).
    ///
    /// # Errors
    /// Whatever the system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Deletes a file. Durable after [`sync_dir`](Self::sync_dir).
    ///
    /// # Errors
    /// Whatever the system says.
    fn unlink(&self, name: &str) -> io::Result<()>;

    /// Makes names durable.
    ///
    /// # Errors
    /// Whatever the system says.
    fn sync_dir(&self) -> io::Result<()>;

    /// The directory, or a file of it, as a person would look for it.
    fn place(&self, name: &str) -> String;
}

/// An open file. What is written is read by everybody at once, and is durable after [`sync_data`](Self::sync_data).
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Its size.
    ///
    /// # Errors
    /// Whatever the system says.
    fn size(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// Whatever the system says; [`io::ErrorKind::UnexpectedEof`] behind the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes`; the file grows as needed.
    ///
    /// # Errors
    /// Whatever the system says.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes content and size durable: `fdatasync`.
    ///
    /// # Errors
    /// Whatever the system says. What is durable is then not known, and trying again does not help.
    fn sync_data(&self) -> io::Result<()>;
}

/// What a power cut leaves of that which is not known to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing.
    All,
    /// Each sector as it was before or after any of its writes, and some of the latest names: by this seed.
    Torn(u64),
}

/// Holds the lock of a directory.
pub trait Guard: fmt::Debug + Send + Sync {}

/// Linux: too many files are open in the system, or in this process.
const FILES_OPEN: [i32; 2] = [23, 24];

/// Whether an error says that there is no room: for bytes, or for one more open file. Either comes back by itself.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        || error.raw_os_error().is_some_and(|code| FILES_OPEN.contains(&code))
}

/// Bytes of one write of zeros.
const ZEROS: usize = 256 * 1024;
/// Zeros are synced this often, so that whoever writes to another file does not queue behind a whole segment of them.
const SYNC_BYTES: u64 = 1 << 20;

/// Writes zeros, durable all but the last of them.
///
/// # Errors
/// Whatever the system says.
pub(crate) fn write_zeros(file: &dyn DiskFile, offset: u64, len: u64) -> io::Result<()> {
    static ZERO: [u8; ZEROS] = [0; ZEROS];
    let mut at = offset;
    while at < offset + len {
        let part = (offset + len - at).min(ZEROS as u64);
        file.write_at(at, &ZERO[..part as usize])?;
        at += part;
        if (at - offset).is_multiple_of(SYNC_BYTES) {
            file.sync_data()?;
        }
    }
    Ok(())
}
