//! What survives the coordinator: the real log and the real snapshots, on a disk in memory that has bad days. It loses power,
//! tears what was being written, fails to flush, fills up, and flips bits.

use std::sync::Arc;

use bytes::Bytes;
use synod_base::rng::Rng;
use synod_log::disk::{Loss, MemDisk};
use synod_log::inspect::{self, Item, RawRecord};
use synod_log::snapshot::{SnapshotError, Snapshots};
use synod_log::{Batch, Helper, Log, OpenError, Settings, WriteError};

use crate::txn::oracle::Broken;

/// Whose log it is.
const ID: u64 = 7;
/// The smallest that there are, so that a run goes through several.
const SEGMENT_BYTES: u32 = 64 << 10;
/// Changes of the disk after which the power goes at most, once it is about to.
const CHANGES_MAX: u64 = 9;

/// What was found on the disk.
#[derive(Debug)]
pub(super) struct Opened {
    /// The newest snapshot: the last entry in it, and its records.
    pub(super) snapshot: Option<(u64, Vec<Bytes>)>,
    /// The entries behind it.
    pub(super) entries: Vec<(u64, Bytes)>,
}

/// Why something is not on the disk.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no room; nothing has happened.
    Full,
    /// Nobody knows what is on the disk: the process has to end.
    Fatal,
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        if matches!(error, WriteError::Full) { Self::Full } else { Self::Fatal }
    }
}

impl From<SnapshotError> for Failure {
    fn from(error: SnapshotError) -> Self {
        if matches!(error, SnapshotError::Full { .. }) { Self::Full } else { Self::Fatal }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Store {
    disk: MemDisk,
    open: Option<(Log, Snapshots)>,
    /// Given to the log, and not written yet.
    pending: Vec<(u64, Bytes)>,
}

impl Store {
    pub(super) fn new(seed: u64) -> Self {
        Self { disk: MemDisk::new(seed), open: None, pending: Vec::new() }
    }

    /// From now on flushes are said to be done and are not.
    pub(super) fn skip_syncs(&self) {
        self.disk.skip_syncs(true);
    }

    /// Opens what is there.
    pub(super) fn open(&mut self) -> Result<Opened, Broken> {
        let lost = |what: String| Broken::new("survival", "", format!("the disk cannot be read: {what}"));
        let log = open_log(&self.disk).map_err(|error| lost(error.to_string()))?;
        let snapshots =
            Snapshots::new(Arc::new(self.disk.clone()), ID).map_err(|error| lost(error.to_string()))?;
        let snapshot = read_newest(&snapshots).map_err(|error| lost(error.to_string()))?;
        let next = snapshot.as_ref().map_or(1, |(index, _)| index + 1);
        let range = log.reader().range();
        if range.start > next {
            return Err(lost(format!(
                "the log begins with {}, the snapshot ends before {next}",
                range.start
            )));
        }
        let wanted = next.max(range.start)..range.end.max(next);
        let entries = log.reader().entries(wanted, usize::MAX).map_err(|error| lost(error.to_string()))?;
        self.open = Some((log, snapshots));
        Ok(Opened {
            snapshot,
            entries: entries.into_iter().map(|entry| (entry.index, entry.payload)).collect(),
        })
    }

    /// An entry that is to be flushed later.
    pub(super) fn push(&mut self, index: u64, bytes: Bytes) {
        self.pending.push((index, bytes));
    }

    /// Makes durable what was pushed.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        let Some((log, _)) = &mut self.open else { return Err(Failure::Fatal) };
        for (index, bytes) in std::mem::take(&mut self.pending) {
            let mut batch = Batch::new();
            if log.reader().range().end < index {
                // The first one: entries are counted from 1 on here.
                batch.purge(index - 1);
            }
            batch.entry(index, &bytes).map_err(|refusal| Failure::from(WriteError::from(refusal)))?;
            log.write(&mut batch)?;
        }
        Ok(())
    }

    /// Writes a snapshot of everything up to an entry, and lets go of the log up to another.
    pub(super) fn write_snapshot(
        &mut self,
        index: u64,
        records: &[Bytes],
        purge: u64,
    ) -> Result<(), Failure> {
        let Some((log, snapshots)) = &mut self.open else { return Err(Failure::Fatal) };
        let mut writer = snapshots.create(index, b"")?;
        for record in records {
            writer.write(&(record.len() as u32).to_le_bytes())?;
            writer.write(record)?;
        }
        writer.finish()?;
        snapshots.delete_before(index).map_err(|_| Failure::Fatal)?;
        let range = log.reader().range();
        let purge = purge.min(range.end.saturating_sub(1));
        if purge >= range.start {
            let mut batch = Batch::new();
            batch.purge(purge);
            log.write(&mut batch)?;
        }
        Ok(())
    }

    /// Whether there is room for more than there is already.
    pub(super) fn set_full(&mut self, full: bool) {
        self.disk.set_capacity(full.then(|| self.disk.used()));
        if let Some((log, _)) = &mut self.open {
            log.try_again();
        }
    }

    /// The next flush fails.
    pub(super) fn fail_next_sync(&self) {
        self.disk.fail_sync(1);
    }

    /// The power goes at one of the next changes.
    pub(super) fn cut_power_soon(&self, rng: &mut Rng) {
        self.disk.cut_power_at(1 + rng.below(CHANGES_MAX));
    }

    /// The process ends, or the machine does, perhaps in the middle of a flush. How, in words.
    pub(super) fn die(&mut self, rng: &mut Rng) -> &'static str {
        if !self.pending.is_empty() {
            if rng.percent(50) {
                self.cut_power_soon(rng);
            }
            if rng.percent(70) {
                // What becomes of it is what the next start finds out.
                self.flush().ok();
            }
        }
        self.pending.clear();
        let how = match rng.below(3) {
            0 if !self.disk.is_off() => {
                self.disk.kill();
                "is killed"
            }
            1 => {
                self.disk.power_cut(Loss::All);
                "loses power"
            }
            _ => {
                self.disk.power_cut(Loss::Torn(rng.next_u64()));
                "loses power, and writes are torn"
            }
        };
        // Its handles are dead: closing it changes nothing.
        self.open = None;
        how
    }

