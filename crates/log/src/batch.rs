//! A batch as the caller builds it: straight into the bytes that will be written.

use crate::error::Refusal;
use crate::record::{
    self, ALIGN, ENTRY_BYTES_MAX, HEADER, Header, Kind, PAD, SECTOR, SLOT_BYTES_MAX, SLOTS, Seed, padded,
};

/// Masks are tried until one leaves no sector of the payload zero. Each sector rules out one of them at most.
const MASKS_MAX: u32 = 1 << 16;

/// Room that an emptied batch gets at most before it is filled again.
const KEPT_BYTES_MAX: usize = 256 * 1024;

const _: () = assert!(ENTRY_BYTES_MAX / SECTOR < MASKS_MAX as usize);

/// An ordered list of operations that become durable together or not at all.
#[derive(Debug, Default)]
pub struct Batch {
    /// Room for the frame, then records; sequence, masks and the headers' CRCs come when it is written.
    bytes: Vec<u8>,
    records: u64,
    /// Where the last record begins.
    last: usize,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch with room for `bytes` of records.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// Adds an entry. Its index must be the one after the last.
    ///
    /// # Errors
    /// When the payload is too large.
    pub fn entry(&mut self, index: u64, payload: &[u8]) -> Result<(), Refusal> {
        self.entry_with(index, |bytes| bytes.extend_from_slice(payload))
    }

    /// Adds an entry whose payload `fill` appends to the bytes it is given.
    ///
    /// # Errors
    /// When the payload is too large.
    pub fn entry_with(&mut self, index: u64, fill: impl FnOnce(&mut Vec<u8>)) -> Result<(), Refusal> {
        self.push(Kind::Entry, index, ENTRY_BYTES_MAX, fill)
    }

    /// Gives a slot a new value.
    ///
    /// # Errors
    /// When there is no such slot or the value is too large.
    pub fn slot(&mut self, slot: usize, value: &[u8]) -> Result<(), Refusal> {
        if slot >= SLOTS {
            return Err(Refusal::NoSlot { slot });
        }
        self.push(Kind::Slot, slot as u64, SLOT_BYTES_MAX, |bytes| bytes.extend_from_slice(value))
    }

    /// Makes the entries from `from` on void.
    pub fn truncate(&mut self, from: u64) {
        self.push(Kind::Truncate, from, 0, |_| {}).expect("nothing is not too large");
    }

    /// Gives up the entries up to and including `up_to`, which may be beyond the last.
    pub fn purge(&mut self, up_to: u64) {
        self.push(Kind::Purge, up_to, 0, |_| {}).expect("nothing is not too large");
    }

    /// The only record of a segment's first batch.
    pub(crate) fn start(&mut self, state: &[u8]) {
        self.push(Kind::Start, 0, usize::MAX, |bytes| bytes.extend_from_slice(state))
            .expect("a state has no limit of its own");
    }

    fn push(
        &mut self,
        kind: Kind,
        index: u64,
        bytes_max: usize,
        fill: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Refusal> {
        let before = self.bytes.len();
        let begin = before.max(HEADER);
        self.bytes.resize(begin + HEADER, 0);
        fill(&mut self.bytes);
        let len = self.bytes.len().saturating_sub(begin + HEADER);
        if len > bytes_max {
            self.bytes.truncate(before);
            return Err(Refusal::PayloadTooLarge { bytes: len, bytes_max });
        }
        self.bytes.resize(begin + HEADER + padded(len), PAD);
        let crc = crc32c::crc32c(&self.bytes[begin + HEADER..]);
        let header = Header { kind, len: len as u32, sequence: 0, index, crc, mask: 0, extra: 0 };
        header.write_unsealed(&mut self.bytes[begin..]);
        self.records += 1;
        self.last = begin;
        Ok(())
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records as usize
    }

    /// Bytes that the batch takes in the log.
    pub fn bytes(&self) -> usize {
        self.bytes.len().next_multiple_of(ALIGN)
    }

    /// Forgets what was added and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records = 0;
    }

