//! The answer to a batch: nothing panics, and what was read survives being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use synod_wire::eureka::{Limits, decode_batch_response, write_batch_response};

fuzz_target!(|body: &[u8]| {
    let Ok(answers) = decode_batch_response(body, &Limits::REQUEST) else { return };
    let mut out = Vec::new();
    write_batch_response(&mut out, &answers);
    assert_eq!(decode_batch_response(&out, &Limits::REQUEST), Ok(answers));
});
