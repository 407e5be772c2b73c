//! Opening a directory: from files to the state that they hold, or to a sentence that says what is wrong with them.
//!
//! Batches follow each other without a gap in their sequences, from the first segment named to the place where no whole
//! batch follows: the *end*. The batch that is *due* there is the only one that may have been in flight, since each was
//! synced before the next was written. What is at the end can be:
//!
//! | what is there | verdict |
//! |---|---|
//! | anywhere behind it, also in later segments, a header with a later sequence | refuse: the due one was acknowledged |
//! | the manifest knows that the due one was acknowledged | refuse |
//! | a whole frame of another sequence | refuse: stale |
//! | a whole frame, and behind it a sector (or the batch's last byte) that is still zero | torn: cut |
//! | a whole frame, all sectors written, but a record wrong | refuse |
//! | no frame, though its sector was written, and behind it headers of the due batch | refuse: the frame is damaged |
//! | no frame, its sector never written, and behind it headers of the due batch | torn: cut |
//! | anything else: zeros, garbage | cut |
//!
//! What is cut is zeroed again, so that a later torn write is seen for what it is. The last batch is written and synced
//! once more unless it is known to be acknowledged: it may be in the page cache only, even after a sync that failed.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::disk::{self, Disk};
use crate::error::{Damage, Fatal, Fault, OpenError};
use crate::index::Index;
use crate::manifest::{self, Manifest};
use crate::record::{self, HEADER, Kind};
use crate::scan::{self, Defect, Rest, Window};
use crate::segment::{self, DATA, Segment};
use crate::settings::Settings;

/// What was found when a log was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Batches that were read.
    pub batches: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// What was cut: the remains of a batch that was never acknowledged, or garbage.
    pub cut: Vec<Cut>,
}

/// Bytes behind the last batch that belonged to none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The file.
    pub file: String,
    /// Where in the file they began and ended, roughly.
    pub range: Range<u32>,
}

/// A log on the disk, read.
pub(crate) struct Recovered {
    pub index: Index,
    pub manifest: Manifest,
    pub range: manifest::Range,
    /// The segment to go on in, and where in it. None in a new log.
    pub end: Option<(Arc<Segment>, u32)>,
    pub spares: VecDeque<Arc<Segment>>,
    /// Sequence of the next batch.
    pub sequence: u64,
    pub recovery: Recovery,
}

pub(crate) fn recover(disk: &dyn Disk, settings: &Settings) -> Result<Recovered, OpenError> {
    let names = disk.list().map_err(Fatal::of("list", disk.place("")))?;
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| segment::number_of(name)).collect();
    numbers.sort_unstable();
    if names.iter().any(|name| manifest::is_temporary(name)) {
        manifest::remove_temporary(disk)?;
    }
    let (manifest, range, acknowledged) = if names.iter().any(|name| name == manifest::NAME) {
        Manifest::open(disk, Some(settings.id))?
    } else if numbers.is_empty() {
        let (manifest, range) = Manifest::create(disk, settings.id)?;
        (manifest, range, 0)
    } else {
        let file = disk.place(manifest::NAME);
        return Err(Damage { file, offset: 0, sequence: 0, fault: Fault::Missing }.into());
    };
    let segments = open_segments(disk, settings.id, range)?;
    let replay = Replay::run(&segments, settings.cache_bytes, acknowledged)?;
    refuse_unnamed(disk, settings.id, range, &numbers)?;
    // From here on things are changed.
    tidy_up(disk, range, &numbers)?;
    replay.finish(segments, manifest, range, acknowledged)
}

fn open_segments(disk: &dyn Disk, id: u64, range: manifest::Range) -> Result<Vec<Arc<Segment>>, OpenError> {
    let mut segments = Vec::new();
    let mut sizes = Vec::new();
    for number in range.first..=range.last {
        let (segment, size) = segment::open(disk, Some(id), number)?;
        segments.push(segment);
        sizes.push(size);
    }
    // The last one in use can be one of the last two, with a spare behind it.
    for (segment, size) in segments.iter().zip(sizes).rev().skip(2) {
        let want = u64::from(segment.bytes);
        if size > want {
            return Err(segment.damaged(segment.bytes, 0, Fault::Long { size, want }).into());
        }
    }
    Ok(segments)
}

