//! The log that is damaged, and what is known of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_base::rng::Rng;
use synod_log::disk::{Disk as _, MemDisk};
use synod_log::inspect::{self, Item};
use synod_log::{Damage, Kind, Log, OpenError};

use crate::common::{self, Model, SEGMENT, random_batch};

/// Bytes of a segment before its first batch.
pub(crate) const DATA: u64 = 4096;

pub(crate) struct Built {
    pub disk: MemDisk,
    /// What the log holds.
    pub model: Model,
    /// Place and length of every batch, in order.
    pub batches: Vec<Place>,
    /// Older contents of each segment.
    pub backups: BTreeMap<String, Vec<Vec<u8>>>,
    /// A batch that was not written, and what the log would hold with it.
    pub unwritten: (Vec<u8>, Model),
    pub rng: Rng,
}

#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub file: String,
    pub offset: u64,
    pub len: u64,
    pub sequence: u64,
}

impl Place {
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.len
    }
}

impl Built {
    /// A log by seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let disk = MemDisk::new(seed);
        let mut model = Model::default();
        let mut backups: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        let mut log = common::open(&disk).unwrap();
        let mut more = rng.below(60);
        while more > 0 || !(model.first > 0 && segments(&disk).len() >= 5 && model.slots.len() > 3) {
            more = more.saturating_sub(1);
            log.write(&mut random_batch(&mut rng, &mut model)).unwrap();
            if rng.percent(10) {
                for name in segments(&disk) {
                    backups.entry(name.clone()).or_default().push(disk.content(&name).unwrap());
                }
            }
        }
        let batches = batches(&disk);
        let unwritten = unwritten(&disk, &model, &batches, &mut rng);
        drop(log);
        disk.kill();
        Self { disk, model, batches, backups, unwritten, rng }
    }

    pub(crate) fn last(&self) -> &Place {
        self.batches.last().unwrap()
    }

    /// A copy to damage.
    pub(crate) fn copy(&mut self) -> MemDisk {
        self.disk.copy(self.rng.next_u64())
    }

    /// Files of the segments that hold batches, in order.
    pub(crate) fn used(&self) -> Vec<String> {
        let mut names: Vec<String> = self.batches.iter().map(|batch| batch.file.clone()).collect();
        names.dedup();
        names
    }

    /// Where the batches of a segment end.
    pub(crate) fn end_of(&self, file: &str) -> u64 {
        self.batches.iter().rfind(|batch| batch.file == file).unwrap().end()
    }

    /// The log opens, holds what it should, and goes on as if nothing had been.
    pub(crate) fn assert_opens(&self, disk: &MemDisk, what: &str) {
        for round in 0..3 {
            let mut log = common::open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
            let found = Model::of(log.reader());
            if round == 0 {
                assert_eq!(common::brief(&found), common::brief(&self.model), "{what}");
                assert!(found == self.model, "{what}");
                let next = log.reader().range().end;
                write_one(&mut log, next);
            } else {
                assert_eq!(
                    found.next(),
                    self.model.next() + round,
                    "{what}: what was written afterwards is gone"
                );
                write_one(&mut log, found.next());
            }
            drop(log);
            disk.kill();
        }
    }
}

fn write_one(log: &mut Log, index: u64) {
    let mut batch = synod_log::Batch::new();
    batch.entry(index, b"afterwards").unwrap();
    log.write(&mut batch).unwrap();
}

/// The log does not open, and the damage is named.
pub(crate) fn assert_refused(disk: &MemDisk, what: &str) -> Damage {
    let before: Vec<_> = disk.list().unwrap().iter().map(|name| disk.content(name)).collect();
    let damage = match Log::open(Arc::new(disk.clone()), common::settings()) {
        Err(OpenError::Damaged(damage)) => damage,
        Err(other) => panic!("{what}: {other}"),
        Ok(log) => panic!("{what}: opened, cut {:?}", log.recovery().cut),
    };
    assert!(!damage.file.is_empty(), "{what}");
    let after: Vec<_> = disk.list().unwrap().iter().map(|name| disk.content(name)).collect();
    assert!(before == after, "{what}: something was changed before the log was refused");
    damage
}

/// Forgets what was acknowledged, as a power cut can.
pub(crate) fn wipe_notes(disk: &MemDisk) {
    disk.damage("manifest", |bytes| bytes[8192..].fill(0));
}

pub(crate) fn segments(disk: &MemDisk) -> Vec<String> {
    disk.list().unwrap().into_iter().filter(|name| name.ends_with(".seg")).collect()
}

fn batches(disk: &MemDisk) -> Vec<Place> {
    let place = |item| match item {
        Item::Record(record) if record.kind == Kind::Frame => Some(Place {
            file: record.file,
            offset: record.offset,
            len: record.len.into(),
            sequence: record.sequence,
        }),
        _ => None,
    };
    inspect::records(disk).unwrap().filter_map(|item| place(item.unwrap())).collect()
}

/// The bytes of a batch that would come next, written on a copy of the disk.
fn unwritten(disk: &MemDisk, model: &Model, batches: &[Place], rng: &mut Rng) -> (Vec<u8>, Model) {
    let last = batches.last().unwrap();
    loop {
        let copy = disk.copy(1);
        let mut after = model.clone();
        let mut log = common::open(&copy).unwrap();
        let mut batch = random_batch(rng, &mut after);
        let bytes = batch.bytes() as u64;
        if batch.is_empty() || last.end() + bytes > u64::from(SEGMENT) {
            if u64::from(SEGMENT) - last.end() < 200 {
                return (Vec::new(), after);
            }
            continue;
        }
        log.write(&mut batch).unwrap();
        let content = copy.content(&last.file).unwrap();
        return (content[last.end() as usize..(last.end() + bytes) as usize].to_vec(), after);
    }
}
