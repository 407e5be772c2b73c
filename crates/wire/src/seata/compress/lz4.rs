//! LZ4 in two forms: the standard's frames from some version on, and before that the blocks of lz4-java, a format of its own
//! (`net.jpountz.lz4.LZ4BlockOutputStream`).

use std::io::Write;

use bytes::{Buf, BufMut, BytesMut};
use lz4_flex::block;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use crate::seata::version::ClientVersion;

/// Clients from here on read frames, and those before it only blocks.
pub(super) const FRAMES_SINCE: ClientVersion = ClientVersion::new(2, 6, 0);

const MAGIC: &[u8] = b"LZ4Block";
const HEAD_BYTES: usize = MAGIC.len() + 13;
/// As it stands, instead of compressed.
const RAW: u8 = 0x10;
const COMPRESSED: u8 = 0x20;
/// Bits of the token that say how long a block may be: 1 KiB, shifted by them.
const SIZE_BITS: u8 = 0x0f;
/// How long ours are, and the bits that say so.
const BLOCK_BYTES_MAX: usize = 64 << 10;
const BLOCK_SIZE: u8 = 6;
/// LZ4 cannot make more than this of a byte.
const RATIO_MAX: usize = 255;
const SEED: u32 = 0x9747_b28c;

fn checksum(bytes: &[u8]) -> u32 {
    xxhash_rust::xxh32::xxh32(bytes, SEED) & 0x0fff_ffff
}

pub(super) fn is_blocks(body: &[u8]) -> bool {
    body.starts_with(MAGIC)
}

/// All blocks up to the empty one, or up to the one that is more than `bytes_max` in all: its length is added then.
pub(super) fn read_blocks(mut rest: &[u8], bytes_max: usize) -> Result<Vec<u8>, &'static str> {
    let mut read = Vec::new();
    loop {
        let (Some(mut head), true) = (rest.get(MAGIC.len()..HEAD_BYTES), is_blocks(rest)) else {
            return Err("a block without its head");
        };
        let (token, length) = (head.get_u8(), head.get_u32_le());
        let (length, original) = (length as usize, head.get_u32_le() as usize);
        if original == 0 {
            return Ok(read);
        }
        let data =
            rest.get(HEAD_BYTES..HEAD_BYTES.saturating_add(length)).ok_or("a block that ends early")?;
        rest = &rest[HEAD_BYTES + length..];
        if original > 1 << 10 << (token & SIZE_BITS) || original > length.saturating_mul(RATIO_MAX) {
            return Err("a block that says it is longer than it can be");
        }
        let start = read.len();
        let end = start + original;
        if end > bytes_max {
            read.resize(bytes_max + 1, 0);
            return Ok(read);
        }
        match token & !SIZE_BITS {
            RAW => read.extend_from_slice(data),
            COMPRESSED => {
                read.resize(end, 0);
                let written = block::decompress_into(data, &mut read[start..]);
                if written.ok() != Some(original) {
                    return Err("a block that is not LZ4");
                }
            }
            _ => return Err("a block of an unknown kind"),
        }
        if read.len() != end || checksum(&read[start..]) != head.get_u32_le() {
            return Err("a block whose checksum is wrong");
        }
    }
}

fn write_head(output: &mut BytesMut, kind: u8, length: usize, original: &[u8]) {
    const FITS: &str = "blocks are short";
    output.put_slice(MAGIC);
    output.put_u8(kind | BLOCK_SIZE);
    output.put_u32_le(u32::try_from(length).expect(FITS));
    output.put_u32_le(u32::try_from(original.len()).expect(FITS));
    output.put_u32_le(if original.is_empty() { 0 } else { checksum(original) });
}

pub(super) fn write_blocks(body: &[u8], output: &mut BytesMut) {
    for part in body.chunks(BLOCK_BYTES_MAX) {
        let compressed = block::compress(part);
        if compressed.len() < part.len() {
            write_head(output, COMPRESSED, compressed.len(), part);
            output.put_slice(&compressed);
        } else {
            write_head(output, RAW, part.len(), part);
            output.put_slice(part);
        }
    }
    write_head(output, RAW, 0, b"");
}

/// lz4-java reads only frames of independent blocks.
pub(super) fn write_frame(body: &[u8], output: &mut BytesMut) {
    let info = FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB);
    let mut encoder = FrameEncoder::with_frame_info(info, output.writer());
    let written =
        encoder.write_all(body).map_err(lz4_flex::frame::Error::from).and_then(|()| encoder.finish());
    written.expect("memory takes whatever is written");
}
