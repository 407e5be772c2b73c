//! Transactions from their begin to their end, lists and changes.

use std::time::Duration;

use synod_wire::native::v1::{self, watch_event::Event};
use tonic::{Code, Request, Streaming};

use super::{TRANSACTIONS, begin, get, saga, start};

#[tokio::test]
async fn a_saga_in_one_call_and_repeating_it_changes_nothing() {
    let (node, client, participant) = start().await;
    participant.say("/b", &[(503, "later"), (200, "")]);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut request = Request::new(saga(&participant, "order-1"));
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    let first: v1::BeginReply = client.call_with(TRANSACTIONS, "Begin", request).await.unwrap();
    let stand = first.transaction.unwrap();
    assert_eq!((first.created, stand.status(), stand.ended), (true, v1::Status::Committed, true));
    assert_eq!((stand.gid.as_deref(), stand.mode()), (Some("order-1"), v1::Mode::Saga));
    assert!(stand.xid.starts_with("127.0.0.1:8091:"), "{}", stand.xid);
    assert_eq!(participant.paths(), ["/a", "/b", "/b"]);
    let seen = participant.seen();
    assert_eq!((&*seen[0].body, seen[0].header("synod-xid")), ("a", &*stand.xid));
    assert!(seen[2].header("traceparent").starts_with(&format!("00-{trace}-")));

    let again: v1::BeginReply =
        client.call(TRANSACTIONS, "Begin", saga(&participant, "order-1")).await.unwrap();
    assert_eq!((again.created, again.transaction.unwrap().xid), (false, stand.xid.clone()));
    let mut other = saga(&participant, "order-1");
    other.branches[0].payload = None;
    let conflict = client.call::<_, v1::BeginReply>(TRANSACTIONS, "Begin", other).await.unwrap_err();
    assert_eq!(conflict.code(), Code::AlreadyExists);
    assert!(conflict.message().starts_with("E2003: "), "{conflict}");
    let told = |name| conflict.metadata().get(name).and_then(|value| value.to_str().ok());
    assert_eq!((told("synod-code"), told("synod-xid")), (Some("E2003"), Some(&*stand.xid)));
    assert_eq!(participant.seen().len(), 3, "nobody was called again");

    let whole = get(&client, &stand.xid).await;
    let details = whole.details.unwrap();
    let outcomes: Vec<_> = details.attempts.iter().map(|attempt| attempt.outcome()).collect();
    assert_eq!(outcomes, [v1::Outcome::Done, v1::Outcome::Failed, v1::Outcome::Done]);
    assert_eq!(details.attempts[1].error.as_deref(), Some("503 Service Unavailable: later"));
    let [_, second] = &*details.branches else { panic!("{details:?}") };
    let forward = second.forward.as_ref().unwrap();
    assert_eq!((&*second.id, forward.step(), forward.protocol()), ("02", v1::Step::Done, v1::Protocol::Http));
    assert_eq!(second.payload.as_ref().unwrap(), &v1::Content { length: 1, bytes: "b".into() });
    node.running.stop().await;
}

