//! Sagas, TCC, XA and workflows from their begin to their end.

use serde_json::json;

use super::{TRANSACTIONS, ended, look, post, saga, start, text};

#[tokio::test]
async fn a_saga_goes_through_and_repeating_it_changes_nothing() {
    let (node, participant) = start().await;
    participant.say("/b", &[(503, "later"), (425, ""), (200, "")]);
    let mut body = saga(&participant, "order-1");
    body["headers"] = json!({"x-tenant": "t1"});
    body["branches"][1]["payload"] = json!({"n": 0.1});
    let begun = post(&node, TRANSACTIONS, body.clone()).await;
    assert_eq!(begun.status, 201, "{}", begun.body);
    let begun = begun.json();
    assert_eq!(
        (&begun["status"], &begun["gid"], &begun["mode"]),
        (&json!("committed"), &json!("order-1"), &json!("saga"))
    );
    let xid = text(&begun, "xid");
    assert!(xid.starts_with("127.0.0.1:8091:"), "{xid}");
    assert_eq!(participant.paths(), ["/a", "/b", "/b", "/b"]);
    let seen = participant.seen();
    let headers = ["synod-xid", "synod-gid", "synod-branch", "synod-op", "synod-mode", "x-tenant"];
    assert_eq!(headers.map(|name| seen[3].header(name)), [xid, "order-1", "02", "action", "saga", "t1"]);
    assert_eq!((&*seen[0].body, &*seen[1].body), ("{\"step\":\"a\"}", "{\"n\":0.1}"));

    let again = post(&node, TRANSACTIONS, body.clone()).await;
    assert_eq!(
        (again.status, &again.json()["xid"], &again.json()["status"]),
        (200, &json!(xid), &json!("committed"))
    );
    body["branches"][0]["payload"] = json!(1);
    let other = post(&node, TRANSACTIONS, body).await;
    let problem = other.json();
    assert_eq!(
        (other.status, &problem["code"], &problem["xid"]),
        (409, &json!("E2003"), &json!(xid)),
        "{problem}"
    );
    assert_eq!(participant.seen().len(), 4, "nobody was called again");

    for id in [xid, "order-1", &xid.replace("127.0.0.1:8091", "elsewhere.example:1")] {
        let whole = look(&node, id).await;
        assert_eq!((&whole["xid"], &whole["status"]), (&json!(xid), &json!("committed")), "{id}");
        let results =
            whole["details"]["attempts"].as_array().unwrap().iter().map(|attempt| text(attempt, "result"));
        assert_eq!(results.collect::<Vec<_>>(), ["done", "failed", "ongoing", "done"]);
        assert_eq!(whole["details"]["attempts"][1]["error"], "503 Service Unavailable: later");
        assert_eq!(whole["details"]["branches"][1]["payload"], json!({"bytes": 9, "json": {"n": 0.1}}));
    }
    node.running.stop().await;
}

#[tokio::test]
async fn a_saga_that_is_refused_goes_back() {
    let (node, participant) = start().await;
    participant.say("/b", &[(409, "no money")]);
    participant.say("/undo-a", &[(500, ""), (200, "")]);
    let begun = post(&node, TRANSACTIONS, saga(&participant, "order-2")).await;
    let stand = begun.json();
    assert_eq!(
        (begun.status, &stand["status"], &stand["reason"]),
        (201, &json!("rolled_back"), &json!("no money"))
    );
    assert_eq!(participant.paths(), ["/a", "/b", "/undo-b", "/undo-a", "/undo-a"]);
    let branches = &look(&node, "order-2").await["details"]["branches"];
    let steps: Vec<_> = branches
        .as_array()
        .unwrap()
        .iter()
        .map(|branch| (text(&branch["forward"], "step"), text(&branch["backward"], "step")))
        .collect();
    assert_eq!(steps, [("done", "done"), ("refused", "done")]);
    node.running.stop().await;
}

#[tokio::test]
async fn a_concurrent_saga_keeps_its_order() {
    let (node, participant) = start().await;
    let mut body = saga(&participant, "order-3");
    body["concurrent"] = json!(true);
    body["branches"][0]["id"] = json!("first");
    body["branches"][0]["after"] = json!(["second"]);
    body["branches"][1]["id"] = json!("second");
    assert_eq!(post(&node, TRANSACTIONS, body).await.json()["status"], "committed");
    assert_eq!(participant.paths(), ["/b", "/a"]);
    assert_eq!(look(&node, "order-3").await["details"]["branches"][0]["after"], json!(["second"]));
    node.running.stop().await;
}

