//! Requests of dtm's clients in protobuf: nothing panics, and what was read survives being made a message again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use synod_wire::dtm::{Limits, Registration, Transaction, decode_grpc};

const LIMITS: Limits = Limits::REQUEST;

fuzz_target!(|message: &[u8]| {
    if let Ok(read) = decode_grpc(message).and_then(|request| Transaction::from_grpc(request, &LIMITS)) {
        assert_eq!(Transaction::from_grpc(read.to_grpc(), &LIMITS), Ok(read));
    }
    if let Ok(read) = decode_grpc(message).and_then(|request| Registration::from_grpc(request, &LIMITS)) {
        assert_eq!(Registration::from_grpc(read.to_grpc(), &LIMITS), Ok(read));
    }
});
