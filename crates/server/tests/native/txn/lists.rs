//! Lists, what needs attention, counts, and changes as they happen.

use std::time::Duration;

use serde_json::{Value, json};

use super::{TRANSACTIONS, ended, look, post, saga, start, text};
use crate::node::TestNode;

/// The first transaction that needs attention and is not just failing.
pub(super) async fn until_attention(node: &TestNode) -> Value {
    let mut changes = node.events("/v1/transactions/watch", None).await;
    let look = async {
        loop {
            let page = node.ask("GET", "/v1/transactions/attention", None).await.json();
            if let Some(row) =
                page["transactions"].as_array().unwrap().iter().find(|row| row["status"] == "given_up")
            {
                return row.clone();
            }
            changes.next().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), look).await.unwrap()
}

/// The gids of all pages.
async fn gids(node: &TestNode, query: &str) -> Vec<String> {
    let (mut all, mut before) = (Vec::new(), String::new());
    for _ in 0..100 {
        let page = node.ask("GET", &format!("{TRANSACTIONS}?{query}{before}"), None).await.json();
        all.extend(page["transactions"].as_array().unwrap().iter().map(|row| text(row, "gid").to_owned()));
        match page["next"].as_str() {
            None => return all,
            Some(next) => before = format!("&before={next}"),
        }
    }
    panic!("the list has no end: {all:?}");
}

#[tokio::test]
async fn pages_of_open_and_ended_ones_join_to_the_whole() {
    let (node, participant) = start().await;
    for number in 0..23 {
        let gid = format!("g-{number:02}");
        let (mode, name) = if number % 2 == 0 { ("xa", "even") } else { ("tcc", "odd") };
        assert_eq!(
            post(&node, TRANSACTIONS, json!({"gid": gid, "mode": mode, "name": name})).await.status,
            201
        );
        if number % 3 == 0 {
            assert_eq!(node.ask("POST", &format!("{TRANSACTIONS}/{gid}/rollback"), None).await.status, 200);
            ended(&node, &gid).await;
        }
    }
    drop(participant);
    let wanted = |wants: &dyn Fn(usize) -> bool| {
        (0..23)
            .rev()
            .filter(|number| wants(*number))
            .map(|number| format!("g-{number:02}"))
            .collect::<Vec<_>>()
    };
    for (query, wants) in [
        ("limit=5", &(|_| true) as &dyn Fn(usize) -> bool),
        ("limit=500", &|_| true),
        ("limit=2&status=open", &|number| number % 3 != 0),
        ("limit=2&status=ended", &|number| number % 3 == 0),
        ("limit=3&status=rolled_back", &|number| number % 3 == 0),
        ("limit=3&status=active", &|number| number % 3 != 0),
        ("limit=4&mode=tcc", &|number| number % 2 == 1),
        ("limit=4&name=even", &|number| number % 2 == 0),
        ("limit=1&gid_prefix=g-1", &|number| (10..20).contains(&number)),
        ("limit=1&gid_prefix=g-1&status=ended&name=odd", &|number| {
            (10..20).contains(&number) && number % 6 == 3
        }),
        ("limit=5&status=committed", &|_| false),
        ("limit=5&needs=attention", &|_| false),
    ] {
        assert_eq!(gids(&node, query).await, wanted(wants), "{query}");
    }
    let summary = node.ask("GET", "/v1/transactions/summary", None).await.json();
    assert_eq!((&summary["open"], &summary["attention"]), (&json!(15), &json!(0)));
    let xa = &summary["modes"][0];
    assert_eq!(
        (&xa["mode"], &xa["active"], &xa["rolled_back"]),
        (&json!("xa"), &json!(8), &json!(4)),
        "{summary}"
    );
    node.running.stop().await;
}

#[tokio::test]
async fn what_fails_is_listed_until_somebody_helps() {
    let node = TestNode::start(&["txn.retry=10ms", "txn.retry_max=1h", "txn.attention_after=2"]).await;
    let participant = crate::participant::Participant::start().await;
    participant.say("/a", &[(500, "out of order")]);
    let mut body = saga(&participant, "stuck");
    // The third attempt is an hour away.
    body["retry_interval"] = json!("1h");
    body["wait"] = json!("1ms");
    assert_eq!(post(&node, TRANSACTIONS, body).await.json()["status"], "committing");
    participant.until(1).await;
    assert_eq!(node.ask("POST", &format!("{TRANSACTIONS}/stuck/retry"), None).await.status, 202);
    participant.until(2).await;
    let row = loop {
        let page = node.ask("GET", "/v1/transactions?needs=attention", None).await.json();
        if let Some(row) = page["transactions"].get(0) {
            break row.clone();
        }
        tokio::task::yield_now().await;
    };
    let trouble = &row["troubles"][0];
    assert_eq!(
        (&row["gid"], &trouble["branch"], &trouble["way"], &trouble["failures"]),
        (&json!("stuck"), &json!(0), &json!("forward"), &json!(2))
    );
    assert!(text(trouble, "last_error").contains("out of order"), "{trouble}");
    let leg = look(&node, "stuck").await["details"]["branches"][0]["forward"].clone();
    assert_eq!((&leg["step"], &leg["failures"]), (&json!("pending"), &json!(2)), "{leg}");
    assert!(
        leg["next_attempt_ms"].as_u64().unwrap() > row["touched_ms"].as_u64().unwrap() + 3_000_000,
        "{leg}"
    );

    let stopped =
        post(&node, &format!("{TRANSACTIONS}/stuck/stop"), json!({"reason": "by hand"})).await.json();
    assert_eq!((&stopped["status"], &stopped["reason"]), (&json!("stopped"), &json!("by hand")));
    let decision = node.ask("GET", &format!("{TRANSACTIONS}/stuck/decision"), None).await.json();
    assert_eq!(decision["decision"], "stopped");
    assert_eq!(gids(&node, "needs=attention").await, [""; 0]);
    assert_eq!(node.ask("POST", &format!("{TRANSACTIONS}/stuck/retry"), None).await.status, 409);
    node.running.stop().await;
}

