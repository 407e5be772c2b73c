//! Connections: who is heard, who is closed, who is called again and when.

use std::time::Duration;

use synod_wire::seata::{BranchStatus, GlobalStatus, Kind, Message, Request};
use tokio::time::timeout;

use super::TestNode;
use super::client::{Line, at, end, tcc};

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

#[tokio::test]
async fn recorded_frames_are_answered() {
    let node = TestNode::start(&[]).await;
    let mut line = Line::connect(node.seata(), "2.2.0").await;
    // What Java's encoders print for a registration, the beginning of a transaction, and a ping.
    line.write(&bytes("dada010000002900100001000000000200650005322e322e300003617070000367727000046b3d760a"))
        .await;
    let answer = line.frame().await.unwrap();
    assert_eq!((answer.header.kind, answer.header.id), (Kind::Response, 2));
    assert_eq!(&answer.body[..], bytes("0066010005322e362e30"), "identified, 2.6.0");
    line.write(&bytes("dada010000001a00100001000000000400010000ea6000027478")).await;
    let answer = line.frame().await.unwrap();
    assert_eq!((answer.header.id, &answer.body[..4]), (4, &bytes("00020100")[..]));
    line.write(&bytes("dada0100000010001003010000000001")).await;
    let pong = line.frame().await.unwrap();
    assert_eq!((pong.header.kind, pong.header.id), (Kind::Pong, 1));
    // Cut anywhere, it is the same.
    for part in bytes("dada010000001a00100001000000000700010000ea6000027478").chunks(3) {
        line.write(part).await;
    }
    assert_eq!(line.frame().await.unwrap().header.id, 7);
    node.running.stop().await;
}

#[tokio::test]
async fn strangers_and_nonsense_are_closed() {
    let node = TestNode::start(&["face.seata.frame_bytes_max=4KiB"]).await;
    let mut stranger = Line::connect(node.seata(), "2.3.0").await;
    stranger.send(Kind::Request, &Message::Request(Request::GlobalStatus(end("h:1:2")))).await;
    assert!(stranger.frame().await.is_none(), "a request before any registration");
    for nonsense in
        ["474554202f", "dada0100001001001000010000000002", "dada0100000013001000010000000001007a01"]
    {
        let mut line = Line::connect(node.seata(), "2.3.0").await;
        line.write(&bytes(nonsense)).await;
        // Of the last one only the message means nothing: a later version may have it.
        line.write(&bytes("dada0100000010001003010000000001")).await;
        let lives = line.frame().await.is_some_and(|frame| frame.header.kind == Kind::Pong);
        assert_eq!(lives, nonsense.ends_with("007a01"), "{nonsense}");
    }
    node.running.stop().await;
}

#[tokio::test]
async fn who_is_silent_is_closed_and_who_pings_is_not() {
    let node = TestNode::start(&["face.seata.idle_timeout=300ms"]).await;
    let mut silent = Line::tm(node.seata(), "2.3.0").await;
    let mut pinging = Line::tm(node.seata(), "2.3.0").await;
    let pings = async {
        loop {
            pinging.write(&bytes("dada0100000010001003010000000001")).await;
            assert!(pinging.frame().await.is_some());
        }
    };
    tokio::select! {
        end = silent.frame() => assert!(end.is_none()),
        () = pings => {}
    }
    node.running.stop().await;
}

#[tokio::test]
async fn pings_are_answered_while_requests_wait() {
    let node = TestNode::start(&[]).await;
    // One connection for both roles, as seata-go has it.
    let mut line = Line::tm(node.seata(), "2.3.0").await;
    line.own("app", "pay").await;
    let xid = line.begin(60_000).await;
    line.branch(tcc(&xid, "pay")).await.unwrap();
    let committing = line.send(Kind::Request, &Message::Request(Request::GlobalCommit(end(&xid)))).await;
    let told = line.told().await;
    line.write(&bytes("dada0100000010001003010000000063")).await;
    let pong = line.frame().await.unwrap();
    assert_eq!((pong.header.kind, pong.header.id), (Kind::Pong, 99));
    line.did(&told, BranchStatus::PhaseTwoCommitted).await;
    assert_eq!(line.next().await.0, committing);
    node.running.stop().await;
}

