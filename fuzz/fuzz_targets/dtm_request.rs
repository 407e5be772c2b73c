//! Requests of dtm's clients in JSON: nothing panics, and what was read survives being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use synod_wire::dtm::{
    Limits, MessageCustom, Parameters, Registration, SagaCustom, Transaction, WorkflowCustom, json_rpc,
};

const LIMITS: Limits = Limits::REQUEST;

fuzz_target!(|body: &[u8]| {
    transaction(Transaction::decode(body, &LIMITS).ok());
    registration(Registration::decode(body, &LIMITS).ok());
    match json_rpc::Request::decode(body) {
        Ok(request) => {
            transaction(request.transaction(&LIMITS).ok());
            registration(request.registration(&LIMITS).ok());
            assert!(!request.no_method().encode(&request.id).is_empty());
        }
        Err(invalid) => assert!(!invalid.reply.encode(&invalid.id).is_empty()),
    }
    if let Ok(query) = std::str::from_utf8(body) {
        let parameters = Parameters::decode(query);
        let _ =
            (parameters.all(), parameters.reset(), parameters.topic(), parameters.kv(), parameters.scan());
    }
});

fn transaction(read: Option<Transaction>) {
    let Some(read) = read else { return };
    let written = read.encode().expect("payloads of JSON are text");
    custom(&read.custom_data);
    assert_eq!(Transaction::decode(&written, &LIMITS), Ok(read));
}

fn registration(read: Option<Registration>) {
    let Some(read) = read else { return };
    assert_eq!(Registration::decode(&read.encode(), &LIMITS), Ok(read));
}

fn custom(text: &str) {
    if let Ok(read) = SagaCustom::decode(text, &LIMITS) {
        assert_eq!(SagaCustom::decode(&read.encode(), &LIMITS), Ok(read));
    }
    if let Ok(read) = MessageCustom::decode(text) {
        assert_eq!(MessageCustom::decode(&read.encode()), Ok(read));
    }
    if let Ok(read) = WorkflowCustom::decode(text, &LIMITS) {
        assert_eq!(WorkflowCustom::decode(&read.encode(), &LIMITS), Ok(read));
    }
}
