//! What an ended transaction looked like: nothing panics, and what was read is the only thing with these bytes.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use synod_core::txn::codec::snapshot::{decode_txn, encode_txn};

fuzz_target!(|input: &[u8]| {
    let bytes = Bytes::copy_from_slice(input);
    let Ok(txn) = decode_txn(&bytes) else { return };
    assert_eq!(encode_txn(&txn), bytes);
});
