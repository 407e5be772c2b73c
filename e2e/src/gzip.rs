//! Compressing request bodies, and inflating answers as the strictest reader does: one member and nothing behind it.

use std::io::{BufRead, Read, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

/// `plain` as one gzip member.
///
/// # Panics
/// Never: it writes to memory.
pub fn compress(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

/// The content of the one member that `body` is.
///
/// # Panics
/// It is no gzip, damaged, or more than one member: Java's `GZIPInputStream` may stop at the border of two.
#[track_caller]
pub fn inflate(body: &[u8]) -> Vec<u8> {
    let mut decoder = GzDecoder::new(body);
    let mut plain = Vec::new();
    if let Err(error) = decoder.read_to_end(&mut plain) {
        panic!("no whole gzip member in {} bytes: {error}", body.len());
    }
    let rest = decoder.into_inner().fill_buf().map_or(0, <[u8]>::len);
    assert_eq!(rest, 0, "{rest} bytes follow the first gzip member");
    plain
}

/// A bomb: `size` zero bytes deflated to about a thousandth.
///
/// # Panics
/// Never: it writes to memory.
pub fn bomb(size: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let block = vec![b' '; 1 << 20];
    for _ in 0..size.div_ceil(block.len()) {
        encoder.write_all(&block).expect("writing to memory");
    }
    encoder.finish().expect("writing to memory")
}
