//! What is refused, by which codes; and the health service.

use synod_wire::native::health::{HealthCheckRequest, HealthCheckResponse};
use synod_wire::native::v1;
use tonic::{Code, Status};

use super::{Client, TRANSACTIONS, begin, start};
use crate::node::TestNode;

#[track_caller]
fn refused<R: std::fmt::Debug>(answer: Result<R, Status>, code: Code, number: &str, detail: &str) {
    let status = answer.unwrap_err();
    let told = status.metadata().get("synod-code").and_then(|code| code.to_str().ok());
    assert_eq!((status.code(), told), (code, Some(number)), "{status}");
    assert!(status.message().contains(detail), "{detail}: {status}");
}

#[tokio::test]
async fn what_is_wrong_with_a_begin_is_named() {
    let node = TestNode::start(&["txn.payload_bytes_max=1KiB", "http.body_bytes_max=8KiB"]).await;
    let client = Client::new(node.running.addresses["grpc"]);
    let tcc = || begin("g", v1::Mode::Tcc);
    let with = |branch: v1::NewBranch| v1::BeginRequest {
        submit: Some(true),
        branches: vec![branch],
        ..begin("g", v1::Mode::Saga)
    };
    let branch = v1::NewBranch::default;
    for (request, code, number, detail) in [
        (v1::BeginRequest::default(), Code::InvalidArgument, "E1001", "mode: a transaction has one"),
        (v1::BeginRequest { mode: 77, ..tcc() }, Code::InvalidArgument, "E1001", "77"),
        (v1::BeginRequest { timeout_ms: Some(0), ..tcc() }, Code::InvalidArgument, "E2008", "\"timeout\""),
        (begin("127.0.0.1:8091:7", v1::Mode::Tcc), Code::InvalidArgument, "E2008", "form of an XID"),
        (begin("w", v1::Mode::Workflow), Code::InvalidArgument, "E2008", "\"back_check\""),
        (
            with(v1::NewBranch { forward: Some("ftp://a/b".into()), ..branch() }),
            Code::InvalidArgument,
            "E2009",
            "spoken are",
        ),
        (
            with(v1::NewBranch { payload: Some(vec![0; 2_000].into()), ..branch() }),
            Code::InvalidArgument,
            "E2007",
            "payload is too long",
        ),
    ] {
        let answer = client.call::<_, v1::BeginReply>(TRANSACTIONS, "Begin", request).await;
        refused(answer, code, number, detail);
    }
    let long = v1::BeginRequest { name: "x".repeat(9_000), ..tcc() };
    let long = client.call::<_, v1::BeginReply>(TRANSACTIONS, "Begin", long).await.unwrap_err();
    assert_eq!(long.code(), Code::ResourceExhausted, "{long}");
    let page: v1::ListReply = client.call(TRANSACTIONS, "List", v1::ListRequest::default()).await.unwrap();
    assert_eq!(page.transactions, [], "nothing was begun");
    node.running.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_told_apart() {
    let (node, client, _participant) = start().await;
    client.call::<_, v1::BeginReply>(TRANSACTIONS, "Begin", begin("t", v1::Mode::Tcc)).await.unwrap();
    let id = || "nobody".to_owned();
    let get = client.call::<_, v1::Transaction>(TRANSACTIONS, "Get", v1::GetRequest { id: id() }).await;
    refused(get, Code::NotFound, "E2001", "\"nobody\"");
    let branch = v1::GetBranchRequest { id: "t".into(), branch: "01".into() };
    let branch = client.call::<_, v1::Branch>(TRANSACTIONS, "GetBranch", branch).await;
    refused(branch, Code::NotFound, "E2012", "\"01\"");
    let join = v1::EnlistRequest { id: "t".into(), branch: None };
    let join = client.call::<_, v1::EnlistReply>(TRANSACTIONS, "Enlist", join).await;
    refused(join, Code::InvalidArgument, "E1001", "branch");
    let list = v1::ListRequest { before: Some("7".into()), ..v1::ListRequest::default() };
    let list = client.call::<_, v1::ListReply>(TRANSACTIONS, "List", list).await;
    refused(list, Code::InvalidArgument, "E1001", "before");
    let retry = client.call::<_, v1::Transaction>(TRANSACTIONS, "Retry", v1::RetryRequest { id: id() }).await;
    refused(retry, Code::NotFound, "E2001", "");
    let never = v1::DecisionRequest { id: "127.0.0.1:8091:7".into() };
    let never: v1::DecisionReply = client.call(TRANSACTIONS, "Decision", never).await.unwrap();
    assert_eq!((never.advice(), never.xid), (v1::Advice::Rollback, None));
    let gid = v1::DecisionRequest { id: id() };
    let gid: v1::DecisionReply = client.call(TRANSACTIONS, "Decision", gid).await.unwrap();
    assert_eq!(gid.advice(), v1::Advice::Forgotten);
    let stop = v1::StopRequest { id: "t".into(), reason: "by hand".into() };
    let stopped: v1::Transaction = client.call(TRANSACTIONS, "Stop", stop).await.unwrap();
    assert_eq!((stopped.status(), &*stopped.reason), (v1::Status::Stopped, "by hand"));
    node.running.stop().await;
}

#[tokio::test]
async fn what_is_no_method_here_is_unimplemented() {
    let (node, client, _participant) = start().await;
    for (service, method) in
        [(TRANSACTIONS, "Nothing"), ("synod.v2.Transactions", "Get"), ("dtmgimp.Dtm", "NewGid")]
    {
        let answer = client.call::<(), ()>(service, method, ()).await.unwrap_err();
        assert_eq!(answer.code(), Code::Unimplemented, "{service}/{method}");
    }
    // A message of another kind: the field with this number is no text.
    let other = v1::BeginReply { created: true, ..v1::BeginReply::default() };
    let answer = client.call::<_, v1::Branch>(TRANSACTIONS, "GetBranch", other).await.unwrap_err();
    assert_eq!(answer.code(), Code::Internal, "{answer}");
    node.running.stop().await;
}

#[tokio::test]
async fn probes_ask_for_the_health() {
    let (node, client, _participant) = start().await;
    let check = async |service: &str| {
        let request = HealthCheckRequest { service: service.into() };
        client.call::<_, HealthCheckResponse>("grpc.health.v1.Health", "Check", request).await
    };
    for service in ["", TRANSACTIONS] {
        assert_eq!(check(service).await.unwrap().status, 1, "serving: {service:?}");
    }
    assert_eq!(check("nobody").await.unwrap_err().code(), Code::NotFound);
    node.running.stop().await;
}
