//! dtm's service: what its client cannot show, because it never does it. The rest is in e2e `dtm_clients`.

use std::collections::BTreeMap;

use synod_wire::dtm::proto::{
    DtmBranchRequest, DtmGidReply, DtmProgressesReply, DtmRequest, DtmTopicRequest, DtmTransOptions,
};
use tonic::{Code, Status};

use super::Client;
use crate::node::TestNode;
use crate::participant::Participant;

const DTM: &str = "dtmgimp.Dtm";

async fn start() -> (TestNode, Client, Participant) {
    let node = TestNode::start(&["face.dtm.grpc.listen=127.0.0.1:0", "http.body_bytes_max=64KiB"]).await;
    let client = Client::new(node.running.addresses["dtm_grpc"]);
    (node, client, Participant::start().await)
}

fn request(gid: &str, trans_type: &str) -> DtmRequest {
    DtmRequest { gid: gid.into(), trans_type: trans_type.into(), ..DtmRequest::default() }
}

#[track_caller]
fn refused(answer: Result<(), Status>, code: Code, text: &str) {
    let status = answer.unwrap_err();
    assert_eq!((status.code(), status.message()), (code, text));
}

#[tokio::test]
async fn refusals_have_the_codes_and_texts_of_the_original() {
    let (node, client, _participant) = start().await;
    let one: DtmGidReply = client.call(DTM, "NewGid", ()).await.unwrap();
    let two: DtmGidReply = client.call(DTM, "NewGid", ()).await.unwrap();
    assert!(one.gid.len() == 22 && one.gid != two.gid, "{one:?} {two:?}");

    let unknown = client.call(DTM, "Submit", request("g", "what")).await;
    refused(unknown, Code::Unknown, "unknow trans type: what");
    let nobody = client.call(DTM, "Abort", request("nobody", "tcc")).await;
    refused(nobody, Code::Unknown, "no TransGlobal with gid: nobody found");
    for _ in 0..2 {
        client.call::<_, ()>(DTM, "Prepare", request("t", "tcc")).await.unwrap();
    }
    let branch = DtmBranchRequest {
        gid: "t".into(),
        trans_type: "tcc".into(),
        branch_id: "01".into(),
        ..DtmBranchRequest::default()
    };
    client.call::<_, ()>(DTM, "RegisterBranch", branch.clone()).await.unwrap();
    let other = DtmBranchRequest { busi_payload: "other".into(), ..branch.clone() };
    refused(client.call(DTM, "RegisterBranch", other).await, Code::Unknown, "storage: UniqueKeyConflict");
    let orphan = DtmBranchRequest { gid: "nobody".into(), ..branch };
    refused(
        client.call(DTM, "RegisterBranch", orphan).await,
        Code::Aborted,
        "no trans with gid: nobody status: prepared found FAILURE",
    );
    let options = DtmTransOptions { wait_result: true, ..DtmTransOptions::default() };
    let submit = DtmRequest { trans_options: Some(options), ..request("t", "tcc") };
    client.call::<_, ()>(DTM, "Submit", submit).await.unwrap();
    let late = client.call(DTM, "Prepare", request("t", "tcc")).await;
    refused(late, Code::Aborted, "current status 'succeed', cannot prepare. FAILURE");
    let negative = DtmTransOptions { retry_limit: -1, ..DtmTransOptions::default() };
    let negative = DtmRequest { trans_options: Some(negative), ..request("n", "saga") };
    let text = "retry_limit: expected a whole number from 0 on";
    refused(client.call(DTM, "Submit", negative).await, Code::Unknown, text);
    node.running.stop().await;
}

