//! The native API over a real socket: what it answers, and that every answer is what its OpenAPI document says.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod grpc;
mod node;
mod participant;
mod txn;

use node::TestNode;
use serde_json::{Value, json};

fn cart(host: &str) -> Value {
    json!({"host": host, "ip": "10.0.0.7", "port": 8080, "metadata": {"zone": "a"}})
}

#[tokio::test]
async fn an_instance_from_its_registration_to_its_end() {
    let node = TestNode::start(&[]).await;
    let path = "/v1/services/cart/instances/c%2F1";
    let new = node.ask("PUT", path, Some(&cart("h1"))).await;
    assert_eq!(new.status, 201, "{}", new.body);
    let seen = new.json();
    assert_eq!(
        (&seen["service"], &seen["id"], &seen["status"], &seen["port"], &seen["secure_port"], &seen["zone"]),
        (&json!("CART"), &json!("c/1"), &json!("UP"), &json!(8080), &Value::Null, &json!("a"))
    );
    assert_eq!(node.ask("PUT", path, Some(&cart("h2"))).await.status, 200);
    assert_eq!(node.ask("POST", &format!("{path}/renew"), None).await.status, 204);
    assert_eq!(node.ask("GET", path, None).await.json()["host"], "h2");

    let override_path = format!("{path}/override");
    let out = node.ask("PUT", &override_path, Some(&json!({"status": "OUT_OF_SERVICE"}))).await.json();
    assert_eq!((&out["status"], &out["override"]), (&json!("OUT_OF_SERVICE"), &json!("OUT_OF_SERVICE")));
    let back = node.ask("DELETE", &override_path, None).await.json();
    assert_eq!((&back["status"], &back["override"]), (&json!("UNKNOWN"), &Value::Null));

    let edits = json!({"zone": null, "build": "12"});
    let edited = node.ask("PATCH", &format!("{path}/metadata"), Some(&edits)).await.json();
    assert_eq!(edited["metadata"], json!({"build": "12"}));

    assert_eq!(node.ask("DELETE", path, None).await.status, 204);
    for (method, path) in [("GET", path), ("DELETE", path), ("POST", &format!("{path}/renew"))] {
        let gone = node.ask(method, path, None).await;
        assert_eq!((gone.status, &gone.json()["code"]), (404, &json!("E1005")), "{method} {path}");
        assert!(gone.head.contains("application/problem+json"));
    }
    let recent = node.ask("GET", "/v1/recent", None).await.json();
    assert_eq!(recent["removed"][0]["reason"], "cancelled");
    node.running.stop().await;
}

#[tokio::test]
async fn pages_join_to_the_whole_in_order() {
    let node = TestNode::start(&[]).await;
    for number in 0..23 {
        let path = format!("/v1/services/S{:02}/instances/i{number:02}", number % 7);
        assert_eq!(node.ask("PUT", &path, Some(&cart(&format!("host-{number}")))).await.status, 201);
    }
    for (path, list, total) in [
        ("/v1/services?limit=2", "services", 7),
        ("/v1/instances?limit=5", "instances", 23),
        ("/v1/instances?limit=5&q=HOST-1", "instances", 11),
        ("/v1/services/s03/instances?limit=1", "instances", 3),
        ("/v1/instances?status=DOWN&limit=5", "instances", 0),
    ] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = node.ask("GET", &format!("{path}{cursor}"), None).await.json();
            assert_eq!(page["total"], total, "{path}");
            seen.extend(page[list].as_array().unwrap().iter().map(|one| {
                let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
                (text("service"), text("id"), text("name"))
            }));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), total, "{path}: {seen:?}");
        assert!(seen.is_sorted(), "{path}: {seen:?}");
    }
    node.running.stop().await;
}

