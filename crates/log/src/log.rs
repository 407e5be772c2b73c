//! The log as its one writer has it.

use std::sync::Arc;

use crate::batch::Batch;
use crate::disk::{Disk, Guard};
use crate::error::{Fatal, OpenError, Refusal, WriteError};
use crate::keeper::Keeper;
use crate::manifest::Manifest;
use crate::reader::Reader;
use crate::record::HEADER;
use crate::recover::{Recovery, recover};
use crate::segment::{self, DATA, Segment};
use crate::settings::Settings;

/// An open log. One writer; any number of [`Reader`]s.
///
/// A [`Fatal`] error means that what is on the disk is not known: the process has to end. The log takes nothing more.
#[derive(Debug)]
pub struct Log {
    keeper: Keeper,
    manifest: Arc<Manifest>,
    settings: Settings,
    reader: Reader,
    /// The segment that is written to, and where the next batch goes.
    active: Arc<Segment>,
    end: u32,
    /// Sequence of the next batch.
    sequence: u64,
    failed: Option<Fatal>,
    recovery: Recovery,
    /// Let go of last.
    _guard: Box<dyn Guard>,
}

impl Log {
    /// Opens the log in a directory, or makes a new one in an empty directory.
    ///
    /// # Errors
    /// When somebody else has it, or it is damaged, or there is no room, or the system refuses something.
    pub fn open(disk: Arc<dyn Disk>, settings: Settings) -> Result<Self, OpenError> {
        if let Some(fault) = settings.fault() {
            return Err(OpenError::Settings(fault));
        }
        let guard = disk.lock().map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => OpenError::InUse { dir: disk.place("") },
            _ => Fatal::of("lock", disk.place(""))(error).into(),
        })?;
        let mut found = recover(&*disk, &settings)?;
        if found.end.is_none() && found.spares.is_empty() {
            found.spares.push_back(first_segment(&*disk, &settings)?);
            found.range.generation += 1;
            found.range.last = 1;
            found.manifest.set(found.range)?;
        }
        let begun = found.end.is_some();
        let (active, end) = match found.end {
            Some(end) => end,
            None => (found.spares.pop_front().ok_or_else(|| full(&*disk))?, DATA),
        };
        let manifest = Arc::new(found.manifest);
        let keeper = Keeper::start(disk, Arc::clone(&manifest), settings.clone(), found.range, found.spares)?;
        let mut log = Self {
            keeper,
            manifest,
            settings,
            reader: Reader::new(found.index),
            active,
            end,
            sequence: found.sequence,
            failed: None,
            recovery: found.recovery,
            _guard: guard,
        };
        if !begun {
            log.reader.index().begin(Arc::clone(&log.active));
            log.write_start().map_err(OpenError::Failed)?;
        }
        log.release();
        Ok(log)
    }

    /// What was found when the log was opened.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Reads what is durable.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Makes a batch durable and takes it out of `batch`: one write and one `fdatasync`.
    ///
    /// # Errors
    /// [`WriteError::Refused`] and [`WriteError::Full`] leave log and batch as they were; after [`WriteError::Fatal`] it
    /// is not known whether the batch is in the log, and the process has to end.
    pub fn write(&mut self, batch: &mut Batch) -> Result<(), WriteError> {
        if let Some(error) = self.failed.clone().or_else(|| self.keeper.failure()) {
            return Err(error.into());
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.reader.index().check(batch)?;
        let bytes = batch.bytes();
        let bytes_max = self.batch_bytes_max();
        if bytes > bytes_max && bytes > self.left() {
            return Err(Refusal::BatchTooLarge { bytes, bytes_max }.into());
        }
        while bytes > self.left() {
            self.roll()?;
        }
        let written = self.write_sealed(batch);
        self.keep_failure(written)?;
        if self.reader.index().can_release() {
            self.release();
        }
        if self.left() < self.active.bytes as usize / 4 {
            // What is accepted after this must not be the first to find that there is no room for it.
            self.keeper.settle();
        }
        Ok(())
    }

    /// Whether new work of `bytes` can be accepted. When there is no room for another segment this says no, and what
    /// was accepted before is finished in the one that is left.
    pub fn has_room_for(&self, bytes: usize) -> bool {
        !self.is_full() && bytes <= self.batch_bytes_max()
    }

    /// Whether the disk has no room for another segment.
    pub fn is_full(&self) -> bool {
        self.failed.is_none() && self.keeper.is_full()
    }

    /// Asks for another attempt to make room; with [`Helper::Inline`](crate::Helper::Inline) it is made at once, otherwise the keeper's thread
    /// also tries by itself.
    pub fn try_again(&mut self) {
        self.keeper.run(true);
    }

    /// Why the log can take nothing more, if it cannot. Errors of the keeper's thread show here first.
    pub fn failure(&self) -> Option<Fatal> {
        self.failed.clone().or_else(|| self.keeper.failure())
    }

    /// Bytes that the largest batch can take.
    pub fn batch_bytes_max(&self) -> usize {
        // A start batch with all slots full; less than 32 bytes of padding.
        const START: usize = 2 * HEADER + 16 + crate::SLOTS * (8 + crate::SLOT_BYTES_MAX) + 32;
        self.settings.segment_bytes as usize - DATA as usize - START
    }

    fn left(&self) -> usize {
        (self.active.bytes - self.end) as usize
    }

    /// Goes on in the next segment.
    fn roll(&mut self) -> Result<(), WriteError> {
        let next = self.keeper.take()?;
        self.active = Arc::clone(&next);
        self.end = DATA;
        self.reader.index().begin(next);
        self.write_start()?;
        self.keeper.run(false);
        Ok(())
    }

    /// Begins the active segment with the state of the log.
    fn write_start(&mut self) -> Result<(), Fatal> {
        let state = self.reader.index().state.encode();
        let mut batch = Batch::new();
        batch.start(&state);
        let written = self.write_sealed(&mut batch);
        self.keep_failure(written)
    }

    fn keep_failure(&mut self, written: Result<(), Fatal>) -> Result<(), Fatal> {
        if let Err(error) = &written {
            self.failed = Some(error.clone());
        }
        written
    }

    fn write_sealed(&mut self, batch: &mut Batch) -> Result<(), Fatal> {
        let segment = &self.active;
        let bytes = batch.seal(segment.seed, self.end, self.sequence, self.settings.id);
        segment.file.write_at(self.end.into(), &bytes).map_err(segment.failed("write"))?;
        segment.file.sync_data().map_err(segment.failed("sync"))?;
        self.manifest.acknowledge(self.sequence)?;
        let mut index = self.reader.index();
        index.apply(self.end, &bytes).expect("the batch was checked against this index");
        self.end += bytes.len() as u32;
        index.remember(self.end - bytes.len() as u32, bytes);
        drop(index);
        self.sequence += 1;
        Ok(())
    }

    /// Gives up the segments that nobody needs.
    fn release(&mut self) {
        let needed = self.reader.index().release();
        if let Some(needed) = needed {
            self.keeper.release(needed);
        }
        self.keeper.run(false);
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.failed.is_none() {
            // Only a note; whether it is durable does not matter.
            self.manifest.sync().ok();
        }
    }
}

fn full(disk: &dyn Disk) -> OpenError {
    OpenError::Full { dir: disk.place("") }
}

fn first_segment(disk: &dyn Disk, settings: &Settings) -> Result<Arc<Segment>, OpenError> {
    let bytes = settings.first_segment_bytes.min(settings.segment_bytes);
    segment::create(disk, settings.id, 1, bytes).map_err(|error| {
        if crate::disk::is_full(&error) {
            segment::remove_remains(disk, 1).ok();
            full(disk)
        } else {
            Fatal::of("make", disk.place(&segment::name(1)))(error).into()
        }
    })
}
