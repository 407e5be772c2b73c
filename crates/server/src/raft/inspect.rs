//! The log as it lies on the disk, for people who have to find out what happened. Nothing is changed and no lock is taken.
//!
//! What cannot be read is told with its place. It is *damage*, at which a start ends, if something readable follows or the
//! manifest knows that it was acknowledged; else it is most likely a write that was broken off, which a start cuts.

use std::collections::BTreeMap;
use std::path::Path;

use synod_core::txn::Batch;
use synod_core::txn::codec::v1;
use synod_log::disk::{Disk, RealDisk};
use synod_log::inspect::{self, Item, RawRecord, Summary};
use synod_log::{Damage, Fatal, Kind, OpenError};

use super::codec;
use super::store::{COMMITTED, PURGED, VOTE};
use super::types::{LogId, Payload};

/// Something that lies in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A record that is as it was written, and can be read.
    Record(Record),
    /// A place that cannot be read.
    Trouble(Trouble),
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The file.
    pub file: String,
    /// Where in it.
    pub offset: u64,
    /// What it is: `batch`, `entry`, `slot`, `truncate`, `purge` or `start`.
    pub kind: &'static str,
    /// Sequence of its batch.
    pub sequence: u64,
    /// Of an entry, its index; of a slot, its number; of a batch, the number of records.
    pub index: u64,
    /// Bytes of payload; of a batch, all of them.
    pub bytes: u32,
    /// What it holds, in words.
    pub holds: String,
}

/// A place that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The file.
    pub file: String,
    /// Where in it.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
    /// Whether a start ends here.
    pub is_damage: bool,
}

/// What a segment holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Batches.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// First and last index of its entries.
    pub entries: Option<(u64, u64)>,
    /// First and last sequence.
    pub sequences: Option<(u64, u64)>,
}

/// What the whole log holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What the manifest says; nothing if it cannot be read.
    pub manifest: Option<Summary>,
    /// By file.
    pub segments: BTreeMap<String, Segment>,
    /// Index of the first entry that is not purged.
    pub first_index: u64,
    /// Index of the last entry; nothing if there is none.
    pub last_index: Option<u64>,
    /// Places at which a start ends.
    pub damaged: u64,
    /// Places that a start cuts.
    pub unfinished: u64,
}

/// Reads the log in `dir`, which is a data directory or the directory `log` in it, tells each thing found to `tell`, and
/// sums up.
///
/// # Errors
/// When there is no log, or the system refuses to read it.
pub fn inspect(dir: &Path, tell: impl FnMut(&Found)) -> Result<Report, Fatal> {
    let inner = dir.join("log");
    read(&RealDisk::read_only(if inner.is_dir() { &inner } else { dir }), tell)
}

pub(super) fn read(disk: &dyn Disk, mut tell: impl FnMut(&Found)) -> Result<Report, Fatal> {
    let mut reading = Reading {
        report: Report::default(),
        known: Vec::new(),
        suspects: Vec::new(),
        batch: Place::default(),
        tell: &mut tell,
    };
    match inspect::summary(disk) {
        Ok(summary) => {
            reading.report.manifest = Some(summary);
            reading.known = inspect::unreadable(disk, summary)?;
            for damage in reading.known.clone() {
                reading.damage(damage.file, damage.offset, damage.fault.to_string());
            }
        }
        Err(OpenError::Failed(fatal)) => return Err(fatal),
        Err(OpenError::Damaged(damage)) => {
            reading.damage(damage.file.clone(), damage.offset, damage.fault.to_string());
        }
        Err(other) => reading.damage(String::new(), 0, other.to_string()),
    }
    for item in inspect::records(disk)? {
        reading.take(item?);
    }
    reading.finish();
    Ok(reading.report)
}

struct Reading<'a> {
    report: Report,
    /// What is wrong with whole files, told already.
    known: Vec<Damage>,
    /// What cannot be read, as long as nothing readable follows.
    suspects: Vec<(Trouble, u64)>,
    /// The latest batch.
    batch: Place,
    tell: &'a mut dyn FnMut(&Found),
}

/// Where a batch lies.
#[derive(Debug, Default)]
struct Place {
    file: String,
    end: u64,
    sequence: u64,
}

