//! What branches answer, what servers show, and the requests made of URLs and payloads that clients chose.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use synod_wire::dtm::{
    AllReply, Answer, Call, QueryReply, ScanReply, ServiceUrl, WorkflowReply, decode_reply, reply,
};

fuzz_target!(|body: &[u8]| {
    let _ = (Answer::http(200, body), Answer::json_rpc(200, body));
    if let Ok(read) = decode_reply::<QueryReply>(body) {
        assert_eq!(decode_reply(&reply::shown(&read)), Ok(read));
    }
    if let Ok(read) = decode_reply::<WorkflowReply>(body) {
        assert_eq!(decode_reply(&reply::shown(&read)), Ok(read));
    }
    let _ = (decode_reply::<AllReply>(body), decode_reply::<ScanReply>(body));
    if let Ok(text) = std::str::from_utf8(body) {
        call(text);
    }
});

fn call(text: &str) {
    let (url, payload) = text.split_once('\n').unwrap_or((text, text));
    let headers = BTreeMap::new();
    let call = Call {
        gid: text,
        trans_type: "saga",
        protocol: "json-rpc",
        branch_id: "01",
        op: "action",
        url,
        payload: payload.as_bytes(),
        headers: &headers,
    };
    let _ = (call.http(), call.json_rpc(text), call.grpc());
    let _ = ServiceUrl::parse(url, call.transport());
}
