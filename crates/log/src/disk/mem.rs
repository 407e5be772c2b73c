//! A disk in memory that does what disks do on bad days, by seed: for tests and for the simulator.
//!
//! It keeps what programs see (the cache) apart from what is durable. A power cut takes the difference away, whole or
//! sector by sector; a failed sync marks pages clean without having written them, as kernels do.

mod file;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use synod_base::rng::Rng;

use self::file::{Content, MemFile};
use super::{Disk, DiskFile, Guard, Loss};

/// A handle to a disk in memory; clones are the same disk.
#[derive(Clone, Debug)]
pub struct MemDisk(Arc<Mutex<State>>);

#[derive(Clone, Debug)]
struct State {
    rng: Rng,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// Changes of names since they were last durable.
    changes: Vec<Change>,
    files: BTreeMap<u64, Content>,
    next_file: u64,
    /// Grows with each restart: handles and locks of the time before are dead.
    era: u64,
    locked: bool,
    faults: Faults,
    counts: Counts,
}

#[derive(Clone, Debug)]
enum Change {
    Create(String, u64),
    Rename(String, String),
    Unlink(String),
}

#[derive(Clone, Debug, Default)]
struct Faults {
    capacity: Option<u64>,
    skip_sync: bool,
    /// Countdowns; the operation at which one reaches zero is hit.
    fail_sync: Option<u64>,
    fail_write: Option<u64>,
    cut_power: Option<u64>,
    power_is_off: bool,
}

/// What was asked of the disk so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that change something: writes, syncs, names.
    pub changes: u64,
    /// Writes.
    pub writes: u64,
    /// Syncs of files.
    pub syncs: u64,
}

impl MemDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng: Rng::new(seed),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            files: BTreeMap::new(),
            next_file: 1,
            era: 0,
            locked: false,
            faults: Faults::default(),
            counts: Counts::default(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A disk of its own with the same content, as after `kill -9`: nothing is open, nothing is lost.
    pub fn copy(&self, seed: u64) -> Self {
        let mut state = self.state().clone();
        state.rng = Rng::new(seed);
        state.restart();
        Self(Arc::new(Mutex::new(state)))
    }

    /// The process dies, the machine does not: handles and lock are gone, what was written is there.
    pub fn kill(&self) {
        self.state().restart();
    }

    /// The machine loses power and starts again.
    pub fn power_cut(&self, loss: Loss) {
        let mut state = self.state();
        if let Loss::Torn(seed) = loss {
            state.rng = Rng::new(seed);
        }
        state.lose(loss);
        state.restart();
    }

    /// How many bytes the files may have together; `None`: no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().faults.capacity = bytes;
    }

    /// Bytes of all files.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// The `nth` sync from now on fails, and what it should have written is marked clean. 1 is the next.
    pub fn fail_sync(&self, nth: u64) {
        self.state().faults.fail_sync = Some(nth);
    }

    /// The `nth` write from now on fails.
    pub fn fail_write(&self, nth: u64) {
        self.state().faults.fail_write = Some(nth);
    }

    /// At the `nth` change from now on the power goes: that one is not done, and all later calls fail until
    /// [`power_cut`](Self::power_cut).
    pub fn cut_power_at(&self, nth: u64) {
        self.state().faults.cut_power = Some(nth);
    }

    /// Whether the power is off.
    pub fn is_off(&self) -> bool {
        self.state().faults.power_is_off
    }

    /// Syncs do nothing from now on, and say that they did: what a test of durability must notice.
    pub fn skip_syncs(&self, skip: bool) {
        self.state().faults.skip_sync = skip;
    }

    /// What was asked of the disk so far.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// What programs see of a file.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(name).and_then(|file| state.files.get(file)).map(|content| content.cached.clone())
    }

    /// Puts a file in place, durable, whatever was there.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        let file = state.next_file;
        state.next_file += 1;
        state.files.insert(file, Content::durable(bytes));
        state.names.insert(name.to_owned(), file);
        state.durable_names.insert(name.to_owned(), file);
    }

    /// Takes a file away, durably.
    pub fn remove(&self, name: &str) {
        let mut state = self.state();
        state.names.remove(name);
        state.durable_names.remove(name);
    }

    /// Changes a file behind everybody's back, durably.
    pub fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(mut bytes) = self.content(name) {
            change(&mut bytes);
            self.put(name, bytes);
        }
    }

    /// Flips one bit of a file.
    pub fn flip(&self, name: &str, bit: u64) {
        self.damage(name, |bytes| bytes[(bit / 8) as usize] ^= 1 << (bit % 8));
    }

    /// Runs `work` on the state if handles of `era` are alive and the power is on.
    fn with<T>(&self, era: Option<u64>, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state();
        if state.faults.power_is_off || era.is_some_and(|era| era != state.era) {
            return Err(io::Error::other("the power is off"));
        }
        work(&mut state)
    }
}

