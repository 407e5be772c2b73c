//! Snapshots on the disk: the state record by record, and which one is the newest.
//!
//! The content of a snapshot file is a sequence of records ([`snapshot::records`]), each behind its length in four bytes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf as _, Bytes, BytesMut};
use synod_core::txn::codec::{self as txn_codec, snapshot};
use synod_core::txn::{Limits, State};
use synod_log::Fatal;
use synod_log::disk::Disk;
use synod_log::snapshot::{SnapshotError, Snapshots};

use super::codec;
use super::types::{Content, SnapshotMeta};

/// Bytes of a record's length.
const LENGTH: usize = 4;

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    File(#[from] SnapshotError),
    #[error("the snapshot was written by another version: {0}")]
    Meta(#[from] codec::Unreadable),
    #[error("the snapshot was written by another version: {0}")]
    Record(#[from] txn_codec::Damage),
    #[error("the snapshot ends within a record")]
    Rest,
    #[error("the snapshot is not there")]
    Nowhere,
}

impl From<Fatal> for LoadError {
    fn from(fatal: Fatal) -> Self {
        Self::File(fatal.into())
    }
}

/// The newest snapshot.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) number: u64,
    pub(super) meta: SnapshotMeta,
    pub(super) bytes: u64,
}

/// See the module. One is written at a time.
#[derive(Debug)]
pub(super) struct Depot {
    snapshots: Snapshots,
    newest: Mutex<Option<Held>>,
}

impl Depot {
    /// The snapshots of a directory, and the state in the newest if there is one. Whoever calls has the directory's lock.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        id: u64,
        limits: Limits,
    ) -> Result<(Arc<Self>, Option<State>), LoadError> {
        let snapshots = Snapshots::new(disk, id)?;
        let (newest, state) = match snapshots.list()?.pop() {
            None => (None, None),
            Some(number) => {
                let (meta, bytes, state) = load(&snapshots, number, limits)?;
                snapshots.delete_before(number)?;
                (Some(Held { number, meta, bytes }), Some(state))
            }
        };
        Ok((Arc::new(Self { snapshots, newest: Mutex::new(newest) }), state))
    }

    pub(super) fn newest(&self) -> Option<Held> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where the content of one of ours is.
    pub(super) fn content(&self, number: u64) -> Content {
        Content::File { snapshots: self.snapshots.clone(), number }
    }

    /// Writes a state, and deletes the older snapshots once it is durable.
    pub(super) fn write(&self, state: &State, meta: SnapshotMeta) -> Result<Held, SnapshotError> {
        let number = meta.last_log_id.map_or(0, |last| last.index);
        let mut writer = self.snapshots.create(number, &codec::snapshot_meta(&meta))?;
        for record in snapshot::records(state) {
            writer.write(&(record.len() as u32).to_le_bytes())?;
            writer.write(&record)?;
        }
        let held = Held { number, meta, bytes: writer.finish()? };
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(held.clone());
        self.snapshots.delete_before(number)?;
        Ok(held)
    }
}

/// Reads a state from wherever it is.
pub(super) fn read(content: &Content, limits: Limits) -> Result<State, LoadError> {
    match content {
        Content::Nowhere => Err(LoadError::Nowhere),
        Content::File { snapshots, number } => Ok(load(snapshots, *number, limits)?.2),
    }
}

fn load(snapshots: &Snapshots, number: u64, limits: Limits) -> Result<(SnapshotMeta, u64, State), LoadError> {
    let mut reader = snapshots.open(number)?;
    let meta = codec::read_snapshot_meta(reader.meta().clone())?;
    let mut loader = snapshot::Loader::new(limits);
    let mut rest = BytesMut::new();
    while let Some(block) = reader.next_block()? {
        rest.extend_from_slice(&block);
        while let Some(record) = next_record(&mut rest) {
            loader.take(&record)?;
        }
    }
    if !rest.is_empty() {
        return Err(LoadError::Rest);
    }
    Ok((meta, reader.size(), loader.finish()?))
}

/// Takes a record out of `bytes` if all of it is there. It has memory of its own: what the state keeps of it must not hold
/// on to the rest.
fn next_record(bytes: &mut BytesMut) -> Option<Bytes> {
    let len = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    let record = Bytes::copy_from_slice(bytes.get(LENGTH..LENGTH + len)?);
    bytes.advance(LENGTH + len);
    Some(record)
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "snapshot up to entry {}, {} bytes", self.number, self.bytes)
    }
}
