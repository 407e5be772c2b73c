//! Compressed bodies, as the original's compressors write them (modules `compressor/seata-compressor-*`), whose ways are not
//! always those of the format they are named after. What comes out is bounded by the caller.

mod lz4;
mod zip;

use std::io::{Read, Write};

use bytes::{BufMut, Bytes, BytesMut};

use super::error::{DecodeError, EncodeError};
use super::version::Client;

const NONE: u8 = 0;
const GZIP: u8 = 1;
const ZIP: u8 = 2;
const BZIP2: u8 = 4;
const LZ4: u8 = 5;
const DEFLATE: u8 = 6;
const ZSTD: u8 = 7;

/// What the original calls a compressor in its configuration (`CompressorType`).
const fn name(code: u8) -> &'static str {
    match code {
        NONE => "none",
        GZIP => "gzip",
        ZIP => "zip",
        3 => "sevenz",
        BZIP2 => "bzip2",
        LZ4 => "lz4",
        DEFLATE => "deflater",
        ZSTD => "zstd",
        _ => "unknown",
    }
}

/// Undoes a compressor.
///
/// # Errors
/// It is not spoken here, or wrote something else, or more than `bytes_max`.
pub fn inflate(compressor: u8, body: &Bytes, bytes_max: usize) -> Result<Bytes, DecodeError> {
    let compressed = |error: String| DecodeError::Compressed { name: name(compressor), error };
    let text = |error: std::io::Error| compressed(error.to_string());
    let read = match compressor {
        NONE => return Ok(body.clone()),
        GZIP => all(flate2::bufread::GzDecoder::new(&body[..]), bytes_max).map_err(text)?,
        ZIP => {
            let deflated = zip::open(body).map_err(|error| compressed(error.to_owned()))?;
            all(flate2::bufread::DeflateDecoder::new(deflated), bytes_max).map_err(text)?
        }
        BZIP2 => {
            // Ant's streams, which the original uses, leave the first two letters of the format to their callers.
            let missing: &[u8] = if body.starts_with(BZIP2_START) { b"" } else { BZIP2_START };
            let whole = missing.chain(&body[..]);
            all(bzip2::bufread::BzDecoder::new(whole), bytes_max).map_err(text)?
        }
        LZ4 if lz4::is_blocks(body) => {
            lz4::read_blocks(body, bytes_max).map_err(|error| compressed(error.to_owned()))?
        }
        LZ4 => all(lz4_flex::frame::FrameDecoder::new(&body[..]), bytes_max).map_err(text)?,
        DEFLATE => all(flate2::bufread::ZlibDecoder::new(&body[..]), bytes_max).map_err(text)?,
        ZSTD => {
            let decoder =
                ruzstd::decoding::StreamingDecoder::new_with_max_window_size(&body[..], WINDOW_BYTES_MAX);
            all(decoder.map_err(|error| compressed(error.to_string()))?, bytes_max).map_err(text)?
        }
        code => return Err(DecodeError::Compressor { code, name: name(code) }),
    };
    if read.len() > bytes_max { Err(DecodeError::TooLong { max: bytes_max }) } else { Ok(read.into()) }
}

const BZIP2_START: &[u8] = b"BZ";
/// What a decoder of zstd should support at least (RFC 8878, 3.1.1.1.2). So much is allocated if a head says so.
const WINDOW_BYTES_MAX: u64 = 8 << 20;

/// All that there is to read, or one byte more than allowed.
fn all(reader: impl Read, bytes_max: usize) -> std::io::Result<Vec<u8>> {
    let mut read = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(limit).read_to_end(&mut read)?;
    Ok(read)
}

/// Appends a body as this compressor writes it for this client.
///
/// # Errors
/// The compressor is not spoken here. Nothing is appended then.
pub fn deflate(
    compressor: u8,
    body: &[u8],
    client: Client,
    output: &mut BytesMut,
) -> Result<(), EncodeError> {
    const WRITTEN: &str = "memory takes whatever is written";
    let level = flate2::Compression::fast();
    match compressor {
        NONE => output.put_slice(body),
        GZIP => {
            let mut encoder = flate2::write::GzEncoder::new(output.writer(), level);
            encoder.write_all(body).and_then(|()| encoder.finish()).expect(WRITTEN);
        }
        ZIP => zip::write(body, output),
        BZIP2 => {
            let mut written = Vec::new();
            let mut encoder = bzip2::write::BzEncoder::new(&mut written, bzip2::Compression::fast());
            encoder.write_all(body).and_then(|()| encoder.finish()).expect(WRITTEN);
            output.put_slice(written.strip_prefix(BZIP2_START).unwrap_or_default());
        }
        LZ4 if client.version < lz4::FRAMES_SINCE => lz4::write_blocks(body, output),
        LZ4 => lz4::write_frame(body, output),
        DEFLATE => {
            let mut encoder = flate2::write::ZlibEncoder::new(output.writer(), level);
            encoder.write_all(body).and_then(|()| encoder.finish()).expect(WRITTEN);
        }
        ZSTD => write_zstd(body, output),
        code => return Err(EncodeError::Compressor(code)),
    }
    Ok(())
}

/// Clients up to 2.2 at least take the size of the body from the head of the frame, where the encoder leaves it out: a
/// descriptor of 0, then the window (RFC 8878, 3.1.1.1).
fn write_zstd(body: &[u8], output: &mut BytesMut) {
    const MAGIC_BYTES: usize = 4;
    /// Four bytes of size.
    const HAS_SIZE: u8 = 2 << 6;
    let written = ruzstd::encoding::compress_to_vec(body, ruzstd::encoding::CompressionLevel::Fastest);
    match (written.split_at_checked(MAGIC_BYTES), u32::try_from(body.len())) {
        (Some((magic, [0, window, blocks @ ..])), Ok(size)) => {
            output.put_slice(magic);
            output.put_slice(&[HAS_SIZE, *window]);
            output.put_u32_le(size);
            output.put_slice(blocks);
        }
        _ => output.put_slice(&written),
    }
}
