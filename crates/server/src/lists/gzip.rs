//! One gzip member out of pieces that were deflated apart.
//!
//! Each piece is raw deflate that starts from an empty window and ends with a full flush, so it stands on a byte border
//! and refers to nothing before it: pieces can be put in any order. What changes with each version (the head, commas) goes
//! between them as stored blocks. The checksum is combined from the pieces' own. It has to be *one* member: Java's
//! GZIPInputStream stops without an error at a member's end that falls on an empty buffer.

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};

/// A piece is deflated once and sent many times: level 6 takes twice as long as level 4 and saves a quarter of the bytes.
const LEVEL: u32 = 6;

/// Deflated text with what it takes to join it.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    deflated: Bytes,
    crc: crc32fast::Hasher,
    plain_bytes: u64,
}

thread_local! {
    static DEFLATE: RefCell<Compress> = RefCell::new(Compress::new(Compression::new(LEVEL), false));
}

impl Piece {
    /// Deflates `plain`.
    pub(crate) fn new(plain: &[u8]) -> Self {
        let mut crc = crc32fast::Hasher::new();
        crc.update(plain);
        Self { deflated: Bytes::from(deflate(plain)), crc, plain_bytes: plain.len() as u64 }
    }
}

fn deflate(plain: &[u8]) -> Vec<u8> {
    DEFLATE.with_borrow_mut(|deflate| {
        deflate.reset();
        let mut out = Vec::with_capacity(plain.len() / 12 + 64);
        loop {
            let read = deflate.total_in() as usize;
            let status = deflate.compress_vec(&plain[read..], &mut out, FlushCompress::Full);
            // Full flush is complete when everything was read and the output did not run out of space.
            match status {
                Ok(Status::Ok | Status::BufError) if deflate.total_in() as usize == plain.len() => {
                    if out.len() < out.capacity() {
                        break;
                    }
                }
                Ok(Status::Ok | Status::BufError) => {}
                Ok(Status::StreamEnd) | Err(_) => {
                    unreachable!("a deflate stream that is never finished cannot end or fail")
                }
            }
            out.reserve(out.capacity().max(256));
        }
        out.shrink_to_fit();
        out
    })
}

/// Joins pieces and text into a gzip member.
#[derive(Debug)]
pub(crate) struct Joiner {
    out: Vec<u8>,
    crc: crc32fast::Hasher,
    plain_bytes: u64,
}

impl Joiner {
    /// The header of a member of which `bytes` are expected.
    pub(crate) fn new(bytes: usize) -> Self {
        let mut out = Vec::with_capacity(bytes + 256);
        out.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
        Self { out, crc: crc32fast::Hasher::new(), plain_bytes: 0 }
    }

    /// Appends text as it is.
    pub(crate) fn text(&mut self, text: &[u8]) {
        for block in text.chunks(usize::from(u16::MAX)) {
            let len = block.len() as u16;
            self.out.push(0);
            self.out.extend_from_slice(&len.to_le_bytes());
            self.out.extend_from_slice(&(!len).to_le_bytes());
            self.out.extend_from_slice(block);
        }
        self.crc.update(text);
        self.plain_bytes += text.len() as u64;
    }

    /// Appends a piece.
    pub(crate) fn piece(&mut self, piece: &Piece) {
        self.out.extend_from_slice(&piece.deflated);
        self.crc.combine(&piece.crc);
        self.plain_bytes += piece.plain_bytes;
    }

    /// Ends the member.
    pub(crate) fn finish(mut self) -> Bytes {
        self.out.extend_from_slice(&[3, 0]); // an empty last block
        self.out.extend_from_slice(&self.crc.finalize().to_le_bytes());
        self.out.extend_from_slice(&(self.plain_bytes as u32).to_le_bytes());
        Bytes::from(self.out)
    }
}

/// Deflates a body that is sent once.
pub(crate) fn whole(plain: &[u8]) -> Bytes {
    let mut joiner = Joiner::new(plain.len() / 12);
    joiner.piece(&Piece::new(plain));
    joiner.finish()
}
