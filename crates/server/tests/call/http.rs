//! Our own dialect over HTTP.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use http_body_util::Full;
use ring::hmac;
use synod_core::txn::mode::CallResult;
use synod_core::txn::{Mode, Protocol};
use synod_server::call::Delivered;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::participant::{Participant, reply};
use crate::rig::{Rig, action, back_check, backward, failed, forward, txn};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn a_participant_sees_what_it_needs() {
    let participant = Participant::http(|_| reply(201, "{\"id\":7}")).await;
    let rig = Rig::new(&[]);
    let mut saga = txn(Mode::Saga, Protocol::Http, &participant.url("/pay?x=1"));
    saga.headers = vec![
        ("X-Tenant".into(), "t1".into()),
        ("synod-op".into(), "forged".into()),
        ("Content-Length".into(), "3".into()),
        ("traceparent".into(), PARENT.into()),
        ("tracestate".into(), "a=1".into()),
    ];
    let delivered = rig.caller.deliver(&forward(saga)).await;
    let reply = Some(Bytes::from_static(b"{\"id\":7}"));
    assert_eq!(delivered, Delivered { result: CallResult::Done, answered: true, reply });

    let seen = participant.only();
    assert_eq!((seen.method.clone(), &*seen.target), (Method::POST, "/pay?x=1"));
    assert_eq!(&*seen.body, br#"{"amount":30}"#);
    for (name, value) in [
        ("host", &*participant.address.to_string()),
        ("content-type", "application/json"),
        ("content-length", "13"),
        ("synod-xid", "synod.example:8091:77"),
        ("synod-gid", "order-1"),
        ("synod-branch", "b1"),
        ("synod-op", "action"),
        ("synod-mode", "saga"),
        ("synod-signature", ""),
        ("x-tenant", "t1"),
        ("tracestate", "a=1"),
    ] {
        assert_eq!(seen.header(name), value, "{name}");
    }
    let parent = seen.header("traceparent");
    assert!(parent.starts_with(&PARENT[..36]) && parent.ends_with("-01") && parent != PARENT, "{parent}");
}

#[tokio::test]
async fn each_mode_and_way_has_its_word() {
    let participant = Participant::http(|_| reply(200, "")).await;
    let rig = Rig::new(&[]);
    let of = |mode| txn(mode, Protocol::Http, &participant.url("/"));
    for call in [
        forward(of(Mode::Saga)),
        backward(of(Mode::Saga)),
        forward(of(Mode::Tcc)),
        backward(of(Mode::Tcc)),
        forward(of(Mode::Xa)),
        backward(of(Mode::Xa)),
        forward(of(Mode::Message)),
        forward(of(Mode::Notification)),
        back_check(of(Mode::Message)),
        back_check(of(Mode::Workflow)),
    ] {
        assert_eq!(rig.result(&call).await, CallResult::Done);
    }
    let seen = participant.seen();
    let words: Vec<_> = seen.iter().map(|seen| seen.header("synod-op")).collect();
    let expected = [
        "action",
        "compensate",
        "confirm",
        "cancel",
        "commit",
        "rollback",
        "deliver",
        "notify",
        "check",
        "run",
    ];
    assert_eq!(words, expected);
    let check = &seen[8];
    assert!(check.body.is_empty() && !check.headers.contains_key("content-type"), "{check:?}");
    assert!(!check.headers.contains_key("synod-branch"));
    assert_eq!(participant.connections(), 1, "one after the other they share a connection");
    assert_eq!(rig.caller.idle_connections(), 1);

    let metrics = rig.metrics();
    for line in [
        r#"synod_calls_total{protocol="http",op="confirm",result="done"} 1"#,
        r#"synod_call_duration_seconds_count{protocol="http"} 10"#,
        "synod_calls_in_flight 0",
    ] {
        assert!(metrics.contains(line), "{line} is missing in {metrics}");
    }
}

#[tokio::test]
async fn a_workflow_is_started_with_what_it_was_begun_with() {
    let participant = Participant::http(|_| reply(200, "")).await;
    let mut workflow = txn(Mode::Workflow, Protocol::Http, &participant.url("/run"));
    workflow.note = Bytes::from_static(b"{\"order\":1}");
    assert_eq!(Rig::new(&[]).result(&back_check(workflow)).await, CallResult::Done);
    assert_eq!(participant.only().body, "{\"order\":1}");
}

#[tokio::test]
async fn answers_mean_what_the_dialect_says() {
    let participant = Participant::http(|seen| match &*seen.target {
        "/202" => reply(202, ""),
        "/425" => reply(425, ""),
        "/409" => reply(409, "no money"),
        "/500" => reply(500, "boom"),
        _ => Response::builder().status(302).header("location", "/ok").body(Full::default()).unwrap(),
    })
    .await;
    let rig = Rig::new(&[]);
    for (path, result) in [
        ("/202", CallResult::Ongoing),
        ("/425", CallResult::Ongoing),
        ("/409", CallResult::Refused("no money".into())),
        ("/500", CallResult::Failed("500 Internal Server Error: boom".into())),
        ("/302", CallResult::Failed("302 Found".into())),
    ] {
        let delivered = rig.caller.deliver(&action(&participant.url(path))).await;
        assert_eq!(delivered, Delivered { result, answered: true, reply: None }, "{path}");
    }
    assert_eq!(participant.seen().len(), 5, "a redirect is not followed");
}

#[tokio::test]
async fn notifications_are_counted_and_signed() {
    let participant = Participant::http(|_| reply(200, "")).await;
    let mut notification = txn(Mode::Notification, Protocol::Http, &participant.url("/hook"));
    notification.branches[0].forward.attempts = 2;
    let call = forward(notification);
    let rig = Rig::new(&["notify.secret=s3cret"]);
    assert_eq!(rig.result(&call).await, CallResult::Done);
    assert_eq!(Rig::new(&[]).result(&call).await, CallResult::Done);
    assert_eq!(rig.result(&action(&participant.url("/"))).await, CallResult::Done);

    let [signed, unsigned, other] = &*participant.seen() else { panic!("not three") };
    assert_eq!(signed.header("synod-attempt"), "3");
    // As a receiver checks it.
    let (at, tag) = signed.header("synod-signature").split_once(",v1=").unwrap();
    let at = at.strip_prefix("t=").unwrap();
    let tag: Vec<u8> =
        (0..64).step_by(2).map(|from| u8::from_str_radix(&tag[from..from + 2], 16).unwrap()).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"s3cret");
    let text = [at.as_bytes(), b".", &signed.body].concat();
    hmac::verify(&key, &text, &tag).unwrap();
    assert!(at.parse::<u64>().unwrap() > 1_600_000_000);

    assert_eq!((unsigned.header("synod-attempt"), unsigned.header("synod-signature")), ("3", ""));
    assert_eq!((other.header("synod-attempt"), other.header("synod-signature")), ("", ""));
}

