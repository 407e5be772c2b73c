//! What a log holds, in memory: where each entry lies, the slots, the segments, and the bytes of recent batches.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::batch::Batch;
use crate::error::{Fault, Refusal};
use crate::record::{self, HEADER, Header, Kind, SLOTS};
use crate::segment::Segment;

/// Everything but the entries themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Index of the first entry held.
    pub first: u64,
    /// Index that the next entry must have.
    pub next: u64,
    pub slots: [Option<Bytes>; SLOTS],
}

impl State {
    /// What a record does to the range of indexes, or false if it cannot follow.
    fn step(&mut self, kind: Kind, index: u64) -> bool {
        match kind {
            Kind::Entry if index == self.next && index < u64::MAX => self.next += 1,
            Kind::Truncate if (self.first..=self.next).contains(&index) => self.next = index,
            Kind::Purge if index < u64::MAX => {
                self.first = self.first.max(index + 1);
                self.next = self.next.max(self.first);
            }
            Kind::Slot if index < SLOTS as u64 => {}
            _ => return false,
        }
        true
    }

    /// As the payload of a start record.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.next.to_le_bytes());
        for (number, value) in self.slots.iter().enumerate() {
            if let Some(value) = value {
                out.extend_from_slice(&(number as u32).to_le_bytes());
                out.extend_from_slice(&(value.len() as u32).to_le_bytes());
                out.extend_from_slice(value);
            }
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (first, bytes) = bytes.split_first_chunk()?;
        let (next, mut bytes) = bytes.split_first_chunk()?;
        let mut state = Self {
            first: u64::from_le_bytes(*first),
            next: u64::from_le_bytes(*next),
            slots: Default::default(),
        };
        while !bytes.is_empty() {
            let (number, rest) = bytes.split_first_chunk()?;
            let (len, rest) = rest.split_first_chunk()?;
            let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            let slot = state.slots.get_mut(u32::from_le_bytes(*number) as usize)?;
            *slot = Some(Bytes::copy_from_slice(value));
            bytes = rest;
        }
        (state.first <= state.next).then_some(state)
    }
}

/// Where an entry's header lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub segment: u32,
    pub offset: u32,
    pub len: u32,
}

/// A segment, and how many bytes of log lie before it.
#[derive(Clone, Debug)]
struct Held {
    segment: Arc<Segment>,
    before: u64,
}

/// The bytes of a batch that are kept for readers.
#[derive(Clone, Debug)]
struct Recent {
    segment: u32,
    offset: u32,
    bytes: Bytes,
    /// Memory held for it, which may be more.
    held: usize,
}

#[derive(Debug)]
pub(crate) struct Index {
    pub state: State,
    /// Index of the first of `places`. Above `state.first` only while older segments are missing in a recovery.
    base: u64,
    places: VecDeque<Place>,
    segments: VecDeque<Held>,
    /// Where the log ends within the last segment.
    end: u32,
    recent: VecDeque<Recent>,
    recent_bytes: usize,
    recent_bytes_max: usize,
}

impl Index {
    pub(crate) fn new(recent_bytes_max: usize) -> Self {
        Self {
            state: State::default(),
            base: 0,
            places: VecDeque::new(),
            segments: VecDeque::new(),
            end: 0,
            recent: VecDeque::new(),
            recent_bytes: 0,
            recent_bytes_max,
        }
    }

    /// Whether a batch can follow.
    pub(crate) fn check(&self, batch: &Batch) -> Result<(), Refusal> {
        let mut state = State { first: self.state.first, next: self.state.next, slots: Default::default() };
        for (kind, index) in batch.operations() {
            let (first, next) = (state.first, state.next);
            if !state.step(kind, index) {
                return Err(Refusal::Order { kind, index, first, next });
            }
        }
        Ok(())
    }

    /// Goes on in another segment.
    pub(crate) fn begin(&mut self, segment: Arc<Segment>) {
        let before = self.position();
        self.end = 0;
        self.segments.push_back(Held { segment, before });
    }

    /// Takes over the state that the first segment begins with; what lies before it is not there any more.
    fn start_from(&mut self, state: State) {
        self.base = state.next;
        self.state = state;
    }

    /// Takes over a batch that lies at `offset` of the last segment.
    pub(crate) fn apply(&mut self, offset: u32, batch: &[u8]) -> Result<(), Fault> {
        let segment = self.segments.back().map_or(0, |held| held.segment.number);
        for (at, header, payload) in record::records(batch) {
            let Header { kind, index, .. } = header;
            if kind == Kind::Start {
                let state =
                    State::decode(&record::plain(&batch[payload], header.mask)).ok_or(Fault::Start)?;
                if self.segments.len() <= 1 {
                    self.start_from(state);
                } else if state != self.state {
                    return Err(Fault::Start);
                }
                continue;
            }
            if !self.state.step(kind, index) {
                return Err(Fault::Order { kind, index });
            }
            match kind {
                Kind::Entry => {
                    self.places.push_back(Place { segment, offset: offset + at as u32, len: header.len });
                }
                Kind::Slot => {
                    let value = record::plain(&batch[payload], header.mask);
                    self.state.slots[index as usize] = Some(value.into());
                }
                _ => self.follow(),
            }
        }
        self.end = offset + batch.len() as u32;
        Ok(())
    }