impl State {
    fn restart(&mut self) {
        self.era += 1;
        self.locked = false;
        self.faults =
            Faults { capacity: self.faults.capacity, skip_sync: self.faults.skip_sync, ..Faults::default() };
        let named: Vec<u64> = self.names.values().chain(self.durable_names.values()).copied().collect();
        self.files.retain(|file, _| named.contains(file));
    }

    fn used(&self) -> u64 {
        self.names
            .values()
            .filter_map(|file| self.files.get(file))
            .map(|content| content.cached.len() as u64)
            .sum()
    }

    /// Counts a change, and cuts the power if it is time.
    fn change(&mut self) -> io::Result<()> {
        self.counts.changes += 1;
        if count_down(&mut self.faults.cut_power) {
            self.faults.power_is_off = true;
            return Err(io::Error::other("the power went"));
        }
        Ok(())
    }

    fn lose(&mut self, loss: Loss) {
        let changes = std::mem::take(&mut self.changes);
        let survive = match loss {
            Loss::All => 0,
            // A file system with a journal keeps the order of changes: some of the first survive.
            Loss::Torn(_) => self.rng.below(changes.len() as u64 + 1) as usize,
        };
        for change in changes.into_iter().take(survive) {
            match change {
                Change::Create(name, file) => {
                    self.durable_names.insert(name, file);
                }
                Change::Rename(from, to) => {
                    if let Some(file) = self.durable_names.remove(&from) {
                        self.durable_names.insert(to, file);
                    }
                }
                Change::Unlink(name) => {
                    self.durable_names.remove(&name);
                }
            }
        }
        self.names = self.durable_names.clone();
        for content in self.files.values_mut() {
            content.lose(loss, &mut self.rng);
        }
    }

