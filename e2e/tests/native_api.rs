//! The native API from outside: the same registry as the Eureka face, pages, changes by long poll and by events, and
//! nothing that an old client would notice.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use synod_e2e::{Instance, Request, Synod, now};

fn node() -> Synod {
    Synod::start(&["registry.self.register=false"])
}

fn get(node: &Synod, target: &str) -> Value {
    node.send(&Request::get(target)).expect(200).json()
}

#[test]
fn pages_lead_through_everything_once() {
    let node = node();
    for number in 0..130 {
        let status = if number % 10 == 0 { "DOWN" } else { "UP" };
        let instance = Instance::new(&format!("APP-{:03}", number % 65), &format!("i-{number:03}"));
        node.send(&instance.status(status).register()).expect(204);
    }
    for (target, list, name, total) in [
        ("/v1/services?limit=20", "services", "name", 65),
        ("/v1/instances?limit=40", "instances", "id", 130),
        ("/v1/instances?limit=5&status=DOWN", "instances", "id", 13),
        ("/v1/instances?limit=5&q=i-01", "instances", "id", 10),
        ("/v1/services/APP-003/instances?limit=1", "instances", "id", 2),
    ] {
        let (mut names, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = get(&node, &format!("{target}{cursor}"));
            assert_eq!(page["total"], total, "{target}: {page}");
            let rows = page[list].as_array().expect("a page has a list");
            names.extend(rows.iter().map(|row| row[name].as_str().expect("a row has a name").to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            assert!(!rows.is_empty(), "{target}: an empty page that has a next one");
            cursor = format!("&cursor={next}");
        }
        let mut once = names.clone();
        once.sort();
        once.dedup();
        assert_eq!((names.len(), once.len()), (total, total), "{target}: {names:?}");
    }
}

#[test]
fn both_faces_show_one_registry() {
    let node = node();
    let instance = Instance::new("CART", "cart-1").meta("zone", "a");
    node.send(&instance.register()).expect(204);
    let path = "/v1/services/CART/instances/cart-1";
    let found = get(&node, path);
    assert_eq!(
        (&found["status"], &found["metadata"]["zone"], &found["port"]),
        (&json!("UP"), &json!("a"), &json!(8080))
    );

    node.send(&Request::new("POST", &format!("{path}/renew"))).expect(204);
    let out = Request::put(&format!("{path}/override")).header("Content-Type", "application/json");
    let overridden = node.send(&out.body(r#"{"status":"OUT_OF_SERVICE"}"#)).expect(200).json();
    assert_eq!(overridden["override"], "OUT_OF_SERVICE");
    assert_eq!(node.list().status("CART", "cart-1"), Some("OUT_OF_SERVICE"));
    node.send(&Request::delete(&format!("{path}/override"))).expect(200);
    assert_ne!(node.list().status("CART", "cart-1"), Some("OUT_OF_SERVICE"));

    let patch = Request::new("PATCH", &format!("{path}/metadata")).header("Content-Type", "application/json");
    let patched = node.send(&patch.body(r#"{"build":"17","zone":null}"#)).expect(200).json();
    assert_eq!(patched["metadata"], json!({"build": "17"}));
    let eureka = node.send(&Request::get_json(&instance.path(""))).expect(200).json();
    assert_eq!(eureka["instance"]["metadata"], json!({"build": "17"}));

    node.send(&Request::delete(path)).expect(204);
    node.send(&Request::get_json(&instance.path(""))).expect(404);
    node.send(&Request::delete(path)).expect(404);
    node.send(&Request::new("POST", &format!("{path}/renew"))).expect(404);
    let recent = get(&node, "/v1/recent");
    assert_eq!(recent["removed"][0]["id"], "cart-1", "{recent}");
    assert_eq!(recent["removed"][0]["reason"], "cancelled", "{recent}");
    assert_eq!(recent["registered"][0]["id"], "cart-1", "{recent}");
}

#[test]
fn a_native_registration_is_one_for_everybody() {
    let node = node();
    let path = "/v1/services/NATIVE/instances/n1";
    let register = |body: Value| {
        node.send(&Request::put(path).header("Content-Type", "application/json").body(body.to_string()))
    };
    let created = register(json!({"host": "n1.test", "ip": "10.0.0.9", "port": 9000})).expect(201).json();
    assert_eq!((&created["status"], &created["port"]), (&json!("UP"), &json!(9000)));
    register(json!({"host": "n1.test", "ip": "10.0.0.9", "port": 9001})).expect(200);
    let seen = node.send(&Request::get_json("/eureka/apps/NATIVE/n1")).expect(200).json();
    assert_eq!(seen["instance"]["port"], json!({"$": 9001, "@enabled": "true"}));
    assert_eq!(seen["instance"]["ipAddr"], "10.0.0.9");
    assert_eq!(node.list().status("NATIVE", "n1"), Some("UP"));
    let refused = register(json!({"port": 9000})).json();
    assert_eq!(refused["status"], 400, "{refused}");
}

#[test]
fn a_long_poll_ends_with_the_change() {
    let node = node();
    let since = get(&node, "/v1/changes")["version"].as_str().expect("a version").to_owned();
    let began = now();
    let empty = get(&node, &format!("/v1/changes?since={since}&wait=300ms"));
    assert_eq!(empty["changes"], json!([]));
    assert!(began.elapsed() >= Duration::from_millis(300), "it did not wait");

    let answer = thread::scope(|scope| {
        let poll = scope.spawn(|| {
            let began = now();
            (get(&node, &format!("/v1/changes?since={since}&wait=30s")), began.elapsed())
        });
        thread::sleep(Duration::from_millis(200));
        node.send(&Instance::new("POLL", "p1").register()).expect(204);
        poll.join().expect("the poll does not fail")
    });
    assert!(answer.1 < Duration::from_secs(5), "it took {:?}", answer.1);
    let change = &answer.0["changes"][0];
    assert_eq!(
        (&change["kind"], &change["id"], &change["instance"]["status"]),
        (&json!("added"), &json!("p1"), &json!("UP"))
    );

    node.send(&Instance::new("POLL", "p1").status("DOWN").register()).expect(204);
    node.send(&Request::delete("/eureka/apps/POLL/p1")).expect(200);
    let both = get(&node, &format!("/v1/changes?since={since}"));
    let changes = both["changes"].as_array().expect("a list of changes");
    let kinds: Vec<&str> = changes.iter().filter_map(|change| change["kind"].as_str()).collect();
    assert_eq!(kinds.last(), Some(&"removed"), "{both}");
    let strange = get(&node, "/v1/changes?since=1234.5");
    assert_eq!(strange["reset"], true, "another life's version: {strange}");
}

/// One event of a stream.
#[derive(Debug, Default)]
struct Event {
    id: String,
    kind: String,
    data: String,
}

struct Events(BufReader<TcpStream>);

impl Events {
    fn open(node: &Synod, target: &str, last: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(node.address()).expect("the node listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket has a time-out");
        let mut request = Request::get(target).header("Accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        stream.write_all(&request.bytes("node")).expect("it reads");
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            reader.read_line(&mut head).expect("there is a head");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.to_lowercase().contains("content-type: text/event-stream"), "{head}");
        Self(reader)
    }

    /// The next event; lines of chunked encoding and comments have no field of an event.
    fn next(&mut self) -> Event {
        let mut event = Event::default();
        loop {
            let mut line = String::new();
            let read = self.0.read_line(&mut line).expect("an event comes in time");
            assert!(read > 0, "the stream ended");
            let line = line.trim_end();
            if let Some(id) = line.strip_prefix("id:") {
                id.trim().clone_into(&mut event.id);
            } else if let Some(kind) = line.strip_prefix("event:") {
                kind.trim().clone_into(&mut event.kind);
            } else if let Some(data) = line.strip_prefix("data:") {
                data.trim().clone_into(&mut event.data);
            } else if line.is_empty() && !event.kind.is_empty() && !event.data.is_empty() {
                return event;
            }
        }
    }
}

#[test]
fn a_watch_resumes_where_it_ended() {
    let node = node();
    node.send(&Instance::new("WATCH", "w0").register()).expect(204);
    let since = get(&node, "/v1/changes")["version"].as_str().expect("a version").to_owned();
    let mut events = Events::open(&node, &format!("/v1/watch?since={since}"), None);
    node.send(&Instance::new("WATCH", "w1").register()).expect(204);
    let first = events.next();
    assert_eq!(first.kind, "change");
    let change: Value = serde_json::from_str(&first.data).expect("an event's data is JSON");
    assert_eq!((&change["id"], &change["version"]), (&json!("w1"), &json!(first.id)));
    drop(events);

    node.send(&Instance::new("WATCH", "w2").register()).expect(204);
    node.send(&Instance::new("OTHER", "o1").register()).expect(204);
    node.send(&Instance::new("WATCH", "w3").register()).expect(204);
    let mut resumed = Events::open(&node, "/v1/watch?service=WATCH", Some(&first.id));
    let ids: Vec<Value> = (0..2)
        .map(|_| serde_json::from_str::<Value>(&resumed.next().data).expect("JSON")["id"].clone())
        .collect();
    assert_eq!(ids, [json!("w2"), json!("w3")], "what happened in between, of that service only");
    let mut stranger = Events::open(&node, "/v1/watch", Some("1234.5"));
    assert_eq!(stranger.next().kind, "reset");
}

#[test]
fn self_preservation_protects_and_can_be_switched_off() {
    let node = Synod::start(&[
        "registry.self.register=false",
        "registry.preservation_window=2s",
        "registry.eviction_interval=200ms",
    ]);
    for number in 0..20 {
        node.send(&Instance::new("MASS", &format!("m{number}")).lease(1, 3).register()).expect(204);
    }
    let renew = |range: std::ops::Range<u32>| {
        for number in range {
            node.send(&Instance::new("MASS", &format!("m{number}")).renew());
        }
    };
    let began = now();
    while began.elapsed() < Duration::from_secs(4) {
        renew(0..20);
        thread::sleep(Duration::from_millis(500));
    }
    // Most fall silent at once: rather the network than they.
    let began = now();
    while began.elapsed() < Duration::from_secs(6) {
        renew(0..5);
        thread::sleep(Duration::from_millis(500));
    }
    let state = get(&node, "/v1/registry");
    assert_eq!(state["instances"], 20, "{state}");
    assert_eq!(state["self_preservation"]["active"], true, "{state}");
    let off = Request::put("/v1/registry/self-preservation").header("Content-Type", "application/json");
    assert_eq!(node.send(&off.body(r#"{"enabled":false}"#)).expect(200).json()["enabled"], false);
    let began = now();
    while get(&node, "/v1/registry")["instances"] != 5 {
        renew(0..5);
        assert!(began.elapsed() < Duration::from_secs(30), "{}", get(&node, "/v1/registry"));
        thread::sleep(Duration::from_millis(200));
    }
    println!("the silent ones were gone {:?} after it was switched off", began.elapsed());
}

#[test]
fn bad_parameters_are_problems() {
    let node = node();
    for target in [
        "/v1/services?limit=many",
        "/v1/instances?status=SLEEPY",
        "/v1/changes?since=yesterday",
        "/v1/changes?since=1.1&wait=5",
        "/v1/services?unknown=1",
        "/v1/nothing-here",
    ] {
        let reply = node.send(&Request::get(target));
        assert!((400..500).contains(&reply.status), "{target}: {} {}", reply.status, reply.text());
        assert_eq!(reply.header("Content-Type"), Some("application/problem+json"), "{target}");
        let problem = reply.json();
        assert_eq!(problem["status"], reply.status, "{target}: {problem}");
        assert!(problem["code"].as_str().is_some_and(|code| code.starts_with('E')), "{target}: {problem}");
    }
}

#[test]
fn the_document_names_every_path() {
    let node = node();
    let document = get(&node, "/v1/openapi.json");
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with('3')), "{document}");
    let shape = |path: &str| -> String {
        path.split('/')
            .map(|part| if part.starts_with('{') { "{}/" } else { part })
            .collect::<Vec<_>>()
            .join("/")
    };
    let paths: Vec<String> =
        document["paths"].as_object().expect("a document has paths").keys().map(|path| shape(path)).collect();
    for path in [
        "/v1/registry",
        "/v1/registry/self-preservation",
        "/v1/services",
        "/v1/services/{name}",
        "/v1/services/{name}/instances",
        "/v1/services/{name}/instances/{id}",
        "/v1/services/{name}/instances/{id}/renew",
        "/v1/services/{name}/instances/{id}/override",
        "/v1/services/{name}/instances/{id}/metadata",
        "/v1/instances",
        "/v1/changes",
        "/v1/watch",
        "/v1/recent",
        "/v1/peers",
    ] {
        assert!(paths.contains(&shape(path)), "openapi.json lacks {path}: {paths:?}");
    }
}
