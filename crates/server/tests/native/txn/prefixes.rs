//! Ids that begin with one another. dtm 1.19.0 on boltdb says of such a saga that it succeeded without having called a branch.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{TRANSACTIONS, ended, post, text};
use crate::node::TestNode;
use crate::participant::Participant;

/// The longer ones first and last.
const GIDS: [&str; 6] = ["order-10", "order-1", "order-100", "order", "order-11", "order-1 "];

#[tokio::test]
async fn ids_that_begin_with_one_another_are_different_ids() {
    let node = TestNode::start(&["face.dtm.http.listen=127.0.0.1:0"]).await;
    let participant = Participant::start().await;
    let step = |face: &str, number: usize, name: &str| json!({"action": participant.url(&format!("/{face}/{number}/{name}"))});
    let steps = |face: &str, number: usize| json!([step(face, number, "a"), step(face, number, "b")]);
    let native = |number: usize| {
        let gid = format!("native-{}", GIDS[number]);
        json!({"gid": gid, "mode": "saga", "submit": true, "branches": steps("native", number)})
    };
    let dtm = |number: usize| {
        let (gid, payloads) = (GIDS[number], ["{}", "{}"]);
        json!({"gid": gid, "trans_type": "saga", "steps": steps("dtm", number), "payloads": payloads, "wait_result": true})
    };
    // All at once, so that each is there while the others begin.
    let one = |number: usize| {
        let (native, dtm) = (native(number), dtm(number));
        let node = &node;
        async move {
            let (begun, submitted) =
                tokio::join!(post(node, TRANSACTIONS, native), node.ask_dtm("submit", &dtm));
            assert_eq!((begun.status, submitted.status), (201, 200), "{} {}", begun.body, submitted.body);
            begun.json()
        }
    };
    let begun: [Value; 6] = tokio::join!(one(0), one(1), one(2), one(3), one(4), one(5)).into();
    for begun in &begun {
        assert_eq!(ended(&node, text(begun, "xid")).await["status"], "committed");
    }
    let mut calls = BTreeMap::<String, usize>::new();
    participant.paths().into_iter().for_each(|path| *calls.entry(path).or_default() += 1);
    let paths = ["native", "dtm"].into_iter().flat_map(|face| {
        (0..GIDS.len()).flat_map(move |number| ["a", "b"].map(|name| format!("/{face}/{number}/{name}")))
    });
    let expected: BTreeMap<String, usize> = paths.map(|path| (path, 1)).collect();
    assert_eq!(calls, expected, "each branch of each of them was called, once");
    node.running.stop().await;
}