    /// Makes the places agree with the range, after it lost entries at one of its ends.
    fn follow(&mut self) {
        self.places.truncate(self.state.next.saturating_sub(self.base) as usize);
        let purged = self.state.first.saturating_sub(self.base).min(self.places.len() as u64);
        self.places.drain(..purged as usize);
        self.base += purged;
        if self.places.is_empty() {
            self.base = self.state.next;
        }
    }

    /// Keeps a batch, which lies at `offset` of the last segment, for readers.
    pub(crate) fn remember(&mut self, offset: u32, bytes: Vec<u8>) {
        let held = bytes.capacity();
        let Some(segment) = self.segments.back().filter(|_| held <= self.recent_bytes_max) else { return };
        let segment = segment.segment.number;
        self.recent.push_back(Recent { segment, offset, bytes: bytes.into(), held });
        self.recent_bytes += held;
        while self.recent_bytes > self.recent_bytes_max {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        self.recent_bytes -= self.recent.pop_front().map_or(self.recent_bytes, |oldest| oldest.held);
    }

    /// The bytes from an entry's header on to the end of its batch, if they are in memory.
    pub(crate) fn recent(&self, place: Place) -> Option<Bytes> {
        let wanted = (place.segment, place.offset);
        let after = self.recent.partition_point(|recent| (recent.segment, recent.offset) <= wanted);
        let recent = self.recent.get(after.checked_sub(1)?)?;
        let at = (place.offset - recent.offset) as usize;
        (recent.segment == place.segment && at + HEADER + place.len as usize <= recent.bytes.len())
            .then(|| recent.bytes.slice(at..))
    }

    /// Where the entries from `from` on lie, which must be held.
    pub(crate) fn places(&self, from: u64) -> impl Iterator<Item = Place> {
        self.places.range((from.saturating_sub(self.base) as usize).min(self.places.len())..).copied()
    }

    /// The entries that no segment holds although they were not purged.
    pub(crate) fn gap(&self) -> Option<Fault> {
        (self.base > self.state.first).then(|| Fault::Gap { from: self.state.first, to: self.base - 1 })
    }

    pub(crate) fn segment(&self, number: u32) -> Option<&Arc<Segment>> {
        let first = self.segments.front()?.segment.number;
        self.segments.get(number.checked_sub(first)? as usize).map(|held| &held.segment)
    }

    /// Bytes of log written since it began, as far as that is known.
    fn position(&self) -> u64 {
        self.segments.back().map_or(0, |held| held.before + u64::from(self.end))
    }

    /// Bytes of log from an entry on to the end: what must be read to go on from there.
    pub(crate) fn bytes_from(&self, index: u64) -> u64 {
        let Some(place) = self.places(index).next() else { return 0 };
        let first = self.segments.front().map_or(0, |held| held.segment.number);
        let before = self.segments.get((place.segment - first) as usize).map_or(0, |held| held.before);
        self.position() - before - u64::from(place.offset)
    }

    /// The first entry from which on there are at most `bytes` of log.
    pub(crate) fn within(&self, bytes: u64) -> u64 {
        let (mut low, mut high) = (self.base, self.state.next);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.bytes_from(middle) > bytes {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Bytes that the segments take on the disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.segments.iter().map(|held| u64::from(held.segment.bytes)).sum()
    }

    /// The first segment that an entry lies in, or the one in use.
    fn needed(&self) -> Option<u32> {
        let last = self.segments.back()?.segment.number;
        Some(self.places.front().map_or(last, |place| place.segment))
    }

    /// Whether there are segments that no entry lies in.
    pub(crate) fn can_release(&self) -> bool {
        self.segments.front().map(|held| held.segment.number) < self.needed()
    }

    /// Lets go of the segments that no entry lies in; the first that stays.
    pub(crate) fn release(&mut self) -> Option<u32> {
        let first = self.needed()?;
        while self.segments.front().is_some_and(|held| held.segment.number < first) {
            self.segments.pop_front();
        }
        while self.recent.front().is_some_and(|recent| recent.segment < first) {
            self.forget_oldest();
        }
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_survives_being_a_record() {
        let mut state = State { first: 5, next: 9, ..State::default() };
        assert_eq!(State::decode(&state.encode()), Some(state.clone()));
        state.slots[0] = Some(Bytes::from_static(b""));
        state.slots[15] = Some(Bytes::from_static(b"value"));
        let bytes = state.encode();
        assert_eq!(State::decode(&bytes), Some(state));
        for len in 0..bytes.len() {
            assert_ne!(State::decode(&bytes[..len]), State::decode(&bytes), "{len}");
        }
    }

    #[test]
    fn steps_leave_no_hole() {
        let mut state = State::default();
        let mut run = |steps: &[(Kind, u64, bool)]| {
            for (kind, index, fits) in steps {
                assert_eq!(state.step(*kind, *index), *fits, "{kind:?} {index} at {state:?}");
            }
            (state.first, state.next)
        };
        assert_eq!(run(&[(Kind::Entry, 0, true), (Kind::Entry, 2, false), (Kind::Entry, 1, true)]), (0, 2));
        assert_eq!(run(&[(Kind::Truncate, 3, false), (Kind::Truncate, 1, true)]), (0, 1));
        assert_eq!(run(&[(Kind::Purge, 0, true), (Kind::Truncate, 0, false)]), (1, 1));
        assert_eq!(run(&[(Kind::Purge, 9, true), (Kind::Entry, 10, true), (Kind::Purge, 2, true)]), (10, 11));
        assert_eq!(run(&[(Kind::Purge, u64::MAX, false), (Kind::Slot, 16, false)]), (10, 11));
    }
}