    /// Kind and index of each record.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (Kind, u64)> {
        record::records(&self.bytes).map(|(_, header, _)| (header.kind, header.index))
    }

    /// Finishes the bytes for their place and takes them out. `salt` makes masks unforeseeable for whoever chose the
    /// payloads.
    pub(crate) fn seal(&mut self, seed: Seed, offset: u32, sequence: u64, salt: u64) -> Vec<u8> {
        self.pad_to_end();
        let mut at = HEADER;
        while at < self.bytes.len() {
            let Some(mut header) = Header::read_unsealed(&self.bytes[at..]) else { break };
            let stored = at + HEADER..at + HEADER + header.stored();
            let payload = stored.start..stored.start + header.len as usize;
            if header.len as usize >= SECTOR {
                let place = offset + payload.start as u32;
                header.mask = mask_for(&self.bytes[payload.clone()], place, salt ^ sequence);
            }
            if header.mask != 0 {
                record::apply_mask(&mut self.bytes[payload], header.mask);
                header.crc = crc32c::crc32c(&self.bytes[stored.clone()]);
            }
            header.sequence = sequence;
            header.write(&mut self.bytes[at..], seed, offset + at as u32);
            at = stored.end;
        }
        let len = self.bytes.len() as u32;
        let frame =
            Header { kind: Kind::Frame, len, sequence, index: self.records, crc: 0, mask: 0, extra: 0 };
        frame.write(&mut self.bytes, seed, offset);
        self.records = 0;
        // The next one will be about as large; growing step by step would copy it over and over.
        let next = Vec::with_capacity(self.bytes.len().min(KEPT_BYTES_MAX));
        std::mem::replace(&mut self.bytes, next)
    }

    /// Lengthens the last record's padding so that the next batch is aligned.
    fn pad_to_end(&mut self) {
        let end = self.bytes.len();
        let full = self.bytes();
        if full == end {
            return;
        }
        self.bytes.resize(full, PAD);
        let last = &mut self.bytes[self.last..];
        if let Some(mut header) = Header::read_unsealed(last) {
            header.extra = ((full - end) / 8) as u8;
            header.crc = crc32c::crc32c_append(header.crc, &last[end - self.last..]);
            header.write_unsealed(last);
        }
    }
}

/// The mask that a payload at `place` of its segment needs: none, nearly always.
fn mask_for(payload: &[u8], place: u32, salt: u64) -> u16 {
    // A sector that holds a header or padding is not zero; the rest are those that lie within the payload whole.
    let whole = || record::pieces(payload.len(), place).filter(|piece| piece.len() == SECTOR);
    if whole().all(|piece| !is_faint(&payload[piece], 0)) {
        return 0;
    }
    let fits = |mask: u16| mask.to_le_bytes().iter().all(|byte| *byte != 0);
    (0..MASKS_MAX)
        .map(|n| (salt as u32).wrapping_add(n.wrapping_mul(0x9e37_79b1)) as u16)
        .filter(|mask| fits(*mask))
        .find(|mask| whole().all(|piece| !is_faint(&payload[piece], *mask)))
        .unwrap_or(0)
}

