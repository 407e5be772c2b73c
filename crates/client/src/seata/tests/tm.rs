//! Transactions.

use std::time::Duration;

use synod_wire::seata::{
    Answer, ExceptionCode, Failure, GlobalBeginAnswer, GlobalEndAnswer, GlobalStatus, Message, Request, Text,
};

use super::super::{Client, Config};
use super::fake::{Fake, begun, ended};
use super::{client, config, xid};
use crate::tm::{Backend as _, Decision, Error, Status};

#[tokio::test]
async fn a_transaction_is_begun_and_committed() {
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    assert!(client.is_up());
    assert_eq!(
        fake.registrations(),
        ["TM 2.4.0-synod shop default_tx_group vgroup=default_tx_group\nip=127.0.0.1\n"]
    );
    let serve = async {
        let begin = fake.request().await;
        let Message::Request(Request::GlobalBegin(asked)) = &begin.message else { panic!("{begin:?}") };
        assert_eq!((&*asked.name, asked.timeout_ms), ("buy", 60_000));
        begin.answer(begun("10.0.0.9:8091:1")).await;
        let commit = fake.request().await;
        assert_ne!(commit.header.id, begin.header.id);
        let Message::Request(Request::GlobalCommit(asked)) = &commit.message else { panic!("{commit:?}") };
        assert_eq!(&*asked.xid, "10.0.0.9:8091:1");
        commit.answer(Answer::GlobalCommit(ended(GlobalStatus::Committed))).await;
    };
    let work = async {
        let xid = client.begin("buy", Duration::from_secs(60)).await.unwrap();
        assert_eq!(xid.as_str(), "10.0.0.9:8091:1");
        assert_eq!(client.commit(&xid).await.unwrap(), Status::Committed);
    };
    tokio::join!(serve, work);
}

/// Commits, and has it answered thus.
async fn commit(answer: GlobalEndAnswer, status: Option<GlobalEndAnswer>) -> Result<Status, Error> {
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    let serve = async {
        fake.request().await.answer(Answer::GlobalCommit(answer)).await;
        if let Some(status) = status {
            let asked = fake.request().await;
            assert!(matches!(asked.message, Message::Request(Request::GlobalStatus(_))), "{asked:?}");
            asked.answer(Answer::GlobalStatus(status)).await;
        }
    };
    let xid = xid();
    let (committed, ()) = tokio::join!(client.commit(&xid), serve);
    committed
}

fn failed(status: GlobalStatus) -> GlobalEndAnswer {
    let failure = Failure { code: ExceptionCode::FailedStore, text: "no disk".into() };
    GlobalEndAnswer { outcome: Err(failure), status }
}

#[tokio::test]
async fn a_failure_that_says_committing_is_not_believed() {
    use GlobalStatus as Seata;
    let committing = commit(failed(Seata::Committing), Some(ended(Seata::CommitRetrying))).await;
    assert_eq!(committing.unwrap(), Status::Committing);
    let open = commit(failed(Seata::Committing), Some(ended(Seata::Begin))).await;
    assert!(matches!(&open, Err(Error::Refused(why)) if why == "no disk"), "{open:?}");
    let unknown = commit(failed(Seata::Finished), Some(failed(Seata::Unknown))).await;
    assert!(matches!(unknown, Err(Error::Refused(_))), "{unknown:?}");
}

#[tokio::test]
async fn a_late_commit_is_looked_into() {
    use GlobalStatus as Seata;
    let late = || ended(Seata::TimeoutRollbacking);
    assert_eq!(commit(late(), Some(ended(Seata::Committing))).await.unwrap(), Status::Committing);
    let back = commit(late(), Some(ended(Seata::TimeoutRollbacking))).await;
    assert!(matches!(back, Err(Error::Otherwise(Status::RollingBack))), "{back:?}");
    let about_to = commit(late(), Some(ended(Seata::Begin))).await;
    assert!(matches!(about_to, Err(Error::Otherwise(Status::RollingBack))), "{about_to:?}");
    let gone = commit(late(), Some(ended(Seata::Finished))).await;
    assert!(matches!(gone, Err(Error::Otherwise(Status::Unknown))), "{gone:?}");
}

