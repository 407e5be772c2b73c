//! The rows.

use synod_base::rng::Rng;
use synod_log::disk::{Disk as _, Loss};
use synod_log::{Fault, OpenError, WriteError};

use super::build::{Built, DATA, assert_refused, segments, wipe_notes};
use crate::common::{self, Model, SEGMENT, random_batch, trials};

/// Runs one row of the matrix.
fn row(row: u64, trial: impl Fn(&mut Built, String)) {
    for seed in trials(20, 200) {
        let mut built = Built::new(row * 1_000_000 + seed);
        assert!(built.used().len() >= 3);
        trial(&mut built, format!("seed {seed}"));
    }
}

/// Part of the batch that was never acknowledged, as a power cut leaves it: a prefix, or some sectors.
fn part_of(batch: &[u8], offset: u64, rng: &mut Rng) -> Vec<u8> {
    let mut part = batch.to_vec();
    if rng.percent(50) {
        let cut = rng.below(batch.len() as u64) as usize;
        part[cut..].fill(0);
        return part;
    }
    // The sectors as the disk has them; at least one is missing.
    let sectors = (offset / 512)..(offset + batch.len() as u64).div_ceil(512);
    let missing = sectors.start + rng.below(sectors.end - sectors.start);
    for sector in sectors {
        if sector == missing || rng.percent(40) {
            let begin = (sector * 512).max(offset) - offset;
            let end = ((sector + 1) * 512 - offset).min(batch.len() as u64);
            part[begin as usize..end as usize].fill(0);
        }
    }
    part
}

/// "Last segment cut anywhere inside the un-acknowledged tail" and "half-written batch followed by zeros". The segment
/// keeps its size: one that was synced at full size and is shorter now is another row.
#[test]
fn a_half_written_batch_is_cut_whole() {
    row(1, |built, what| {
        let (batch, _) = built.unwritten.clone();
        let last = built.last().clone();
        for _ in 0..5 {
            let disk = built.copy();
            let part = part_of(&batch, last.end(), &mut built.rng);
            if batch.is_empty() || part == batch {
                continue;
            }
            disk.damage(&last.file, |bytes| {
                bytes[last.end() as usize..][..part.len()].copy_from_slice(&part);
            });
            if built.rng.percent(50) {
                wipe_notes(&disk);
            }
            built.assert_opens(&disk, &what);
        }
    });
}

#[test]
fn a_batch_that_is_whole_but_was_not_acknowledged_is_kept() {
    row(2, |built, what| {
        let (batch, after) = built.unwritten.clone();
        let last = built.last().clone();
        let disk = built.copy();
        disk.damage(&last.file, |bytes| {
            bytes[last.end() as usize..][..batch.len()].copy_from_slice(&batch);
        });
        let log = common::open(&disk).unwrap();
        let want = if batch.is_empty() { &built.model } else { &after };
        assert!(Model::of(log.reader()) == *want, "{what}");
        // It is durable now, although it may have been in the cache only.
        drop(log);
        disk.power_cut(Loss::All);
        assert!(Model::of(common::open(&disk).unwrap().reader()) == *want, "{what}");
    });
}

#[test]
fn a_last_segment_cut_inside_acknowledged_data_is_refused() {
    row(3, |built, what| {
        let last = built.last().clone();
        let cut = DATA + built.rng.below(last.end() - DATA);
        let disk = built.copy();
        disk.damage(&last.file, |bytes| bytes[cut as usize..].fill(0));
        if cut + 8 < last.end() {
            assert_refused(&disk, &what);
        }
        // Shortened, whether or not anything is known of what was acknowledged, and wherever.
        let disk = built.copy();
        wipe_notes(&disk);
        let cut = built.rng.below(SEGMENT.into());
        disk.damage(&last.file, |bytes| bytes.truncate(cut as usize));
        assert!(matches!(assert_refused(&disk, &what).fault, Fault::Short { .. }));
    });
}

#[test]
fn zeros_or_garbage_after_the_end_lose_nothing() {
    row(4, |built, what| {
        let (last, mut rng) = (built.last().clone(), Rng::new(built.rng.next_u64()));
        let disk = built.copy();
        disk.damage(&last.file, |bytes| {
            let from = last.end() + rng.below(u64::from(SEGMENT) - last.end() + 1);
            let from = if rng.percent(50) { last.end() } else { from } as usize;
            let to = from + rng.below((bytes.len() - from) as u64 + 1) as usize;
            bytes[from..to].iter_mut().for_each(|byte| *byte = rng.next_u64() as u8);
            bytes.extend((0..rng.below(9000)).map(|_| rng.next_u64() as u8));
        });
        // Also in the segment that is kept ready.
        let spare = segments(&disk).pop().unwrap();
        if spare != last.file && rng.percent(50) {
            disk.damage(&spare, |bytes| {
                let from = (DATA + rng.below(50_000)) as usize;
                bytes[from..from + 5000].iter_mut().for_each(|byte| *byte = rng.next_u64() as u8);
            });
        }
        if built.rng.percent(50) {
            wipe_notes(&disk);
        }
        built.assert_opens(&disk, &what);
    });
}