impl Reading<'_> {
    fn take(&mut self, item: Item) {
        match item {
            Item::Record(record) if !record.intact => {
                let what = format!("the content of {} is not what was written", name(&record));
                self.suspect(record.file, record.offset, what);
            }
            Item::Record(record) => self.record(record),
            Item::Gap { file, offset, len, zero } => {
                let kind = if zero { "zeros" } else { "bytes that are no record" };
                self.suspect(file, offset, format!("{len} {kind}"));
            }
            Item::Unreadable(damage) if self.known.contains(&damage) => {}
            Item::Unreadable(damage) => self.suspect(damage.file, damage.offset, damage.fault.to_string()),
        }
    }

    fn record(&mut self, record: RawRecord) {
        for (Trouble { file, offset, what, .. }, _) in std::mem::take(&mut self.suspects) {
            self.damage(file, offset, what);
        }
        self.count(&record);
        let holds = match holds(&record) {
            Ok(holds) => holds,
            Err(why) => {
                let what = format!("{} is not of this version: {why}", name(&record));
                return self.damage(record.file, record.offset, what);
            }
        };
        (self.tell)(&Found::Record(Record {
            kind: kind(record.kind),
            file: record.file,
            offset: record.offset,
            sequence: record.sequence,
            index: record.index,
            bytes: record.len,
            holds,
        }));
    }

    fn count(&mut self, record: &RawRecord) {
        let Report { segments, first_index, last_index, .. } = &mut self.report;
        let segment = segments.entry(record.file.clone()).or_default();
        let widen = |range: Option<(u64, u64)>, number: u64| {
            range.map_or((number, number), |(first, last)| (first.min(number), last.max(number)))
        };
        segment.sequences = Some(widen(segment.sequences, record.sequence));
        match record.kind {
            Kind::Frame => {
                segment.batches += 1;
                let end = record.offset + u64::from(record.len);
                self.batch = Place { file: record.file.clone(), end, sequence: record.sequence };
            }
            _ => segment.records += 1,
        }
        match record.kind {
            Kind::Entry => {
                segment.entries = Some(widen(segment.entries, record.index));
                if last_index.is_none() && *first_index == 0 {
                    *first_index = record.index;
                }
                *last_index = Some(record.index);
            }
            Kind::Truncate => *last_index = record.index.checked_sub(1),
            Kind::Purge => {
                *first_index = (*first_index).max(record.index.saturating_add(1));
                *last_index = Some(last_index.map_or(record.index, |last| last.max(record.index)));
            }
            Kind::Frame | Kind::Slot | Kind::Start => {}
        }
    }

    fn suspect(&mut self, file: String, offset: u64, what: String) {
        let is_within = self.batch.file == file && offset < self.batch.end;
        let sequence = self.batch.sequence + u64::from(!is_within);
        self.suspects.push((Trouble { file, offset, what, is_damage: false }, sequence));
    }

    fn damage(&mut self, file: String, offset: u64, what: String) {
        self.report.damaged += 1;
        (self.tell)(&Found::Trouble(Trouble { file, offset, what, is_damage: true }));
    }

    /// What nothing readable follows was being written, unless the manifest knows better.
    fn finish(&mut self) {
        let acknowledged = self.report.manifest.map_or(0, |manifest| manifest.acknowledged);
        let last = self.batch.sequence;
        if last < acknowledged && self.suspects.is_empty() {
            let what = format!("the log ends with batch {last}, but {acknowledged} was acknowledged");
            self.damage(self.batch.file.clone(), self.batch.end, what);
        }
        for (suspect, sequence) in std::mem::take(&mut self.suspects) {
            if sequence <= acknowledged {
                self.damage(suspect.file, suspect.offset, suspect.what);
            } else {
                self.report.unfinished += 1;
                (self.tell)(&Found::Trouble(suspect));
            }
        }
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Frame => "batch",
        Kind::Entry => "entry",
        Kind::Slot => "slot",
        Kind::Truncate => "truncate",
        Kind::Purge => "purge",
        Kind::Start => "start",
    }
}

fn name(record: &RawRecord) -> String {
    format!("{} {} of batch {}", kind(record.kind), record.index, record.sequence)
}

/// What a record holds, in words, or why it cannot be read.
fn holds(record: &RawRecord) -> Result<String, String> {
    let payload = || record.payload.clone();
    let failed = |error: codec::Unreadable| error.to_string();
    Ok(match (record.kind, record.index as usize) {
        (Kind::Entry, _) => {
            let entry = codec::read_entry(record.index, payload()).map_err(failed)?;
            let term = entry.log_id.leader_id.term;
            match entry.payload {
                Payload::Blank => format!("term {term}: a leader begins"),
                Payload::Membership(members) => {
                    format!("term {term}: voters {:?}", members.voter_ids().collect::<Vec<_>>())
                }
                Payload::Normal(proposal) => {
                    let batch = v1::decode(&proposal.bytes).map_err(|damage| damage.to_string())?;
                    format!("term {term}: {}", commands(&batch))
                }
            }
        }
        (Kind::Slot, VOTE) => {
            let vote = codec::read_vote(payload()).map_err(failed)?;
            let what = if vote.committed { "leads" } else { "wants to lead" };
            format!("{:016x} {what} in term {}", vote.leader_id.node_id, vote.leader_id.term)
        }
        (Kind::Slot, COMMITTED) => {
            format!("committed: {}", entry(codec::read_log_id_slot(payload()).map_err(failed)?))
        }
        (Kind::Slot, PURGED) => {
            format!("purged: {}", entry(codec::read_log_id_slot(payload()).map_err(failed)?))
        }
        _ => String::new(),
    })
}

fn entry(log_id: Option<LogId>) -> String {
    log_id.map_or_else(
        || "nothing".to_owned(),
        |log_id| format!("entry {} of term {}", log_id.index, log_id.leader_id.term),
    )
}

/// `at 1764200000000: begin 7, report 5`: each command with the number of its transaction.
fn commands(batch: &Batch) -> String {
    let command = |command: &synod_core::txn::Command| match command.subject() {
        Some(xid) => format!("{} {}", command.name(), xid.number()),
        None => command.name().to_owned(),
    };
    let all: Vec<_> = batch.commands.iter().map(command).collect();
    format!("at {}: {}", batch.at_ms, all.join(", "))
}
