//! Reading: ranges and their bounds, while others write, and the records as they lie on the disk.

use std::sync::Arc;

use synod_base::rng::Rng;
use synod_log::disk::MemDisk;
use synod_log::inspect::{self, Item, Summary};
use synod_log::{Batch, Fault, Kind, Log, ReadError, Refusal, Settings, WriteError};

use crate::common::{self, Model, random_batch};

fn log_of(entries: u64, bytes: usize) -> (MemDisk, Log) {
    let disk = MemDisk::new(1);
    let mut log = common::open(&disk).unwrap();
    for index in 0..entries {
        let mut batch = Batch::new();
        batch.entry(index, &vec![index as u8; bytes]).unwrap();
        log.write(&mut batch).unwrap();
    }
    (disk, log)
}

#[test]
fn ranges_are_bounded_in_bytes_and_never_empty() {
    let (_, log) = log_of(2_000, 100);
    let reader = log.reader();
    assert_eq!(reader.range(), 0..2_000);
    let indexes = |from, to, bytes| -> Vec<u64> {
        reader.entries(from..to, bytes).unwrap().iter().map(|entry| entry.index).collect()
    };
    assert_eq!(indexes(0, 4, 1_000), [0, 1, 2, 3]);
    assert_eq!(indexes(0, 100, 250), [0, 1]);
    assert_eq!(indexes(7, 100, 0), [7]);
    assert_eq!(indexes(1_998, 5_000, 1_000), [1_998, 1_999]);
    assert!(indexes(2_000, 2_001, 1_000).is_empty() && indexes(5, 5, 1_000).is_empty());
    assert_eq!(reader.entries(0..2_000, usize::MAX).unwrap().len(), 2_000);
}

#[test]
fn purged_entries_are_told_apart_from_missing_ones() {
    let (_, mut log) = log_of(50, 10);
    let mut batch = Batch::new();
    batch.purge(19);
    log.write(&mut batch).unwrap();
    assert_eq!(log.reader().range(), 20..50);
    assert!(matches!(log.reader().entries(19..30, 1), Err(ReadError::Purged { index: 19, first: 20 })));
    assert_eq!(log.reader().entries(20..21, 1).unwrap().len(), 1);
}

#[test]
fn bytes_are_counted_from_an_entry_to_the_end() {
    let (_, log) = log_of(2_000, 100);
    let reader = log.reader();
    let all = reader.bytes_from(0);
    assert!((2_000 * 100..2_000 * 220).contains(&all), "{all}");
    assert!(reader.bytes_from(1_000) < all * 51 / 100 && reader.bytes_from(1_000) > all * 49 / 100);
    assert_eq!(reader.bytes_from(2_000), 0);
    let from = reader.within(10_000);
    assert!(reader.bytes_from(from) <= 10_000 && reader.bytes_from(from - 1) > 10_000);
    assert_eq!((reader.within(u64::MAX), reader.within(0)), (0, 2_000));
    assert!(reader.disk_bytes() >= all);
}

