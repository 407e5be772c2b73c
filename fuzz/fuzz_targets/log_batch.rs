//! A batch of the log: nothing panics, whatever a segment holds and even if its checksums are right.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| synod_log::fuzz::batch(bytes));