    /// Flips a bit in a copy of what was acknowledged, and sees that it does not open.
    pub(super) fn damage_a_copy(&self, rng: &mut Rng) -> Result<bool, Broken> {
        let copy = self.disk.copy(rng.next_u64());
        let records = match inspect::records(&copy) {
            Ok(items) => items.filter_map(record).collect::<Vec<_>>(),
            // There is no log yet.
            Err(_) => return Ok(false),
        };
        let last = records.iter().map(|record| record.sequence).max().unwrap_or(0);
        // The last batch may be one that was never acknowledged.
        let old: Vec<_> = records.iter().filter(|record| record.sequence < last).collect();
        if old.is_empty() {
            return Ok(false);
        }
        let record = old[rng.below(old.len() as u64) as usize];
        let bits = 8 * (32 + record.payload.len() as u64);
        let bit = 8 * record.offset + rng.below(bits);
        copy.flip(&record.file, bit);
        let what = match open_log(&copy) {
            Err(OpenError::Damaged(damage)) if damage.file == record.file => return Ok(true),
            Err(other) => format!("is not named, but this is: {other}"),
            Ok(_) => "is not noticed".to_owned(),
        };
        let place = format!("bit {bit} of {}, of batch {}: {what}", record.file, record.sequence);
        Err(Broken::new("damage", "", place))
    }
}

fn record(item: Result<Item, synod_log::Fatal>) -> Option<RawRecord> {
    match item {
        Ok(Item::Record(record)) => Some(record),
        _ => None,
    }
}

fn open_log(disk: &MemDisk) -> Result<Log, OpenError> {
    let settings = Settings {
        id: ID,
        segment_bytes: SEGMENT_BYTES,
        first_segment_bytes: SEGMENT_BYTES,
        cache_bytes: 0,
        helper: Helper::Inline,
        ..Settings::default()
    };
    Log::open(Arc::new(disk.clone()), settings)
}

fn read_newest(snapshots: &Snapshots) -> Result<Option<(u64, Vec<Bytes>)>, SnapshotError> {
    let Some(newest) = snapshots.list()?.pop() else { return Ok(None) };
    let mut reader = snapshots.open(newest)?;
    let mut bytes = Vec::new();
    while let Some(block) = reader.next_block()? {
        bytes.extend_from_slice(&block);
    }
    let (mut rest, mut records) = (&bytes[..], Vec::new());
    while let Some((len, after)) = rest.split_first_chunk::<4>() {
        let (record, after) = after.split_at(u32::from_le_bytes(*len) as usize);
        records.push(Bytes::copy_from_slice(record));
        rest = after;
    }
    Ok(Some((newest, records)))
}
