//! Global transactions over the native API, with participants that answer as they are told to.

mod lists;
mod messages;
mod modes;
mod prefixes;
mod refusals;
mod services;

use serde_json::{Value, json};

use crate::node::{Answer, TestNode};
use crate::participant::Participant;

const TRANSACTIONS: &str = "/v1/transactions";

/// A node that is quick to try again, and a participant.
async fn start() -> (TestNode, Participant) {
    (TestNode::start(&["txn.retry=20ms", "txn.retry_max=20ms"]).await, Participant::start().await)
}

async fn post(node: &TestNode, path: &str, body: Value) -> Answer {
    node.ask("POST", path, Some(&body)).await
}

/// One transaction, by XID or gid.
async fn look(node: &TestNode, id: &str) -> Value {
    node.ask("GET", &format!("{TRANSACTIONS}/{id}"), None).await.json()
}

/// How it stands when it has ended.
async fn ended(node: &TestNode, id: &str) -> Value {
    let stand = node.ask("GET", &format!("{TRANSACTIONS}/{id}/wait?timeout=20s"), None).await.json();
    assert_eq!(stand["ended"], true, "{stand}");
    stand
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// A saga of two steps at `/a` and `/b`.
fn saga(participant: &Participant, gid: &str) -> Value {
    let step = |name: &str| {
        json!({
            "action": participant.url(&format!("/{name}")),
            "compensate": participant.url(&format!("/undo-{name}")),
            "payload": {"step": name},
        })
    };
    json!({"gid": gid, "mode": "saga", "submit": true, "wait": "20s", "branches": [step("a"), step("b")]})
}
