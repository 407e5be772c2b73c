//! State machines, which say how they stand, and participants that clean up or take resources back.

use synod_wire::seata::{
    Answer, BranchRegister, BranchStatus, BranchType, GlobalBegin, GlobalReport, GlobalStatus, Kind, Message,
    Request,
};

use super::TestNode;
use super::client::{Line, tcc};

/// Begins a saga.
async fn begin(line: &mut Line, timeout_ms: i32) -> String {
    let begin = GlobalBegin { timeout_ms, name: "$Saga_order".into() };
    match line.request(Request::GlobalBegin(begin)).await {
        Answer::GlobalBegin(answer) => answer.xid.to_string(),
        other => panic!("{other:?}"),
    }
}

async fn report(line: &mut Line, xid: &str, status: GlobalStatus) -> GlobalStatus {
    let report = GlobalReport { xid: xid.into(), extra_data: "".into(), status: Some(status) };
    match line.request(Request::GlobalReport(report)).await {
        Answer::GlobalReport(answer) => answer.status,
        other => panic!("{other:?}"),
    }
}

/// A process with a state machine.
async fn machine(node: &TestNode) -> (Line, Line) {
    let tm = Line::tm(node.seata(), "2.3.0").await;
    (tm, Line::rm(node.seata(), "2.3.0", "app", "app#group").await)
}

#[tokio::test]
async fn a_machine_says_how_it_ended_and_is_not_called() {
    let node = TestNode::start(&[]).await;
    let (mut tm, mut rm) = machine(&node).await;
    for (ended, known_as) in [
        (GlobalStatus::Committed, GlobalStatus::Committed),
        (GlobalStatus::Rollbacked, GlobalStatus::Finished),
        (GlobalStatus::Finished, GlobalStatus::Finished),
    ] {
        let xid = begin(&mut tm, 60_000).await;
        let step = BranchRegister { branch_type: BranchType::Saga, ..tcc(&xid, "step") };
        let step = rm.branch(step).await.unwrap();
        rm.report(&xid, step, BranchStatus::PhaseOneDone).await.unwrap();
        assert_eq!(report(&mut tm, &xid, ended).await, ended);
        while !tm.has_ended(&xid).await {}
        assert_eq!(tm.commit(&xid).await, known_as, "what is remembered");
        assert_eq!(report(&mut tm, &xid, ended).await, ended, "a repeated report");
    }
    node.running.stop().await;
}

#[tokio::test]
async fn a_machine_is_started_again() {
    let node = TestNode::start(&[]).await;
    let (mut tm, mut rm) = machine(&node).await;
    for (said, way, state, done) in [
        (GlobalStatus::CommitRetrying, true, "CommitRetrying", BranchStatus::PhaseTwoCommitted),
        (GlobalStatus::Unknown, false, "RollbackRetrying", BranchStatus::PhaseTwoRollbacked),
    ] {
        let xid = begin(&mut tm, 60_000).await;
        assert_eq!(report(&mut tm, &xid, said).await, said);
        let told = rm.told().await;
        assert_eq!((told.1, told.2.branch_id, &*told.2.resource_id), (way, -1, "app#group"));
        assert_eq!((&*told.2.application_data, told.2.branch_type), (state, BranchType::Saga));
        // A machine that works again goes on registering.
        let step = BranchRegister { branch_type: BranchType::Saga, ..tcc(&xid, "step") };
        rm.branch(step).await.unwrap();
        rm.did(&told, done).await;
        while !tm.has_ended(&xid).await {}
    }
    let xid = begin(&mut tm, 200).await;
    let told = rm.told().await;
    assert_eq!((told.1, &*told.2.xid, &*told.2.application_data), (false, &*xid, "TimeoutRollbacking"));
    assert_eq!(report(&mut tm, &xid, GlobalStatus::Rollbacked).await, GlobalStatus::Rollbacked);
    while !tm.has_ended(&xid).await {}
    node.running.stop().await;
}

#[tokio::test]
async fn whoever_takes_a_resource_back_is_not_called_for_it() {
    let node = TestNode::start(&[]).await;
    let mut tm = Line::tm(node.seata(), "2.7.0").await;
    let mut rm = Line::rm(node.seata(), "2.7.0", "app", "pay,ship").await;
    let xid = tm.begin(60_000).await;
    rm.branch(tcc(&xid, "pay")).await.unwrap();
    let answer = rm.unregister("app", "pay").await;
    assert!(matches!(answer, Message::UnregisterRmAnswer(answer) if answer.is_identified));
    assert_eq!(tm.commit(&xid).await, GlobalStatus::CommitRetrying);
    rm.own("app", "pay").await;
    let told = rm.told().await;
    rm.did(&told, BranchStatus::PhaseTwoCommitted).await;
    while !tm.has_ended(&xid).await {}
    node.running.stop().await;
}

#[tokio::test]
async fn one_participant_of_each_resource_deletes_old_undo_logs() {
    let node = TestNode::start(&["face.seata.undo_clean=50ms", "face.seata.undo_keep=36h"]).await;
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "db").await;
    let frame = rm.frame().await.unwrap();
    assert_eq!(frame.header.kind, Kind::OneWay);
    let message = synod_wire::seata::read(&frame, Default::default()).unwrap();
    let Message::UndoLogDelete(delete) = message else { panic!("{message:?}") };
    assert_eq!((&*delete.resource_id, delete.save_days), ("db", 2));
    node.running.stop().await;
}
