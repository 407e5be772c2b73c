//! Headers and batches as bytes. The format is told at the head of the crate.

use std::ops::Range;

/// Bytes of a header.
pub(crate) const HEADER: usize = 32;
/// What a disk writes whole or not at all.
pub(crate) const SECTOR: usize = 512;
/// Batches begin and end at multiples of this, so that a frame never lies in two sectors.
pub(crate) const ALIGN: usize = 32;
/// What paddings are made of: four bits of it are set, so that no single flip makes it zero.
pub(crate) const PAD: u8 = 0xa5;
/// Bytes of an entry's payload at most.
pub const ENTRY_BYTES_MAX: usize = 16 << 20;
/// Bytes of a slot at most.
pub const SLOT_BYTES_MAX: usize = 1024;
/// Number of slots.
pub const SLOTS: usize = 16;

const _: () = assert!(SECTOR.is_multiple_of(ALIGN) && ALIGN >= HEADER);

/// What a record is. The codes have an even number of bits set: no flip of one bit leads from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Head of a batch.
    Frame = 0x33,
    /// An entry.
    Entry = 0x35,
    /// A new value of a slot.
    Slot = 0x36,
    /// Entries from an index on are void.
    Truncate = 0x39,
    /// Entries up to an index are not needed any more.
    Purge = 0x3a,
    /// The state at the start of a segment.
    Start = 0x3c,
}

impl Kind {
    fn of(code: u8) -> Option<Self> {
        let all = [Self::Frame, Self::Entry, Self::Slot, Self::Truncate, Self::Purge, Self::Start];
        all.into_iter().find(|kind| *kind as u8 == code)
    }
}

/// What binds a header to its log and segment: the CRC of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seed(u32);

impl Seed {
    pub(crate) fn new(id: u64, segment: u32) -> Self {
        Self(crc32c::crc32c_append(crc32c::crc32c(&id.to_le_bytes()), &segment.to_le_bytes()))
    }

    fn crc(self, bytes: &[u8], offset: u32) -> u32 {
        crc32c::crc32c_append(self.0, bytes) ^ offset
    }
}

/// A header as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub kind: Kind,
    pub len: u32,
    pub sequence: u64,
    pub index: u64,
    pub crc: u32,
    pub mask: u16,
    /// How much longer than usual the padding is, in units of 8 bytes.
    pub extra: u8,
}

/// A little-endian number at `at`; the callers have checked the length.
fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

impl Header {
    /// Writes the header over the first bytes of `out`; it will lie at `offset` of its segment.
    pub(crate) fn write(&self, out: &mut [u8], seed: Seed, offset: u32) {
        self.write_unsealed(out);
        let crc = seed.crc(&out[4..HEADER], offset);
        out[..4].copy_from_slice(&crc.to_le_bytes());
    }