#[test]
fn a_page_before_the_last_batch_zeroed_or_overwritten_is_refused() {
    row(5, |built, what| {
        for _ in 0..10 {
            let (used, last) = (built.used(), built.last().clone());
            let file = &used[built.rng.below(used.len() as u64) as usize];
            let end = if *file == last.file { last.offset } else { built.end_of(file) };
            let pages = if *file == last.file { end / 4096 } else { end.div_ceil(4096) };
            let page = (built.rng.below(pages.max(1)) * 4096) as usize;
            let disk = built.copy();
            let zero = built.rng.percent(50);
            let mut rng = Rng::new(built.rng.next_u64());
            disk.damage(file, |bytes| {
                let page = &mut bytes[page..page + 4096];
                page.iter_mut().for_each(|byte| *byte = if zero { 0 } else { rng.next_u64() as u8 });
            });
            if built.rng.percent(50) {
                wipe_notes(&disk);
            }
            let damage = assert_refused(&disk, &format!("{what}, page at {page} of {file}, zero: {zero}"));
            assert_eq!(&damage.file, file, "{what}: {damage}");
        }
    });
}

#[test]
fn a_bit_flipped_anywhere_before_the_last_batch_is_refused() {
    row(6, |built, what| {
        for _ in 0..20 {
            let (used, last) = (built.used(), built.last().clone());
            let file = &used[built.rng.below(used.len() as u64) as usize];
            // All of the earlier segments, also what lies behind their last batch.
            let end = if *file == last.file { last.offset } else { SEGMENT.into() };
            let disk = built.copy();
            let bit = built.rng.below(end * 8);
            disk.flip(file, bit);
            if built.rng.percent(50) {
                wipe_notes(&disk);
            }
            let damage = assert_refused(&disk, &format!("{what}, bit {bit} of {file}"));
            assert_eq!(&damage.file, file, "{what}: {damage}");
        }
        let disk = built.copy();
        disk.flip("manifest", built.rng.below(4 * 4096 * 8));
        assert_refused(&disk, &what);
    });
}

/// Headers and length fields, on purpose: a random bit seldom hits one.
#[test]
fn a_bit_flipped_in_any_header_is_refused() {
    row(7, |built, what| {
        for _ in 0..20 {
            let at = built.rng.below(built.batches.len() as u64 - 1) as usize;
            let (batch, disk) = (built.batches[at].clone(), built.copy());
            // The frame and the header of its first record, byte by byte.
            disk.flip(&batch.file, batch.offset * 8 + built.rng.below(64 * 8));
            wipe_notes(&disk);
            let damage = assert_refused(&disk, &what);
            assert_eq!((&damage.file, damage.sequence), (&batch.file, batch.sequence), "{what}: {damage}");
            assert!((batch.offset..batch.end()).contains(&damage.offset));
        }
    });
}

/// Not a row, but the rule beside them: in the last batch, written sectors and a wrong CRC are damage.
#[test]
fn a_bit_flipped_in_the_last_batch_is_refused() {
    row(8, |built, what| {
        for _ in 0..20 {
            let (last, disk) = (built.last().clone(), built.copy());
            // Every other time in the frame, which says where the batch ends and is small.
            let bytes = if built.rng.percent(50) { 32 } else { last.len };
            disk.flip(&last.file, last.offset * 8 + built.rng.below(bytes * 8));
            if built.rng.percent(50) {
                wipe_notes(&disk);
            }
            assert_refused(&disk, &what);
        }
    });
}

#[test]
fn a_segment_or_the_manifest_deleted_or_emptied_is_refused() {
    row(9, |built, what| {
        let used = built.used();
        let middle = 1 + built.rng.below(used.len() as u64 - 2) as usize;
        for file in [&used[0], &used[middle], &used[used.len() - 1]] {
            for way in 0..3 {
                let disk = built.copy();
                match way {
                    0 => disk.remove(file),
                    1 => disk.damage(file, Vec::clear),
                    _ => disk.damage(file, |bytes| bytes.fill(0)),
                }
                wipe_notes(&disk);
                let damage = assert_refused(&disk, &format!("{what}, {file}, way {way}"));
                assert_eq!(&damage.file, file);
            }
        }
        for way in 0..3 {
            let disk = built.copy();
            match way {
                0 => disk.remove("manifest"),
                1 => disk.damage("manifest", Vec::clear),
                _ => disk.damage("manifest", |bytes| bytes.fill(0)),
            }
            assert_eq!(assert_refused(&disk, &what).file, "manifest");
        }
    });
}

