//! A batch of commands out of the log: nothing panics, and what was read is the only thing with these bytes.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use synod_core::txn::codec::v1;

fuzz_target!(|input: &[u8]| {
    let bytes = Bytes::copy_from_slice(input);
    let Ok(batch) = v1::decode(&bytes) else { return };
    assert_eq!(v1::encode(&batch), bytes);
    let sizes: usize = batch.commands.iter().map(v1::size).sum();
    assert!(sizes < bytes.len());
});