/// Whether a sector under `mask` has at most one byte that is not zero: one more flip, and it would look unwritten.
fn is_faint(sector: &[u8], mask: u16) -> bool {
    let mask = mask.to_le_bytes();
    let bright = sector.iter().zip(mask.iter().cycle()).filter(|(byte, mask)| byte != mask);
    bright.take(2).count() < 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{check_batch, is_torn, is_zero, pieces};

    const AT: u32 = 4096;

    fn seed() -> Seed {
        Seed::new(1, 2)
    }

    fn sealed(fill: impl FnOnce(&mut Batch)) -> Vec<u8> {
        let mut batch = Batch::new();
        fill(&mut batch);
        let bytes = batch.bytes();
        let sealed = batch.seal(seed(), AT, 9, 0x1234);
        assert_eq!(sealed.len(), bytes);
        assert!(batch.is_empty());
        sealed
    }

    #[test]
    fn what_was_put_in_comes_out() {
        let bytes = sealed(|batch| {
            batch.slot(3, b"vote").unwrap();
            batch.truncate(5);
            batch.entry(5, b"").unwrap();
            batch.entry_with(6, |out| out.extend_from_slice(&[7; 1000])).unwrap();
            batch.purge(2);
        });
        let frame = check_batch(&bytes, seed(), AT).unwrap();
        assert_eq!((frame.index, frame.sequence, frame.len as usize), (5, 9, bytes.len()));
        let seen: Vec<_> = record::records(&bytes)
            .map(|(_, header, payload)| (header.kind, header.index, payload.len()))
            .collect();
        let want = [(Kind::Slot, 3, 4), (Kind::Truncate, 5, 0), (Kind::Entry, 5, 0), (Kind::Entry, 6, 1000)];
        assert_eq!(seen[..4], want);
        assert_eq!(seen[4], (Kind::Purge, 2, 0));
    }

    #[test]
    fn every_flip_of_a_bit_is_seen_and_never_taken_for_a_torn_write() {
        let mut bytes = sealed(|batch| {
            batch.entry(1, b"some payload").unwrap();
            batch.entry(2, &[0; 1500]).unwrap();
            batch.slot(0, b"x").unwrap();
        });
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(check_batch(&bytes, seed(), AT).is_err(), "bit {bit}");
            assert!(!is_torn(&bytes, AT), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn no_sector_is_zero_whatever_the_payload() {
        let mut faint = vec![0; 5000];
        faint[700] = 1;
        for payload in [vec![0; 16_000], faint, vec![0x11; 3000], vec![0; 511], vec![0; 512], vec![0; 1024]] {
            for offset in (0..1024).step_by(ALIGN) {
                let mut batch = Batch::new();
                batch.entry(1, &payload).unwrap();
                let mut bytes = batch.seal(seed(), AT + offset, 1, 0x55);
                assert!(pieces(bytes.len(), AT + offset).all(|piece| !is_zero(&bytes[piece])));
                check_batch(&bytes, seed(), AT + offset).unwrap();
                let (_, header, place) = record::records(&bytes).next().unwrap();
                record::apply_mask(&mut bytes[place.clone()], header.mask);
                assert_eq!(bytes[place], payload);
            }
        }
    }

    #[test]
    fn a_part_followed_by_zeros_is_torn() {
        let bytes = sealed(|batch| batch.entry(1, &[1; 900]).unwrap());
        for cut in HEADER..bytes.len() {
            let mut part = bytes.clone();
            part[cut..].fill(0);
            assert!(is_torn(&part, AT), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_too_large_leaves_the_batch_as_it_was() {
        let mut batch = Batch::new();
        batch.entry(1, b"a").unwrap();
        let bytes = batch.bytes();
        assert_eq!(
            batch.entry(2, &vec![0; ENTRY_BYTES_MAX + 1]),
            Err(Refusal::PayloadTooLarge { bytes: ENTRY_BYTES_MAX + 1, bytes_max: ENTRY_BYTES_MAX })
        );
        assert!(batch.slot(0, &[0; SLOT_BYTES_MAX + 1]).is_err());
        assert_eq!(batch.slot(SLOTS, b""), Err(Refusal::NoSlot { slot: SLOTS }));
        assert_eq!((batch.bytes(), batch.len()), (bytes, 1));
    }

    #[test]
    fn a_payload_cannot_be_made_that_no_mask_fits() {
        // Every sector is another repeated byte: each rules out the masks that repeat it.
        let payload: Vec<u8> = (0..=255_u8).flat_map(|byte| [byte; SECTOR]).collect();
        let mask = mask_for(&payload, 0, 3);
        assert!(mask != 0 && payload.chunks(SECTOR).all(|sector| !is_faint(sector, mask)));
    }
}
