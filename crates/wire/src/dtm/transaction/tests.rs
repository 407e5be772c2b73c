//! What clients of all kinds may send, one rule a test.

use super::*;

fn read(text: &str) -> Transaction {
    Transaction::decode(text.as_bytes(), &Limits::REQUEST).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> String {
    Transaction::decode(text.as_bytes(), &Limits::REQUEST).unwrap_err().to_string()
}

#[test]
fn null_is_absent() {
    let nothing = Transaction { protocol: "http".to_owned(), ..Transaction::default() };
    assert_eq!(read("{}"), nothing);
    assert_eq!(read("null"), nothing);
    let fields = [
        "gid",
        "trans_type",
        "steps",
        "payloads",
        "query_prepared",
        "protocol",
        "custom_data",
        "rollback_reason",
        "req_extra",
        "wait_result",
        "timeout_to_fail",
        "request_timeout",
        "retry_interval",
        "retry_limit",
        "branch_headers",
        "concurrent",
    ];
    for field in fields {
        assert_eq!(read(&format!("{{\"{field}\":null}}")), nothing, "{field}");
    }
}

#[test]
fn the_last_of_a_name_in_any_case_counts() {
    let read = read(r#"{"gid":"a","GID":"b","Gid":"c","Wait_Result":true,"subType":1,"subType":2}"#);
    assert_eq!((&*read.gid, read.options.wait_result), ("c", true));
}

#[test]
fn unknown_and_stored_fields_are_passed_over() {
    let text = r#"{"gid":"g","status":"succeed","next_cron_interval":"x","passthrough_headers":["a"],"op":{},"retry_count":7}"#;
    assert_eq!(read(text).gid, "g");
}

#[test]
fn characters_are_dropped_from_the_gid() {
    assert_eq!(read(r#"{"gid":"a;b\r\nc"}"#).gid, "abc");
}

#[test]
fn empty_lists_stand_for_empty_maps() {
    let read = read(r#"{"branch_headers":[],"req_extra":[],"steps":[[]]}"#);
    assert!(read.options.branch_headers.is_empty() && read.req_extra.is_empty());
    assert_eq!(read.steps, [Step::default()]);
    assert!(refused(r#"{"branch_headers":["a"]}"#).starts_with("branch_headers: "));
}

#[test]
fn payloads_stand_beside_the_steps_or_in_them() {
    let read = read(
        r#"{"steps":[{"action":"a","data":"old"},{"action":"b","compensate":null,"data":""}],"payloads":["new",null]}"#,
    );
    assert_eq!(read.payloads, ["new", "", "old"]);
    assert_eq!(read.steps[1], Step { action: "b".to_owned(), compensate: String::new() });
    assert_eq!(read.lacks_payload(), None);
}

#[test]
fn a_step_without_payload_is_found() {
    let read = read(r#"{"steps":[{"action":"a"},{"action":"b"}],"payloads":["1"]}"#);
    assert_eq!(read.lacks_payload(), Some(1));
}

#[test]
fn wrong_types_are_refused_by_name() {
    for (text, field) in [
        (r#"{"gid":1}"#, "gid"),
        (r#"{"steps":{}}"#, "steps"),
        (r#"{"steps":[{"action":1}]}"#, "steps"),
        (r#"{"steps":["a"]}"#, "steps"),
        (r#"{"payloads":[{}]}"#, "payloads"),
        (r#"{"timeout_to_fail":-1}"#, "timeout_to_fail"),
        (r#"{"timeout_to_fail":4294967296}"#, "timeout_to_fail"),
        (r#"{"retry_interval":"5"}"#, "retry_interval"),
        (r#"{"wait_result":1}"#, "wait_result"),
        (r#"{"custom_data":{}}"#, "custom_data"),
        (r#"{"req_extra":{"status":1}}"#, "req_extra"),
        (r#"{"branch_headers":{"a b":"c"}}"#, "branch_headers"),
        (r#"{"branch_headers":{"":"c"}}"#, "branch_headers"),
        (r#"{"branch_headers":{"a":"c\r\nd"}}"#, "branch_headers"),
    ] {
        assert!(refused(text).starts_with(field), "{text}: {}", refused(text));
    }
    assert!(refused("hello").starts_with("malformed JSON"));
    assert!(Transaction::decode(b"{\"gid\":\"\xff\"}", &Limits::REQUEST).is_err());
}

#[test]
fn too_much_is_refused_by_name() {
    let limits =
        Limits { gid_bytes_max: 3, text_bytes_max: 4, payload_bytes_max: 5, steps_max: 2, pairs_max: 1 };
    for (text, error) in [
        (r#"{"gid":"abcd"}"#, "gid: 4 bytes, where at most 3 are taken"),
        (r#"{"custom_data":"12345"}"#, "custom_data: 5 bytes, where at most 4 are taken"),
        (r#"{"steps":[{"action":"12345"}]}"#, "steps: 5 bytes, where at most 4 are taken"),
        (r#"{"payloads":["123456"]}"#, "payloads: 6 bytes, where at most 5 are taken"),
        (r#"{"steps":[{"data":"123456"}]}"#, "steps: 6 bytes, where at most 5 are taken"),
        (r#"{"steps":[{},{},{}]}"#, "steps: more than 2 members"),
        (r#"{"steps":[{"data":"1"},{"data":"1"}],"payloads":["1"]}"#, "payloads: more than 2 members"),
        (r#"{"req_extra":{"a":"","b":""}}"#, "req_extra: more than 1 members"),
        (r#"{"branch_headers":{"a":"12345"}}"#, "branch_headers: 5 bytes, where at most 4 are taken"),
    ] {
        let refused = Transaction::decode(text.as_bytes(), &limits).unwrap_err().to_string();
        assert_eq!(refused, error, "{text}");
    }
}

#[test]
fn it_is_written_as_the_go_client_does() {
    let text = concat!(
        r#"{"gid":"g","trans_type":"saga","custom_data":"{\"concurrent\":true}","wait_result":true,"#,
        r#""timeout_to_fail":1,"request_timeout":2,"retry_interval":3,"branch_headers":{"a":"b"},"concurrent":true,"#,
        r#""retry_limit":4,"steps":[{"action":"u","compensate":"v"}],"payloads":["{}"],"protocol":"http"}"#,
    );
    assert_eq!(String::from_utf8(read(text).encode().unwrap()).unwrap(), text);
    let binary = Transaction { payloads: vec![Bytes::from_static(b"\xff")], ..Transaction::default() };
    assert_eq!(binary.encode(), Err(TransactionError::Binary { index: 0 }));
}
