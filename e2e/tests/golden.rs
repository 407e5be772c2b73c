//! Transcripts of the real servers, replayed against a fresh node, and proof that the replay would notice a change.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::path::{Path, PathBuf};

use synod_e2e::golden::{Exchange, Mask, read, replay};
use synod_e2e::listing::Form;
use synod_e2e::{Request, Synod};

const FILES: [&str; 6] = [
    "basic.txt",
    "delta_sequence.txt",
    "operations.txt",
    "register_variants.txt",
    "replication.txt",
    "wait_window.txt",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn differences(file: &str, exchanges: &[Exchange], sets: &[&str]) -> Vec<String> {
    let node = Synod::start(&[&["registry.self.register=false"], sets].concat());
    let found = replay(node.address(), file, exchanges, &Mask::read(&folder()));
    if node.send(&Request::get("/v1/registry")).expect(200).json()["open"] == true {
        // Whatever was registered, every client can read the list.
        for form in Form::all() {
            let listing = form.decode(node.send(&form.request()));
            assert!(
                form.delta || listing.hash == listing.computed(),
                "{file}: {form:?} has another hash than its own"
            );
        }
    }
    found
}

#[track_caller]
fn check(file: &str, sets: &[&str]) {
    let exchanges = read(&folder().join(file));
    let found = differences(file, &exchanges, sets);
    println!("{file}: {} exchanges", exchanges.len());
    assert!(found.is_empty(), "{} differences\n{}", found.len(), found.join("\n"));
}

#[test]
fn basic() {
    check("basic.txt", &[]);
}

#[test]
fn delta_sequence() {
    check("delta_sequence.txt", &[]);
}

#[test]
fn operations() {
    check("operations.txt", &[]);
}

#[test]
fn register_variants() {
    check("register_variants.txt", &[]);
}

#[test]
fn replication() {
    check("replication.txt", &[]);
}

#[test]
fn wait_window() {
    // Port 1 refuses: a peer that answered without any instance.
    check("wait_window.txt", &["registry.wait_when_empty=5m", "registry.peers=http://127.0.0.1:1/eureka/"]);
}

#[test]
fn the_mask_has_no_leftovers() {
    let mask = Mask::read(&folder());
    for file in mask.files() {
        assert!(FILES.contains(&file), "mask.toml names {file}, which is not replayed");
    }
    for file in FILES {
        let leftovers = mask.leftovers(file, &read(&folder().join(file)));
        assert!(leftovers.is_empty(), "mask.toml names what {file} does not have: {leftovers:?}");
    }
}

/// Changes one thing of one exchange.
type Mutation = fn(&mut Exchange);

fn in_body(exchange: &mut Exchange, from: &str, to: &str) {
    assert!(exchange.reply.body.contains(from), "{} has no {from}", exchange.title);
    exchange.reply.body = exchange.reply.body.replacen(from, to, 1);
}

const MUTATIONS: [(&str, &str, Mutation); 9] = [
    ("a status code", "register json", |e| e.reply.status = 200),
    ("a status code of a refusal", "app 404", |e| e.reply.status = 400),
    ("a header's value", "get all json", |e| {
        e.reply.headers.insert("Content-Type".to_owned(), "application/json;charset=UTF-8".to_owned());
    }),
    ("a header", "get all json gzip", |e| drop(e.reply.headers.remove("Content-Encoding"))),
    ("a field's value in JSON", "inst json", |e| in_body(e, "\"status\":\"UP\"", "\"status\":\"DOWN\"")),
    ("a field's type in JSON", "inst json", |e| in_body(e, "\"@enabled\":\"true\"", "\"@enabled\":true")),
    ("a field's name in JSON", "get all json", |e| in_body(e, "overriddenStatus", "overriddenstatus")),
    ("a field's value in XML", "get all xml", |e| in_body(e, "UP_1_", "UP_2_")),
    ("an attribute in XML", "inst xml", |e| in_body(e, "<port enabled=\"true\">", "<port>")),
];

#[test]
fn a_mutation_of_one_thing_is_noticed() {
    let untouched = read(&folder().join("basic.txt"));
    for (what, title, mutate) in MUTATIONS {
        let mut mutant = untouched.clone();
        let exchange =
            mutant.iter_mut().find(|exchange| exchange.title == title).expect("the exchange exists");
        mutate(exchange);
        let found = differences("basic.txt", &mutant, &[]);
        assert_eq!(found.len(), 1, "{what} of `{title}` was changed, and these were found: {found:#?}");
        assert!(found[0].starts_with(&format!("basic.txt, {title}: ")), "{what}: {found:?}");
    }
}
