//! A full disk: found before work is accepted, nothing acknowledged lost, and over when there is room.

use std::sync::Arc;

use synod_base::rng::Rng;
use synod_log::disk::{Loss, MemDisk};
use synod_log::{Log, OpenError, Settings, WriteError};

use crate::common::{self, Model, SEGMENT, random_batch, trials};

/// A log on a disk that has room for `spare` bytes more than it uses, filled until new work is refused.
fn fill(seed: u64, spare: u64) -> (MemDisk, Log, Model, Rng) {
    let (disk, mut rng) = (MemDisk::new(seed), Rng::new(seed));
    let mut log = common::open(&disk).unwrap();
    disk.set_capacity(Some(disk.used() + spare));
    let mut model = Model::default();
    let mut batches = 0;
    while log.has_room_for(40_000) {
        log.write(&mut random_batch(&mut rng, &mut model)).unwrap();
        batches += 1;
        assert!(batches < 10_000, "the disk was never full");
    }
    (disk, log, model, rng)
}

#[test]
fn what_was_accepted_is_finished_and_work_goes_on_when_there_is_room() {
    for seed in trials(20, 200) {
        let (disk, mut log, mut model, mut rng) = fill(seed, Rng::new(seed).below(3 * u64::from(SEGMENT)));
        assert!(log.is_full() && !log.has_room_for(1));
        // A quarter of a segment at least is left for what was accepted.
        let mut finished = 0;
        loop {
            let mut after = model.clone();
            let mut batch = random_batch(&mut rng, &mut after);
            let bytes = batch.bytes();
            match log.write(&mut batch) {
                Ok(()) => model = after,
                Err(WriteError::Full) => {
                    assert!(!batch.is_empty(), "the batch can be tried again");
                    break;
                }
                Err(other) => panic!("seed {seed}: {other}"),
            }
            finished += bytes;
        }
        assert!(finished >= 10_000, "seed {seed}: only {finished} bytes were left for what was accepted");
        assert!(Model::of(log.reader()) == model, "seed {seed}");
        // The same after a restart on the full disk.
        drop(log);
        disk.power_cut(Loss::Torn(seed));
        let mut log = common::open(&disk).unwrap();
        assert!(Model::of(log.reader()) == model, "seed {seed}");
        assert!(log.is_full());
        log.try_again();
        assert!(log.is_full());
        disk.set_capacity(None);
        log.try_again();
        assert!(log.has_room_for(40_000));
        for _ in 0..100 {
            log.write(&mut random_batch(&mut rng, &mut model)).unwrap();
        }
        assert!(Model::of(log.reader()) == model, "seed {seed}");
    }
}

#[test]
fn a_purge_makes_room() {
    for seed in trials(20, 200) {
        let (_, mut log, mut model, mut rng) = fill(seed, 3 * u64::from(SEGMENT));
        let mut batch = synod_log::Batch::new();
        batch.purge(model.next() - 1);
        log.write(&mut batch).unwrap();
        model = Model { first: model.next(), entries: Vec::new(), ..model };
        assert!(log.has_room_for(40_000), "seed {seed}");
        for _ in 0..20 {
            log.write(&mut random_batch(&mut rng, &mut model)).unwrap();
        }
        assert!(Model::of(log.reader()) == model, "seed {seed}");
    }
}

#[test]
fn a_new_log_without_room_says_so_and_can_be_made_later() {
    for capacity in [0, 100, 16_384, 20_000, 80_000] {
        let disk = MemDisk::new(1);
        disk.set_capacity(Some(capacity));
        assert!(matches!(common::open(&disk), Err(OpenError::Full { .. })), "{capacity}");
        disk.set_capacity(None);
        let mut log = common::open(&disk).unwrap();
        log.write(&mut random_batch(&mut Rng::new(1), &mut Model::default())).unwrap();
    }
}

/// The keeper's own thread finds out by itself that there is room again.
#[test]
fn the_thread_tries_again() {
    let disk = MemDisk::new(1);
    let settings = Settings { helper: synod_log::Helper::Thread, retry_ms: 1, ..common::settings() };
    let mut log = Log::open(Arc::new(disk.clone()), settings).unwrap();
    let (mut rng, mut model) = (Rng::new(1), Model::default());
    disk.set_capacity(Some(0));
    while log.has_room_for(1) {
        log.write(&mut random_batch(&mut rng, &mut model)).unwrap();
    }
    disk.set_capacity(None);
    let mut polls = 0;
    while !log.has_room_for(1) {
        std::thread::sleep(std::time::Duration::from_millis(1));
        polls += 1;
        assert!(polls < 10_000, "nobody noticed that there is room");
    }
    for _ in 0..300 {
        log.write(&mut random_batch(&mut rng, &mut model)).unwrap();
    }
    assert!(Model::of(log.reader()) == model);
    drop(log);
    assert!(Model::of(common::open(&disk).unwrap().reader()) == model);
}