#[test]
fn a_batch_that_cannot_follow_is_refused_whole() {
    let (disk, mut log) = log_of(10, 10);
    let writes = disk.counts().writes;
    let mut refused = |fill: &dyn Fn(&mut Batch)| {
        let mut batch = Batch::new();
        batch.slot(1, b"not to be seen").unwrap();
        fill(&mut batch);
        match log.write(&mut batch) {
            Err(WriteError::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    };
    let order = |kind, index, next| Refusal::Order { kind, index, first: 0, next };
    assert_eq!(refused(&|batch| batch.entry(11, b"").unwrap()), order(Kind::Entry, 11, 10));
    assert_eq!(refused(&|batch| batch.entry(9, b"").unwrap()), order(Kind::Entry, 9, 10));
    assert_eq!(refused(&|batch| batch.truncate(11)), order(Kind::Truncate, 11, 10));
    let late = |batch: &mut Batch| {
        batch.entry(10, b"").unwrap();
        batch.entry(12, b"").unwrap();
    };
    assert_eq!(refused(&late), order(Kind::Entry, 12, 11));
    let large = |batch: &mut Batch| batch.entry(10, &[0; 62_000]).unwrap();
    assert!(matches!(refused(&large), Refusal::BatchTooLarge { .. }));
    assert_eq!(disk.counts().writes, writes);
    assert_eq!((log.reader().range(), log.reader().slot(1)), (0..10, None));
}

#[test]
fn readers_see_whole_batches_while_they_are_written() {
    let disk = MemDisk::new(1);
    let settings = Settings { helper: synod_log::Helper::Thread, ..common::settings() };
    let mut log = Log::open(Arc::new(disk), settings).unwrap();
    let reader = log.reader().clone();
    let reading = std::thread::spawn(move || {
        loop {
            let range = reader.range();
            // Purged since then is no error of the log; anything else is.
            let entries = match reader.entries(range.clone(), 50_000) {
                Ok(entries) => entries,
                Err(ReadError::Purged { .. }) => continue,
                Err(other) => panic!("{other}"),
            };
            assert!(
                entries.iter().all(|entry| entry.payload.as_ref() == entry.index.to_le_bytes().repeat(20))
            );
            // A batch has three entries and a purge.
            assert_eq!(range.end % 3, 0);
            if range.end == 3_000 {
                break;
            }
        }
    });
    for index in (0..3_000_u64).step_by(3) {
        let mut batch = Batch::new();
        for index in index..index + 3 {
            batch.entry(index, &index.to_le_bytes().repeat(20)).unwrap();
        }
        if index > 1_000 {
            batch.purge(index - 1_000);
        }
        log.write(&mut batch).unwrap();
    }
    reading.join().unwrap();
}

#[test]
fn large_payloads_and_zeros_come_back() {
    let disk = MemDisk::new(1);
    let settings = Settings { segment_bytes: 20 << 20, cache_bytes: 0, ..common::settings() };
    let mut log = Log::open(Arc::new(disk.clone()), settings.clone()).unwrap();
    let payloads = [vec![0; 16 << 20], vec![7; 1 << 20], vec![0; 3], Vec::new(), vec![0; 70_000]];
    for (index, payload) in (0..).zip(&payloads) {
        let mut batch = Batch::new();
        batch.entry(index, payload).unwrap();
        log.write(&mut batch).unwrap();
    }
    let check = |log: &Log| {
        let entries = log.reader().entries(0..9, usize::MAX).unwrap();
        assert!(entries.iter().map(|entry| entry.payload.as_ref()).eq(payloads.iter().map(Vec::as_slice)));
    };
    check(&log);
    drop(log);
    check(&Log::open(Arc::new(disk), settings).unwrap());
}

#[test]
fn the_records_of_a_log_are_told_even_when_it_is_damaged() {
    let disk = MemDisk::new(1);
    let mut log = common::open(&disk).unwrap();
    let (mut rng, mut model) = (Rng::new(1), Model::default());
    for _ in 0..200 {
        log.write(&mut random_batch(&mut rng, &mut model)).unwrap();
    }
    let items =
        |disk: &MemDisk| -> Vec<Item> { inspect::records(disk).unwrap().collect::<Result<_, _>>().unwrap() };
    let records = items(&disk);
    let all_records = records.iter().all(|item| matches!(item, Item::Record(record) if record.intact));
    assert!(all_records);
    let mut entries = records.iter().rev().filter_map(|item| match item {
        Item::Record(record) if record.kind == Kind::Entry => Some(record),
        _ => None,
    });
    let last = entries.next().unwrap();
    assert_eq!(last.payload, model.entries[(last.index - model.first) as usize]);
    let summary = inspect::summary(&disk).unwrap();
    assert_eq!(summary.first, 1);
    assert!(summary.last > 1 && summary.acknowledged > 200);
    assert_eq!(inspect::unreadable(&disk, summary).unwrap(), []);

    disk.flip(&last.file, last.offset * 8);
    disk.damage("00000001.seg", |bytes| bytes[0] = 0);
    let damaged = items(&disk);
    assert!(matches!(&damaged[0], Item::Unreadable(damage) if damage.file == "00000001.seg"));
    let gap = damaged.iter().any(|item| matches!(item, Item::Gap { offset, .. } if *offset == last.offset));
    assert!(gap, "the place of the damage is not told");
    let unreadable = inspect::unreadable(&disk, Summary { last: summary.last + 1, ..summary }).unwrap();
    let faults: Vec<_> = unreadable.into_iter().map(|damage| damage.fault).collect();
    assert_eq!(faults, [Fault::Head, Fault::Missing]);
}
