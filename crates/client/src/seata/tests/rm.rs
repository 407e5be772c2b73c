//! Branches.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use synod_wire::seata::{
    Answer, BranchEndAnswer, BranchRegisterAnswer, BranchStatus, BranchType, ExceptionCode, Failure,
    GlobalLockQueryAnswer, Message, Request, Text, UndoLogDelete,
};

use super::super::Client;
use super::fake::{Fake, Recorder, Said, Ways, branch};
use super::{client, config, xid};
use crate::rm::{Backend as _, Branch, EndError, EnlistError, Kind, NewBranch};

fn new(kind: Kind, data: &'static [u8]) -> NewBranch {
    let data = Bytes::from_static(data);
    NewBranch { xid: xid(), resource: "pay".into(), kind, rows: String::new(), data }
}

#[tokio::test]
async fn a_branch_joins_and_fails() {
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    let serve = async {
        let said = fake.request().await;
        let Message::Request(Request::BranchRegister(asked)) = &said.message else { panic!("{said:?}") };
        assert_eq!((&*asked.xid, &*asked.resource_id), ("10.0.0.9:8091:1", "pay"));
        assert_eq!((&*asked.lock_key, &*asked.application_data), ("t:1,2", "{}"));
        assert_eq!(asked.branch_type, BranchType::At);
        said.answer(Answer::BranchRegister(BranchRegisterAnswer { outcome: Ok(()), branch_id: 42 })).await;
        let said = fake.request().await;
        let Message::Request(Request::BranchReport(asked)) = &said.message else { panic!("{said:?}") };
        assert_eq!((asked.branch_id, asked.status), (42, BranchStatus::PhaseOneFailed));
        assert_eq!(&*asked.application_data, "{}", "data would be lost");
        said.answer(Answer::BranchReport(Ok(()))).await;
    };
    let work = async {
        let new = NewBranch { rows: "t:1,2".into(), ..new(Kind::At, b"{}") };
        let branch = client.enlist(new).await.unwrap();
        assert_eq!((&*branch.id, &*branch.data), ("42", &b"{}"[..]));
        client.failed(&branch).await.unwrap();
        let foreign = Branch { id: "7b".into(), ..branch };
        assert!(matches!(client.failed(&foreign).await, Err(EnlistError::Refused(_))));
    };
    tokio::join!(serve, work);
}

#[tokio::test]
async fn why_a_branch_does_not_join() {
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    let binary = client.enlist(new(Kind::Tcc, b"\xff")).await;
    assert!(matches!(binary, Err(EnlistError::Refused(_))), "{binary:?}");
    for (code, expected) in [
        (ExceptionCode::LockKeyConflict, "Conflict"),
        (ExceptionCode::LockKeyConflictFailFast, "ConflictWithRollback"),
        (ExceptionCode::GlobalTransactionNotExist, "NotActive"),
        (ExceptionCode::GlobalTransactionNotActive, "NotActive"),
        (ExceptionCode::GlobalTransactionStatusInvalid, "NotActive"),
        (ExceptionCode::FailedToAddBranch, "Refused"),
        (ExceptionCode::FailedStore, "Refused"),
    ] {
        let serve = async {
            let outcome = Err(Failure { code, text: Text::EMPTY });
            let answer = Answer::BranchRegister(BranchRegisterAnswer { outcome, branch_id: 0 });
            fake.request().await.answer(answer).await;
        };
        let (joined, ()) = tokio::join!(client.enlist(new(Kind::Tcc, b"{}")), serve);
        let joined = format!("{:?}", joined.unwrap_err());
        assert_eq!(joined.split('(').next().unwrap(), expected, "{code:?}");
    }
}

/// The number of the final conflict was another before 2.0.0, and is what the *server* means by it.
#[tokio::test]
async fn codes_are_read_as_an_old_server_writes_them() {
    let ways = Ways { version: "1.8.0", ..Ways::default() };
    let mut fake = Fake::with(ways).await;
    let client = client(&fake).await;
    let serve = async {
        let outcome = Err(Failure { code: ExceptionCode::LockKeyConflictFailFast, text: Text::EMPTY });
        let answer = Answer::BranchRegister(BranchRegisterAnswer { outcome, branch_id: 0 });
        fake.request().await.answer_as("1.8.0", answer).await;
    };
    let (joined, ()) = tokio::join!(client.enlist(new(Kind::At, b"")), serve);
    assert!(matches!(joined, Err(EnlistError::ConflictWithRollback(_))), "{joined:?}");
    let saga = client.enlist(new(Kind::Saga, b"")).await;
    assert!(matches!(&saga, Err(EnlistError::Refused(why)) if why.contains("1.8.0")), "{saga:?}");
}

