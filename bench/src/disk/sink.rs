//! What makes a group of records durable.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use synod_log::disk::RealDisk;
use synod_log::{Batch, Log, Settings};

/// Takes records, then makes them durable.
pub(crate) trait Sink: Send + 'static {
    /// Adds a record to the group.
    ///
    /// # Errors
    /// When it is too large.
    fn add(&mut self, record: &[u8]) -> Result<()>;

    /// Makes the group durable.
    ///
    /// # Errors
    /// When the disk fails.
    fn commit(&mut self) -> Result<()>;
}

/// Bytes of the bare file, which is overwritten from the start when it is full: neither made nor zeroed meanwhile.
const BARE_BYTES: u64 = 512 << 20;

/// A file of zeros, written over. No framing, no checksum, no index: the limit.
pub(crate) struct Bare {
    file: File,
    at: u64,
    group: Vec<u8>,
}

impl Bare {
    pub(crate) fn new(path: &Path) -> Result<Self> {
        let file = File::create_new(path)?;
        let zeros = vec![0; 1 << 20];
        for at in (0..BARE_BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, at)?;
        }
        file.sync_all()?;
        Ok(Self { file, at: 0, group: Vec::new() })
    }
}

impl Sink for Bare {
    fn add(&mut self, record: &[u8]) -> Result<()> {
        self.group.extend_from_slice(record);
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        if self.at + self.group.len() as u64 > BARE_BYTES {
            self.at = 0;
        }
        self.file.write_all_at(&self.group, self.at)?;
        self.file.sync_data()?;
        self.at += self.group.len() as u64;
        self.group.clear();
        Ok(())
    }
}

/// Entries that stay in the log; the rest is purged as after a snapshot, segment by segment.
const KEPT: u64 = 500_000;
/// How often that happens.
const PURGE_EVERY: u64 = 100_000;

/// The log, with everything that goes with it: new segments, purges, the index.
pub(crate) struct Logged {
    log: Log,
    batch: Batch,
    next: u64,
    purged: u64,
}

impl Logged {
    pub(crate) fn new(dir: &Path) -> Result<Self> {
        // No small first segment: a log that runs for long has none.
        let settings =
            Settings { first_segment_bytes: Settings::default().segment_bytes, ..Settings::default() };
        let log = Log::open(Arc::new(RealDisk::new(dir)?), settings)?;
        Ok(Self { log, batch: Batch::new(), next: 0, purged: 0 })
    }
}

impl Sink for Logged {
    fn add(&mut self, record: &[u8]) -> Result<()> {
        self.batch.entry(self.next, record)?;
        self.next += 1;
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        if self.next > self.purged + KEPT + PURGE_EVERY {
            self.purged = self.next - KEPT;
            self.batch.purge(self.purged);
        }
        self.log.write(&mut self.batch)?;
        Ok(())
    }
}