#[tokio::test]
async fn tcc_is_begun_joined_and_decided_once() {
    let (node, client, participant) = start().await;
    let begun: v1::BeginReply =
        client.call(TRANSACTIONS, "Begin", begin("transfer-7", v1::Mode::Tcc)).await.unwrap();
    let xid = begun.transaction.unwrap().xid;
    let join = |id: &str, confirm: &str| v1::EnlistRequest {
        id: "transfer-7".into(),
        branch: Some(v1::NewBranch {
            id: Some(id.into()),
            forward: Some(participant.url(confirm)),
            backward: Some(participant.url("/cancel")),
            payload: Some("x".repeat(10_000).into()),
            ..v1::NewBranch::default()
        }),
    };
    for (id, number) in [("debit", 0), ("credit", 1), ("debit", 0)] {
        let joined: v1::EnlistReply =
            client.call(TRANSACTIONS, "Enlist", join(id, &format!("/{id}"))).await.unwrap();
        assert_eq!(joined, v1::EnlistReply { xid: xid.clone(), branch: id.into(), number });
    }
    let other = client.call::<_, v1::EnlistReply>(TRANSACTIONS, "Enlist", join("debit", "/x")).await;
    let other = other.unwrap_err();
    assert_eq!((other.code(), &other.message()[..5]), (Code::AlreadyExists, "E2005"));
    // Of much only how much it is, unless the branch itself is looked at.
    let shown = get(&client, &xid).await.details.unwrap().branches[0].payload.clone().unwrap();
    assert_eq!((shown.length, shown.bytes.len()), (10_000, 0));
    let request = v1::GetBranchRequest { id: xid.clone(), branch: "debit".into() };
    let branch: v1::Branch = client.call(TRANSACTIONS, "GetBranch", request).await.unwrap();
    assert_eq!(branch.payload.unwrap().bytes.len(), 10_000);

    let decision = async || {
        let request = v1::DecisionRequest { id: xid.clone() };
        client.call::<_, v1::DecisionReply>(TRANSACTIONS, "Decision", request).await.unwrap()
    };
    assert_eq!(decision().await.advice(), v1::Advice::Undecided);
    let commit = v1::CommitRequest { id: xid.clone(), result: "ok".into(), wait_ms: Some(20_000) };
    for _ in 0..2 {
        let done: v1::Transaction = client.call(TRANSACTIONS, "Commit", commit.clone()).await.unwrap();
        assert_eq!((done.status(), &*done.result), (v1::Status::Committed, &b"ok"[..]));
    }
    assert_eq!(participant.paths(), ["/credit", "/debit"]);
    assert_eq!(decision().await.advice(), v1::Advice::Commit);
    let back = v1::RollbackRequest { id: xid.clone(), ..v1::RollbackRequest::default() };
    let back = client.call::<_, v1::Transaction>(TRANSACTIONS, "Rollback", back).await.unwrap_err();
    assert_eq!((back.code(), &back.message()[..5]), (Code::FailedPrecondition, "E2004"));
    assert_eq!(back.metadata().get("synod-standing").unwrap(), "committed");
    node.running.stop().await;
}

#[tokio::test]
async fn who_waits_is_told_the_end_or_how_it_stands_when_the_time_is_over() {
    let (node, client, participant) = start().await;
    let mut xa = begin("xa-1", v1::Mode::Xa);
    xa.branches = vec![v1::NewBranch {
        forward: Some(participant.url("/commit")),
        backward: Some(participant.url("/rollback")),
        ..v1::NewBranch::default()
    }];
    client.call::<_, v1::BeginReply>(TRANSACTIONS, "Begin", xa).await.unwrap();
    let wait = |ms| v1::WaitRequest { id: "xa-1".into(), timeout_ms: Some(ms) };
    let open: v1::Transaction = client.call(TRANSACTIONS, "Wait", wait(1)).await.unwrap();
    assert_eq!((open.status(), open.ended), (v1::Status::Active, false));
    let reason = "changed my mind".to_owned();
    let back = v1::RollbackRequest { id: "xa-1".into(), reason, wait_ms: None };
    let (ended, decided) = tokio::join!(
        client.call::<_, v1::Transaction>(TRANSACTIONS, "Wait", wait(20_000)),
        client.call::<_, v1::Transaction>(TRANSACTIONS, "Rollback", back),
    );
    let (ended, _) = (ended.unwrap(), decided.unwrap());
    assert_eq!((ended.status(), &*ended.reason), (v1::Status::RolledBack, "changed my mind"));
    assert_eq!(participant.paths(), ["/rollback"]);
    node.running.stop().await;
}

/// The gids of all pages.
async fn gids(client: &super::Client, mut list: v1::ListRequest) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..100 {
        let page: v1::ListReply = client.call(TRANSACTIONS, "List", list.clone()).await.unwrap();
        all.extend(page.transactions.into_iter().map(|row| row.gid.unwrap()));
        match page.next {
            None => return all,
            next => list.before = next,
        }
    }
    panic!("the list has no end: {all:?}");
}

