//! Snapshots on a disk in memory.

use synod_base::rng::Rng;

use super::*;
use crate::disk::{Loss, MemDisk};

fn snapshots(disk: &MemDisk) -> Snapshots {
    Snapshots::new(Arc::new(disk.clone()), 7).unwrap()
}

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n * 7 / 3) as u8).collect()
}

fn write(disk: &MemDisk, number: u64, bytes: usize) -> Result<u64, SnapshotError> {
    let mut writer = snapshots(disk).create(number, b"about")?;
    for part in content(bytes).chunks(1000) {
        writer.write(part)?;
    }
    writer.finish()
}

fn read(disk: &MemDisk, number: u64) -> Result<Vec<u8>, SnapshotError> {
    let mut reader = snapshots(disk).open(number)?;
    assert_eq!(reader.meta().as_ref(), b"about");
    let mut all = Vec::new();
    while let Some(block) = reader.next_block()? {
        all.extend_from_slice(&block);
    }
    assert!(reader.next_block()?.is_none());
    Ok(all)
}

#[test]
fn what_was_written_is_read() {
    let disk = MemDisk::new(1);
    for (number, bytes) in [(1, 0), (2, 1), (3, BLOCK), (4, BLOCK + 1), (5, 300_000)] {
        let size = write(&disk, number, bytes).unwrap();
        assert_eq!(size, disk.content(&name(number)).unwrap().len() as u64);
        assert_eq!(read(&disk, number).unwrap(), content(bytes));
    }
    assert_eq!(snapshots(&disk).list().unwrap(), [1, 2, 3, 4, 5]);
    snapshots(&disk).delete_before(4).unwrap();
    assert_eq!(snapshots(&disk).list().unwrap(), [4, 5]);
}

#[test]
fn damage_is_refused_with_file_and_place() {
    let clean = MemDisk::new(1);
    let size = write(&clean, 9, 200_000).unwrap();
    let mut rng = Rng::new(2);
    for _ in 0..300 {
        let disk = clean.copy(1);
        disk.flip(&name(9), rng.below(size * 8));
        let Err(SnapshotError::Damaged(damage)) = read(&disk, 9) else { panic!("a flip was not seen") };
        assert_eq!(damage.file, name(9));
    }
    for len in (0..size).step_by(777) {
        let disk = clean.copy(1);
        disk.damage(&name(9), |bytes| bytes.truncate(len as usize));
        assert!(matches!(read(&disk, 9), Err(SnapshotError::Damaged(_))), "cut to {len}");
    }
    let disk = clean.copy(1);
    disk.damage(&name(9), |bytes| bytes.push(0));
    assert!(matches!(read(&disk, 9), Err(SnapshotError::Damaged(_))));
    disk.put(&name(10), clean.content(&name(9)).unwrap());
    assert!(matches!(read(&disk, 10), Err(SnapshotError::Damaged(_))), "another number");
    let other = Snapshots::new(Arc::new(clean), 8).unwrap();
    assert!(matches!(
        other.open(9),
        Err(SnapshotError::Damaged(Damage { fault: Fault::OtherLog { found: 7, want: 8 }, .. }))
    ));
}

#[test]
fn a_power_cut_at_any_moment_leaves_the_old_or_the_new_one() {
    let before = MemDisk::new(1);
    write(&before, 1, 100_000).unwrap();
    let whole = before.copy(1);
    let start = whole.counts().changes;
    write(&whole, 2, 150_000).unwrap();
    let changes = whole.counts().changes - start;
    for at in 1..=changes {
        for seed in 0..4 {
            let disk = before.copy(seed);
            disk.cut_power_at(at);
            let done = write(&disk, 2, 150_000).is_ok();
            disk.power_cut(Loss::Torn(seed));
            assert_eq!(read(&disk, 1).unwrap(), content(100_000));
            let there = snapshots(&disk).list().unwrap();
            if done || there.contains(&2) {
                assert_eq!(read(&disk, 2).unwrap(), content(150_000), "cut at {at}");
            }
            assert!(disk.list().unwrap().iter().all(|name| !name.ends_with(".tmp")));
        }
    }
}

#[test]
fn no_room_is_said_and_leaves_nothing_behind() {
    let disk = MemDisk::new(1);
    write(&disk, 1, 100_000).unwrap();
    let used = disk.used();
    disk.set_capacity(Some(used + 70_000));
    assert!(matches!(write(&disk, 2, 100_000), Err(SnapshotError::Full { file }) if file == name(2)));
    assert_eq!(disk.used(), used);
    disk.set_capacity(None);
    write(&disk, 2, 100_000).unwrap();
    assert_eq!(read(&disk, 2).unwrap(), content(100_000));
}

#[test]
fn an_error_of_the_disk_is_fatal() {
    let disk = MemDisk::new(1);
    disk.fail_sync(1);
    assert!(matches!(write(&disk, 1, 10), Err(SnapshotError::Failed(_))));
    disk.fail_write(2);
    assert!(matches!(write(&disk, 1, 10), Err(SnapshotError::Failed(_))));
}
