//! Compressed bodies: nothing panics, nothing grows beyond the limit, and what came out survives being compressed again.
//!
//! The first byte chooses the compressor and the client's version.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use synod_wire::seata::compress::{deflate, inflate};
use synod_wire::seata::{Client, ClientVersion};

const BYTES_MAX: usize = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, body)) = bytes.split_first() else { return };
    let compressor = choice & 7;
    let version = if choice & 8 == 0 { ClientVersion::V2_0_0 } else { ClientVersion::new(2, 6, 0) };
    let client = Client { version, is_go: false };
    let Ok(read) = inflate(compressor, &Bytes::copy_from_slice(body), BYTES_MAX) else { return };
    assert!(compressor == 0 || read.len() <= BYTES_MAX);
    let mut written = BytesMut::new();
    deflate(compressor, &read, client, &mut written).expect("what is read is written");
    assert_eq!(inflate(compressor, &written.freeze(), BYTES_MAX.max(read.len())), Ok(read));
});
