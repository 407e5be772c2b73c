//! dtm's own clients against Synod: what their participants saw, what their callers were told and what is shown of the
//! transactions is what it was with dtm 1.19.0, except where `golden/dtm_clients.toml` says why not.
#![allow(
    clippy::print_stdout,
    clippy::panic,
    reason = "a run tells its figures, and a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use synod_e2e::process::Process;
use synod_e2e::{MariaDb, Postgres, Synod, now, tools};

/// All scenarios of one client; those that wait for a retry wait a few seconds each.
const PATIENCE: Duration = Duration::from_secs(240);

const NODE: [&str; 3] =
    ["registry.self.register=false", "face.dtm.http.listen=127.0.0.1:0", "face.dtm.grpc.listen=127.0.0.1:0"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deviations {
    deviation: Vec<Deviation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deviation {
    scenario: String,
    #[expect(dead_code, reason = "the reason is for people")]
    why: String,
    set: serde_json::Map<String, Value>,
}

/// The lines by scenario and transport.
type Lines = BTreeMap<String, Value>;

fn lines(text: &str) -> Lines {
    let row = |line: &str| -> Value {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}"))
    };
    let name = |row: &Value| {
        let word = |key: &str| row[key].as_str().expect("each line says what it is about").to_owned();
        format!("{}/{}", word("scenario"), word("transport"))
    };
    text.lines().map(row).map(|row| (name(&row), row)).collect()
}

/// What is expected on one transport.
fn expected(transport: &str) -> Lines {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("the file is committed");
    let mut lines = lines(&read("dtm_clients.jsonl"));
    let deviations: Deviations =
        toml::from_str(&read("dtm_clients.toml")).unwrap_or_else(|error| panic!("dtm_clients.toml: {error}"));
    for deviation in deviations.deviation {
        let line = lines
            .get_mut(&deviation.scenario)
            .unwrap_or_else(|| panic!("a deviation of {}, which does not exist", deviation.scenario));
        let before = line.clone();
        let fields = line.as_object_mut().expect("a line is an object");
        fields.extend(deviation.set);
        assert_ne!(before, *line, "the deviation of {} is none", deviation.scenario);
    }
    lines.retain(|name, _| name.ends_with(&format!("/{transport}")));
    lines
}

/// Runs a client to its end and returns what it printed.
#[track_caller]
fn run(name: &str, command: Command) -> Lines {
    let home = tempfile::tempdir().expect("a directory can be made");
    let began = now();
    let mut client = Process::start(name, command, &home.path().join("log"));
    let (_, mut output) = client.pipes();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let status = client.wait(PATIENCE);
    let text = reader.join().expect("the reader does not panic").expect("output is UTF-8");
    assert!(status.success(), "{name} ends with {status}: {}", client.log());
    let found = lines(&text);
    println!("{name}: {} scenarios in {:?}", found.len(), began.elapsed());
    found
}

#[track_caller]
fn compare(expected: &Lines, found: &Lines) {
    let mut differences = Vec::new();
    for name in expected.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
        let (wanted, got) = (expected.get(name), found.get(name));
        if wanted != got {
            let show = |line: Option<&Value>| line.map_or_else(|| "nothing".to_owned(), Value::to_string);
            differences.push(format!("{name}\n  expected {}\n  found    {}", show(wanted), show(got)));
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// Host and port of a face.
#[track_caller]
fn address(node: &Synod, face: &str) -> String {
    let addresses = node.addresses();
    addresses.get(face).unwrap_or_else(|| panic!("the node serves no {face}: {addresses:?}")).clone()
}

#[track_caller]
fn the_go_client(transport: &str) {
    let (postgres, mariadb, node) = (Postgres::start(), MariaDb::start(), Synod::start(&NODE));
    let expected = expected(transport);
    let mut command = tools::go("dtm-client");
    command.args(["--dtm-http", &address(&node, "dtm_http"), "--dtm-grpc", &address(&node, "dtm_grpc")]);
    command.args(["--postgres", &postgres.url(), "--mariadb", &mariadb.url(), "--parallel", "4"]);
    command.args(expected.keys());
    compare(&expected, &run("the Go client", command));
    let left =
        |rows: Vec<String>, what: &str| assert_eq!(rows, [""; 0], "{what} keeps prepared transactions");
    left(postgres.sql("select gid from pg_prepared_xacts"), "PostgreSQL");
    left(mariadb.sql("xa recover"), "MariaDB");
}

#[test]
fn the_go_client_over_http() {
    the_go_client("http");
}

#[test]
fn the_go_client_over_grpc() {
    the_go_client("grpc");
}

#[test]
fn the_python_client() {
    let node = Synod::start(&NODE);
    let mut command = tools::python_program("dtm_client.py");
    command.arg(address(&node, "dtm_http"));
    compare(&expected("python"), &run("the Python client", command));
}
