//! A naive model of a log, random batches for both, and small settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_base::rng::Rng;
use synod_log::disk::MemDisk;
use synod_log::{Batch, Helper, Log, OpenError, Reader, SLOTS, Settings};

/// Smallest segments: everything that happens between segments happens often.
pub(crate) const SEGMENT: u32 = 64 * 1024;

pub(crate) fn settings() -> Settings {
    Settings {
        id: 0x1234_5678_9abc_def0,
        segment_bytes: SEGMENT,
        first_segment_bytes: SEGMENT,
        // Too small for everything: some entries are read from the disk.
        cache_bytes: 24 * 1024,
        helper: Helper::Inline,
        ..Settings::default()
    }
}

pub(crate) fn open(disk: &MemDisk) -> Result<Log, OpenError> {
    Log::open(Arc::new(disk.clone()), settings())
}

pub(crate) fn is_long() -> bool {
    std::env::var("SYNOD_LONG").is_ok_and(|value| value == "1")
}

/// How many trials, usually and with `SYNOD_LONG=1`.
pub(crate) fn trials(usually: u64, long: u64) -> std::ops::Range<u64> {
    0..if is_long() { long } else { usually }
}

/// What a log should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub first: u64,
    pub entries: Vec<Vec<u8>>,
    pub slots: BTreeMap<usize, Vec<u8>>,
}

impl Model {
    pub(crate) fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// What a reader shows.
    pub(crate) fn of(reader: &Reader) -> Self {
        let range = reader.range();
        let entries = reader.entries(range.clone(), usize::MAX).expect("everything held can be read");
        assert!((range.start..).zip(&entries).all(|(index, entry)| entry.index == index));
        assert_eq!(entries.len() as u64, range.end - range.start);
        let slots = (0..SLOTS).filter_map(|slot| Some((slot, reader.slot(slot)?.to_vec())));
        Self {
            first: range.start,
            entries: entries.into_iter().map(|entry| entry.payload.to_vec()).collect(),
            slots: slots.collect(),
        }
    }
}

/// Short for a message.
pub(crate) fn brief(model: &Model) -> String {
    format!("{}..{} and {} slots", model.first, model.next(), model.slots.len())
}

/// Payloads of all sorts: mostly small, some empty, some of zeros, some over several sectors.
pub(crate) fn payload(rng: &mut Rng) -> Vec<u8> {
    let len = match rng.below(20) {
        0 => 0,
        1..=2 => rng.below(12_000),
        3..=5 => rng.below(2_000),
        _ => rng.below(200),
    };
    let fill = rng.below(8);
    (0..len).map(|_| if fill == 0 { 0 } else { rng.next_u64() as u8 }).collect()
}

/// Adds random operations to a batch and does the same to a model.
pub(crate) fn random_batch(rng: &mut Rng, model: &mut Model) -> Batch {
    let mut batch = Batch::new();
    for _ in 0..=rng.below(6) {
        match rng.below(40) {
            0..=4 => {
                let (slot, value) = (rng.below(SLOTS as u64) as usize, payload(rng));
                let value = &value[..value.len().min(1024)];
                batch.slot(slot, value).unwrap();
                model.slots.insert(slot, value.to_vec());
            }
            5..=6 if !model.entries.is_empty() => {
                let cut = rng.below(model.entries.len().min(20) as u64 + 1) as usize;
                let keep = model.entries.len() - cut;
                batch.truncate(model.first + keep as u64);
                model.entries.truncate(keep);
            }
            7 if model.entries.len() > 400 => {
                let gone = rng.below(model.entries.len() as u64 / 2) as usize + 1;
                batch.purge(model.first + gone as u64 - 1);
                model.entries.drain(..gone);
                model.first += gone as u64;
            }
            8 if rng.percent(5) => {
                // As when a snapshot is taken over that goes further than the log.
                let up_to = model.next() + rng.below(10);
                batch.purge(up_to);
                model.entries.clear();
                model.first = up_to + 1;
            }
            _ => {
                let payload = payload(rng);
                if batch.bytes() + payload.len() < 40_000 {
                    batch.entry(model.next(), &payload).unwrap();
                    model.entries.push(payload);
                }
            }
        }
    }
    batch
}