#[tokio::test]
async fn pages_of_open_and_ended_ones_join_to_the_whole() {
    let (node, client, _participant) = start().await;
    for number in 0..7 {
        let gid = format!("g-{number}");
        let mode = if number % 2 == 0 { v1::Mode::Xa } else { v1::Mode::Tcc };
        client.call::<_, v1::BeginReply>(TRANSACTIONS, "Begin", begin(&gid, mode)).await.unwrap();
        if number % 3 == 0 {
            let back = v1::RollbackRequest { id: gid, wait_ms: Some(20_000), ..Default::default() };
            client.call::<_, v1::Transaction>(TRANSACTIONS, "Rollback", back).await.unwrap();
        }
    }
    let none = v1::ListRequest { limit: Some(2), ..v1::ListRequest::default() };
    let rolled_back = v1::Status::RolledBack.into();
    for (list, expected) in [
        (none.clone(), &["g-6", "g-5", "g-4", "g-3", "g-2", "g-1", "g-0"][..]),
        (v1::ListRequest { ended: Some(false), ..none.clone() }, &["g-5", "g-4", "g-2", "g-1"]),
        (v1::ListRequest { ended: Some(true), ..none.clone() }, &["g-6", "g-3", "g-0"]),
        (v1::ListRequest { status: rolled_back, ..none.clone() }, &["g-6", "g-3", "g-0"]),
        (v1::ListRequest { mode: v1::Mode::Tcc.into(), ..none.clone() }, &["g-5", "g-3", "g-1"]),
        (v1::ListRequest { gid_prefix: Some("g-4".into()), ..none.clone() }, &["g-4"]),
        (v1::ListRequest { attention: true, ..none.clone() }, &[]),
        (v1::ListRequest { name: Some("x".into()), ..none }, &[]),
    ] {
        assert_eq!(gids(&client, list.clone()).await, expected, "{list:?}");
    }
    let summary: v1::SummaryReply = client.call(TRANSACTIONS, "Summary", ()).await.unwrap();
    let xa_rolled_back = v1::Count { mode: v1::Mode::Xa.into(), status: rolled_back, transactions: 2 };
    assert_eq!((summary.open, summary.attention), (4, 0));
    assert!(summary.counts.contains(&xa_rolled_back), "{summary:?}");
    node.running.stop().await;
}

async fn next(stream: &mut Streaming<v1::WatchEvent>) -> Event {
    let next = tokio::time::timeout(Duration::from_secs(20), stream.message());
    next.await.unwrap().unwrap().expect("the stream goes on").event.unwrap()
}

#[tokio::test]
async fn who_watches_is_told_to_read_and_then_what_changes() {
    let (node, client, participant) = start().await;
    let watch = async |request| client.stream(TRANSACTIONS, "Watch", request).await.unwrap();
    let mut all = watch(v1::WatchRequest::default()).await;
    let mut tcc = watch(v1::WatchRequest { mode: v1::Mode::Tcc.into(), ..Default::default() }).await;
    assert_eq!(
        (next(&mut all).await, next(&mut tcc).await),
        (Event::Reset(v1::Reset {}), Event::Reset(v1::Reset {}))
    );
    client.call::<_, v1::BeginReply>(TRANSACTIONS, "Begin", saga(&participant, "s")).await.unwrap();
    client.call::<_, v1::BeginReply>(TRANSACTIONS, "Begin", begin("t", v1::Mode::Tcc)).await.unwrap();
    let last = loop {
        let Event::Change(row) = next(&mut all).await else { panic!("nothing was missed") };
        if row.gid.as_deref() == Some("s") && row.ended {
            break row;
        }
    };
    assert_eq!((last.status(), last.branches, last.pending), (v1::Status::Committed, 2, 0));
    let Event::Change(first) = next(&mut tcc).await else { panic!("nothing was missed") };
    assert_eq!((first.gid.as_deref(), first.status()), (Some("t"), v1::Status::Active));
    let one = v1::WatchRequest { id: Some("nobody".into()), ..v1::WatchRequest::default() };
    let nobody = client.stream::<_, v1::WatchEvent>(TRANSACTIONS, "Watch", one).await.unwrap_err();
    assert_eq!((nobody.code(), &nobody.message()[..5]), (Code::NotFound, "E2001"));
    // A stop ends the streams and does not wait for watchers.
    tokio::time::timeout(Duration::from_secs(8), node.running.stop()).await.unwrap();
    while let Some(event) = all.message().await.unwrap() {
        assert!(matches!(event.event, Some(Event::Change(_))), "{event:?}");
    }
}