#[tokio::test]
async fn waiting_for_a_saga_and_for_a_tcc_that_is_not_done_yet() {
    let (node, client, participant) = start().await;
    participant.say("/no", &[(409, "no money")]);
    participant.say("/busy", &[(425, "")]);
    let options = DtmTransOptions { wait_result: true, ..DtmTransOptions::default() };
    let url = participant.url("/no");
    let saga = DtmRequest {
        steps: format!(r#"[{{"action":"{url}"}}]"#),
        bin_payloads: vec!["{}".into()],
        trans_options: Some(options.clone()),
        ..request("s", "saga")
    };
    let reason = format!("url:{url} return failed: no money FAILURE");
    refused(client.call(DTM, "Submit", saga).await, Code::Aborted, &reason);

    client.call::<_, ()>(DTM, "Prepare", request("t", "tcc")).await.unwrap();
    let branch = DtmBranchRequest {
        gid: "t".into(),
        trans_type: "tcc".into(),
        branch_id: "01".into(),
        data: BTreeMap::from([("confirm".into(), participant.url("/busy"))]),
        ..DtmBranchRequest::default()
    };
    client.call::<_, ()>(DTM, "RegisterBranch", branch).await.unwrap();
    let submit = DtmRequest { trans_options: Some(options), ..request("t", "tcc") };
    refused(client.call(DTM, "Submit", submit).await, Code::FailedPrecondition, "ONGOING");
    node.running.stop().await;
}

#[tokio::test]
async fn a_workflow_is_told_its_steps_and_its_result() {
    let (node, client, _participant) = start().await;
    let custom_data = r#"{"name":"w","data":null}"#;
    let begin = DtmRequest { customed_data: custom_data.into(), ..request("w", "workflow") };
    let new: DtmProgressesReply = client.call(DTM, "PrepareWorkflow", begin.clone()).await.unwrap();
    let transaction = new.transaction.unwrap();
    assert_eq!((&*transaction.gid, &*transaction.status, new.progresses.len()), ("w", "prepared", 0));
    let step = DtmBranchRequest {
        gid: "w".into(),
        trans_type: "workflow".into(),
        branch_id: "01".into(),
        data: BTreeMap::from([("op".into(), "action".into()), ("status".into(), "succeed".into())]),
        busi_payload: "done".into(),
        ..DtmBranchRequest::default()
    };
    client.call::<_, ()>(DTM, "RegisterBranch", step).await.unwrap();
    let extra = [("status", "succeed"), ("result", "cmVz")];
    let extra = extra.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let end = DtmRequest { req_extra: extra.into(), ..request("w", "workflow") };
    client.call::<_, ()>(DTM, "Submit", end).await.unwrap();
    let known: DtmProgressesReply = client.call(DTM, "PrepareWorkflow", begin).await.unwrap();
    let transaction = known.transaction.unwrap();
    assert_eq!((&*transaction.status, &*transaction.result), ("succeed", "cmVz"));
    let [step] = &*known.progresses else { panic!("{:?}", known.progresses) };
    assert_eq!(
        (&*step.branch_id, &*step.op, &*step.status, &*step.bin_data),
        ("01", "action", "succeed", &b"done"[..])
    );
    node.running.stop().await;
}

#[tokio::test]
async fn topics_and_what_is_none_of_them() {
    let (node, client, _participant) = start().await;
    let topic =
        |topic: &str, url: &str| DtmTopicRequest { topic: topic.into(), url: url.into(), remark: "r".into() };
    client.call::<_, ()>(DTM, "Subscribe", topic("orders", "http://a/1")).await.unwrap();
    let again = client.call(DTM, "Subscribe", topic("orders", "http://a/1")).await;
    refused(again, Code::Unknown, "this url exists");
    refused(client.call(DTM, "Subscribe", topic("", "http://a/1")).await, Code::Unknown, "empty topic");
    let other = client.call(DTM, "Unsubscribe", topic("orders", "http://a/2")).await;
    refused(other, Code::Unknown, "no such an url ");
    client.call::<_, ()>(DTM, "DeleteTopic", topic("orders", "")).await.unwrap();
    refused(client.call(DTM, "DeleteTopic", topic("orders", "")).await, Code::Unknown, "storage: NotFound");

    let none = client.call::<_, ()>(DTM, "ForceStop", ()).await.unwrap_err();
    assert_eq!(none.code(), Code::Unimplemented);
    let none = client.call::<_, ()>("dtm.Dtm", "NewGid", ()).await.unwrap_err();
    assert_eq!(none.code(), Code::Unimplemented);
    let long = DtmRequest { customed_data: "x".repeat(70 << 10), ..request("g", "msg") };
    let long = client.call::<_, ()>(DTM, "Submit", long).await.unwrap_err();
    assert_eq!(long.code(), Code::ResourceExhausted);
    // A client may use other field numbers: what is no DtmRequest is told as such.
    let wrong = client.call::<_, ()>(DTM, "Submit", Wrong { gid: 7 }).await.unwrap_err();
    assert_eq!(wrong.code(), Code::Internal, "{wrong}");
    node.running.stop().await;
}

/// A message whose first field is a number.
#[derive(Clone, PartialEq, prost::Message)]
struct Wrong {
    #[prost(uint64, tag = "1")]
    gid: u64,
}