#[tokio::test]
async fn nobody_to_call_is_done() {
    let mut saga = txn(Mode::Saga, Protocol::Http, "http://127.0.0.1:1/");
    saga.branches[0].forward.target = None;
    assert_eq!(Rig::new(&[]).result(&forward(saga)).await, CallResult::Done);
}

#[tokio::test]
async fn what_cannot_be_called_is_said() {
    let rig = Rig::new(&[]);
    let mut odd = txn(Mode::Saga, Protocol::Http, "http://127.0.0.1:1/");
    odd.gid = Some("a\nb".into());
    let calls = ["nonsense", "grpc://127.0.0.1:1/p.S/M", "http://u:p@127.0.0.1/", "http://127.0.0.1:1/a b"];
    for call in calls.iter().map(|url| action(url)).chain([forward(odd)]) {
        let delivered = rig.caller.deliver(&call).await;
        assert!(delivered.answered, "no destination is to blame: {delivered:?}");
        assert!(!failed(delivered.result).is_empty());
    }
    let closed = rig.caller.deliver(&action("http://127.0.0.1:1/")).await;
    assert!(!closed.answered);
    assert!(failed(closed.result).contains("refused"));
    let metrics = rig.metrics();
    assert!(metrics.contains(r#"op="action",result="failed"} 6"#), "{metrics}");
}

#[tokio::test]
async fn only_allowed_destinations_are_called() {
    let participant = Participant::http(|_| reply(200, "")).await;
    let port = participant.address.port();
    let [by_address, by_name] =
        ["127.0.0.1", "localhost"].map(|host| action(&format!("http://{host}:{port}/")));
    for (allow, address, name) in [
        ("", true, true),
        ("127.0.0.0/8", true, true),
        ("10.0.0.0/8", false, false),
        ("localhost", false, true),
        (&*format!("localhost:{port},127.0.0.1:1"), false, true),
        ("*.example.org", false, false),
    ] {
        let rig = Rig::new(&[&format!("call.allow={allow}")]);
        for (call, allowed) in [(&by_address, address), (&by_name, name)] {
            let delivered = rig.caller.deliver(call).await;
            assert_eq!(delivered.result == CallResult::Done, allowed, "{allow}: {delivered:?}");
            assert!(delivered.answered);
            assert!(allowed || failed(delivered.result).contains("call.allow"));
        }
    }
    let asked: Vec<_> = participant.seen().iter().map(|seen| seen.header("host").to_owned()).collect();
    assert!(asked.contains(&format!("localhost:{port}")), "it is asked by its name: {asked:?}");
}

/// Answers the first request of a connection, and closes it when the second has come.
async fn answer_once(mut stream: tokio::net::TcpStream) {
    let mut buffer = [0; 4_096];
    let mut answered = false;
    while stream.read(&mut buffer).await.unwrap() > 0 && !answered {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        answered = true;
    }
}

#[tokio::test]
async fn a_connection_closed_at_the_same_moment_is_no_failure() {
    let participant = Participant::raw(|_, stream| answer_once(stream)).await;
    let rig = Rig::new(&[]);
    let call = action(&participant.url("/"));
    assert_eq!(rig.result(&call).await, CallResult::Done);
    assert_eq!(rig.caller.idle_connections(), 1);
    assert_eq!(rig.result(&call).await, CallResult::Done);
    assert_eq!(participant.connections(), 2);
}

#[tokio::test]
async fn connections_are_kept_for_a_while_and_not_when_closed_by_the_other_side() {
    let participant = Participant::http(|_| reply(200, "")).await;
    let call = action(&participant.url("/"));
    let [kept, brief, none] =
        ["call.idle_timeout=60s", "call.idle_timeout=1ms", "call.idle_max=0"].map(|key| Rig::new(&[key]));
    for rig in [&kept, &brief, &none] {
        assert_eq!(rig.result(&call).await, CallResult::Done);
    }
    assert_eq!([&kept, &none].map(|rig| rig.caller.idle_connections()), [1, 0]);
    let emptied = async |rig: &Rig| {
        while rig.caller.idle_connections() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, emptied(&brief)).await.expect("it was idle for too long");
    assert_eq!(kept.caller.idle_connections(), 1);
    drop(participant);
    tokio::time::timeout(limit, emptied(&kept)).await.expect("it was closed by the participant");
}

#[tokio::test]
async fn a_trace_is_made_up_only_if_configured() {
    let (plain, tracing) = (Rig::new(&[]), Rig::new(&["call.trace=true"]));
    assert!(plain.caller.trace(&HeaderMap::new()).is_empty());
    assert_eq!(tracing.caller.trace(&HeaderMap::new()).len(), 1);
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", PARENT.parse().unwrap());
    assert_eq!(&*plain.caller.trace(&headers)[0].1, PARENT);
}
