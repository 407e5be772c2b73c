//! Zip archives of one entry, read from the front (APPNOTE.TXT, 4.3.7). The original writes no directory at the end
//! (its `ZipUtil` takes the bytes before it closes the archive), and so neither does this.

use std::io::Write;

use bytes::{Buf, BufMut, BytesMut};

const HEAD_BYTES: usize = 30;
const MAGIC: &[u8] = b"PK\x03\x04";
const VERSION: u16 = 20;
const DEFLATED: u16 = 8;
/// 1980-01-01, the first day there is.
const DATE: u16 = 0x21;
const NAME: &[u8] = b"zip";

/// The deflated bytes of the first entry, and what follows them.
pub(super) fn open(archive: &[u8]) -> Result<&[u8], &'static str> {
    let (Some(mut head), true) = (archive.get(..HEAD_BYTES), archive.starts_with(MAGIC)) else {
        return Err("not an archive with an entry");
    };
    head.advance(MAGIC.len() + 4);
    if head.get_u16_le() != DEFLATED {
        return Err("an entry that is not deflated");
    }
    head.advance(16);
    let names = usize::from(head.get_u16_le()) + usize::from(head.get_u16_le());
    archive.get(HEAD_BYTES + names..).ok_or("an entry that ends in its name")
}

pub(super) fn write(body: &[u8], output: &mut BytesMut) {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    let deflated = encoder.write_all(body).and_then(|()| encoder.finish());
    let deflated = deflated.expect("memory takes whatever is written");
    let mut crc = flate2::Crc::new();
    crc.update(body);
    output.put_slice(MAGIC);
    for number in [VERSION, 0, DEFLATED, 0, DATE] {
        output.put_u16_le(number);
    }
    output.put_u32_le(crc.sum());
    for length in [deflated.len(), body.len()] {
        output.put_u32_le(u32::try_from(length).expect("the longest frame is far below 4 GiB"));
    }
    output.put_u16_le(u16::try_from(NAME.len()).expect("three letters"));
    output.put_u16_le(0);
    output.put_slice(NAME);
    output.put_slice(&deflated);
}
