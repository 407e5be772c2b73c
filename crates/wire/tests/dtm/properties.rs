//! What holds for every value: reading what was written gives it back, and no bytes make a reader panic.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use prost::Message;
use synod_wire::dtm::*;

const LIMITS: Limits = Limits::REQUEST;

fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..8).prop_map(String::from_iter)
}

/// What may stand in a gid: the rest is dropped.
fn gid() -> impl Strategy<Value = String> {
    text().prop_map(|text| text.replace(['\n', '\r', ';'], ""))
}

fn header() -> impl Strategy<Value = (String, String)> {
    ("[a-zA-Z0-9_.-]{1,8}", "[ -~é]{0,8}")
}

fn headers() -> impl Strategy<Value = BTreeMap<String, String>> {
    vec(header(), 0..4).prop_map(BTreeMap::from_iter)
}

fn options() -> impl Strategy<Value = Options> {
    (any::<bool>(), any::<[u32; 4]>(), headers(), any::<bool>()).prop_map(
        |(wait_result, numbers, branch_headers, concurrent)| Options {
            wait_result,
            timeout_to_fail_s: numbers[0],
            request_timeout_s: numbers[1],
            retry_interval_s: numbers[2],
            branch_headers,
            concurrent,
            retry_limit: numbers[3],
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec((text(), text()).prop_map(|(action, compensate)| Step { action, compensate }), 0..4)
}

fn transaction(payload: BoxedStrategy<Vec<u8>>) -> impl Strategy<Value = Transaction> {
    let texts = (gid(), vec(text(), 4), prop::sample::select(vec!["http", "json-rpc", "grpc"]));
    (texts, steps(), vec(payload, 0..4), btree_map(text(), text(), 0..3), options()).prop_map(
        |((gid, texts, protocol), steps, payloads, req_extra, options)| Transaction {
            gid,
            trans_type: texts[0].clone(),
            steps,
            payloads: payloads.into_iter().map(Bytes::from).collect(),
            query_prepared: texts[1].clone(),
            protocol: protocol.to_owned(),
            custom_data: texts[2].clone(),
            rollback_reason: texts[3].clone(),
            req_extra,
            options,
        },
    )
}

fn registration(payload: BoxedStrategy<Vec<u8>>) -> impl Strategy<Value = Registration> {
    (gid(), vec(text(), 7), payload).prop_map(|(gid, texts, data)| Registration {
        gid,
        trans_type: texts[0].clone(),
        branch_id: texts[1].clone(),
        data: data.into(),
        confirm: texts[2].clone(),
        cancel: texts[3].clone(),
        url: texts[4].clone(),
        op: texts[5].clone(),
        status: texts[6].clone(),
    })
}

fn textual() -> BoxedStrategy<Vec<u8>> {
    text().prop_map(String::into_bytes).boxed()
}

fn binary() -> BoxedStrategy<Vec<u8>> {
    vec(any::<u8>(), 0..8).boxed()
}

fn time() -> impl Strategy<Value = Option<Time>> {
    option::of(any::<u64>().prop_map(|epoch_ns| Time { epoch_ns }))
}

fn branch() -> impl Strategy<Value = BranchRecord> {
    (0..=i32::MAX, vec(time(), 4), vec(text(), 5), binary()).prop_map(|(id, times, texts, data)| {
        BranchRecord {
            id,
            create_time: times[0],
            update_time: times[1],
            gid: texts[0].clone(),
            url: texts[1].clone(),
            bin_data: data.into(),
            branch_id: texts[2].clone(),
            op: texts[3].clone(),
            status: texts[4].clone(),
            finish_time: times[2],
            rollback_time: times[3],
        }
    })
}

fn record() -> impl Strategy<Value = TransactionRecord> {
    let parts = (steps(), vec(text(), 0..3), options(), option::of(any::<u64>()), any::<u32>());
    (0..=i32::MAX, vec(time(), 5), vec(text(), 11), parts).prop_map(|(id, times, texts, parts)| {
        TransactionRecord {
            id,
            create_time: times[0],
            update_time: times[1],
            gid: texts[0].clone(),
            trans_type: texts[1].clone(),
            steps: parts.0,
            payloads: parts.1,
            status: texts[2].clone(),
            query_prepared: texts[3].clone(),
            protocol: texts[4].clone(),
            finish_time: times[2],
            rollback_time: times[3],
            result: texts[5].clone(),
            rollback_reason: texts[6].clone(),
            options_text: texts[7].clone(),
            custom_data: texts[8].clone(),
            next_cron_interval_s: parts.3,
            next_cron_time: times[4],
            owner: texts[9].clone(),
            ext_data: texts[10].clone(),
            options: parts.2,
            retry_count: parts.4,
        }
    })
}

/// Runs every reader over a body; whatever one of them takes must survive its own writer.
fn read_as_anything(body: &[u8]) {
    if let Ok(read) = Transaction::decode(body, &LIMITS) {
        let written = read.encode().expect("payloads of JSON are text");
        assert_eq!(Transaction::decode(&written, &LIMITS), Ok(read));
    }
    if let Ok(read) = Registration::decode(body, &LIMITS) {
        assert_eq!(Registration::decode(&read.encode(), &LIMITS), Ok(read));
    }
    match json_rpc::Request::decode(body) {
        Ok(request) => {
            drop(request.transaction(&LIMITS));
            drop(request.registration(&LIMITS));
            assert!(
                serde_json::from_slice::<serde_json::Value>(&request.no_method().encode(&request.id)).is_ok()
            );
        }
        Err(invalid) => {
            let written = invalid.reply.encode(&invalid.id);
            assert!(serde_json::from_slice::<serde_json::Value>(&written).is_ok());
        }
    }
    if let Ok(read) = decode_grpc(body).and_then(|request| Transaction::from_grpc(request, &LIMITS)) {
        assert_eq!(Transaction::from_grpc(read.to_grpc(), &LIMITS), Ok(read));
    }
    if let Ok(read) = decode_grpc(body).and_then(|request| Registration::from_grpc(request, &LIMITS)) {
        assert_eq!(Registration::from_grpc(read.to_grpc(), &LIMITS), Ok(read));
    }
    for status in [200, 409, 500] {
        drop(Answer::http(status, body));
        drop(Answer::json_rpc(status, body));
    }
    drop(decode_reply::<QueryReply>(body));
    drop(decode_reply::<AllReply>(body));
    drop(decode_reply::<WorkflowReply>(body));
    drop(decode_reply::<ScanReply>(body));
    if let Ok(text) = std::str::from_utf8(body) {
        drop(SagaCustom::decode(text, &LIMITS));
        drop(MessageCustom::decode(text));
        drop(WorkflowCustom::decode(text, &LIMITS));
        drop(Subscriber::decode(text));
        drop(Parameters::decode(text).all());
        if let Some(time) = Time::parse(text) {
            assert_eq!(Time::parse(&time.to_string()), Some(time));
        }
        call_anything(text);
    }
}

/// Builds requests for a branch whose URL and payload are anything.
fn call_anything(text: &str) {
    let headers = BTreeMap::new();
    for protocol in ["http", "json-rpc", "grpc"] {
        let call = Call {
            gid: text,
            trans_type: "saga",
            protocol,
            branch_id: "01",
            op: "action",
            url: text,
            payload: text.as_bytes(),
            headers: &headers,
        };
        let http = call.http();
        assert!(http.url.contains("branch_id=01&gid=") && http.body == text.as_bytes());
        if let Ok(call) = call.json_rpc("1") {
            assert!(serde_json::from_slice::<serde_json::Value>(&call.body).is_ok());
        }
        if let Ok(call) = call.grpc() {
            assert_eq!(format!("{}{}", call.server, call.method), text);
        }
    }
}

const BODIES: [&str; 6] = [
    r#"{"gid":"g","trans_type":"saga","steps":[{"action":"a","compensate":"c","data":"d"}],"payloads":["p"],"branch_headers":{"a":"b"},"timeout_to_fail":3}"#,
    r#"{"gid":"g","trans_type":"tcc","branch_id":"01","data":"{}","confirm":"c","cancel":"d"}"#,
    r#"{"jsonrpc":"2.0","id":"x","method":"submit","params":{"gid":"g","payloads":[null]}}"#,
    r#"{"orders":{"2":[0,1]},"concurrent":true,"delay":1,"name":"n","data":"eyJyIjoxfQ=="}"#,
    r#"{"branches":[{"id":0,"create_time":"2026-11-21T20:08:30.327161073Z","bin_data":"eyJyIjoxfQ=="}],"transaction":{"id":0,"options":"{}","concurrent":false}}"#,
    "topic=t&url=http%3A%2F%2Fh%2Fp%3Fa%3Db&limit=5&createTimeStart=1000",
];

proptest! {
    #[test]
    fn transactions_survive_json(written in transaction(textual())) {
        let body = written.encode().unwrap();
        prop_assert_eq!(Transaction::decode(&body, &LIMITS), Ok(written));
    }

    #[test]
    fn transactions_survive_grpc(written in transaction(binary())) {
        let message = written.to_grpc().encode_to_vec();
        let read = decode_grpc(&message).and_then(|read| Transaction::from_grpc(read, &LIMITS));
        let mut expected = written;
        expected.protocol = "grpc".to_owned();
        expected.options.concurrent = false;
        prop_assert_eq!(read, Ok(expected));
    }

    #[test]
    fn registrations_survive_both(written in registration(textual()), binary in registration(binary())) {
        prop_assert_eq!(Registration::decode(&written.encode(), &LIMITS), Ok(written));
        let message = binary.to_grpc().encode_to_vec();
        let read = decode_grpc(&message).and_then(|read| Registration::from_grpc(read, &LIMITS));
        prop_assert_eq!(read, Ok(binary));
    }

    #[test]
    fn custom_data_survives(
        orders in btree_map(0..1000_usize, vec(0..1000_usize, 0..4), 0..4),
        flags in any::<(bool, u32)>(),
        name in text(),
        data in binary(),
    ) {
        let saga = SagaCustom { orders, concurrent: flags.0 };
        prop_assert_eq!(SagaCustom::decode(&saga.encode(), &LIMITS), Ok(saga));
        let message = MessageCustom { delay_s: flags.1 };
        prop_assert_eq!(MessageCustom::decode(&message.encode()), Ok(message));
        let workflow = WorkflowCustom { name, data: data.into() };
        prop_assert_eq!(WorkflowCustom::decode(&workflow.encode(), &LIMITS), Ok(workflow));
    }

    #[test]
    fn records_survive(transaction in option::of(record()), branches in vec(branch(), 0..3)) {
        let shown = QueryReply { branches: branches.clone(), transaction: transaction.clone() };
        prop_assert_eq!(decode_reply(&reply::shown(&shown)), Ok(shown));
        let shown = WorkflowReply { progresses: branches, transaction: transaction.unwrap_or_default() };
        prop_assert_eq!(decode_reply(&reply::shown(&shown)), Ok(shown));
    }

    #[test]
    fn subscribers_survive(texts in vec((text(), text()), 0..4)) {
        let all: Vec<_> = texts.into_iter().map(|(url, remark)| Subscriber { url, remark }).collect();
        prop_assert_eq!(Subscriber::decode(&Subscriber::encode(&all)), Ok(all));
    }

    #[test]
    fn no_bytes_panic(body in vec(any::<u8>(), 0..200)) {
        read_as_anything(&body);
    }

    #[test]
    fn no_mutation_panics(
        body in prop::sample::select(BODIES.to_vec()),
        edits in vec((any::<prop::sample::Index>(), 0_usize..4, any::<u8>()), 1..6),
    ) {
        let mut body = body.as_bytes().to_vec();
        for (index, remove, byte) in edits {
            let at = index.index(body.len());
            let end = (at + remove).min(body.len());
            body.splice(at..end, [byte, b"{}[]<>\"&:,"[usize::from(byte) % 10]]);
        }
        read_as_anything(&body);
    }

    #[test]
    fn no_message_panics(written in transaction(binary()), at: prop::sample::Index, byte: u8) {
        let mut message = written.to_grpc().encode_to_vec();
        let at = at.index(message.len());
        message[at] = byte;
        read_as_anything(&message);
        read_as_anything(&message[..at]);
    }
}