#[tokio::test]
async fn a_participant_that_comes_back_is_called_at_once() {
    // Pauses are longer than the test waits.
    let node = TestNode::start(&["txn.retry=1h", "txn.retry_max=1h"]).await;
    let mut tm = Line::tm(node.seata(), "2.3.0").await;
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "jdbc:mysql://db/a?b").await;
    let xid = tm.begin(60_000).await;
    let branch_id = rm.branch(tcc(&xid, "jdbc:mysql://db/a?b")).await.unwrap();
    drop(rm);
    assert_eq!(tm.commit(&xid).await, GlobalStatus::CommitRetrying);
    let _another_application = Line::rm(node.seata(), "2.3.0", "other", "jdbc:mysql://db/a?b").await;
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "jdbc:mysql://db/a?b").await;
    let told = rm.told().await;
    assert_eq!((told.1, told.2.branch_id), (true, branch_id));
    // It goes again before it answers: that is noticed at once, too.
    drop(rm);
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "jdbc:mysql://db/a?b").await;
    let told = rm.told().await;
    rm.did(&told, BranchStatus::PhaseTwoCommitted).await;
    while !tm.has_ended(&xid).await {}
    node.running.stop().await;
}

#[tokio::test]
async fn another_application_may_clean_up_for_at_only() {
    let node = TestNode::start(&[]).await;
    let mut tm = Line::tm(node.seata(), "2.3.0").await;
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "db").await;
    let mut other = Line::rm(node.seata(), "2.3.0", "other", "db").await;
    let xid = tm.begin(60_000).await;
    let branch_id = rm.branch(at(&xid, "db", "t:1")).await.unwrap();
    drop(rm);
    assert_eq!(tm.commit(&xid).await, GlobalStatus::Committed);
    let told = other.told().await;
    assert_eq!(told.2.branch_id, branch_id);
    other.did(&told, BranchStatus::PhaseTwoCommitted).await;
    node.running.stop().await;
}

#[tokio::test]
async fn after_a_restart_branches_are_told_under_the_text_they_know() {
    let node = TestNode::start(&["face.seata.advertise=tc.example:1"]).await;
    let mut tm = Line::tm(node.seata(), "2.3.0").await;
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "db").await;
    let xid = tm.begin(60_000).await;
    assert!(xid.starts_with("tc.example:1:"), "{xid}");
    let branch_id = rm.branch(at(&xid, "db", "t:1")).await.unwrap();
    drop((tm, rm));
    let node = node.restart(&["face.seata.advertise=elsewhere.example:2"]).await;
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "db").await;
    let mut tm = Line::tm(node.seata(), "2.3.0").await;
    let other = tm.begin(60_000).await;
    rm.branch(at(&other, "db", "t:1")).await.expect_err("the row is still held");
    let undoing = async {
        let told = rm.told().await;
        assert_eq!((told.1, told.2.branch_id, &*told.2.xid), (false, branch_id, &*xid));
        rm.did(&told, BranchStatus::PhaseTwoRollbacked).await;
    };
    let (status, ()) = tokio::join!(tm.roll_back(&xid), undoing);
    assert_eq!(status, GlobalStatus::Rollbacked);
    node.running.stop().await;
}

#[tokio::test]
async fn a_stop_lets_answers_out_and_begins_nothing_new() {
    let node = TestNode::start(&[]).await;
    let mut tm = Line::tm(node.seata(), "2.3.0").await;
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "pay").await;
    let xid = tm.begin(60_000).await;
    rm.branch(tcc(&xid, "pay")).await.unwrap();
    let committing = tm.send(Kind::Request, &Message::Request(Request::GlobalCommit(end(&xid)))).await;
    let told = rm.told().await;
    let stopping = synod_server::task::spawn("test", node.running.stop());
    rm.did(&told, BranchStatus::PhaseTwoCommitted).await;
    assert_eq!(tm.next().await.0, committing);
    assert!(tm.frame().await.is_none() && rm.frame().await.is_none());
    timeout(Duration::from_secs(5), stopping).await.unwrap().unwrap();
}
