//! A file in memory: what programs see, what is durable, and which sectors differ.

use std::collections::BTreeSet;
use std::io;

use synod_base::rng::Rng;

use super::super::{DiskFile, Loss};
use super::{MemDisk, State, count_down};
use crate::record::SECTOR;

#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub cached: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors to be written by the next sync.
    dirty: BTreeSet<usize>,
    /// Sectors that a sync failed to write and will not try again.
    given_up: BTreeSet<usize>,
}

impl Content {
    pub(super) fn durable(bytes: Vec<u8>) -> Self {
        Self { cached: bytes.clone(), durable: bytes, ..Self::default() }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.cached.len() < end {
            self.cached.resize(end, 0);
        }
        self.cached[offset..end].copy_from_slice(bytes);
        let sectors = offset / SECTOR..end.div_ceil(SECTOR);
        self.given_up.retain(|sector| !sectors.contains(sector));
        self.dirty.extend(sectors);
    }

    fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            self.keep(sector);
        }
        // What was given up stays as it is on the disk, but the file has its size.
        self.durable.resize(self.cached.len(), 0);
    }

    fn keep(&mut self, sector: usize) {
        let end = ((sector + 1) * SECTOR).min(self.cached.len());
        if self.durable.len() < end {
            self.durable.resize(end, 0);
        }
        let range = (sector * SECTOR).min(end)..end;
        self.durable[range.clone()].copy_from_slice(&self.cached[range]);
    }

    pub(super) fn lose(&mut self, loss: Loss, rng: &mut Rng) {
        let size = self.durable.len();
        let unsure: BTreeSet<usize> = self.dirty.union(&self.given_up).copied().collect();
        self.dirty.clear();
        self.given_up.clear();
        if matches!(loss, Loss::Torn(_)) {
            // All, none, or some of them: each is a case worth having.
            let percent = [0, 50, 90, 100][rng.below(4) as usize];
            for sector in unsure {
                if rng.percent(percent) {
                    self.keep(sector);
                }
            }
            match rng.below(3) {
                0 => self.durable.truncate(size),
                1 => self.durable.resize(self.cached.len(), 0),
                _ => {}
            }
        }
        self.cached.clone_from(&self.durable);
    }
}

#[derive(Debug)]
pub(super) struct MemFile {
    pub disk: MemDisk,
    pub era: u64,
    pub file: u64,
}

impl MemFile {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        self.disk.with(Some(self.era), work)
    }

    fn content<'a>(&self, state: &'a mut State) -> &'a mut Content {
        state.files.entry(self.file).or_default()
    }
}

impl DiskFile for MemFile {
    fn size(&self) -> io::Result<u64> {
        self.with(|state| Ok(self.content(state).cached.len() as u64))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.with(|state| {
            let offset = offset as usize;
            let cached = self.content(state).cached.get(offset..offset + buffer.len());
            buffer.copy_from_slice(cached.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.with(|state| {
            state.change()?;
            state.counts.writes += 1;
            if count_down(&mut state.faults.fail_write) {
                return Err(io::Error::other("the disk failed"));
            }
            let size = self.content(state).cached.len() as u64;
            let growth = (offset + bytes.len() as u64).saturating_sub(size);
            if growth > 0 && state.faults.capacity.is_some_and(|capacity| state.used() + growth > capacity) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.content(state).write(offset as usize, bytes);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|state| {
            state.change()?;
            state.counts.syncs += 1;
            let fails = count_down(&mut state.faults.fail_sync);
            let skip = state.faults.skip_sync;
            let content = self.content(state);
            if fails {
                let dirty = std::mem::take(&mut content.dirty);
                content.given_up.extend(dirty);
                return Err(io::Error::other("the disk failed"));
            }
            if !skip {
                content.sync();
            }
            Ok(())
        })
    }
}
