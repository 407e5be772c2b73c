//! Entry points for `fuzz/`: decoders that are otherwise reached through a whole log only.

use crate::index::Index;
use crate::record::{ALIGN, HEADER, Header, Kind, Seed, check_batch};
use crate::segment::DATA;

/// Decodes `bytes` as a batch, as they are and with all checksums made right: nothing panics.
pub fn batch(bytes: &[u8]) {
    let seed = Seed::new(0, 1);
    check_batch(bytes, seed, DATA).ok();
    let mut bytes = bytes.to_vec();
    bytes.truncate(bytes.len() / ALIGN * ALIGN);
    if make_right(&mut bytes, seed).is_some() && check_batch(&bytes, seed, DATA).is_ok() {
        Index::new(0).apply(DATA, &bytes).ok();
    }
}

/// A fuzzer does not guess checksums.
fn make_right(bytes: &mut [u8], seed: Seed) -> Option<()> {
    let mut frame = Header::read_unsealed(bytes)?;
    frame.kind = Kind::Frame;
    frame.len = bytes.len() as u32;
    let mut at = HEADER;
    for _ in 0..frame.index.min(1000) {
        let mut header = Header::read_unsealed(bytes.get(at..)?)?;
        let stored = at + HEADER..at + HEADER + header.stored();
        header.sequence = frame.sequence;
        header.crc = crc32c::crc32c(bytes.get(stored.clone())?);
        header.write(&mut bytes[at..], seed, DATA + at as u32);
        at = stored.end;
    }
    frame.write(bytes, seed, DATA);
    Some(())
}