#[test]
fn an_old_segment_from_a_backup_is_refused() {
    row(10, |built, what| {
        let last = built.last().file.clone();
        for file in built.used() {
            let now = built.disk.content(&file).unwrap();
            let old: Vec<_> =
                built.backups.get(&file).into_iter().flatten().filter(|old| **old != now).collect();
            if old.is_empty() {
                continue;
            }
            let old = old[built.rng.below(old.len() as u64) as usize].clone();
            let disk = built.copy();
            disk.put(&file, old);
            if file != last && built.rng.percent(50) {
                wipe_notes(&disk);
            }
            assert_refused(&disk, &format!("{what}, {file}"));
        }
        // Another segment under its name.
        let used = built.used();
        let disk = built.copy();
        disk.put(&used[1], built.disk.content(&used[0]).unwrap());
        assert_refused(&disk, &what);
        // A segment that nobody has made yet.
        let disk = built.copy();
        let next = segments(&disk).len() as u32 + 40;
        disk.put(&format!("{next:08}.seg"), built.disk.content(&used[0]).unwrap());
        assert!(matches!(assert_refused(&disk, &what).fault, Fault::Unnamed { .. }));
        // One that was purged is in nobody's way.
        let disk = built.copy();
        let gone = built.backups.keys().find(|name| **name < used[0]).cloned();
        if let Some(gone) = gone {
            disk.put(&gone, built.backups[&gone][0].clone());
            built.assert_opens(&disk, &what);
        }
    });
}

#[test]
fn an_old_manifest_from_a_backup_is_refused() {
    row(11, |built, what| {
        let disk = built.copy();
        let old = disk.content("manifest").unwrap();
        let mut log = common::open(&disk).unwrap();
        let mut model = built.model.clone();
        let before = segments(&disk);
        while segments(&disk).last() == before.last() {
            log.write(&mut random_batch(&mut built.rng, &mut model)).unwrap();
        }
        // The one that was kept ready is in use, and holds what the old manifest does not know.
        drop(log);
        disk.kill();
        let spare = segments(&disk).pop().unwrap();
        disk.remove(&spare);
        disk.put("manifest", old);
        if segments(&disk).first() == before.first() {
            // Nothing is missing: this is what a start finds while a segment was being made.
            common::open(&disk).unwrap();
        } else {
            assert_refused(&disk, &what);
        }
    });
}

#[test]
fn a_second_owner_of_the_directory_is_refused() {
    row(12, |built, what| {
        let log = common::open(&built.disk).unwrap();
        assert!(matches!(common::open(&built.disk), Err(OpenError::InUse { .. })), "{what}");
        drop(log);
        common::open(&built.disk).unwrap();
    });
}

#[test]
fn after_a_failed_sync_nothing_acknowledged_is_missing() {
    row(13, |built, what| {
        let disk = built.copy();
        let mut log = common::open(&disk).unwrap();
        let mut acknowledged = built.model.clone();
        disk.fail_sync(1 + built.rng.below(40));
        let after = loop {
            let mut after = acknowledged.clone();
            match log.write(&mut random_batch(&mut built.rng, &mut after)) {
                Ok(()) => acknowledged = after,
                Err(WriteError::Fatal(_)) => break after,
                Err(other) => panic!("{what}: {other}"),
            }
        };
        // It takes nothing more: the process has to end.
        let mut model = acknowledged.clone();
        let again = log.write(&mut one_entry(&mut model));
        assert!(matches!(again, Err(WriteError::Fatal(_))) && log.failure().is_some(), "{what}");
        drop(log);
        disk.kill();
        let mut log = common::open(&disk).unwrap();
        let mut found = Model::of(log.reader());
        assert!(found == acknowledged || found == after, "{what}");
        // Reads showed the last batch; it must not vanish, and what is built on it must not either.
        log.write(&mut one_entry(&mut found)).unwrap();
        drop(log);
        disk.power_cut(Loss::All);
        let log = common::open(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(Model::of(log.reader()) == found, "{what}");
    });
}

fn one_entry(model: &mut Model) -> synod_log::Batch {
    let mut batch = synod_log::Batch::new();
    batch.entry(model.next(), b"one more").unwrap();
    model.entries.push(b"one more".to_vec());
    batch
}

#[test]
fn the_log_of_another_node_is_refused() {
    let built = Built::new(14);
    let other = synod_log::Settings { id: 99, ..common::settings() };
    let opened = synod_log::Log::open(std::sync::Arc::new(built.disk.clone()), other);
    let Err(OpenError::Damaged(damage)) = opened else { panic!("a foreign log was opened") };
    assert!(matches!(damage.fault, Fault::OtherLog { want: 99, .. }));
    assert!(built.disk.list().unwrap().len() > 3);
}
