//! A log with any bytes of its files changed: it is refused, or nothing that was acknowledged is missing.
//!
//! The input: eight bytes of seed for the log, then changes of six bytes each (file, three bytes of offset, length of the
//! run, what is XORed over it).
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use synod_base::rng::Rng;
use synod_log::disk::{Disk as _, MemDisk};
use synod_log::{Batch, Helper, Log, OpenError, Settings};

fuzz_target!(|input: &[u8]| {
    let Some((seed, changes)) = input.split_first_chunk::<8>() else { return };
    let disk = MemDisk::new(1);
    let entries = write(&disk, &mut Rng::new(u64::from_le_bytes(*seed)));
    let files = disk.list().expect("the power is on");
    for change in changes.as_chunks::<6>().0 {
        let [file, a, b, c, len, mask] = *change;
        disk.damage(&files[file as usize % files.len()], |bytes| {
            let at = u32::from_le_bytes([a, b, c, 0]) as usize % bytes.len().max(1);
            bytes.iter_mut().skip(at).take(1 + len as usize).for_each(|byte| *byte ^= mask);
        });
    }
    match Log::open(Arc::new(disk), settings()) {
        Ok(log) => {
            let found = log.reader().entries(0..u64::MAX, usize::MAX).expect("what was opened can be read");
            assert!(found.iter().map(|entry| entry.payload.to_vec()).eq(entries));
        }
        Err(OpenError::Damaged(_)) => {}
        Err(other) => panic!("{other}"),
    }
});

fn settings() -> Settings {
    let bytes = 64 * 1024;
    Settings {
        segment_bytes: bytes,
        first_segment_bytes: bytes,
        cache_bytes: 0,
        helper: Helper::Inline,
        ..Settings::default()
    }
}

fn write(disk: &MemDisk, rng: &mut Rng) -> Vec<Vec<u8>> {
    let mut log = Log::open(Arc::new(disk.clone()), settings()).expect("an empty disk");
    let mut entries = Vec::new();
    let payloads = [10, 200, 3_000, 20_000];
    for _ in 0..1 + rng.below(12) {
        let mut batch = Batch::new();
        for _ in 0..1 + rng.below(3) {
            let len = payloads[rng.below(4) as usize];
            let byte = if rng.percent(50) { 0 } else { rng.next_u64() as u8 };
            let payload = vec![byte; rng.below(len) as usize];
            if batch.bytes() + payload.len() > 40_000 {
                continue;
            }
            batch.entry(entries.len() as u64, &payload).expect("small");
            entries.push(payload);
        }
        log.write(&mut batch).expect("a disk without faults");
    }
    entries
}