    fn file(&mut self, name: &str) -> io::Result<u64> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Whether this was the one.
fn count_down(left: &mut Option<u64>) -> bool {
    *left = left.map(|left| left.saturating_sub(1));
    let hit = *left == Some(0);
    if hit {
        *left = None;
    }
    hit
}

impl Disk for MemDisk {
    fn lock(&self) -> io::Result<Box<dyn Guard>> {
        self.with(None, |state| {
            if state.locked {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            state.locked = true;
            Ok(Box::new(Locked { disk: self.clone(), era: state.era }) as Box<dyn Guard>)
        })
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.with(None, |state| Ok(state.names.keys().cloned().collect()))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.with(None, |state| {
            state.change()?;
            if state.names.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let file = state.next_file;
            state.next_file += 1;
            state.files.insert(file, Content::default());
            state.names.insert(name.to_owned(), file);
            state.changes.push(Change::Create(name.to_owned(), file));
            Ok(Arc::new(MemFile { disk: self.clone(), era: state.era, file }) as Arc<dyn DiskFile>)
        })
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.with(None, |state| {
            let file = state.file(name)?;
            Ok(Arc::new(MemFile { disk: self.clone(), era: state.era, file }) as Arc<dyn DiskFile>)
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.with(None, |state| {
            state.change()?;
            let file = state.file(from)?;
            state.names.remove(from);
            state.names.insert(to.to_owned(), file);
            state.changes.push(Change::Rename(from.to_owned(), to.to_owned()));
            Ok(())
        })
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        self.with(None, |state| {
            state.change()?;
            state.file(name)?;
            state.names.remove(name);
            state.changes.push(Change::Unlink(name.to_owned()));
            Ok(())
        })
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.with(None, |state| {
            state.change()?;
            if !state.faults.skip_sync {
                state.durable_names = state.names.clone();
                state.changes.clear();
            }
            Ok(())
        })
    }

    fn place(&self, name: &str) -> String {
        name.to_owned()
    }
}

#[derive(Debug)]
struct Locked {
    disk: MemDisk,
    era: u64,
}

impl Guard for Locked {}

impl Drop for Locked {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.era == self.era {
            state.locked = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk_with(bytes: &[u8]) -> (MemDisk, Arc<dyn DiskFile>) {
        let disk = MemDisk::new(1);
        let file = disk.create("a").unwrap();
        file.write_at(0, bytes).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir().unwrap();
        (disk, file)
    }

    #[test]
    fn a_power_cut_takes_what_was_not_synced() {
        let (disk, file) = disk_with(b"kept");
        file.write_at(0, b"lost").unwrap();
        file.write_at(9, b"!").unwrap();
        disk.create("b").unwrap();
        disk.power_cut(Loss::All);
        assert_eq!(disk.content("a").as_deref(), Some(&b"kept"[..]));
        assert_eq!(disk.list().unwrap(), ["a"]);
        assert!(file.size().is_err(), "a handle outlived the power cut");
    }

    #[test]
    fn a_kill_takes_nothing_but_the_lock() {
        let (disk, file) = disk_with(b"kept");
        let _guard = disk.lock().unwrap();
        assert_eq!(disk.lock().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        file.write_at(0, b"also").unwrap();
        disk.kill();
        assert_eq!(disk.content("a").as_deref(), Some(&b"also"[..]));
        disk.lock().unwrap();
    }

    #[test]
    fn torn_writes_keep_some_sectors() {
        let mut seen = [false; 2];
        for seed in 0..50 {
            let (disk, file) = disk_with(&[1; 2048]);
            file.write_at(0, &[2; 2048]).unwrap();
            disk.power_cut(Loss::Torn(seed));
            let content = disk.content("a").unwrap();
            for sector in content.chunks(512) {
                assert!(sector.iter().all(|byte| *byte == sector[0]), "a sector was torn");
                seen[usize::from(sector[0] == 2)] = true;
            }
        }
        assert_eq!(seen, [true, true]);
    }

    #[test]
    fn a_failed_sync_lies_about_the_cache() {
        let (disk, file) = disk_with(b"old");
        file.write_at(0, b"new").unwrap();
        disk.fail_sync(1);
        assert!(file.sync_data().is_err());
        // The second one has nothing to do and says that all is well.
        file.sync_data().unwrap();
        assert_eq!(disk.content("a").as_deref(), Some(&b"new"[..]));
        disk.power_cut(Loss::All);
        assert_eq!(disk.content("a").as_deref(), Some(&b"old"[..]));
    }

    #[test]
    fn a_full_disk_takes_what_fits_and_has_room_again() {
        let (disk, file) = disk_with(&[1; 1000]);
        disk.set_capacity(Some(1500));
        let error = file.write_at(1000, &[1; 1000]).unwrap_err();
        assert!(super::super::is_full(&error));
        file.write_at(0, &[2; 1500]).unwrap();
        disk.set_capacity(None);
        file.write_at(1000, &[1; 1000]).unwrap();
        assert_eq!(disk.used(), 2000);
    }

    #[test]
    fn the_power_goes_at_a_given_change() {
        let (disk, file) = disk_with(b"a");
        disk.cut_power_at(2);
        file.write_at(0, b"b").unwrap();
        assert!(file.sync_data().is_err() && disk.is_off());
        assert!(disk.list().is_err());
        disk.power_cut(Loss::All);
        assert_eq!(disk.content("a").as_deref(), Some(&b"a"[..]));
    }
}
