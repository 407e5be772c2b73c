//! Branches, rows and reports: what participants hear.

use synod_wire::seata::{
    Answer, BranchRegister, BranchStatus, BranchType, ExceptionCode, GlobalStatus, Request,
};

use super::TestNode;
use super::client::{Line, at, tcc};

/// Begins a transaction that holds a row and is being rolled back, for as long as nobody answers the returned line.
async fn undoing(node: &TestNode, tm: &mut Line) -> (String, Line) {
    let mut rm = Line::rm(node.seata(), "2.3.0", "holder", "db").await;
    let xid = tm.begin(60_000).await;
    rm.branch(at(&xid, "db", "t:1,2")).await.unwrap();
    (xid, rm)
}

#[tokio::test]
async fn a_row_has_one_holder_and_conflicts_are_told_in_the_codes_of_the_clients_version() {
    let node = TestNode::start(&[]).await;
    let mut tm = Line::tm(node.seata(), "2.3.0").await;
    let (holder, mut undoer) = undoing(&node, &mut tm).await;
    let mut other = Line::rm(node.seata(), "1.4.2", "app", "other").await;
    let xid = tm.begin(60_000).await;
    let conflict = other.branch(at(&xid, "db", "u:1;t:2")).await.unwrap_err();
    assert_eq!(conflict.code, ExceptionCode::LockKeyConflict);
    let number = holder.rsplit(':').next().unwrap();
    assert!(
        conflict.text.contains("Global lock acquire failed") && conflict.text.contains(number),
        "{conflict:?}"
    );
    // All rows or none: the other one has not been taken.
    let third = tm.begin(60_000).await;
    other.branch(at(&third, "db", "u:1")).await.unwrap();
    // One's own rows, and rows of another resource.
    undoer.branch(at(&holder, "db", "t:1")).await.unwrap();
    other.branch(at(&xid, "db2", "t:1")).await.unwrap();

    let rolling_back = synod_server::task::spawn("test", async move { tm.roll_back(&holder).await });
    let told = undoer.told().await;
    for (version, code) in [
        ("1.4.2", ExceptionCode::LockKeyConflict),
        ("1.5.2", ExceptionCode::LockKeyConflictFailFast),
        ("1.8.0", ExceptionCode::LockKeyConflictFailFast),
        ("2.0.0", ExceptionCode::LockKeyConflictFailFast),
    ] {
        let mut rm = Line::rm(node.seata(), version, "app", "other").await;
        let open =
            BranchRegister { application_data: r#"{"autoCommit":false}"#.into(), ..at(&xid, "db", "t:1") };
        assert_eq!(rm.branch(open).await.unwrap_err().code, code, "{version}");
        let closed = rm.branch(at(&xid, "db", "t:1")).await.unwrap_err();
        assert_eq!(closed.code, ExceptionCode::LockKeyConflict, "{version}: it may wait");
    }
    undoer.did(&told, BranchStatus::PhaseTwoRollbacked).await;
    let told = undoer.told().await;
    undoer.did(&told, BranchStatus::PhaseTwoRollbacked).await;
    assert_eq!(rolling_back.await.unwrap(), GlobalStatus::Rollbacked);
    // The row is free once the acknowledgement is in the log.
    while other.branch(at(&xid, "db", "t:1,2")).await.is_err() {}
    node.running.stop().await;
}

#[tokio::test]
async fn whether_rows_are_free_can_be_asked() {
    let node = TestNode::start(&[]).await;
    let mut tm = Line::tm(node.seata(), "2.3.0").await;
    let (holder, _rm) = undoing(&node, &mut tm).await;
    let other = tm.begin(60_000).await;
    for (asked, lockable) in [
        (at(&other, "db", "t:1"), false),
        (at("", "db", "t:9,2"), false),
        (at(&other, "db", "t:3"), true),
        (at(&holder, "db", "t:1"), true),
        (at(&other, "db", ""), true),
        (BranchRegister { branch_type: BranchType::Xa, ..at(&other, "db", "t:1") }, true),
    ] {
        let answer = tm.request(Request::GlobalLockQuery(asked.clone())).await;
        let Answer::GlobalLockQuery(answer) = answer else { panic!("{answer:?}") };
        assert_eq!((answer.is_lockable, answer.outcome), (lockable, Ok(())), "{asked:?}");
    }
    node.running.stop().await;
}

#[tokio::test]
async fn who_comes_too_late_is_told_why() {
    let node = TestNode::start(&[]).await;
    let mut tm = Line::tm(node.seata(), "2.3.0").await;
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "pay,db").await;
    let ended = tm.begin(60_000).await;
    assert_eq!(tm.commit(&ended).await, GlobalStatus::Committed);
    for xid in [&*ended, "1.2.3.4:5:4611", "nonsense"] {
        let refused = rm.branch(tcc(xid, "pay")).await.unwrap_err();
        assert_eq!(refused.code, ExceptionCode::GlobalTransactionNotExist, "{xid}");
        let refused = rm.report(xid, 1, BranchStatus::PhaseOneFailed).await.unwrap_err();
        assert_eq!(refused.code, ExceptionCode::GlobalTransactionNotExist, "{xid}");
    }
    let decided = tm.begin(60_000).await;
    rm.branch(at(&decided, "db", "t:1")).await.unwrap();
    assert_eq!(tm.commit(&decided).await, GlobalStatus::Committed);
    let told = rm.told().await;
    let refused = rm.branch(tcc(&decided, "pay")).await.unwrap_err();
    assert_eq!(refused.code, ExceptionCode::GlobalTransactionNotActive);
    let refused = rm.report(&decided, 1, BranchStatus::PhaseOneFailed).await.unwrap_err();
    assert_eq!(refused.code, ExceptionCode::BranchTransactionNotExist);
    rm.did(&told, BranchStatus::PhaseTwoCommitted).await;
    node.running.stop().await;
}

