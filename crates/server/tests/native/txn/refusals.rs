//! What is refused, and in which words.

use std::time::Duration;

use serde_json::{Value, json};
use synod_wire::native::v1;
use tonic::Code;

use super::{TRANSACTIONS, post, start, text};
use crate::grpc::Client;
use crate::node::TestNode;

#[tokio::test]
async fn what_is_wrong_with_a_begin_is_named() {
    let node =
        TestNode::start(&["txn.payload_bytes_max=1KiB", "txn.branches_max=2", "http.body_bytes_max=8KiB"])
            .await;
    let url = "http://127.0.0.1:1/x";
    let branch = |change: Value| json!({"mode": "saga", "submit": true, "branches": [change]});
    let long = "x".repeat(2_000);
    for (body, status, code, detail) in [
        (json!({"mode": "sage"}), 400, "E1001", "\"sage\" is none of"),
        (json!({"mode": "tcc", "timeout": "30"}), 400, "E1001", "\"timeout\""),
        (json!({"mode": "tcc", "tiemout": "30s"}), 400, "E1001", "tiemout"),
        (json!({"mode": "tcc", "timeout": "0s"}), 422, "E2008", "\"timeout\""),
        (json!({"mode": "saga"}), 422, "E2008", "\"timeout\""),
        (json!({"mode": "tcc", "gid": ""}), 422, "E2008", "is empty"),
        (json!({"mode": "tcc", "gid": "127.0.0.1:8091:7"}), 422, "E2008", "form of an XID"),
        (json!({"mode": "tcc", "gid": "watch"}), 422, "E2008", "paths"),
        (json!({"mode": "tcc", "gid": "x".repeat(200)}), 413, "E2007", "id is too long"),
        (json!({"mode": "tcc", "back_check": url}), 422, "E2008", "\"back_check\" means nothing in mode tcc"),
        (json!({"mode": "message", "branches": [{"deliver": url}]}), 422, "E2008", "\"back_check\""),
        (json!({"mode": "workflow"}), 422, "E2008", "\"back_check\""),
        (json!({"mode": "tcc", "headers": {"synod-xid": "1"}}), 422, "E2008", "\"synod-xid\" cannot be sent"),
        (branch(json!({"action": "ftp://a/b"})), 422, "E2009", "spoken are"),
        (branch(json!({"action": "a:1/b"})), 422, "E2009", "begins with"),
        (branch(json!({"action": url, "forward": url})), 400, "E1001", "duplicate field"),
        (branch(json!({"action": url, "payload": 1, "payload_text": "1"})), 400, "E1001", "choose one"),
        (branch(json!({"action": url, "payload_base64": "?"})), 400, "E1001", "Base64"),
        (branch(json!({"action": url, "payload_text": long})), 413, "E2007", "payload is too long"),
        (branch(json!({"action": url, "after": ["x"]})), 422, "E2008", "concurrent"),
        (branch(json!({"action": url, "label": "x"})), 422, "E2008", "\"label\""),
        (json!({"mode": "tcc", "branches": [{}, {}, {}]}), 413, "E2007", "branches"),
        (json!({"mode": "tcc", "branches": [{"id": "1"}, {"id": "1"}]}), 422, "E2008", "same id"),
        (json!({"mode": "tcc", "name": "x".repeat(9_000)}), 413, "E1008", ""),
        (
            json!({"mode": "saga", "concurrent": true, "submit": true, "branches": [{"after": ["x"], "action": url}]}),
            422,
            "E2008",
            "\"x\", which is not there",
        ),
    ] {
        let answer = post(&node, TRANSACTIONS, body.clone()).await;
        let problem = answer.json();
        assert_eq!((answer.status, &problem["code"]), (status, &json!(code)), "{body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{body}: {problem}");
        assert!(answer.head.contains("application/problem+json"), "{}", answer.head);
    }
    let empty = node.ask("GET", "/v1/transactions", None).await.json();
    assert_eq!(empty["transactions"], json!([]), "nothing was begun");
    node.running.stop().await;
}

