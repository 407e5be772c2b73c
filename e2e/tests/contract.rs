//! What outsiders rely on: commands, exit codes, configuration, files, ports, health, metrics, signals.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use synod_e2e::synod::{self, command, run};
use synod_e2e::{Connection, Instance, Request, Synod, now, wait_until};

fn serve(arguments: &[&str]) -> synod::Ended {
    let home = tempfile::tempdir().expect("a directory can be made");
    let mut serve = command(&["serve", "--data"]);
    serve.arg(home.path().join("data"));
    for listen in ["http", "face.seata", "face.dtm.http", "face.dtm.grpc", "grpc"] {
        serve.args(["--set", &format!("{listen}.listen=127.0.0.1:0")]);
    }
    serve.args(arguments);
    run(serve)
}

#[test]
fn bad_usage_and_configuration_end_with_2() {
    for arguments in [
        vec!["--set", "registry.peer=http://a:1/eureka/"],
        vec!["--set", "registry.eviction_interval=5"],
        vec!["--set", "registry.self_preservation=perhaps"],
        vec!["--set", "http.listen=off"],
        vec!["--set", "nonsense"],
        vec!["--config", "no-such-file.toml"],
        vec!["--no-such-option"],
    ] {
        let ended = serve(&arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.err);
        assert!(!ended.err.trim().is_empty(), "{arguments:?} is refused without a word");
    }
    assert_eq!(run(command(&["no-such-command"])).code, 2);
}

#[test]
fn an_unknown_key_names_the_nearest_one() {
    let from_set = serve(&["--set", "registry.self_preservaton=true"]);
    assert_eq!(from_set.code, 2);
    assert!(from_set.err.contains("registry.self_preservation"), "{}", from_set.err);

    let home = tempfile::tempdir().expect("a directory can be made");
    let file = home.path().join("synod.toml");
    std::fs::write(&file, "[http]\nlissten = \"127.0.0.1:0\"\n").expect("the file can be written");
    let from_file = serve(&["--config", file.to_str().expect("the path is UTF-8")]);
    assert_eq!(from_file.code, 2);
    assert!(from_file.err.contains("http.listen"), "{}", from_file.err);

    let mut from_environment = command(&["serve"]);
    from_environment.env("SYNOD_HTTP__LISSTEN", "127.0.0.1:0");
    let from_environment = run(from_environment);
    assert_eq!(from_environment.code, 2);
    assert!(from_environment.err.contains("http.listen"), "{}", from_environment.err);
}

#[test]
fn a_wide_listener_needs_the_mode_written_out() {
    let refused = serve(&["--set", "http.listen=0.0.0.0:0"]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("auth.mode"), "{}", refused.err);
    let mut allowed = Synod::start(&["http.listen=0.0.0.0:0", "auth.mode=none"]);
    let log = allowed.process().log().to_lowercase();
    assert!(log.contains("warn") && log.contains("auth"), "nothing loud in\n{log}");
    assert_eq!(serve(&["--bind", "0.0.0.0"]).code, 2, "--bind replaces every host");
    assert_eq!(serve(&["--set", "auth.mode=basic"]).code, 2);
}

#[test]
fn layers_win_over_each_other_in_order() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let file = home.path().join("synod.toml");
    let text = "[http]\nlisten = \"127.0.0.1:0\"\n[node]\nname = \"from-file\"\n[registry]\nenvironment = \"from-file\"\n\
                region = \"from-file\"\n";
    std::fs::write(&file, text).expect("the file can be written");
    let mut serve = command(&["serve", "--data"]);
    serve.arg(home.path().join("data")).arg("--config").arg(&file);
    serve.env("SYNOD_NODE__NAME", "from-environment").env("SYNOD_REGISTRY__ENVIRONMENT", "from-environment");
    serve.args(["--set", "node.name=from-set"]);
    for off in
        ["face.seata", "face.dtm.http", "face.dtm.grpc", "face.nacos", "face.zookeeper", "grpc", "cluster"]
    {
        serve.args(["--set", &format!("{off}.listen=off")]);
    }
    let log = home.path().join("log");
    let mut process = synod_e2e::process::Process::start_logging("synod", serve, &log);
    let addresses = home.path().join("data/addresses.json");
    wait_until(Duration::from_secs(10), "addresses.json is written", || {
        assert!(process.exit().is_none(), "it ended: {}", process.log());
        addresses.exists()
    });
    let text = std::fs::read_to_string(addresses).expect("it exists");
    let addresses: Value = serde_json::from_str(&text).expect("it is JSON");
    let http = addresses["http"].as_str().expect("http is there").parse().expect("it is an address");
    wait_until(Duration::from_secs(10), "it is ready", || {
        synod_e2e::http::try_send(http, &Request::get("/health/ready")).is_ok_and(|reply| reply.status == 200)
    });
    let node = synod_e2e::http::send(http, &Request::get("/v1/registry")).expect(200).json();
    assert_eq!(node["node"]["name"], "from-set");
    let status = Request::get_json("/eureka/status");
    let status = synod_e2e::http::send(http, &status).expect(200).json();
    assert_eq!(status["generalStats"]["environment"], "from-environment");
}

