//! The requests that branches were seen to get from the original.

use super::*;

fn call<'a>(
    protocol: &'a str,
    url: &'a str,
    payload: &'a [u8],
    headers: &'a BTreeMap<String, String>,
) -> Call<'a> {
    Call { gid: "g", trans_type: "saga", protocol, branch_id: "01", op: "action", url, payload, headers }
}

fn headers(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_transport_follows_protocol_and_url() {
    let none = BTreeMap::new();
    for (protocol, url, expected) in [
        ("http", "", Transport::Nothing),
        ("grpc", "", Transport::Nothing),
        ("http", "http://h/a", Transport::Http),
        ("", "http://h/a", Transport::Http),
        ("http", "h:1/p.S/M", Transport::Http),
        ("http", "http://h/a?method=b", Transport::Http),
        ("json-rpc", "http://h/a?method=b", Transport::JsonRpc),
        ("json-rpc", "http://h/method", Transport::JsonRpc),
        ("json-rpc", "http://h/a", Transport::Http),
        ("json-rpc", "h:1/p.S/method", Transport::Grpc),
        ("grpc", "https://h/a", Transport::Http),
        ("grpc", "h:1/p.S/M", Transport::Grpc),
        ("grpc", "HTTP://h/a", Transport::Grpc),
    ] {
        assert_eq!(call(protocol, url, b"", &none).transport(), expected, "{protocol} {url}");
    }
}

#[test]
fn query_parameters_come_after_those_of_the_url() {
    let none = BTreeMap::new();
    let tail = "branch_id=01&gid=g&op=action&trans_type=saga";
    for (url, expected) in [
        ("http://h/a", format!("http://h/a?{tail}")),
        ("http://h/a?uid=1", format!("http://h/a?uid=1&{tail}")),
        ("http://h/a?", format!("http://h/a?{tail}")),
        ("http://h/a?x#y?z", format!("http://h/a?x&{tail}#y?z")),
        ("http://h/a#y?z", format!("http://h/a?{tail}#y?z")),
        ("http://h", format!("http://h?{tail}")),
    ] {
        assert_eq!(call("http", url, b"", &none).http().url, expected, "{url}");
    }
    let odd = Call { gid: "a b&c/ü", ..call("http", "http://h/", b"", &none) };
    assert_eq!(odd.http().url, "http://h/?branch_id=01&gid=a+b%26c%2F%C3%BC&op=action&trans_type=saga");
}

#[test]
fn an_empty_payload_is_fetched_except_by_xa() {
    let none = BTreeMap::new();
    assert!(!call("http", "http://h/", b"", &none).http().is_post);
    assert!(call("http", "http://h/", b"null", &none).http().is_post);
    let xa = Call { trans_type: "xa", ..call("http", "http://h/", b"", &none) };
    assert!(xa.http().is_post && xa.http().body.is_empty());
}

#[test]
fn headers_are_added_and_may_replace_ours() {
    let some =
        headers(&[("content-type", "text/plain"), ("X-A", "1"), ("Host", "evil"), ("content-Length", "0")]);
    let found = call("http", "http://h/", b"{}", &some).http().headers;
    assert_eq!(found, [("Accept", "application/json"), ("X-A", "1"), ("content-type", "text/plain")]);
    let none = BTreeMap::new();
    let plain = call("http", "http://h/", b"{}", &none).http().headers;
    assert_eq!(plain, [("Accept", "application/json"), ("Content-Type", "application/json")]);
}

#[test]
fn json_rpc_puts_the_call_into_the_parameters() {
    let none = BTreeMap::new();
    let body = |payload: &'static [u8]| {
        let call = call("json-rpc", "http://h/a?method=b%20c&method=d#e", payload, &none);
        call.json_rpc("i").map(|call| {
            assert!(call.is_post && call.url == "http://h/a?method=b%20c&method=d#e");
            String::from_utf8(call.body.into_owned()).unwrap()
        })
    };
    let head = r#"{"id":"i","jsonrpc":"2.0","method":"b c","params":"#;
    let all = r#"{"branch_id":"01","gid":"g","op":"action","trans_type":"saga"}}"#;
    assert_eq!(body(b"").unwrap(), format!("{head}{all}"));
    assert_eq!(body(b"null").unwrap(), format!("{head}{all}"));
    assert_eq!(
        body(br#"{"amount":12345678901234567890, "gid":"x", "a":[1, 2]}"#).unwrap(),
        format!(
            "{head}{}",
            r#"{"a":[1, 2],"amount":12345678901234567890,"branch_id":"01","gid":"g","op":"action","trans_type":"saga"}}"#
        )
    );
    for payload in [&b"[1]"[..], b"text", b"\xff", b"1"] {
        assert_eq!(body(payload), Err(BadCall::Payload));
    }
}

#[test]
fn grpc_splits_its_address() {
    let some = headers(&[
        ("X-A", "1"),
        ("Grpc-Timeout", "1S"),
        ("Content-Type", "x"),
        ("dtm-gid", "x"),
        ("TE", "x"),
    ]);
    let found = call("grpc", "h:1/p.S/M", b"\x0a", &some).grpc().unwrap();
    assert_eq!((found.server, found.method, found.message), ("h:1", "/p.S/M", &b"\x0a"[..]));
    let metadata: Vec<_> = found.metadata.iter().map(|(name, value)| (&**name, *value)).collect();
    let expected = [
        ("dtm-branch_id", "01"),
        ("dtm-dtm", ""),
        ("dtm-gid", "g"),
        ("dtm-op", "action"),
        ("dtm-trans_type", "saga"),
        ("x-a", "1"),
    ];
    assert_eq!(metadata, expected);
    for (url, error) in [
        ("discovery:///s/p.S/M", BadCall::Scheme),
        ("h:1", BadCall::Address),
        ("/p.S/M", BadCall::Address),
        ("h:1/", BadCall::Address),
        ("h:1/a b", BadCall::Address),
    ] {
        assert_eq!(call("grpc", url, b"", &some).grpc(), Err(error), "{url}");
    }
}