#[tokio::test]
async fn an_id_is_a_gid_or_the_text_of_an_xid_and_nothing_else() {
    let (node, _participant) = start().await;
    let begun = post(&node, TRANSACTIONS, json!({"gid": "a/b c", "mode": "tcc"})).await.json();
    let number = begun["xid"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    assert_eq!(node.ask("GET", &format!("{TRANSACTIONS}/a%2Fb%20c"), None).await.status, 200);
    for (method, path, status, code) in [
        ("GET", format!("/{number}"), 404, "E2001"),
        ("GET", "/nobody".into(), 404, "E2001"),
        ("GET", "/127.0.0.1:8091:7".into(), 404, "E2001"),
        ("GET", "/nobody/wait".into(), 404, "E2001"),
        ("GET", format!("/{number}/branches/01"), 404, "E2001"),
        ("GET", "/a%2Fb%20c/branches/01".into(), 404, "E2012"),
        ("POST", "/nobody/commit".into(), 404, "E2001"),
        ("POST", "/nobody/retry".into(), 404, "E2001"),
        ("POST", "/nobody/stop".into(), 404, "E2001"),
        ("POST", "/a%2Fb%20c/resend".into(), 404, "E2001"),
        ("GET", "?status=done".into(), 400, "E1002"),
        ("GET", "?mode=at".into(), 400, "E1002"),
        ("GET", "?needs=help".into(), 400, "E1002"),
        ("GET", "?before=7".into(), 400, "E1002"),
        ("GET", "?page=2".into(), 400, "E1002"),
        ("GET", "/a%2Fb%20c/wait?timeout=1".into(), 400, "E1002"),
        ("GET", "/watch?mode=at".into(), 400, "E1002"),
        ("GET", "/watch?id=nobody".into(), 404, "E2001"),
    ] {
        let answer = node.ask(method, &format!("{TRANSACTIONS}{path}"), None).await;
        assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{method} {path}");
    }
    let unnamed = post(&node, &format!("{TRANSACTIONS}/a%2Fb%20c/branches"), json!({})).await;
    assert_eq!((unnamed.status, &unnamed.json()["code"]), (422, &json!("E2008")));
    node.running.stop().await;
}

#[tokio::test]
async fn only_what_was_surely_never_begun_counts_as_rolled_back() {
    let (node, _participant) = start().await;
    let decision = |id: &'static str| {
        let node = &node;
        async move { node.ask("GET", &format!("{TRANSACTIONS}/{id}/decision"), None).await }
    };
    let never = decision("127.0.0.1:8091:7").await.json();
    assert_eq!(never, json!({"xid": null, "decision": "rollback", "status": "unknown"}));
    // Nobody can tell whether the initiator's own id was never there or is forgotten.
    assert_eq!(decision("order-1").await.json()["decision"], "forgotten");
    // Of another transaction group: some other cluster's.
    assert_eq!(decision("127.0.0.1:8091:562949953421313").await.status, 404);
    node.running.stop().await;
}

#[tokio::test]
async fn what_ended_long_ago_is_gone_and_not_called_rolled_back() {
    let node = TestNode::start(&["txn.outcome_keep=1ms", "txn.keep=1ms"]).await;
    let begun = post(&node, TRANSACTIONS, json!({"gid": "old", "mode": "tcc"})).await.json();
    let old = format!("{TRANSACTIONS}/{}", text(&begun, "xid"));
    assert_eq!(post(&node, &format!("{old}/commit"), json!({})).await.status, 200);
    // Outcomes are forgotten by the page: not while ids of the same page may yet be given out. A start leaves many out.
    let node = node.restart().await;
    let new = post(&node, TRANSACTIONS, json!({"mode": "tcc"})).await;
    assert_eq!(new.status, 201, "{}", new.body);
    let gone = async {
        loop {
            let answer = node.ask("GET", &old, None).await;
            match answer.status {
                200 => tokio::time::sleep(Duration::from_millis(20)).await,
                _ => break answer,
            }
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
    let problem = gone.json();
    assert_eq!((gone.status, &problem["code"], &problem["status"]), (410, &json!("E2002"), &json!(410)));
    assert!(gone.head.contains("application/problem+json"), "{}", gone.head);
    assert!(text(&problem, "detail").contains("forgotten"), "{problem}");
    for (method, path, body) in [
        ("GET", "/wait", None),
        ("GET", "/branches/01", None),
        ("POST", "/commit", Some(json!({}))),
        ("POST", "/rollback", Some(json!({}))),
        ("POST", "/branches", Some(json!({"id": "01"}))),
        ("POST", "/retry", None),
        ("POST", "/stop", None),
    ] {
        let answer = node.ask(method, &format!("{old}{path}"), body.as_ref()).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (410, &json!("E2002")),
            "{method} {path}: {}",
            answer.body
        );
    }
    let decision = node.ask("GET", &format!("{old}/decision"), None).await.json();
    assert_eq!(decision, json!({"xid": null, "decision": "forgotten", "status": "forgotten"}));
    let client = Client::new(node.running.addresses["grpc"]);
    let request = v1::GetRequest { id: text(&begun, "xid").into() };
    let gone = client.call::<_, v1::Transaction>("synod.v1.Transactions", "Get", request).await.unwrap_err();
    assert_eq!(gone.code(), Code::OutOfRange, "{gone}");
    node.running.stop().await;
}