#[tokio::test]
async fn changes_resume_where_they_were_left() {
    let node = TestNode::start(&[]).await;
    let start = node.ask("GET", "/v1/changes", None).await.json()["version"].as_str().unwrap().to_owned();
    let mut all = node.events(&format!("/v1/watch?since={start}"), None).await;
    let mut some = node.events(&format!("/v1/watch?since={start}&service=b"), None).await;
    let poll = node.ask("GET", "/v1/changes?wait=30s", None);
    let write = async {
        node.ask("PUT", "/v1/services/a/instances/1", Some(&cart("x"))).await;
        node.ask("PUT", "/v1/services/b/instances/2", Some(&cart("x"))).await;
        node.ask("DELETE", "/v1/services/a/instances/1", None).await;
    };
    let (polled, ()) = tokio::join!(poll, write);
    assert_eq!(polled.json()["changes"][0]["kind"], "added", "{}", polled.body);

    let mut kinds = Vec::new();
    let mut first_id = String::new();
    for _ in 0..3 {
        let (name, id, data) = all.next().await;
        assert_eq!((name.as_str(), &data["version"]), ("change", &json!(id)));
        if first_id.is_empty() {
            first_id = id;
        }
        kinds.push(format!("{} {}", data["kind"].as_str().unwrap(), data["id"].as_str().unwrap()));
    }
    assert_eq!(kinds, ["added 1", "added 2", "removed 1"]);
    assert_eq!(some.next().await.2["id"], "2");
    let (_, _, resumed) = node.events("/v1/watch", Some(&first_id)).await.next().await;
    assert_eq!(resumed["id"], "2", "the last event that was got decides");

    let (name, _, _) = node.events("/v1/watch?since=1.5", None).await.next().await;
    assert_eq!(name, "reset", "a version of another life");
    let old = node.ask("GET", "/v1/changes?since=1.5", None).await.json();
    assert_eq!((&old["reset"], &old["changes"]), (&json!(true), &json!([])));
    // A stop does not wait for watchers.
    tokio::time::timeout(std::time::Duration::from_secs(5), node.running.stop()).await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let node = TestNode::start(&["registry.instances_max=1", "registry.instance_bytes_max=2KiB"]).await;
    let long = json!({"host": "x".repeat(4_000)});
    for (method, path, body, status, code, detail) in [
        ("GET", "/v1/nothing", None, 404, "E1009", "no such path"),
        ("POST", "/v1/services", None, 405, "E1003", "method"),
        ("GET", "/v1/services/none", None, 404, "E1004", "NONE"),
        ("GET", "/v1/instances?status=up", None, 400, "E1002", "\"up\""),
        ("GET", "/v1/instances?page=1", None, 400, "E1002", "page"),
        ("GET", "/v1/changes?wait=10", None, 400, "E1002", "wait"),
        ("GET", "/v1/changes?since=x", None, 400, "E1002", "\"x\""),
        ("PUT", "/v1/services/a/instances/1", Some(json!({"hots": "x"})), 400, "E1001", "hots"),
        ("PUT", "/v1/services/a/instances/1", Some(json!({"host": " "})), 400, "E1001", "host"),
        ("PUT", "/v1/services/a/instances/1", Some(long), 413, "E1008", ""),
        ("PUT", "/v1/services/a/instances/1", None, 415, "E1003", "Content-Type"),
    ] {
        let answer = node.ask(method, path, body.as_ref()).await;
        let problem = answer.json();
        assert_eq!(
            (answer.status, &problem["code"]),
            (status, &json!(code)),
            "{method} {path}: {}",
            answer.body
        );
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{method} {path}: {}", answer.body);
    }
    assert_eq!(node.ask("PUT", "/v1/services/a/instances/1", Some(&cart("x"))).await.status, 201);
    let full = node.ask("PUT", "/v1/services/a/instances/2", Some(&cart("x"))).await;
    assert_eq!((full.status, &full.json()["code"]), (503, &json!("E1006")));
    node.running.stop().await;
}

#[tokio::test]
async fn the_document_describes_every_answer() {
    let node = TestNode::start(&[]).await;
    node.ask("PUT", "/v1/services/a/instances/1", Some(&cart("x"))).await;
    let message = json!({
        "gid": "1", "subscribers": ["http://127.0.0.1:1/x"], "payload": {"n": 1}, "back_check": "http://127.0.0.1:1/y",
    });
    assert_eq!(node.ask("POST", "/v1/messages", Some(&message)).await.status, 201);
    assert_eq!(node.ask("POST", "/v1/messages/1/abort", Some(&json!({"wait": "10s"}))).await.status, 200);
    let document = node.ask("GET", "/v1/openapi.json", None).await.json();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 13, "{:?}", paths.keys());
    for (path, operations) in paths {
        let real = path.replace("{service}", "a").replace("{id}", "1").replace("{branch}", "01");
        for (method, operation) in operations.as_object().unwrap() {
            let is_stream = path.ends_with("/watch");
            if method != "get" || is_stream || real.contains('{') {
                continue;
            }
            let answer = node.ask("GET", &real, None).await;
            let schema =
                &operation["responses"][answer.status.to_string()]["content"]["application/json"]["schema"];
            assert!(schema.is_object(), "{path}: {} is not described", answer.status);
            conforms(&document, schema, &answer.json(), path);
        }
    }
    node.running.stop().await;
}

/// Checks a value against the part of JSON Schema that our document uses; a field that is not described fails.
fn conforms(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target =
            document.pointer(reference.trim_start_matches('#')).expect("a reference that leads somewhere");
        return conforms(document, target, value, at);
    }
    if let Some(kinds) = schema["oneOf"].as_array() {
        let fits = kinds.iter().find(|kind| (kind["type"] == "null") == value.is_null());
        return conforms(document, fits.unwrap_or_else(|| panic!("{at}: no kind fits {value}")), value, at);
    }
    if schema["type"].is_null() {
        // Whatever others have put there.
        return;
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let declared = &schema["type"];
    let allowed =
        |name: &str| *declared == name || declared.as_array().is_some_and(|all| all.contains(&json!(name)));
    assert!(allowed(kind) || (kind == "integer" && allowed("number")), "{at}: {value} is not {declared}");
    if let Some(items) = value.as_array() {
        items.iter().for_each(|item| conforms(document, &schema["items"], item, at));
    }
    if let Some(fields) = value.as_object() {
        for (name, field) in fields {
            let described = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
            let described = described.unwrap_or_else(|| panic!("{at}: {name} is not described"));
            conforms(document, described, field, &format!("{at}.{name}"));
        }
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(fields.contains_key(required.as_str().unwrap()), "{at}: {required} is missing");
        }
    }
}