#[test]
fn a_data_directory_serves_one_process() {
    let first = Synod::start(&[]);
    let second = run(synod::serve(&first.data(), &[]));
    assert_eq!(second.code, 3, "{}", second.err);
    assert!(second.err.contains("in use"), "{}", second.err);

    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    assert_eq!(run(synod::serve(file.path(), &[])).code, 3, "a file is no directory");
    first.send(&Request::get("/health/live")).expect(200);
}

#[test]
fn a_port_in_use_is_a_failure_at_run_time() {
    let first = Synod::start(&[]);
    let taken = serve(&["--set", &format!("http.listen={}", first.address())]);
    assert_eq!(taken.code, 1, "{}", taken.err);
    assert!(taken.err.contains(&first.address().port().to_string()), "the port is not named: {}", taken.err);
}

#[test]
fn addresses_are_those_really_bound() {
    let node = Synod::start(&[]);
    let addresses = node.addresses();
    let known =
        ["http", "seata", "dtm_http", "dtm_grpc", "grpc", "cluster", "nacos_http", "nacos_grpc", "zookeeper"];
    for (name, address) in &addresses {
        assert!(known.contains(&name.as_str()), "{name} is no name of the contract");
        assert!(!address.ends_with(":0"), "{name} has no real port: {address}");
        TcpStream::connect(address).unwrap_or_else(|error| panic!("{name} at {address}: {error}"));
    }
    assert!(addresses.contains_key("http"));
}

#[test]
fn every_face_of_the_contract_is_a_known_key() {
    let all = [
        "face.seata.listen",
        "face.seata.advertise",
        "face.dtm.http.listen",
        "face.dtm.grpc.listen",
        "grpc.listen",
        "face.nacos.listen",
        "face.zookeeper.listen",
        "cluster.listen",
        "http.listen",
        "registry.peers",
        "registry.self_preservation",
        "registry.wait_when_empty",
        "registry.self.app",
        "node.name",
        "txn.keep",
        "auth.mode",
        "log.format",
    ];
    let printed = run(command(&["config"]));
    assert_eq!(printed.code, 0, "{}", printed.err);
    for key in all {
        assert!(printed.out.contains(key), "`synod config` does not print {key}");
    }
    for default in
        ["127.0.0.1:8761", "127.0.0.1:8091", "127.0.0.1:36789", "127.0.0.1:36790", "127.0.0.1:8762"]
    {
        assert!(printed.out.contains(default), "`synod config` does not print the default {default}");
    }
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config.md");
    let docs = std::fs::read_to_string(docs).expect("docs/config.md is committed");
    for key in all {
        assert!(docs.contains(key), "docs/config.md lacks {key}");
    }
}

#[test]
fn health_says_live_and_ready_and_why_not_open() {
    let node = Synod::start(&[
        "registry.wait_when_empty=5m",
        "registry.peers=http://127.0.0.1:1/eureka/",
        "registry.self.register=false",
    ]);
    node.send(&Request::get("/health/live")).expect(200);
    node.send(&Request::get("/actuator/health")).expect(200);
    let ready = node.send(&Request::get("/health/ready")).expect(200);
    assert!(ready.json().to_string().contains("false"), "a closed registry is not told: {}", ready.text());
    node.send(&Request::get_json("/eureka/apps/")).expect(403);
    assert_eq!(node.send(&Request::get("/v1/registry")).expect(200).json()["open"], false);
    node.send(&Instance::new("EARLY", "e1").register()).expect(204);

    let open = Synod::start(&[]);
    open.send(&Request::get_json("/eureka/apps/")).expect(200);
    assert_eq!(open.send(&Request::get("/v1/registry")).expect(200).json()["open"], true);
    println!("ready {:?} after the start", open.started());
}

