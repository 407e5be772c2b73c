//! Messages, notifications and topics.

use serde_json::{Value, json};

use super::{ended, look, post, start, text};

#[tokio::test]
async fn a_message_is_delivered_when_it_is_submitted_and_dropped_when_it_is_aborted() {
    let (node, participant) = start().await;
    let half = |gid: &str| {
        json!({"gid": gid, "subscribers": [participant.url("/in"), participant.url("/in2")], "payload": {"paid": 1},
            "back_check": participant.url("/check")})
    };
    for gid in ["m-1", "m-2"] {
        let begun = post(&node, "/v1/messages", half(gid)).await;
        assert_eq!((begun.status, &begun.json()["status"]), (201, &json!("active")), "{}", begun.body);
    }
    assert_eq!(
        post(&node, "/v1/messages/m-1/submit", json!({"wait": "20s"})).await.json()["status"],
        "committed"
    );
    let aborted = post(&node, "/v1/messages/m-2/abort", json!({"reason": "changed my mind"})).await.json();
    assert_eq!((&aborted["status"], &aborted["reason"]), (&json!("rolled_back"), &json!("changed my mind")));
    let mut paths = participant.paths();
    paths.sort();
    assert_eq!(paths, ["/in", "/in2"]);
    let seen = &participant.seen()[0];
    assert_eq!((&*seen.body, seen.header("synod-op")), ("{\"paid\":1}", "deliver"));
    let late = post(&node, "/v1/messages/m-2/submit", json!({})).await;
    assert_eq!((late.status, &late.json()["standing"]), (409, &json!("rolled_back")));
    assert_eq!(node.ask("GET", "/v1/messages/m-1", None).await.json()["status"], "committed");
    assert_eq!(node.ask("GET", "/v1/notifications/m-1", None).await.status, 404);
    node.running.stop().await;
}

#[tokio::test]
async fn a_silent_initiator_is_asked() {
    let (node, participant) = start().await;
    participant.say("/check", &[(425, ""), (200, "")]);
    participant.say("/check-no", &[(409, "it was rolled back")]);
    for (gid, check) in [("m-1", "/check"), ("m-2", "/check-no")] {
        let half = json!({"gid": gid, "subscribers": [participant.url("/in")], "timeout": "50ms",
            "back_check": participant.url(check)});
        assert_eq!(post(&node, "/v1/messages", half).await.status, 201);
    }
    assert_eq!(ended(&node, "m-1").await["status"], "committed");
    let no = ended(&node, "m-2").await;
    assert_eq!((&no["status"], &no["reason"]), (&json!("rolled_back"), &json!("it was rolled back")));
    assert_eq!(participant.paths().iter().filter(|path| *path == "/in").count(), 1);
    node.running.stop().await;
}

#[tokio::test]
async fn a_topic_stands_for_its_subscribers_at_the_begin() {
    let (node, participant) = start().await;
    let message = json!({"gid": "m-1", "topic": "orders", "payload": 1, "submit": true, "wait": "20s"});
    let unknown = post(&node, "/v1/messages", message.clone()).await;
    assert_eq!((unknown.status, &unknown.json()["code"]), (404, &json!("E2010")), "{}", unknown.body);
    let subscriber = |path: &str| json!({"url": participant.url(path), "remark": "r"});
    let subscribers = "/v1/topics/orders/subscribers";
    for path in ["/a", "/b", "/a"] {
        assert_eq!(node.ask("PUT", subscribers, Some(&subscriber(path))).await.status, 200);
    }
    let begun = post(&node, "/v1/messages", message.clone()).await.json();
    assert_eq!((&begun["status"], &begun["name"]), (&json!("committed"), &json!("orders")), "{begun}");
    let mut paths = participant.paths();
    paths.sort();
    assert_eq!(paths, ["/a", "/b"]);

    let all = json!({"subscribers": [subscriber("/b"), subscriber("/c")]});
    let topic = node.ask("PUT", "/v1/topics/orders", Some(&all)).await.json();
    let urls: Vec<_> = topic["subscribers"].as_array().unwrap().iter().map(|one| text(one, "url")).collect();
    assert_eq!(urls, [participant.url("/b"), participant.url("/c")]);
    let again = post(&node, "/v1/messages", message).await;
    assert_eq!((again.status, &again.json()["xid"]), (200, &begun["xid"]), "{}", again.body);

    let gone = format!("{subscribers}?url={}", participant.url("/b"));
    assert_eq!(
        [node.ask("DELETE", &gone, None).await.status, node.ask("DELETE", &gone, None).await.status],
        [204, 404]
    );
    for name in ["a", "b"] {
        assert_eq!(
            node.ask("PUT", &format!("/v1/topics/{name}/subscribers"), Some(&subscriber("/a"))).await.status,
            200
        );
    }
    let page = node.ask("GET", "/v1/topics?limit=2", None).await.json();
    let names = |page: &Value| {
        page["topics"].as_array().unwrap().iter().map(|one| text(one, "name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((names(&page), &page["next"]), (vec!["a".to_owned(), "b".to_owned()], &json!("b")));
    let page = node.ask("GET", "/v1/topics?limit=2&cursor=b", None).await.json();
    assert_eq!((names(&page), &page["next"]), (vec!["orders".to_owned()], &json!(null)));
    assert_eq!(node.ask("DELETE", "/v1/topics/orders", None).await.status, 204);
    assert_eq!(node.ask("GET", "/v1/topics/orders", None).await.status, 404);
    node.running.stop().await;
}

#[tokio::test]
async fn a_notification_is_given_up_and_sent_again() {
    let (node, participant) = start().await;
    participant.say("/hook", &[(500, "down"), (500, "down"), (500, "down"), (200, "")]);
    let body = json!({"gid": "n-1", "topic": "bills", "url": participant.url("/hook"), "payload": {"bill": 1},
        "schedule": ["20ms", "20ms"]});
    assert_eq!(post(&node, "/v1/notifications", body).await.status, 201);
    participant.until(3).await;
    let row = super::lists::until_attention(&node).await;
    assert_eq!(
        (&row["gid"], &row["status"], &row["name"]),
        (&json!("n-1"), &json!("given_up"), &json!("bills"))
    );
    let summary = node.ask("GET", "/v1/transactions/summary", None).await.json();
    assert_eq!((&summary["open"], &summary["attention"]), (&json!(1), &json!(1)), "{summary}");
    assert_eq!(participant.seen()[0].header("synod-attempt"), "1");
    assert_eq!(post(&node, "/v1/notifications/n-1/resend", json!({})).await.json()["status"], "committing");
    assert_eq!(ended(&node, "n-1").await["status"], "committed");
    let attempts = look(&node, "n-1").await["details"]["attempts"].as_array().unwrap().len();
    assert_eq!(attempts, 4);
    let again = post(&node, "/v1/notifications/n-1/resend", json!({})).await;
    assert_eq!((again.status, &again.json()["code"]), (409, &json!("E2004")));
    node.running.stop().await;
}

#[tokio::test]
async fn a_topic_has_a_schedule_by_configuration() {
    let node = crate::node::TestNode::start(&["notify.schedules=bills=1m/2m", "notify.schedule=3m"]).await;
    for (topic, schedule) in [("bills", json!([60_000, 120_000])), ("others", json!([180_000]))] {
        let body = json!({"gid": topic, "topic": topic, "url": "http://127.0.0.1:1/x", "delay": "1h"});
        assert_eq!(post(&node, "/v1/notifications", body).await.status, 201);
        assert_eq!(look(&node, topic).await["details"]["schedule_ms"], schedule);
    }
    node.running.stop().await;
}
