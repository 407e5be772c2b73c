//! A replication batch: nothing panics, and what was read survives being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use synod_wire::eureka::{Limits, decode_batch, write_batch};

fuzz_target!(|body: &[u8]| {
    let Ok(mut items) = decode_batch(body, &Limits::REQUEST) else { return };
    let mut out = Vec::new();
    write_batch(&mut out, &items);
    items.iter_mut().for_each(|item| item.refused = None);
    assert_eq!(decode_batch(&out, &Limits::REQUEST), Ok(items));
});