#[tokio::test]
async fn a_lost_answer_to_a_commit_is_asked_for_again() {
    for (status, is_known) in [(GlobalStatus::Committed, true), (GlobalStatus::Finished, false)] {
        let mut fake = Fake::start().await;
        let client = client(&fake).await;
        let serve = async {
            fake.request().await.hang_up().await;
            let again = fake.request().await;
            assert!(matches!(again.message, Message::Request(Request::GlobalCommit(_))), "{again:?}");
            again.answer(Answer::GlobalCommit(ended(status))).await;
        };
        let xid = xid();
        let (committed, ()) = tokio::join!(client.commit(&xid), serve);
        match committed {
            Ok(Status::Committed) => assert!(is_known),
            Err(Error::Otherwise(Status::Unknown)) => assert!(!is_known),
            other => panic!("{other:?}"),
        }
        assert_eq!(fake.registrations().len(), 2);
    }
}

#[tokio::test]
async fn a_begin_is_not_sent_twice() {
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    let serve = async { fake.request().await.hang_up().await };
    let (begun, ()) = tokio::join!(client.begin("buy", Duration::from_secs(60)), serve);
    assert!(matches!(begun, Err(Error::Unreachable(_))), "{begun:?}");
    // The next one is the first thing that comes over the next connection.
    let serve = async {
        let next = fake.request().await;
        let Message::Request(Request::GlobalBegin(asked)) = &next.message else { panic!("{next:?}") };
        assert_eq!((&*asked.name, asked.timeout_ms), ("next", i32::MAX));
        let failure = Failure { code: ExceptionCode::BeginFailed, text: "full".into() };
        let begun = GlobalBeginAnswer { outcome: Err(failure), xid: Text::EMPTY, extra_data: Text::EMPTY };
        next.answer(Answer::GlobalBegin(begun)).await;
    };
    let (begun, ()) = tokio::join!(client.begin("next", Duration::MAX), serve);
    assert!(matches!(&begun, Err(Error::Refused(why)) if why == "full"), "{begun:?}");
}

#[tokio::test]
async fn an_id_that_is_none_is_no_transaction() {
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    let serve = async { fake.request().await.answer(begun("no id")).await };
    let (begun, ()) = tokio::join!(client.begin("buy", Duration::from_secs(1)), serve);
    assert!(matches!(begun, Err(Error::Refused(_))), "{begun:?}");
}

#[tokio::test]
async fn an_answer_to_another_question_is_none() {
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    let serve =
        async { fake.request().await.answer(Answer::GlobalRollback(ended(GlobalStatus::Committed))).await };
    let xid = xid();
    let (committed, ()) = tokio::join!(client.commit(&xid), serve);
    assert!(matches!(committed, Err(Error::Unreachable(_))), "{committed:?}");
}

#[tokio::test]
async fn a_participant_in_doubt_is_told() {
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    let xid = xid();
    for (status, expected) in [
        (GlobalStatus::Begin, Decision::Undecided),
        (GlobalStatus::CommitRetrying, Decision::Commit),
        (GlobalStatus::TimeoutRollbacked, Decision::Rollback),
        (GlobalStatus::Finished, Decision::Forgotten),
    ] {
        let serve = async { fake.request().await.answer(Answer::GlobalStatus(ended(status))).await };
        let (decision, ()) = tokio::join!(client.decision(&xid), serve);
        assert_eq!(decision.unwrap(), expected, "{status:?}");
    }
    let serve = async {
        let gone = Failure { code: ExceptionCode::GlobalTransactionNotExist, text: Text::EMPTY };
        let answer = GlobalEndAnswer { outcome: Err(gone), status: GlobalStatus::Unknown };
        fake.request().await.answer(Answer::GlobalStatus(answer)).await;
    };
    let (status, ()) = tokio::join!(client.status(&xid), serve);
    assert_eq!(status.unwrap(), Status::Unknown);
}

