//! Messages, notifications and topics.

use synod_wire::native::v1::{self, watch_event::Event};
use tonic::Code;

use super::{TRANSACTIONS, get, start};

const MESSAGES: &str = "synod.v1.Messages";
const NOTIFICATIONS: &str = "synod.v1.Notifications";
const TOPICS: &str = "synod.v1.Topics";

#[tokio::test]
async fn a_message_is_delivered_when_it_is_submitted_and_dropped_when_it_is_aborted() {
    let (node, client, participant) = start().await;
    for gid in ["m-1", "m-2"] {
        let half = v1::BeginMessageRequest {
            gid: Some(gid.into()),
            subscribers: vec![participant.url("/in"), participant.url("/in2")],
            payload: "paid".into(),
            back_check: Some(participant.url("/check")),
            ..v1::BeginMessageRequest::default()
        };
        let begun: v1::BeginReply = client.call(MESSAGES, "Begin", half).await.unwrap();
        assert_eq!(begun.transaction.unwrap().status(), v1::Status::Active);
    }
    let submit = v1::CommitRequest { id: "m-1".into(), wait_ms: Some(20_000), ..Default::default() };
    let sent: v1::Transaction = client.call(MESSAGES, "Submit", submit.clone()).await.unwrap();
    assert_eq!(sent.status(), v1::Status::Committed);
    let abort = v1::RollbackRequest { id: "m-2".into(), reason: "no".into(), wait_ms: Some(20_000) };
    let dropped: v1::Transaction = client.call(MESSAGES, "Abort", abort).await.unwrap();
    assert_eq!((dropped.status(), &*dropped.reason), (v1::Status::RolledBack, "no"));
    let mut paths = participant.paths();
    paths.sort();
    assert_eq!(paths, ["/in", "/in2"]);
    let seen = &participant.seen()[0];
    assert_eq!((&*seen.body, seen.header("synod-op")), ("paid", "deliver"));

    let page: v1::ListReply = client.call(MESSAGES, "List", v1::ListRequest::default()).await.unwrap();
    let gids: Vec<_> = page.transactions.iter().filter_map(|row| row.gid.as_deref()).collect();
    assert_eq!(gids, ["m-2", "m-1"]);
    let one = v1::GetRequest { id: "m-1".into() };
    let message: v1::Transaction = client.call(MESSAGES, "Get", one.clone()).await.unwrap();
    assert_eq!(message.details.unwrap().branches.len(), 2);
    let other = client.call::<_, v1::Transaction>(NOTIFICATIONS, "Get", one).await.unwrap_err();
    assert_eq!((other.code(), &other.message()[..5]), (Code::NotFound, "E2001"));
    let wrong = v1::CommitRequest { id: "m-2".into(), ..submit };
    let late = client.call::<_, v1::Transaction>(MESSAGES, "Submit", wrong).await.unwrap_err();
    assert_eq!((late.code(), &late.message()[..5]), (Code::FailedPrecondition, "E2004"));
    node.running.stop().await;
}

