//! One transaction, several faces: branches of a Seata client, of one of dtm's and of the native API, decided together.

use serde_json::{Value, json};
use synod_wire::seata::{BranchStatus, GlobalStatus};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::TestNode;
use super::client::{Line, at, tcc};
use super::participant::Participant;

const DTM: &str = "face.dtm.http.listen=127.0.0.1:0";

/// Posts a body to a listener of the node and reads the answer's, which must say that it went well.
async fn post(node: &TestNode, listener: &str, path: &str, body: &Value) -> String {
    let mut stream = TcpStream::connect(node.running.addresses[listener]).await.unwrap();
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 2"), "{path}: {answer}");
    body.to_owned()
}

/// A branch of one of dtm's clients, and one over the native API.
async fn join(node: &TestNode, participant: &Participant, xid: &str) {
    let url = |path: &str| participant.url(path);
    let dtm = json!({
        "gid": xid, "trans_type": "tcc", "branch_id": "01", "data": "{}",
        "confirm": url("/dtm/confirm"), "cancel": url("/dtm/cancel"),
    });
    post(node, "dtm_http", "/api/dtmsvr/registerBranch", &dtm).await;
    let native = json!({"id": "n", "confirm": url("/native/confirm"), "cancel": url("/native/cancel")});
    post(node, "http", &format!("/v1/transactions/{xid}/branches"), &native).await;
}

#[tokio::test]
async fn what_a_seata_client_begins_others_join() {
    let node = TestNode::start(&[DTM]).await;
    let participant = Participant::start().await;
    let mut tm = Line::tm(node.seata(), "2.3.0").await;
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "pay").await;
    for commits in [true, false] {
        let before = participant.paths().len();
        let xid = tm.begin(60_000).await;
        // At once, while its begin may not be durable yet.
        join(&node, &participant, &xid).await;
        let branch_id = rm.branch(tcc(&xid, "pay")).await.unwrap();
        let told = async {
            let told = rm.told().await;
            assert_eq!((told.1, told.2.branch_id), (commits, branch_id));
            let did =
                if commits { BranchStatus::PhaseTwoCommitted } else { BranchStatus::PhaseTwoRollbacked };
            rm.did(&told, did).await;
        };
        let (status, ()) = if commits {
            tokio::join!(tm.commit(&xid), told)
        } else {
            tokio::join!(tm.roll_back(&xid), told)
        };
        let expected = if commits { GlobalStatus::Committed } else { GlobalStatus::Rollbacked };
        assert_eq!(status, expected);
        // Forward in the order of joining, back in the reverse.
        let order =
            if commits { ["/dtm/confirm", "/native/confirm"] } else { ["/native/cancel", "/dtm/cancel"] };
        assert_eq!(participant.paths()[before..], order);
    }
    node.running.stop().await;
}

#[tokio::test]
async fn what_is_begun_natively_seata_clients_join() {
    let node = TestNode::start(&[DTM]).await;
    let participant = Participant::start().await;
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "db").await;
    let begin = json!({"mode": "mixed", "name": "transfer", "gid": "order-1"});
    let begun = post(&node, "http", "/v1/transactions", &begin).await;
    let begun: Value = serde_json::from_str(&begun).unwrap();
    let xid = begun["xid"].as_str().unwrap();
    join(&node, &participant, xid).await;
    let branch_id = rm.branch(at(xid, "db", "account:1")).await.unwrap();
    let wait = json!({"wait": "20s"});
    let told = async {
        let told = rm.told().await;
        assert_eq!((told.1, told.2.branch_id, &*told.2.xid), (true, branch_id, xid));
        rm.did(&told, BranchStatus::PhaseTwoCommitted).await;
    };
    let path = format!("/v1/transactions/{xid}/commit");
    let (done, ()) = tokio::join!(post(&node, "http", &path, &wait), told);
    let done: Value = serde_json::from_str(&done).unwrap();
    assert_eq!(done["status"], "committed", "{done}");
    assert_eq!(participant.paths(), ["/dtm/confirm", "/native/confirm"]);
    node.running.stop().await;
}
