//! Reading segments in order, and looking for what a damaged place hides.

use std::io;

use crate::record::{self, ALIGN, HEADER, Header, Kind, Seed, is_zero};
use crate::segment::{DATA, Segment};

/// Bytes of one read.
const WINDOW: usize = 256 * 1024;

/// A part of a segment in memory, moved along as it is read.
#[derive(Debug)]
pub(crate) struct Window<'a> {
    segment: &'a Segment,
    buffer: Vec<u8>,
    start: u32,
}

/// Why there is no whole batch at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// No frame: zeros, garbage, a damaged one, or the segment's end.
    NoFrame,
    /// A frame of another time.
    Sequence { found: u64 },
    /// The frame is whole, the rest is not. `at`: the first record that is not as written.
    Content { at: u32, torn: bool },
}

impl<'a> Window<'a> {
    pub(crate) fn new(segment: &'a Segment) -> Self {
        Self { segment, buffer: Vec::new(), start: 0 }
    }

    /// `len` bytes at `offset`, which lie within the segment.
    fn get(&mut self, offset: u32, len: usize) -> io::Result<&[u8]> {
        let held = self.start as usize..self.start as usize + self.buffer.len();
        let wanted = offset as usize..offset as usize + len;
        if wanted.start < held.start || wanted.end > held.end {
            let read = len.max(WINDOW).min(self.segment.bytes as usize - wanted.start);
            self.buffer.resize(read, 0);
            self.start = offset;
            self.segment.file.read_at(offset.into(), &mut self.buffer)?;
        }
        let at = (offset - self.start) as usize;
        Ok(&self.buffer[at..at + len])
    }

    /// The batch at `offset`, checked in every bit. `sequence`: which it must be, if that is known.
    pub(crate) fn batch(
        &mut self,
        offset: u32,
        sequence: Option<u64>,
    ) -> io::Result<Result<(u64, &[u8]), Defect>> {
        let (seed, end) = (self.segment.seed, self.segment.bytes);
        if offset + HEADER as u32 > end {
            return Ok(Err(Defect::NoFrame));
        }
        let frame = Header::read(self.get(offset, HEADER)?, seed, offset);
        let Some(frame) = frame.filter(|frame| frame.kind == Kind::Frame) else {
            return Ok(Err(Defect::NoFrame));
        };
        if sequence.is_some_and(|sequence| sequence != frame.sequence) {
            return Ok(Err(Defect::Sequence { found: frame.sequence }));
        }
        if frame.len > end - offset || (frame.len as usize) < HEADER {
            return Ok(Err(Defect::Content { at: offset, torn: false }));
        }
        let bytes = self.get(offset, frame.len as usize)?;
        match record::check_batch(bytes, seed, offset) {
            Ok(frame) => Ok(Ok((frame.sequence, bytes))),
            Err(at) => {
                let torn = record::is_torn(bytes, offset);
                Ok(Err(Defect::Content { at: offset + at as u32, torn }))
            }
        }
    }

    /// Whether the part of the first sector at `offset` is zero, so that it was never written.
    pub(crate) fn starts_unwritten(&mut self, offset: u32) -> io::Result<bool> {
        let len =
            (record::SECTOR - offset as usize % record::SECTOR).min((self.segment.bytes - offset) as usize);
        Ok(is_zero(self.get(offset, len)?))
    }

    /// Everything that is not zero from `offset` to the segment's end.
    pub(crate) fn rest(&mut self, offset: u32, sequence: u64) -> io::Result<Rest> {
        let mut rest = Rest::default();
        let mut at = offset;
        while at < self.segment.bytes {
            let seed = self.segment.seed;
            let len = WINDOW.min((self.segment.bytes - at) as usize);
            let bytes = self.get(at, len)?;
            if !is_zero(bytes) {
                rest.note_bytes(bytes, at);
                rest.note_headers(bytes, at, seed, sequence);
            }
            // A header may lie across the border of two windows.
            let step = if len == WINDOW { len - HEADER } else { len };
            at += step as u32;
        }
        Ok(rest)
    }
}

/// What lies behind the last batch of a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rest {
    /// From the first byte that is not zero to the last, rounded to windows.
    pub written: Option<std::ops::Range<u32>>,
    /// The first header of a batch later than the one that is due.
    pub later: Option<(u32, u64)>,
    /// A header of the batch that is due.
    pub due: bool,
}

impl Rest {
    fn note_bytes(&mut self, bytes: &[u8], at: u32) {
        let first = at + bytes.iter().position(|byte| *byte != 0).unwrap_or(0) as u32;
        let end = at + bytes.len() as u32;
        let written = self.written.get_or_insert(first..end);
        written.end = end;
    }

    /// Records lie at multiples of 8.
    fn note_headers(&mut self, bytes: &[u8], at: u32, seed: Seed, sequence: u64) {
        for (n, place) in (at..).step_by(8).zip(bytes.windows(HEADER).step_by(8)) {
            if place[HEADER - 1] == 0 {
                continue;
            }
            let Some(header) = Header::read(place, seed, n) else { continue };
            if header.sequence > sequence {
                self.later.get_or_insert((n, header.sequence));
            }
            self.due |= header.sequence == sequence;
        }
    }
}

/// Whether a segment holds any header at all, of any sequence: one that nobody names must not.
pub(crate) fn holds_records(segment: &Segment) -> io::Result<bool> {
    let rest = Window::new(segment).rest(DATA, 0)?;
    Ok(rest.later.is_some() || rest.due)
}

const _: () = assert!(WINDOW.is_multiple_of(ALIGN) && HEADER.is_multiple_of(8));