#[tokio::test]
async fn who_watches_is_told_to_read_and_then_what_changes() {
    let (node, participant) = start().await;
    let mut all = node.events("/v1/transactions/watch", None).await;
    let mut tcc = node.events("/v1/transactions/watch?mode=tcc", None).await;
    assert_eq!((all.next().await.0, tcc.next().await.0), ("reset".to_owned(), "reset".to_owned()));
    assert_eq!(post(&node, TRANSACTIONS, saga(&participant, "s")).await.status, 201);
    assert_eq!(post(&node, TRANSACTIONS, json!({"gid": "t", "mode": "tcc"})).await.status, 201);
    let mut last = json!(null);
    while last["status"] != "committed" {
        let (name, _, change) = all.next().await;
        assert_eq!(name, "change");
        if change["gid"] == "s" {
            last = change;
        }
    }
    assert_eq!((&last["branches"], &last["pending"]), (&json!(2), &json!(0)));
    let (_, _, change) = tcc.next().await;
    assert_eq!((&change["gid"], &change["status"]), (&json!("t"), &json!("active")));
    let mut one = node.events("/v1/transactions/watch?id=t", None).await;
    assert_eq!(one.next().await.0, "reset");
    assert_eq!(post(&node, TRANSACTIONS, json!({"gid": "u", "mode": "tcc"})).await.status, 201);
    assert_eq!(node.ask("POST", &format!("{TRANSACTIONS}/t/rollback"), None).await.status, 200);
    assert_eq!(one.next().await.2["status"], "rolled_back");
    // A stop does not wait for watchers.
    tokio::time::timeout(Duration::from_secs(8), node.running.stop()).await.unwrap();
}

#[tokio::test]
async fn who_watches_hears_of_calls_that_come_to_nothing() {
    let node = TestNode::start(&["txn.retry_max=1h", "txn.attention_after=2"]).await;
    let participant = crate::participant::Participant::start().await;
    participant.say("/b", &[(500, "out of order")]);
    let mut changes = node.events("/v1/transactions/watch", None).await;
    let mut body = saga(&participant, "s");
    body["retry_interval"] = json!("1h");
    body["wait"] = json!("1ms");
    assert_eq!(post(&node, TRANSACTIONS, body).await.status, 201);
    participant.until(2).await;
    let mut until = async |wanted: &dyn Fn(&Value) -> bool| {
        let told = async {
            loop {
                let (_, _, change) = changes.next().await;
                if wanted(&change) {
                    return change;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), told).await.unwrap()
    };
    // The last change that is durable: no failed attempt is, and the first one does not call for a person.
    let first = until(&|change| change["pending"] == 1).await;
    assert_eq!(first["attention"], json!(false));
    assert_eq!(node.ask("POST", &format!("{TRANSACTIONS}/s/retry"), None).await.status, 202);
    let alarm = until(&|change| change["attention"] == true).await;
    assert_eq!((&alarm["gid"], &alarm["pending"]), (&json!("s"), &json!(1)));
    let attempts = look(&node, "s").await["details"]["attempts"].clone();
    let told = |at: usize| (attempts[at]["number"].clone(), attempts[at]["result"].clone());
    assert_eq!((told(0), told(1)), ((json!(0), json!("done")), (json!(1), json!("failed"))), "{attempts}");
    node.running.stop().await;
}

#[tokio::test]
async fn a_call_that_is_not_answered_yet_shows_since_when() {
    let (node, _participant) = start().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let action = format!("http://{}/a", silent.local_addr().unwrap());
    let body = json!({"gid": "s", "mode": "saga", "submit": true, "branches": [{"action": action}]});
    assert_eq!(post(&node, TRANSACTIONS, body).await.status, 201);
    let _called = tokio::time::timeout(Duration::from_secs(20), silent.accept()).await.unwrap().unwrap();
    let seen = look(&node, "s").await;
    let since = seen["details"]["branches"][0]["forward"]["calling_since_ms"].as_u64().unwrap();
    assert!(since >= seen["begun_ms"].as_u64().unwrap(), "{seen}");
    assert_eq!(node.ask("POST", &format!("{TRANSACTIONS}/s/stop"), None).await.status, 200);
    let seen = look(&node, "s").await;
    assert_eq!(seen["details"]["branches"][0]["forward"]["calling_since_ms"], json!(null), "{seen}");
    node.running.stop().await;
}
