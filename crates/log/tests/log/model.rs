//! Random batches, crashes, power cuts and failing syncs against the model: what was acknowledged is there, what was
//! not is there as a whole or not at all.

use synod_base::rng::Rng;
use synod_log::WriteError;
use synod_log::disk::{Loss, MemDisk};

use crate::common::{self, Model, brief, random_batch, trials};

/// A log over many lives of its process and of its machine. An error is what was lost, and when.
fn lives(seed: u64, skip_syncs: bool) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    let disk = MemDisk::new(seed);
    disk.skip_syncs(skip_syncs);
    let mut acknowledged = Model::default();
    // The batch whose fate is not known, as what the log holds if it survived.
    let mut unsure: Option<Model> = None;
    for life in 0..12 {
        match rng.below(4) {
            0 => disk.fail_sync(1 + rng.below(150)),
            1..=2 => disk.cut_power_at(1 + rng.below(400)),
            _ => {}
        }
        if let Some(found) = open_and_check(&disk, &acknowledged, unsure.as_ref())
            .map_err(|lost| format!("seed {seed}, life {life}: {lost}"))?
        {
            let (mut log, model) = found;
            acknowledged = model;
            unsure = None;
            for _ in 0..rng.below(120) {
                let mut after = acknowledged.clone();
                let mut batch = random_batch(&mut rng, &mut after);
                match log.write(&mut batch) {
                    Ok(()) => acknowledged = after,
                    Err(WriteError::Fatal(_)) => {
                        unsure = Some(after);
                        break;
                    }
                    Err(other) => return Err(format!("seed {seed}, life {life}: {other}")),
                }
            }
        }
        match rng.below(3) {
            // Only a power cut brings the power back.
            0 if !disk.is_off() => disk.kill(),
            1 => disk.power_cut(Loss::All),
            _ => disk.power_cut(Loss::Torn(rng.next_u64())),
        }
    }
    Ok(())
}

/// The log and what it holds; none if the power went, or a sync failed, while it was opened.
fn open_and_check(
    disk: &MemDisk,
    acknowledged: &Model,
    unsure: Option<&Model>,
) -> Result<Option<(synod_log::Log, Model)>, String> {
    let log = match common::open(disk) {
        Ok(log) => log,
        Err(synod_log::OpenError::Failed(_)) => return Ok(None),
        Err(other) => return Err(other.to_string()),
    };
    if disk.is_off() {
        return Ok(None);
    }
    let found = Model::of(log.reader());
    if found == *acknowledged || unsure == Some(&found) {
        Ok(Some((log, found)))
    } else {
        Err(format!("holds {}, acknowledged were {}", brief(&found), brief(acknowledged)))
    }
}

#[test]
fn what_was_acknowledged_is_there_and_batches_are_whole() {
    for seed in trials(150, 5_000) {
        lives(seed, false).unwrap();
    }
}

/// The test above is worth something: without syncs, it fails.
#[test]
fn a_log_that_does_not_sync_is_found_out() {
    let found = (0..20).filter(|seed| lives(*seed, true).is_err()).count();
    assert!(found >= 15, "only {found} of 20 seeds noticed that nothing was synced");
}

#[test]
fn a_batch_is_one_write_and_one_sync() {
    let disk = MemDisk::new(1);
    let mut log = common::open(&disk).unwrap();
    let mut rng = Rng::new(1);
    let mut model = Model::default();
    for _ in 0..30 {
        let before = disk.counts();
        let mut batch = random_batch(&mut rng, &mut model);
        let (segments, empty) = (disk_segments(&disk), batch.is_empty());
        log.write(&mut batch).unwrap();
        let after = disk.counts();
        if disk_segments(&disk) == segments && !empty {
            // The second write is the note of what was acknowledged, which nobody waits for.
            assert_eq!((after.writes - before.writes, after.syncs - before.syncs), (2, 1));
        }
    }
}

fn disk_segments(disk: &MemDisk) -> usize {
    use synod_log::disk::Disk as _;
    disk.list().unwrap().len()
}
