//! What people are told of a log, whole and damaged.

use super::*;
use crate::raft::inspect::{Found, Record, Report, Trouble, read};

/// A node's log after three batches.
fn written() -> MemDisk {
    let disk = MemDisk::new(1);
    runtime().block_on(async {
        let node = leader(&disk).await;
        reserve_all(&node, 1..=3).await;
        node.stop().await;
    });
    disk
}

fn all(disk: &MemDisk) -> (Report, Vec<Record>, Vec<Trouble>) {
    let (mut records, mut troubles) = (Vec::new(), Vec::new());
    let report = read(disk, |found| match found {
        Found::Record(record) => records.push(record.clone()),
        Found::Trouble(trouble) => troubles.push(trouble.clone()),
    });
    (report.unwrap(), records, troubles)
}

fn entries(records: &[Record]) -> Vec<&Record> {
    records.iter().filter(|record| record.kind == "entry").collect()
}

#[test]
fn a_whole_log_is_told_entry_by_entry() {
    let disk = written();
    let before = disk.counts();
    let (report, records, troubles) = all(&disk);
    assert_eq!((troubles, report.damaged, report.unfinished), (Vec::new(), 0, 0));
    let entries = entries(&records);
    let words: Vec<_> = entries.iter().map(|entry| entry.holds.as_str()).collect();
    assert!(words[0].starts_with("term 0: voters ["), "{words:?}");
    assert_eq!(words[1], "term 1: a leader begins");
    assert_eq!(words[2..], [1, 2, 3].map(|below| format!("term 1: at {below}: reserve")));
    assert_eq!((report.first_index, report.last_index), (0, Some(4)));
    let segment = &report.segments["00000001.seg"];
    assert_eq!(segment.entries, Some((0, 4)));
    assert_eq!(segment.batches, segment.sequences.unwrap().1);
    let vote = records.iter().rfind(|record| record.holds.contains("leads in term 1"));
    assert!(vote.is_some_and(|vote| vote.kind == "slot"), "{records:?}");
    assert_eq!(disk.counts(), before, "something was changed");
}

#[test]
fn damage_is_told_with_its_place() {
    let disk = written();
    let (whole, records, _) = all(&disk);
    let last = entries(&records)[4].clone();
    for entry in entries(&records) {
        let damaged = disk.copy(2);
        damaged.flip(&entry.file, (entry.offset + 40) * 8);
        let (report, _, troubles) = all(&damaged);
        assert_eq!((report.damaged, troubles[0].is_damage), (1, true), "{troubles:?}");
        assert_eq!((troubles[0].file.as_str(), troubles[0].offset), (entry.file.as_str(), entry.offset));
        assert!(
            troubles[0].what.starts_with(&format!("the content of entry {}", entry.index)),
            "{troubles:?}"
        );
    }
    let without = disk.copy(3);
    without.remove("00000002.seg");
    let (report, _, troubles) = all(&without);
    assert_eq!((report.damaged, troubles[0].what.as_str()), (1, "it is missing"));
    // Bytes that somebody wrote behind the end are no batch.
    let behind = disk.copy(4);
    let end = last.offset + 4096;
    behind.damage(&last.file, |bytes| bytes[end as usize] = 1);
    let (report, _, troubles) = all(&behind);
    assert_eq!((report.damaged, report.unfinished, troubles[0].is_damage), (0, 1, false), "{troubles:?}");
    assert_eq!(report.last_index, whole.last_index);
}

#[test]
fn an_entry_of_another_version_is_named() {
    let disk = MemDisk::new(1);
    let mut log = synod_log::Log::open(Arc::new(disk.clone()), synod_log::Settings::default()).unwrap();
    let mut batch = synod_log::Batch::new();
    batch.entry(0, b"written by whatever comes after us").unwrap();
    log.write(&mut batch).unwrap();
    drop(log);
    let (report, _, troubles) = all(&disk);
    assert_eq!(report.damaged, 1);
    assert!(
        troubles[0].what.contains("entry 0 of batch") && troubles[0].what.contains("not of this version")
    );
}