#[tokio::test]
async fn a_transaction_is_ended_where_it_was_begun() {
    let (mut one, mut two) = (Fake::start().await, Fake::start().await);
    let client = Client::connect(config(&[&one, &two])).await.unwrap();
    while one.registrations().is_empty() || two.registrations().is_empty() {
        tokio::task::yield_now().await;
    }
    // Neither address is in the configuration: it is learnt who gives out which. A begin goes to the next in turn.
    let serve = async {
        for _ in 0..2 {
            tokio::select! {
                said = one.request() => said.answer(begun("10.0.0.1:8091:1")).await,
                said = two.request() => said.answer(begun("10.0.0.2:8091:2")).await,
            }
        }
        for _ in 0..6 {
            tokio::select! {
                said = one.request() => {
                    assert!(matches!(&said.message, Message::Request(Request::GlobalRollback(end)) if &*end.xid == "10.0.0.1:8091:1"));
                    said.answer(Answer::GlobalRollback(ended(GlobalStatus::Rollbacked))).await;
                }
                said = two.request() => {
                    assert!(matches!(&said.message, Message::Request(Request::GlobalRollback(end)) if &*end.xid == "10.0.0.2:8091:2"));
                    said.answer(Answer::GlobalRollback(ended(GlobalStatus::Rollbacked))).await;
                }
            }
        }
    };
    let work = async {
        let mut xids = Vec::new();
        for _ in 0..2 {
            xids.push(client.begin("buy", Duration::from_secs(60)).await.unwrap());
        }
        xids.sort();
        assert_eq!(xids[0].address(), "10.0.0.1:8091");
        assert_eq!(xids[1].address(), "10.0.0.2:8091");
        for xid in xids.iter().cycle().take(6) {
            assert_eq!(client.rollback(xid).await.unwrap(), Status::RolledBack);
        }
    };
    tokio::join!(serve, work);
}

#[tokio::test]
async fn many_requests_share_the_connection() {
    const REQUESTS: usize = 200;
    let mut fake = Fake::start().await;
    let mut config = config(&[&fake]);
    // Fewer than there are, so that some have to wait for others.
    config.requests_max = 16;
    let client = Client::connect(config).await.unwrap();
    let serve = async {
        let mut waiting = Vec::new();
        for asked in 0..REQUESTS {
            waiting.push(fake.request().await);
            // The last first: answers find their requests by their ids.
            if waiting.len() == 16 || asked == REQUESTS - 1 {
                while let Some(said) = waiting.pop() {
                    let Message::Request(Request::GlobalStatus(end)) = &said.message else { panic!() };
                    let is_even = end.xid.ends_with(['0', '2', '4', '6', '8']);
                    let status = if is_even { GlobalStatus::Begin } else { GlobalStatus::Committed };
                    said.answer(Answer::GlobalStatus(ended(status))).await;
                }
            }
        }
    };
    let work = async {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 1..=REQUESTS {
            let client = client.clone();
            tasks.spawn(async move {
                let xid = format!("10.0.0.9:8091:{number}").parse().unwrap();
                let expected = if number % 2 == 0 { Status::Active } else { Status::Committed };
                assert_eq!(client.status(&xid).await.unwrap(), expected);
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    };
    tokio::join!(serve, work);
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for() {
    let fake = Fake::start().await;
    let address = fake.address();
    drop(fake);
    let mut config = Config::new([address.clone()], "shop", "default_tx_group");
    config.tm_timeout = Duration::from_millis(50);
    let client = Client::start(config).unwrap();
    let refused = client.begin("buy", Duration::from_secs(1)).await;
    assert!(matches!(&refused, Err(Error::Unreachable(why)) if why.contains(&address)), "{refused:?}");
    assert!(!client.is_up());
}