#[test]
fn metrics_follow_the_rules() {
    let node = Synod::start(&["registry.self.register=false"]);
    for number in 0..3 {
        node.send(&Instance::new(&format!("APP-{number}"), "m1").register()).expect(204);
    }
    let reply = node.send(&Request::get("/metrics")).expect(200);
    let text = reply.text();
    assert!(reply.header("Content-Type").is_some_and(|kind| kind.contains("text")), "{:?}", reply.headers);
    assert!(!text.contains("APP-"), "a label has values that clients choose");
    let names: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split(['{', ' ']).next().unwrap_or_default())
        .collect();
    assert!(names.len() > 10, "few metrics: {names:?}");
    for name in &names {
        // Boards that were made for Seata's own server look for the other name.
        let is_known = name.starts_with("synod_") || *name == "seata_transaction";
        assert!(is_known, "{name} does not start with synod_");
    }
    assert!((node.metric("synod_registry_instances{status=\"UP\"}") - 3.0).abs() < f64::EPSILON);
}

#[test]
fn sigterm_finishes_what_was_accepted() {
    let mut node = Synod::start(&[]);
    let instance = Instance::new("DRAIN", "d1");
    let request = instance.register().header("Expect", "100-continue");
    let body = request.body.clone().expect("a registration has a body");
    let bytes = request.bytes("127.0.0.1");
    let mut connection = node.connect();
    connection.write(&bytes[..bytes.len() - body.len()]).expect("it reads");
    let interim = connection.read_reply(false).expect("the node wants the body");
    assert_eq!(interim.status, 100);
    node.process().terminate();
    wait_until(Duration::from_secs(5), "the node accepts nobody any more", || {
        Connection::open(node.address()).and_then(|mut c| c.send(&Request::get("/health/live"))).is_err()
    });
    connection.write(&body).expect("it still reads");
    let reply = connection.read_reply(false).expect("what was accepted is answered");
    assert_eq!(reply.status, 204);
    let status = node.process().wait(Duration::from_secs(10));
    assert_eq!(status.code(), Some(0));
}

#[test]
fn idle_connections_do_not_delay_a_stop() {
    let mut node = Synod::start(&[]);
    let mut connections: Vec<Connection> = (0..50).map(|_| node.connect()).collect();
    for connection in &mut connections {
        connection.send(&Request::get("/health/live")).expect("it answers");
    }
    let mut half = TcpStream::connect(node.address()).expect("the node listens");
    half.write_all(b"GET /eureka/apps HTTP/1.1\r\nHost: x\r\n").expect("it reads");
    let took = node.stop();
    println!("stopped within {took:?} with 50 idle connections");
    assert!(took < Duration::from_secs(10));
}

#[test]
fn a_clean_stop_writes_the_registry_down() {
    let mut node = Synod::start(&["registry.snapshot_interval=1h", "registry.self.register=false"]);
    let instance = Instance::new("KEPT", "k1").meta("zone", "a");
    node.send(&instance.register()).expect(204);
    node.send(&Request::put(&instance.path("/status?value=OUT_OF_SERVICE"))).expect(200);
    node.stop();
    let node = node.restart();
    assert_eq!(node.list().status("KEPT", "k1"), Some("OUT_OF_SERVICE"));
    let found = node.send(&Request::get_json(&instance.path(""))).expect(200).json();
    assert_eq!(found["instance"]["metadata"]["zone"], "a");
}

#[test]
fn the_command_line_asks_a_node() {
    let node = Synod::start(&["registry.self.register=false"]);
    node.send(&Instance::new("CART", "cart-1").register()).expect(204);
    let url = format!("http://{}", node.address());
    for arguments in [vec!["services"], vec!["status"]] {
        let mut asked = command(&arguments);
        asked.args(["--json", "--server", &url]);
        let ended = run(asked);
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.err);
        let answer: Value = serde_json::from_str(&ended.out)
            .unwrap_or_else(|error| panic!("{arguments:?} --json printed no JSON ({error}): {}", ended.out));
        assert!(
            answer.to_string().contains(if arguments[0] == "services" { "CART" } else { "instances" }),
            "{answer}"
        );
    }
}

