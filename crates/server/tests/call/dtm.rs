//! dtm's dialects over HTTP. The rules themselves are tested where they are, in the wire; here it is shown that they are
//! followed.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use synod_core::txn::mode::CallResult;
use synod_core::txn::{Mode, Protocol};

use crate::participant::{Participant, reply};
use crate::rig::{Rig, back_check, backward, failed, forward, txn};

#[tokio::test]
async fn a_branch_is_called_as_dtm_calls_it() {
    let participant = Participant::http(|_| reply(200, r#"{"dtm_result":"SUCCESS"}"#)).await;
    let rig = Rig::new(&[]);
    let mut saga = txn(Mode::Saga, Protocol::DtmHttp, &participant.url("/a1?uid=1"));
    saga.headers = vec![("test_header".into(), "yes".into()), ("traceparent".into(), "kept as it is".into())];
    let delivered = rig.caller.deliver(&forward(saga.clone())).await;
    assert_eq!(delivered.result, CallResult::Done);
    assert_eq!(delivered.reply.unwrap(), r#"{"dtm_result":"SUCCESS"}"#);
    saga.gid = None;
    saga.branches[0].payload = Bytes::new();
    rig.result(&backward(saga)).await;
    let mut xa = txn(Mode::Xa, Protocol::DtmHttp, &participant.url("/xa"));
    xa.branches[0].payload = Bytes::new();
    rig.result(&forward(xa)).await;

    let [action, compensate, commit] = &*participant.seen() else { panic!("not three") };
    assert_eq!(action.method, Method::POST);
    assert_eq!(action.target, "/a1?uid=1&branch_id=b1&gid=order-1&op=action&trans_type=saga");
    assert_eq!(&*action.body, br#"{"amount":30}"#);
    for (name, value) in [
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("test_header", "yes"),
        ("traceparent", "kept as it is"),
        ("synod-xid", ""),
    ] {
        assert_eq!(action.header(name), value, "{name}");
    }
    // Nothing to send: a GET; and a transaction of ours is known by its XID.
    assert_eq!(compensate.method, Method::GET);
    let gid = "synod.example%3A8091%3A77";
    assert_eq!(compensate.target, format!("/a1?uid=1&branch_id=b1&gid={gid}&op=compensate&trans_type=saga"));
    assert_eq!((commit.method.clone(), commit.body.len()), (Method::POST, 0));
    assert!(commit.target.ends_with("op=commit&trans_type=xa"), "{}", commit.target);
}

#[tokio::test]
async fn initiators_are_asked_as_dtm_asks_them() {
    let participant = Participant::http(|_| reply(200, "")).await;
    let rig = Rig::new(&[]);
    rig.result(&back_check(txn(Mode::Message, Protocol::DtmHttp, &participant.url("/check")))).await;
    let mut workflow = txn(Mode::Workflow, Protocol::DtmHttp, &participant.url("/run"));
    workflow.name = "my flow".into();
    // "aGVsbG8=" is "hello".
    workflow.note = Bytes::from_static(br#"{"name":"my flow","data":"aGVsbG8="}"#);
    rig.result(&back_check(workflow)).await;
    let [check, run] = &*participant.seen() else { panic!("not two") };
    assert_eq!(check.method, Method::GET);
    assert_eq!(check.target, "/check?branch_id=00&gid=order-1&op=msg&trans_type=msg");
    assert_eq!((run.method.clone(), &*run.body), (Method::POST, &b"hello"[..]));
    assert_eq!(run.target, "/run?branch_id=00&gid=order-1&op=my+flow&trans_type=workflow");
}

#[tokio::test]
async fn a_branch_of_a_mixed_transaction_hears_the_name_by_which_it_came() {
    let participant = Participant::http(|_| reply(200, "")).await;
    let rig = Rig::new(&[]);
    rig.result(&forward(txn(Mode::Mixed, Protocol::DtmHttp, &participant.url("/a")))).await;
    let xid = "synod.example%3A8091%3A77";
    let expected = format!("/a?branch_id=b1&gid={xid}&op=confirm&trans_type=tcc");
    assert_eq!(participant.seen()[0].target, expected, "not its initiator's");
}

#[tokio::test]
async fn answers_mean_what_dtm_says() {
    let participant = Participant::http(|seen| match seen.target.split('?').next().unwrap() {
        "/ongoing" => reply(200, "ONGOING"),
        "/failure" => reply(422, "no FAILURE"),
        "/created" => reply(201, ""),
        _ => reply(500, "boom"),
    })
    .await;
    let rig = Rig::new(&[]);
    let saga = |path| txn(Mode::Saga, Protocol::DtmHttp, &participant.url(path));
    assert_eq!(rig.result(&forward(saga("/ongoing"))).await, CallResult::Ongoing);
    let reason = format!("url:{} return failed: no FAILURE", participant.url("/failure"));
    assert_eq!(rig.result(&forward(saga("/failure"))).await, CallResult::Refused(reason.into()));
    let refused = CallResult::Refused("no FAILURE".into());
    assert_eq!(rig.result(&backward(saga("/failure"))).await, refused);
    assert_eq!(rig.result(&forward(saga("/created"))).await, CallResult::Failed("201 Created".into()));
    assert_eq!(rig.result(&forward(saga("/boom"))).await, CallResult::Failed("boom".into()));
}

#[tokio::test]
async fn json_rpc() {
    let participant = Participant::http(|seen| match &*seen.target {
        "/rpc?method=ok" => reply(200, r#"{"jsonrpc":"2.0","id":"1","result":null}"#),
        "/rpc?method=no" => {
            reply(200, r#"{"jsonrpc":"2.0","id":"1","error":{"code":-32901,"message":"no"}}"#)
        }
        _ => reply(200, r#"{"jsonrpc":"2.0","id":"1","error":{"code":-32902,"message":"wait"}}"#),
    })
    .await;
    let rig = Rig::new(&[]);
    let tcc = |method: &str| {
        let url = participant.url(&format!("/rpc?method={method}"));
        forward(txn(Mode::Tcc, Protocol::DtmJsonRpc, &url))
    };
    assert_eq!(rig.result(&tcc("ok")).await, CallResult::Done);
    assert!(matches!(rig.result(&tcc("no")).await, CallResult::Refused(_)));
    assert_eq!(rig.result(&tcc("wait")).await, CallResult::Ongoing);
    let body: Value = serde_json::from_slice(&participant.seen()[0].body).unwrap();
    let params =
        json!({"amount": 30, "branch_id": "b1", "gid": "order-1", "op": "confirm", "trans_type": "tcc"});
    assert_eq!((&body["method"], &body["params"]), (&json!("ok"), &params));
    assert_ne!(body["id"], "");

    let mut bad = txn(Mode::Tcc, Protocol::DtmJsonRpc, &participant.url("/rpc?method=x"));
    bad.branches[0].payload = Bytes::from_static(b"[1]");
    assert!(failed(rig.result(&forward(bad)).await).contains("JSON object"));
}