#[tokio::test]
async fn a_branch_that_failed_by_itself_is_left_alone() {
    let node = TestNode::start(&[]).await;
    let mut tm = Line::tm(node.seata(), "2.3.0").await;
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "db").await;
    let xid = tm.begin(60_000).await;
    let failed = rm.branch(at(&xid, "db", "t:1")).await.unwrap();
    rm.report(&xid, failed, BranchStatus::PhaseOneDone).await.unwrap();
    rm.report(&xid, failed, BranchStatus::PhaseOneFailed).await.unwrap();
    let other = tm.begin(60_000).await;
    rm.branch(at(&other, "db", "t:1")).await.expect("its row is free");
    assert_eq!(tm.roll_back(&xid).await, GlobalStatus::Rollbacked, "without a call");
    node.running.stop().await;
}

#[tokio::test]
async fn what_a_participant_will_never_do_waits_for_a_person() {
    let node = TestNode::start(&[]).await;
    let mut tm = Line::tm(node.seata(), "2.3.0").await;
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "db").await;
    let xid = tm.begin(60_000).await;
    rm.branch(at(&xid, "db", "t:1")).await.unwrap();
    let refusing = async {
        let told = rm.told().await;
        rm.did(&told, BranchStatus::PhaseTwoRollbackFailedUnretryable).await;
    };
    let (status, ()) = tokio::join!(tm.roll_back(&xid), refusing);
    assert_eq!(status, GlobalStatus::RollbackFailed);
    while tm.status(&xid).await != GlobalStatus::RollbackFailed {}
    let other = tm.begin(60_000).await;
    let conflict = rm.branch(at(&other, "db", "t:1")).await.unwrap_err();
    assert_eq!(conflict.code, ExceptionCode::LockKeyConflict, "its rows stay held");
    node.running.stop().await;
}

#[tokio::test]
async fn of_an_annotated_saga_only_the_way_back_is_called() {
    let node = TestNode::start(&[]).await;
    let mut tm = Line::tm(node.seata(), "2.3.0").await;
    let mut rm = Line::rm(node.seata(), "2.3.0", "app", "saga").await;
    let saga = |xid: &str| BranchRegister { branch_type: BranchType::SagaAnnotation, ..tcc(xid, "saga") };
    let committed = tm.begin(60_000).await;
    rm.branch(saga(&committed)).await.unwrap();
    assert_eq!(tm.commit(&committed).await, GlobalStatus::Committed);
    let undone = tm.begin(60_000).await;
    let branch_id = rm.branch(saga(&undone)).await.unwrap();
    let undoing = async {
        let told = rm.told().await;
        assert_eq!(
            (told.1, told.2.branch_id, told.2.branch_type),
            (false, branch_id, BranchType::SagaAnnotation)
        );
        rm.did(&told, BranchStatus::PhaseTwoRollbacked).await;
    };
    let (status, ()) = tokio::join!(tm.roll_back(&undone), undoing);
    assert_eq!(status, GlobalStatus::Rollbacked);
    node.running.stop().await;
}