    /// The same without its CRC, while place and sequence are not known.
    pub(crate) fn write_unsealed(&self, out: &mut [u8]) {
        out[..4].fill(0);
        out[4..8].copy_from_slice(&self.len.to_le_bytes());
        out[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        out[16..24].copy_from_slice(&self.index.to_le_bytes());
        out[24..28].copy_from_slice(&self.crc.to_le_bytes());
        out[28..30].copy_from_slice(&self.mask.to_le_bytes());
        out[30] = self.extra;
        out[31] = self.kind as u8;
    }

    /// The header at the start of `bytes` if it is one that was written for `offset`.
    pub(crate) fn read(bytes: &[u8], seed: Seed, offset: u32) -> Option<Self> {
        let header = Self::read_unsealed(bytes)?;
        let crc = u32::from_le_bytes(number(bytes, 0));
        (crc == seed.crc(&bytes[4..HEADER], offset)).then_some(header)
    }

    /// The header at the start of `bytes`, unchecked but for its kind.
    pub(crate) fn read_unsealed(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < HEADER {
            return None;
        }
        Some(Self {
            kind: Kind::of(bytes[31])?,
            len: u32::from_le_bytes(number(bytes, 4)),
            sequence: u64::from_le_bytes(number(bytes, 8)),
            index: u64::from_le_bytes(number(bytes, 16)),
            crc: u32::from_le_bytes(number(bytes, 24)),
            mask: u16::from_le_bytes(number(bytes, 28)),
            extra: bytes[30],
        })
    }

    /// Bytes of payload and padding.
    pub(crate) fn stored(&self) -> usize {
        padded(self.len as usize) + 8 * usize::from(self.extra)
    }
}

/// Bytes that a payload takes with its usual padding.
pub(crate) fn padded(len: usize) -> usize {
    (len + 8) & !7
}

/// The records of a batch whose headers can be trusted: each with its place within `batch` and that of its payload.
pub(crate) fn records(batch: &[u8]) -> impl Iterator<Item = (usize, Header, Range<usize>)> {
    let mut at = HEADER;
    std::iter::from_fn(move || {
        let header = Header::read_unsealed(batch.get(at..)?)?;
        let (record, payload) = (at, at + HEADER..at + HEADER + header.len as usize);
        at += HEADER + header.stored();
        Some((record, header, payload))
    })
}

/// Checks a whole batch at `offset` of its segment, given all of its bytes: every bit of it. Returns its frame, or where
/// in `bytes` the first record that is not as written begins.
pub(crate) fn check_batch(bytes: &[u8], seed: Seed, offset: u32) -> Result<Header, usize> {
    let frame = Header::read(bytes, seed, offset).filter(|frame| frame.kind == Kind::Frame).ok_or(0_usize)?;
    if frame.len as usize != bytes.len() || !bytes.len().is_multiple_of(ALIGN) {
        return Err(0);
    }
    let (mut at, mut left) = (HEADER, frame.index);
    while left > 0 {
        let header =
            bytes.get(at..).and_then(|rest| Header::read(rest, seed, offset + at as u32)).ok_or(at)?;
        let end = at + HEADER + header.stored();
        left -= 1;
        let stored = bytes.get(at + HEADER..end).ok_or(at)?;
        let fits = header.kind != Kind::Frame && header.sequence == frame.sequence;
        if !fits || crc32c::crc32c(stored) != header.crc {
            return Err(at);
        }
        at = end;
    }
    if at == bytes.len() { Ok(frame) } else { Err(at) }
}

/// Whether a batch whose frame is whole but whose rest is not is what a power cut leaves: some sector of it is still
/// zero, or (written byte by byte) its last byte is.
pub(crate) fn is_torn(bytes: &[u8], offset: u32) -> bool {
    bytes.last() == Some(&0) || pieces(bytes.len(), offset).any(|piece| is_zero(&bytes[piece]))
}

/// The parts of `len` bytes at `offset` that lie in one sector each.
pub(crate) fn pieces(len: usize, offset: u32) -> impl Iterator<Item = Range<usize>> {
    let first = SECTOR - offset as usize % SECTOR;
    let mut at = 0;
    std::iter::from_fn(move || {
        let end = if at == 0 { first.min(len) } else { (at + SECTOR).min(len) };
        let piece = at..end;
        at = end;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Whether all bytes are zero. Written so that the compiler uses wide registers.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let (wide, rest) = bytes.as_chunks::<64>();
    wide.iter().all(|part| part.iter().fold(0, |sum, byte| sum | byte) == 0)
        && rest.iter().all(|byte| *byte == 0)
}

/// XORs the mask over a payload; twice gives the payload again.
pub(crate) fn apply_mask(payload: &mut [u8], mask: u16) {
    let [even, odd] = mask.to_le_bytes();
    for pair in payload.chunks_mut(2) {
        pair[0] ^= even;
        if let Some(byte) = pair.get_mut(1) {
            *byte ^= odd;
        }
    }
}

/// A payload as it was given, out of what is stored.
pub(crate) fn plain(stored: &[u8], mask: u16) -> Vec<u8> {
    let mut payload = stored.to_vec();
    apply_mask(&mut payload, mask);
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed = Seed(7);

    fn header() -> Header {
        Header {
            kind: Kind::Entry,
            len: 300,
            sequence: 1 << 40,
            index: u64::MAX - 1,
            crc: 9,
            mask: 0x0102,
            extra: 3,
        }
    }

    #[test]
    fn a_header_is_bound_to_its_place() {
        let mut bytes = [0; HEADER];
        header().write(&mut bytes, SEED, 4096);
        assert_eq!(Header::read(&bytes, SEED, 4096), Some(header()));
        assert_eq!(Header::read(&bytes, SEED, 4104), None);
        assert_eq!(Header::read(&bytes, Seed(8), 4096), None);
        assert_eq!(Header::read(&bytes[..31], SEED, 4096), None);
    }

    #[test]
    fn a_flip_of_any_bit_is_seen() {
        let mut bytes = [0; HEADER];
        header().write(&mut bytes, SEED, 4096);
        for bit in 0..HEADER * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::read(&bytes, SEED, 4096), None, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn pieces_end_at_sectors() {
        let of = |len, offset| pieces(len, offset).collect::<Vec<_>>();
        assert_eq!(of(600, 512), [0..512, 512..600]);
        assert_eq!(of(600, 480), [0..32, 32..544, 544..600]);
        assert_eq!(of(10, 0), vec![0..10; 1]);
        assert_eq!(of(0, 0), []);
    }

    #[test]
    fn zero_is_zero_at_any_length() {
        for len in [0, 1, 63, 64, 65, 512, 1000] {
            let mut bytes = vec![0; len];
            assert!(is_zero(&bytes));
            if let Some(last) = bytes.last_mut() {
                *last = 1;
                assert!(!is_zero(&bytes));
            }
        }
    }

    #[test]
    fn a_payload_has_at_least_one_byte_of_padding() {
        assert_eq!([0, 1, 7, 8, 9].map(padded), [8, 8, 8, 16, 16]);
    }

    #[test]
    fn a_mask_applied_twice_is_no_mask() {
        let mut bytes = *b"an odd nr";
        apply_mask(&mut bytes, 0x5aa5);
        assert_ne!(&bytes, b"an odd nr");
        apply_mask(&mut bytes, 0x5aa5);
        assert_eq!(&bytes, b"an odd nr");
    }
}