/// Refuses segments behind the last one that the manifest names, but for one that was being made.
fn refuse_unnamed(
    disk: &dyn Disk,
    id: u64,
    range: manifest::Range,
    numbers: &[u32],
) -> Result<(), OpenError> {
    for &number in numbers.iter().filter(|number| **number > range.last) {
        // Of a segment being made, any part may be there, but no record.
        let made = match segment::open(disk, Some(id), number) {
            Ok((segment, _)) => scan::holds_records(&segment).map_err(segment.failed("read"))?,
            Err(_) => false,
        };
        if made || number > range.last + 1 {
            let file = disk.place(&segment::name(number));
            let fault = Fault::Unnamed { last: range.last };
            return Err(Damage { file, offset: 0, sequence: 0, fault }.into());
        }
    }
    Ok(())
}

/// Deletes what a start, a purge or the making of a segment left when it was interrupted.
fn tidy_up(disk: &dyn Disk, range: manifest::Range, numbers: &[u32]) -> Result<(), Fatal> {
    for &number in numbers.iter().filter(|number| !(range.first..=range.last).contains(number)) {
        segment::remove_remains(disk, number)
            .map_err(Fatal::of("delete", disk.place(&segment::name(number))))?;
    }
    Ok(())
}

/// The state that the segments lead to, and what lies behind it.
struct Replay {
    index: Index,
    recovery: Recovery,
    /// Which of the segments is the last in use, and where the log ends in it.
    end: Option<(usize, u32)>,
    /// Where the last batch begins, in that segment.
    last: u32,
    /// Sequence of the batch that is due at the end.
    due: u64,
    /// What lies behind the end, in the last segment in use and in those after it.
    rests: Vec<(usize, Rest)>,
}

impl Replay {
    fn run(segments: &[Arc<Segment>], cache_bytes: usize, acknowledged: u64) -> Result<Self, OpenError> {
        let mut replay = Self {
            index: Index::new(cache_bytes),
            recovery: Recovery::default(),
            end: None,
            last: 0,
            due: 1,
            rests: Vec::new(),
        };
        for (at, segment) in segments.iter().enumerate() {
            let mut window = Window::new(segment);
            if !replay.begins(&mut window, segment, at == 0)? {
                break;
            }
            // Full segments end in zeros.
            if let Some((full, end)) = replay.end.filter(|_| at > 0) {
                let full = &segments[full];
                let rest = Window::new(full).rest(end, replay.due).map_err(full.failed("read"))?;
                if let Some(written) = rest.written {
                    return Err(full.damaged(written.start, replay.due, Fault::Tail).into());
                }
            }
            let end = replay.read(&mut window, segment)?;
            replay.end = Some((at, end));
        }
        replay.judge(segments, acknowledged)?;
        if let Some(gap) = replay.index.gap() {
            let first = segments.first().map_or_else(|| "the log".to_owned(), |first| first.place.clone());
            return Err(Damage { file: first, offset: DATA.into(), sequence: 0, fault: gap }.into());
        }
        Ok(replay)
    }

    /// Whether the segment begins with a whole start batch that follows. The first segment's may have any sequence,
    /// unless it is the first of all.
    fn begins(&self, window: &mut Window, segment: &Segment, first: bool) -> Result<bool, OpenError> {
        let due = (!first || segment.number == 1).then_some(self.due);
        let batch = window.batch(DATA, due).map_err(segment.failed("read"))?;
        let Ok((sequence, bytes)) = batch else {
            if first && segment.number != 1 {
                let rest = Window::new(segment).rest(DATA, 0).map_err(segment.failed("read"))?;
                let sequence = match rest.later {
                    // A header of the damaged batch itself, or of the one after it.
                    Some((offset, sequence)) if offset <= DATA + HEADER as u32 => sequence,
                    Some((_, sequence)) => sequence - 1,
                    None => 0,
                };
                return Err(segment.damaged(DATA, sequence, Fault::Start).into());
            }
            return Ok(false);
        };
        let mut kinds = record::records(bytes).map(|(_, header, _)| header.kind);
        if kinds.next() != Some(Kind::Start) || kinds.next().is_some() {
            return Err(segment.damaged(DATA, sequence, Fault::Start).into());
        }
        Ok(true)
    }