#[tokio::test]
async fn tcc_is_tried_by_its_initiator_and_told_what_was_decided() {
    let (node, participant) = start().await;
    let begun = post(&node, TRANSACTIONS, json!({"mode": "tcc", "name": "transfer"})).await.json();
    let xid = text(&begun, "xid").to_owned();
    assert_eq!((&begun["status"], &begun["gid"]), (&json!("active"), &json!(null)));
    let (path, at) = (format!("{TRANSACTIONS}/{xid}"), |name: &str| participant.url(name));
    for (id, number) in [("debit", 0), ("credit", 1), ("debit", 0)] {
        let branch = json!({"id": id, "confirm": at(&format!("/{id}")), "cancel": at("/cancel"), "payload_text": "30"});
        let joined = post(&node, &format!("{path}/branches"), branch).await;
        assert_eq!((joined.status, &joined.json()["number"]), (200, &json!(number)), "{}", joined.body);
    }
    let other = post(&node, &format!("{path}/branches"), json!({"id": "debit", "confirm": at("/x")})).await;
    assert_eq!((other.status, &other.json()["code"]), (409, &json!("E2005")));
    let decision = || async { node.ask("GET", &format!("{path}/decision"), None).await.json() };
    assert_eq!(decision().await, json!({"xid": xid, "decision": "undecided", "status": "active"}));

    let done = post(&node, &format!("{path}/commit"), json!({"wait": "20s", "result": {"ok": true}})).await;
    let done = done.json();
    assert_eq!((&done["status"], &done["result"]["json"]), (&json!("committed"), &json!({"ok": true})));
    assert_eq!(participant.paths(), ["/credit", "/debit"]);
    assert_eq!(participant.seen()[0].body, "30");
    assert_eq!(decision().await["decision"], "commit");
    assert_eq!(node.ask("POST", &format!("{path}/commit"), None).await.status, 200, "a repeated decision");
    let back = node.ask("POST", &format!("{path}/rollback"), None).await;
    let problem = back.json();
    assert_eq!(
        (back.status, &problem["code"], &problem["standing"]),
        (409, &json!("E2004"), &json!("committed"))
    );
    node.running.stop().await;
}

#[tokio::test]
async fn what_is_not_decided_in_time_goes_back() {
    let (node, participant) = start().await;
    let branch = json!({"commit": participant.url("/commit"), "rollback": participant.url("/rollback")});
    let body = json!({"mode": "xa", "timeout": "100ms", "branches": [branch], "wait": "20s"});
    let stand = post(&node, TRANSACTIONS, body).await.json();
    assert_eq!(
        (&stand["status"], participant.paths()),
        (&json!("rolled_back"), vec!["/rollback".to_owned()])
    );
    assert_eq!(participant.seen()[0].header("synod-op"), "rollback");
    node.running.stop().await;
}

#[tokio::test]
async fn the_trace_of_the_request_travels_with_the_calls() {
    let (node, participant) = start().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let headers = format!("traceparent: 00-{trace}-00f067aa0ba902b7-01\r\ntracestate: a=1\r\n");
    let begun = node.ask_with("POST", TRANSACTIONS, &headers, Some(&saga(&participant, "order-4"))).await;
    assert_eq!(begun.status, 201, "{}", begun.body);
    for seen in participant.seen() {
        assert!(seen.header("traceparent").starts_with(&format!("00-{trace}-")), "{seen:?}");
        assert_eq!(seen.header("tracestate"), "a=1");
    }
    // Another span of the same request is the same request.
    assert_eq!(post(&node, TRANSACTIONS, saga(&participant, "order-4")).await.status, 200);
    node.running.stop().await;
}

#[tokio::test]
async fn a_workflow_is_started_again_until_it_says_how_it_ended() {
    let (node, participant) = start().await;
    let body = json!({"gid": "w-1", "mode": "workflow", "name": "onboarding", "run": participant.url("/run"),
        "payload": {"user": 7}, "timeout": "100ms"});
    assert_eq!(post(&node, TRANSACTIONS, body).await.status, 201);
    let step = json!({"id": "1", "label": "mail", "payload": {"sent": true}});
    assert_eq!(post(&node, &format!("{TRANSACTIONS}/w-1/branches"), step).await.status, 200);
    let seen = participant.until(2).await;
    assert_eq!((seen[0].header("synod-op"), &*seen[0].body), ("run", "{\"user\":7}"));
    let noted = &look(&node, "w-1").await["details"]["branches"][0];
    assert_eq!((&noted["label"], &noted["payload"]["json"]), (&json!("mail"), &json!({"sent": true})));
    assert_eq!(post(&node, &format!("{TRANSACTIONS}/w-1/commit"), json!({"result": 1})).await.status, 200);
    assert_eq!(ended(&node, "w-1").await["status"], "committed");
    node.running.stop().await;
}
