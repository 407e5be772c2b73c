//! Begin, commit, rollback: what initiators hear.

use synod_wire::seata::{Answer, BranchStatus, GlobalStatus, Kind, MergedWarp, Message, Request};

use super::TestNode;
use super::client::{Line, at, end, tcc};

#[tokio::test]
async fn two_branches_are_committed_in_order_and_may_answer_over_another_connection() {
    let node = TestNode::start(&[]).await;
    let mut tm = Line::tm(node.seata(), "2.3.0").await;
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "pay,ship").await;
    let xid = tm.begin(60_000).await;
    assert!(xid.starts_with(&format!("{}:", node.seata())), "{xid}");
    assert_eq!(tm.status(&xid).await, GlobalStatus::Begin);
    let first = rm.branch(tcc(&xid, "pay")).await.unwrap();
    let second = rm.branch(tcc(&xid, "ship")).await.unwrap();
    let committing = tm.send(Kind::Request, &Message::Request(Request::GlobalCommit(end(&xid)))).await;
    let mut other = Line::connect(node.seata(), "2.3.0").await;
    for (branch_id, resource) in [(first, "pay"), (second, "ship")] {
        let told = rm.told().await;
        assert_eq!((told.1, told.2.branch_id, &*told.2.resource_id), (true, branch_id, resource));
        assert_eq!((&*told.2.xid, &*told.2.application_data), (&*xid, r#"{"actionContext":{"n":1}}"#));
        // As Java's RM, which answers over whatever connection it has to this address.
        other.did(&told, BranchStatus::PhaseTwoCommitted).await;
    }
    let (id, answer) = tm.next().await;
    let Message::Answer(Answer::GlobalCommit(answer)) = answer else { panic!("{answer:?}") };
    assert_eq!((id, answer.status), (committing, GlobalStatus::Committed));
    assert_eq!(tm.commit(&xid).await, GlobalStatus::Committed, "a repeated commit");
    node.running.stop().await;
}

#[tokio::test]
async fn branches_are_rolled_back_in_reverse_order() {
    let node = TestNode::start(&[]).await;
    let mut tm = Line::tm(node.seata(), "2.3.0").await;
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "pay").await;
    let xid = tm.begin(60_000).await;
    let first = rm.branch(tcc(&xid, "pay")).await.unwrap();
    let second = rm.branch(at(&xid, "pay", "t:1")).await.unwrap();
    let rolling_back = async {
        for branch_id in [second, first] {
            let told = rm.told().await;
            assert_eq!((told.1, told.2.branch_id), (false, branch_id));
            rm.did(&told, BranchStatus::PhaseTwoRollbacked).await;
        }
    };
    let (status, ()) = tokio::join!(tm.roll_back(&xid), rolling_back);
    assert_eq!(status, GlobalStatus::Rollbacked);
    assert_eq!(tm.roll_back(&xid).await, GlobalStatus::Rollbacked, "a repeated rollback");
    assert_eq!(tm.commit(&xid).await, GlobalStatus::Finished, "never 11: clients take it for success");
    node.running.stop().await;
}

#[tokio::test]
async fn what_did_not_commit_is_never_told_in_words_of_success() {
    let node = TestNode::start(&[]).await;
    let mut new = Line::tm(node.seata(), "1.7.0").await;
    let mut old = Line::tm(node.seata(), "1.6.1").await;
    let never_begun = format!("{}:4611", node.seata());
    for unknown in [&*never_begun, "nonsense", ""] {
        assert_eq!(new.commit(unknown).await, GlobalStatus::Finished, "{unknown}");
        assert_eq!(new.roll_back(unknown).await, GlobalStatus::Finished, "{unknown}");
        assert_eq!(new.status(unknown).await, GlobalStatus::Finished, "{unknown}");
        let answer = old.request(Request::GlobalCommit(end(unknown))).await;
        let Answer::GlobalRollback(answer) = answer else { panic!("{answer:?}") };
        assert_eq!(answer.status, GlobalStatus::Finished, "in an answer that throws where it is cast");
    }
    // Its time is over, and nobody has anything to undo.
    let xid = new.begin(1).await;
    while !new.has_ended(&xid).await {}
    assert_eq!(new.commit(&xid).await, GlobalStatus::TimeoutRollbacked);
    assert_eq!(new.roll_back(&xid).await, GlobalStatus::TimeoutRollbacked);
    node.running.stop().await;
}