#[test]
fn logs_are_json_lines_when_asked() {
    let mut node = Synod::start(&["log.format=json", "registry.self.register=false"]);
    // What clients choose must neither break a line nor add one.
    let odd = Instance::new("LOGGED", "a\"b\\c {d}\u{e9}");
    node.send(&odd.register()).expect(204);
    node.stop();
    let log = node.process().log();
    let event = |line: &str| -> Value {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}"))
    };
    let events: Vec<Value> = log.lines().map(event).collect();
    for event in &events {
        let text = |key: &str| event[key].as_str().unwrap_or_else(|| panic!("no {key}: {event}"));
        let time = text("timestamp");
        assert!(time.len() > 20 && &time[10..11] == "T" && time.ends_with('Z'), "{event}");
        assert!(["ERROR", "WARN", "INFO"].contains(&text("level")), "{event}");
        assert!(!text("target").is_empty() && !text("message").is_empty(), "{event}");
    }
    let one = |message: &str| {
        let mut found = events.iter().filter(|event| event["message"] == message);
        let event = found.next().unwrap_or_else(|| panic!("no event \"{message}\" in\n{log}"));
        assert!(found.next().is_none(), "\"{message}\" twice in\n{log}");
        event
    };
    assert_eq!(one("ready")["addresses"], format!("http={}", node.address()));
    assert!(one("ready")["ready_ms"].is_u64(), "a number is a number: {}", one("ready"));
    let changed = one("registry changed");
    assert_eq!((&changed["change"], &changed["app"]), (&"registered".into(), &"LOGGED".into()));
    assert_eq!((&changed["instance"], &changed["status"]), (&odd.id.as_str().into(), &"UP".into()));
    assert!(changed["version"].is_u64(), "{changed}");
    assert_eq!(one("stopping")["signal"], "SIGTERM");
    one("stopped");
}

#[test]
fn errors_of_the_native_api_have_a_code() {
    let node = Synod::start(&[]);
    let reply = node.send(&Request::get("/v1/services/NOBODY")).expect(404);
    assert_eq!(reply.header("Content-Type"), Some("application/problem+json"));
    let problem = reply.json();
    let code = problem["code"].as_str().expect("a problem has a code");
    assert!(code.len() == 5 && code.starts_with('E'), "{problem}");
    assert_eq!(problem["status"], 404);
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/errors/{code}.md"));
    assert!(page.exists(), "{code} has no page in docs/errors");
    node.send(&Request::get("/v1/openapi.json")).expect(200).json();
}

#[test]
fn the_start_is_quick_and_small() {
    let node = Synod::start(&[]);
    let started = now();
    node.send(&Request::get("/health/ready")).expect(200);
    let memory = node.memory_bytes() / 1024;
    println!("ready after {:?}, answers in {:?}, {memory} KiB resident", node.started(), started.elapsed());
    // The release binary is measured by the benchmark; this one carries more.
    assert!(memory < 20 * 1024, "{memory} KiB resident while idle");
}

#[test]
fn the_log_is_shown_and_its_damage_is_named() {
    let mut node = Synod::start(&[]);
    let begin = Request::post_json("/v1/transactions", r#"{"gid": "shown", "mode": "tcc"}"#);
    node.send(&begin).expect(201);
    let data = node.data();
    let path = data.to_str().expect("the path is UTF-8");
    let inspect = |more: &[&str]| run(command(&[&["log", "inspect", path], more].concat()));
    // Also while the node runs.
    let running = inspect(&[]);
    assert_eq!(running.code, 0, "{}{}", running.out, running.err);
    node.stop();

    let records = inspect(&["--records", "--json"]);
    let lines: Vec<Value> =
        records.out.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let summary = lines.last().expect("there is a summary");
    assert_eq!((&summary["damaged"], &summary["unfinished"]), (&0.into(), &0.into()), "{summary}");
    assert!(summary["last_index"].as_u64() > Some(1) && summary["segments"][0]["batches"].as_u64() > Some(1));
    let holds_begin = |line: &&Value| line["holds"].as_str().is_some_and(|holds| holds.contains(": begin "));
    let entry = lines.iter().find(holds_begin).expect("the begin is in the log");
    assert_eq!(entry["kind"], "entry");

    let (file, offset) =
        (entry["file"].as_str().expect("a file"), entry["offset"].as_u64().expect("an offset"));
    let mut bytes = std::fs::read(file).expect("the segment is there");
    bytes[usize::try_from(offset).expect("it fits") + 40] ^= 1;
    std::fs::write(file, bytes).expect("it can be written");
    let damaged = inspect(&[]);
    assert_eq!(damaged.code, 3, "{}{}", damaged.out, damaged.err);
    assert!(
        damaged.out.contains(&format!("{file} @{offset} DAMAGED: the content of entry")),
        "{}",
        damaged.out
    );
    let refused = run(synod::serve(&data, &[]));
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(refused.err.contains(file) && refused.err.contains("is damaged at offset"), "{}", refused.err);
    assert_eq!(run(command(&["log", "inspect", "/nowhere"])).code, 1);
}
