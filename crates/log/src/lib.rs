//! Remembers: a log of opaque entries. What it acknowledged survives `kill -9` and power loss.
//!
//! The log holds *entries* with contiguous indexes, a few small *slots* (numbered registers; the last write wins),
//! *truncations* and *purges*. They arrive in [`Batch`]es; [`Log::write`] makes one batch durable with one write and one
//! `fdatasync`. What a payload means is not known here.
//!
//! ```text
//! lock                 held with flock while a process has the directory
//! manifest             page 0, 1: which segments must exist, written in turns, synced
//!                      page 2, 3: the last acknowledged sequence, written in turns after each batch, not synced
//! 00000001.seg         page 0: whose segment this is and how long; then batches; then zeros to its fixed end
//! snap-0000000042      a snapshot file: see `snapshot`
//! ```
//!
//! A *batch* is a frame and its records, begins at a multiple of 32 and is never split over segments. All of its
//! headers carry its *sequence*, which grows by one per batch. A header (32 bytes, little endian):
//!
//! ```text
//! 0  crc      CRC32C of the log's id, the segment's number and bytes 4..32, XOR the header's offset in the segment
//! 4  len      bytes of payload; in a frame, bytes of the whole batch
//! 8  sequence
//! 16 index    of an entry, number of a slot, first index cut, last index purged; in a frame, the number of records
//! 24 crc      CRC32C of payload and padding as stored
//! 28 mask     XORed over the payload in words of two bytes, see below; 0 for nearly all
//! 30 extra    padding beyond the usual, in units of 8 bytes
//! 31 kind     frame, entry, slot, truncate, purge, start: no two differ by one bit, none looks like a zero
//! ```
//!
//! Payloads are padded with `A5` to a multiple of 8, the last one of a batch to a multiple of 32, by at least one byte.
//! A batch thus ends in a byte that is not zero, and its frame lies within one sector. A payload that would leave a whole
//! sector zero is masked. So **no sector of a written batch is zero**, and what a power cut left half-written can be told
//! from what was damaged later: the first has sectors that are still zero. Segments are zeroed before they are used, and
//! what recovery cuts is zeroed again.
//!
//! A segment's first batch is one record of kind *start*: first and next index and all slots as they were. That is all
//! that must be known of the segments before it, so that these can be deleted.
//!
//! What recovery does with each kind of damage is told in `recover`, and why in `docs/adr/0009-own-log.md`.

pub mod disk;
#[doc(hidden)]
pub mod fuzz;
pub mod inspect;
pub mod snapshot;

mod batch;
mod error;
mod index;
mod keeper;
mod log;
mod manifest;
mod reader;
mod record;
mod recover;
mod scan;
mod segment;
mod settings;

pub use batch::Batch;
pub use error::{Damage, Fatal, Fault, OpenError, ReadError, Refusal, WriteError};
pub use log::Log;
pub use reader::{Entry, Reader};
pub use record::{ENTRY_BYTES_MAX, Kind, SLOT_BYTES_MAX, SLOTS};
pub use recover::{Cut, Recovery};
pub use settings::{Helper, Settings};