#[tokio::test]
async fn a_branch_does_not_join_twice() {
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    let serve = async { fake.request().await.hang_up().await };
    let (joined, ()) = tokio::join!(client.enlist(new(Kind::Tcc, b"{}")), serve);
    assert!(matches!(joined, Err(EnlistError::Unreachable(_))), "{joined:?}");
    // What comes over the next connection is something else.
    let serve = async {
        let said = fake.request().await;
        assert!(matches!(said.message, Message::Request(Request::GlobalLockQuery(_))), "{said:?}");
        said.answer(Answer::GlobalLockQuery(GlobalLockQueryAnswer { outcome: Ok(()), is_lockable: true }))
            .await;
    };
    let xid = xid();
    let (free, ()) = tokio::join!(client.is_free(&xid, "pay", "t:1"), serve);
    assert!(free.unwrap());
}

#[tokio::test]
async fn rows_are_asked_for() {
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    let conflict = Failure { code: ExceptionCode::LockKeyConflict, text: Text::EMPTY };
    for (outcome, is_lockable, expected) in
        [(Ok(()), true, true), (Ok(()), false, false), (Err(conflict), false, false)]
    {
        let serve = async {
            let said = fake.request().await;
            let Message::Request(Request::GlobalLockQuery(asked)) = &said.message else { panic!("{said:?}") };
            assert_eq!((&*asked.resource_id, &*asked.lock_key), ("db", "t:1"));
            said.answer(Answer::GlobalLockQuery(GlobalLockQueryAnswer { outcome, is_lockable })).await;
        };
        let xid = xid();
        let (is_free, ()) = tokio::join!(client.is_free(&xid, "db", "t:1"), serve);
        assert_eq!(is_free.unwrap(), expected);
    }
}

/// A client with the resource `pay`, and a connection to it.
async fn with_resource(fake: &mut Fake, client: &Client, pay: &Arc<Recorder>) -> Said {
    client.register("pay".into(), Kind::Tcc, Arc::clone(pay) as _).await.unwrap();
    // Anything, to have the connection in hand.
    let xid = xid();
    let rows = client.is_free(&xid, "pay", "t:1");
    let serve = async {
        let said = fake.request().await;
        let free = GlobalLockQueryAnswer { outcome: Ok(()), is_lockable: true };
        said.answer(Answer::GlobalLockQuery(free)).await;
        said
    };
    tokio::join!(rows, serve).1
}