#[tokio::test]
async fn a_timed_out_transaction_is_being_rolled_back_for_one_who_commits() {
    let node = TestNode::start(&[]).await;
    let mut tm = Line::tm(node.seata(), "2.3.0").await;
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "pay").await;
    let xid = tm.begin(300).await;
    rm.branch(tcc(&xid, "pay")).await.unwrap();
    let told = rm.told().await;
    assert!(!told.1, "it was not committed");
    assert_eq!(tm.commit(&xid).await, GlobalStatus::TimeoutRollbacking);
    assert_eq!(tm.status(&xid).await, GlobalStatus::TimeoutRollbacking);
    rm.did(&told, BranchStatus::PhaseTwoRollbacked).await;
    while !tm.has_ended(&xid).await {}
    node.running.stop().await;
}

#[tokio::test]
async fn an_answer_comes_in_time_even_if_a_participant_is_slow() {
    let node = TestNode::start(&["face.seata.answer_within=200ms"]).await;
    let mut tm = Line::tm(node.seata(), "2.3.0").await;
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "pay").await;
    let xid = tm.begin(60_000).await;
    rm.branch(tcc(&xid, "pay")).await.unwrap();
    assert_eq!(tm.commit(&xid).await, GlobalStatus::CommitRetrying);
    let told = rm.told().await;
    rm.did(&told, BranchStatus::PhaseTwoCommitted).await;
    while tm.commit(&xid).await != GlobalStatus::Committed {}
    node.running.stop().await;
}

#[tokio::test]
async fn only_at_branches_are_committed_without_waiting_for_them() {
    let node = TestNode::start(&[]).await;
    let mut tm = Line::tm(node.seata(), "2.3.0").await;
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "db").await;
    let xid = tm.begin(60_000).await;
    let branch_id = rm.branch(at(&xid, "db", "t:1")).await.unwrap();
    assert_eq!(tm.commit(&xid).await, GlobalStatus::Committed);
    let told = rm.told().await;
    assert_eq!((told.1, told.2.branch_id), (true, branch_id));
    assert_eq!(tm.status(&xid).await, GlobalStatus::AsyncCommitting);
    // Its rows are free as soon as it is decided.
    let other = tm.begin(60_000).await;
    rm.branch(at(&other, "db", "t:1")).await.unwrap();
    rm.did(&told, BranchStatus::PhaseTwoCommitted).await;
    while !tm.has_ended(&xid).await {}
    node.running.stop().await;
}

#[tokio::test]
async fn merged_requests_are_answered_in_the_form_of_the_clients_version() {
    let node = TestNode::start(&[]).await;
    for (version, has_ids, form) in [
        ("1.4.2", false, "whole"),
        ("1.5.2", true, "batch"),
        ("2.2.0", true, "batch"),
        ("2.3.0", true, "single"),
    ] {
        let mut tm = Line::tm(node.seata(), version).await;
        let xid = tm.begin(60_000).await;
        let requests = vec![Request::GlobalStatus(end(&xid)), Request::GlobalCommit(end(&xid))];
        let ids = if has_ids { vec![901, 902] } else { Vec::new() };
        let merged = tm.send(Kind::OneWay, &Message::MergedWarp(MergedWarp { requests, ids })).await;
        let mut answers = Vec::new();
        while answers.len() < 2 {
            let (id, message) = tm.next().await;
            match message {
                Message::MergeResult(all) => {
                    assert_eq!((form, id), ("whole", merged));
                    answers.extend(all.into_iter().zip(901..));
                }
                Message::BatchResult(some) => {
                    assert_eq!((form, id), ("batch", merged));
                    answers.extend(some.into_iter().map(|(id, answer)| (answer, id)));
                }
                Message::Answer(answer) => {
                    assert_eq!(form, "single");
                    answers.push((answer, id));
                }
                other => panic!("{other:?}"),
            }
        }
        answers.sort_by_key(|(_, id)| *id);
        let [(Answer::GlobalStatus(_), 901), (Answer::GlobalCommit(committed), 902)] = &answers[..] else {
            panic!("{version}: {answers:?}")
        };
        assert_eq!(committed.status, GlobalStatus::Committed);
    }
    node.running.stop().await;
}