#[tokio::test]
async fn a_topic_stands_for_its_subscribers_at_the_begin() {
    let (node, client, participant) = start().await;
    let message = v1::BeginMessageRequest {
        gid: Some("m-1".into()),
        topic: Some("orders".into()),
        submit: true,
        wait_ms: Some(20_000),
        ..v1::BeginMessageRequest::default()
    };
    let unknown = client.call::<_, v1::BeginReply>(MESSAGES, "Begin", message.clone()).await.unwrap_err();
    assert_eq!((unknown.code(), &unknown.message()[..5]), (Code::NotFound, "E2010"));
    let subscriber = |path: &str| v1::Subscriber { url: participant.url(path), remark: "r".into() };
    let add = v1::SubscribeRequest { topic: "orders".into(), subscriber: Some(subscriber("/a")) };
    for _ in 0..2 {
        let topic: v1::Topic = client.call(TOPICS, "Subscribe", add.clone()).await.unwrap();
        assert_eq!(
            (topic.subscribers, topic.version),
            (vec![subscriber("/a")], 1),
            "to repeat it is harmless"
        );
    }
    let begun: v1::BeginReply = client.call(MESSAGES, "Begin", message.clone()).await.unwrap();
    assert_eq!(begun.transaction.unwrap().name, "orders");
    assert_eq!(participant.paths(), ["/a"]);

    let all = vec![subscriber("/b"), subscriber("/c")];
    let declare = v1::DeclareTopicRequest { name: "orders".into(), subscribers: all.clone() };
    let topic: v1::Topic = client.call(TOPICS, "Declare", declare).await.unwrap();
    assert_eq!(topic.subscribers, all);
    let again: v1::BeginReply = client.call(MESSAGES, "Begin", message).await.unwrap();
    assert!(!again.created, "to whom it went is what it was");
    let gone = v1::UnsubscribeRequest { topic: "orders".into(), url: participant.url("/b") };
    client.call::<_, ()>(TOPICS, "Unsubscribe", gone.clone()).await.unwrap();
    let twice = client.call::<_, ()>(TOPICS, "Unsubscribe", gone).await.unwrap_err();
    assert_eq!(twice.code(), Code::NotFound);
    let page: v1::ListTopicsReply =
        client.call(TOPICS, "List", v1::ListTopicsRequest::default()).await.unwrap();
    assert_eq!((page.topics.len(), page.next), (1, None));
    let name = || "orders".to_owned();
    let one: v1::Topic = client.call(TOPICS, "Get", v1::GetTopicRequest { name: name() }).await.unwrap();
    assert_eq!(one.subscribers, [subscriber("/c")]);
    client.call::<_, ()>(TOPICS, "Delete", v1::DeleteTopicRequest { name: name() }).await.unwrap();
    let gone = client.call::<_, v1::Topic>(TOPICS, "Get", v1::GetTopicRequest { name: name() }).await;
    assert_eq!(gone.unwrap_err().code(), Code::NotFound);
    node.running.stop().await;
}

#[tokio::test]
async fn a_notification_is_given_up_and_sent_again() {
    let (node, client, participant) = start().await;
    participant.say("/hook", &[(500, "down"), (500, "down"), (200, "")]);
    let one = v1::WatchRequest { mode: v1::Mode::Notification.into(), ..v1::WatchRequest::default() };
    let mut changes = client.stream::<_, v1::WatchEvent>(TRANSACTIONS, "Watch", one).await.unwrap();
    let send = v1::SendNotificationRequest {
        gid: Some("n-1".into()),
        topic: Some("bills".into()),
        url: Some(participant.url("/hook")),
        payload: "9".into(),
        schedule: Some(v1::Schedule { pauses_ms: vec![20] }),
        ..v1::SendNotificationRequest::default()
    };
    let sent: v1::BeginReply = client.call(NOTIFICATIONS, "Send", send).await.unwrap();
    assert!(sent.created);
    let given_up = async {
        while let Some(event) = changes.message().await.unwrap() {
            if matches!(event.event, Some(Event::Change(row)) if row.status() == v1::Status::GivenUp) {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), given_up).await.unwrap();
    let attention = v1::ListRequest { attention: true, ..v1::ListRequest::default() };
    let page: v1::ListReply = client.call(NOTIFICATIONS, "List", attention).await.unwrap();
    assert_eq!((&*page.transactions[0].name, page.transactions[0].attention), ("bills", true));
    let resend = v1::ResendRequest { id: "n-1".into() };
    let again: v1::Transaction = client.call(NOTIFICATIONS, "Resend", resend).await.unwrap();
    assert_eq!(again.status(), v1::Status::Committing);
    let wait = v1::WaitRequest { id: "n-1".into(), timeout_ms: Some(20_000) };
    let ended: v1::Transaction = client.call(TRANSACTIONS, "Wait", wait).await.unwrap();
    assert_eq!(ended.status(), v1::Status::Committed);
    assert_eq!(get(&client, "n-1").await.details.unwrap().attempts.len(), 3);
    node.running.stop().await;
}