    /// Takes over all batches of a segment that begins; where they end.
    fn read(&mut self, window: &mut Window, segment: &Arc<Segment>) -> Result<u32, OpenError> {
        let mut offset = DATA;
        self.index.begin(Arc::clone(segment));
        let mut due = self.recovery.batches.checked_sub(1).map(|_| self.due);
        while let Ok((sequence, bytes)) = window.batch(offset, due).map_err(segment.failed("read"))? {
            let applied = self.index.apply(offset, bytes);
            applied.map_err(|fault| segment.damaged(offset, sequence, fault))?;
            self.recovery.batches += 1;
            self.recovery.bytes += bytes.len() as u64;
            self.last = offset;
            self.due = sequence + 1;
            due = Some(self.due);
            offset += bytes.len() as u32;
        }
        Ok(offset)
    }

    /// Whether what lies at and behind the end is what a power cut leaves.
    fn judge(&mut self, segments: &[Arc<Segment>], acknowledged: u64) -> Result<(), OpenError> {
        let (used, end) = self.end.unwrap_or((0, DATA));
        let Some(ending) = segments.get(used) else { return Ok(()) };
        for (at, segment) in segments.iter().enumerate().skip(used) {
            let from = if at == used { end } else { DATA };
            let rest = Window::new(segment).rest(from, self.due).map_err(segment.failed("read"))?;
            if let Some((offset, sequence)) = rest.later {
                let later = Fault::Later { file: segment.place.clone(), offset: offset.into(), sequence };
                // The due one was the first of this segment, unless that is whole: then it was the last before it.
                let begins = Window::new(segment).batch(DATA, None).map_err(segment.failed("read"))?.is_ok();
                let damage = match at {
                    _ if at == used || begins => ending.damaged(end, self.due, later),
                    _ => segment.damaged(DATA, self.due, later),
                };
                return Err(damage.into());
            }
            self.rests.push((at, rest));
        }
        if acknowledged >= self.due {
            return Err(ending.damaged(end, self.due, Fault::Acknowledged { acknowledged }).into());
        }
        for (at, rest) in &self.rests {
            let from = if *at == used { end } else { DATA };
            self.judge_due(&segments[*at], from, rest)?;
        }
        Ok(())
    }

    /// The same for one of the places where the due batch may be: no later one is anywhere.
    fn judge_due(&self, segment: &Segment, offset: u32, rest: &Rest) -> Result<(), OpenError> {
        let mut window = Window::new(segment);
        let defect = window.batch(offset, Some(self.due)).map_err(segment.failed("read"))?.err();
        let fault = match defect {
            Some(Defect::Sequence { found }) => Some((offset, Fault::Stale { found })),
            Some(Defect::Content { at, torn: false }) => Some((at, Fault::Content)),
            Some(Defect::NoFrame) if rest.due => {
                let unwritten = window.starts_unwritten(offset).map_err(segment.failed("read"))?;
                (!unwritten).then_some((offset, Fault::Content))
            }
            _ => None,
        };
        match fault {
            Some((at, fault)) => Err(segment.damaged(at, self.due, fault).into()),
            None => Ok(()),
        }
    }

    /// Makes the disk agree with the verdict.
    fn finish(
        mut self,
        mut segments: Vec<Arc<Segment>>,
        manifest: Manifest,
        range: manifest::Range,
        acknowledged: u64,
    ) -> Result<Recovered, OpenError> {
        for (at, rest) in &self.rests {
            if let Some(written) = &rest.written {
                let segment = &segments[*at];
                let len = u64::from(written.end - written.start);
                disk::write_zeros(&*segment.file, written.start.into(), len)
                    .map_err(segment.failed("write"))?;
                segment.file.sync_data().map_err(segment.failed("sync"))?;
                self.recovery.cut.push(Cut { file: segment.place.clone(), range: written.clone() });
            }
        }
        let spares = segments.split_off(self.end.map_or(0, |(used, _)| used + 1)).into();
        let end = self.end.map(|(used, end)| (Arc::clone(&segments[used]), end));
        if let Some((segment, end)) = &end
            && acknowledged + 1 < self.due
        {
            let mut batch = vec![0; (end - self.last) as usize];
            segment.file.read_at(self.last.into(), &mut batch).map_err(segment.failed("read"))?;
            segment.file.write_at(self.last.into(), &batch).map_err(segment.failed("write"))?;
            segment.file.sync_data().map_err(segment.failed("sync"))?;
            manifest.acknowledge(self.due - 1)?;
        }
        Ok(Recovered {
            index: self.index,
            manifest,
            range,
            end,
            spares,
            sequence: self.due,
            recovery: self.recovery,
        })
    }
}