fn ended(said: &Said) -> (i32, &BranchEndAnswer) {
    match &said.message {
        Message::BranchCommitAnswer(answer) | Message::BranchRollbackAnswer(answer) => {
            (said.header.id, answer)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn branches_are_ended() {
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    let pay = Arc::new(Recorder::default());
    let line = with_resource(&mut fake, &client, &pay).await;
    assert_eq!(fake.registrations()[1], "RM 2.4.0-synod shop default_tx_group pay");
    *pay.answers.lock().unwrap() = vec![
        Err(EndError::Never("gone".into())),
        Err(EndError::Again("later".into())),
        Ok(()),
        Err(EndError::Never("gone".into())),
        Err(EndError::Again("later".into())),
        Ok(()),
    ];
    let expected = [
        BranchStatus::PhaseTwoCommitted,
        BranchStatus::PhaseTwoCommitFailedRetryable,
        BranchStatus::PhaseTwoCommitFailedUnretryable,
        BranchStatus::PhaseTwoRollbacked,
        BranchStatus::PhaseTwoRollbackFailedRetryable,
        BranchStatus::PhaseTwoRollbackFailedUnretryable,
    ];
    for (id, status) in (1_i32..).zip(expected) {
        let end = branch(7, "pay");
        let call = if id <= 3 { Message::BranchCommit(end) } else { Message::BranchRollback(end) };
        line.call(id, &call).await;
        let said = fake.request().await;
        let (answered, answer) = ended(&said);
        assert_eq!((answered, answer.branch_id, answer.status), (id, 7, status));
        assert_eq!(&*answer.xid, "10.0.0.9:8091:1");
        assert_eq!(answer.outcome.is_ok(), matches!(id, 1 | 4));
    }
    let calls = pay.calls.lock().unwrap().clone();
    assert_eq!(calls[0], "commit 10.0.0.9:8091:1 7 Tcc {\"actionContext\":{}}");
    assert_eq!(calls[3], "rollback 10.0.0.9:8091:1 7 Tcc {\"actionContext\":{}}");
    assert_eq!(calls.len(), 6);
}

#[tokio::test]
async fn what_cannot_be_ended_here_is_asked_for_again() {
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    let pay = Arc::new(Recorder::default());
    let line = with_resource(&mut fake, &client, &pay).await;
    let mut strange = branch(8, "pay");
    strange.xid = Text::from_static("no id");
    for (id, end) in [(1, branch(7, "ship")), (2, strange)] {
        line.call(id, &Message::BranchRollback(end)).await;
        let said = fake.request().await;
        let (answered, answer) = ended(&said);
        assert_eq!((answered, answer.status), (id, BranchStatus::PhaseTwoRollbackFailedRetryable));
        assert!(answer.outcome.is_err());
    }
    assert!(pay.calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn leftovers_are_thrown_away() {
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    let pay = Arc::new(Recorder::default());
    let line = with_resource(&mut fake, &client, &pay).await;
    for (save_days, resource) in [(-1, "pay"), (0, "pay"), (7, "ship"), (7, "pay")] {
        let resource_id = Text::from_static(resource);
        let delete = UndoLogDelete { branch_type: BranchType::At, resource_id, save_days };
        line.call(1, &Message::UndoLogDelete(delete)).await;
    }
    // Behind all of them.
    line.call(2, &Message::BranchCommit(branch(7, "pay"))).await;
    assert_eq!(ended(&fake.request().await).0, 2);
    let calls = pay.calls.lock().unwrap().clone();
    assert_eq!(calls.iter().filter(|call| call.starts_with("tidy")).collect::<Vec<_>>(), ["tidy 604800"]);
}

#[tokio::test]
async fn a_call_that_comes_again_meanwhile_is_one_call() {
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    let pay = Arc::new(Recorder { gate: Some(tokio::sync::Semaphore::new(0)), ..Recorder::default() });
    let line = with_resource(&mut fake, &client, &pay).await;
    for id in [1, 2] {
        line.call(id, &Message::BranchCommit(branch(7, "pay"))).await;
    }
    // Another branch is not held up, and is answered behind the second call.
    line.call(3, &Message::BranchCommit(branch(8, "ship"))).await;
    assert_eq!(ended(&fake.request().await).0, 3);
    pay.gate.as_ref().unwrap().add_permits(1);
    let said = fake.request().await;
    assert_eq!((ended(&said).0, ended(&said).1.status), (2, BranchStatus::PhaseTwoCommitted));
    assert_eq!(pay.calls.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn so_many_branches_are_ended_at_once() {
    let mut fake = Fake::start().await;
    let mut config = config(&[&fake]);
    config.ends_max = 2;
    let client = Client::connect(config).await.unwrap();
    let pay = Arc::new(Recorder { gate: Some(tokio::sync::Semaphore::new(0)), ..Recorder::default() });
    let line = with_resource(&mut fake, &client, &pay).await;
    // Two run, eight wait, the last one is put off.
    for id in 1..=11 {
        line.call(id, &Message::BranchCommit(branch(id.into(), "pay"))).await;
    }
    let said = fake.request().await;
    assert_eq!((ended(&said).0, ended(&said).1.status), (11, BranchStatus::PhaseTwoCommitFailedRetryable));
    while pay.calls.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    pay.gate.as_ref().unwrap().add_permits(10);
    let mut ids = Vec::new();
    for _ in 0..10 {
        let said = fake.request().await;
        assert_eq!(ended(&said).1.status, BranchStatus::PhaseTwoCommitted);
        ids.push(ended(&said).0);
    }
    ids.sort_unstable();
    assert_eq!(ids, (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_resource_that_panics_is_asked_again() {
    struct Broken;
    impl crate::rm::Resource for Broken {
        fn commit<'a>(&'a self, _: &'a Branch) -> crate::rm::BoxFuture<'a, Result<(), EndError>> {
            Box::pin(async { panic!("the test's own") })
        }
        fn rollback<'a>(&'a self, branch: &'a Branch) -> crate::rm::BoxFuture<'a, Result<(), EndError>> {
            self.commit(branch)
        }
    }
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    client.register("broken".into(), Kind::Tcc, Arc::new(Broken)).await.unwrap();
    let line = with_resource(&mut fake, &client, &Arc::default()).await;
    line.call(1, &Message::BranchCommit(branch(7, "broken"))).await;
    let said = fake.request().await;
    assert_eq!(ended(&said).1.status, BranchStatus::PhaseTwoCommitFailedRetryable);
}

#[tokio::test]
async fn resources_are_registered_again_and_added() {
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    let pay = Arc::new(Recorder { gate: Some(tokio::sync::Semaphore::new(0)), ..Recorder::default() });
    let line = with_resource(&mut fake, &client, &pay).await;
    let stock = client.register("stock".into(), Kind::At, Arc::<Recorder>::default()).await;
    assert!(stock.is_ok());
    let with_comma = client.register("a,b".into(), Kind::At, Arc::<Recorder>::default()).await;
    assert!(matches!(with_comma, Err(EnlistError::Refused(_))), "{with_comma:?}");
    // A call that is under way when the connection breaks is not answered on the next.
    line.call(1, &Message::BranchCommit(branch(7, "pay"))).await;
    while pay.calls.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    line.hang_up().await;
    while fake.registrations().len() < 5 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let registrations = fake.registrations();
    let roles: Vec<_> = registrations.iter().map(|text| &text[..2]).collect();
    assert_eq!(roles, ["TM", "RM", "RM", "TM", "RM"]);
    assert!(registrations[4].contains("pay") && registrations[4].contains("stock"), "{registrations:?}");
    pay.gate.as_ref().unwrap().add_permits(2);
    let line = with_resource(&mut fake, &client, &pay).await;
    line.call(9, &Message::BranchCommit(branch(8, "pay"))).await;
    assert_eq!(ended(&fake.request().await).0, 9);
}
