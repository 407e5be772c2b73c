//! The rules that one Rust file can break by itself: size, head, `unwrap`, and what a pure room must not name.

use std::ops::Range;

use super::modules::Source;
use super::{imports, scan};

pub(crate) const FILE_LINES: usize = 500;
pub(crate) const FUNCTION_LINES: usize = 70;

/// What is wrong with `source`: position in its text and a sentence. `faces` are the modules below `server::face`.
pub(crate) fn check(source: &Source, faces: &[String]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    head(source, &mut found);
    sizes(source, &mut found);
    words_banned(source, &mut found);
    if source.package == "synod-core" {
        pure(source, &mut found);
    }
    boundaries(source, faces, &mut found);
    found
}

type Found = Vec<(usize, String)>;

fn head(source: &Source, found: &mut Found) {
    let first = source.text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!"));
    if !first.is_some_and(|line| line.starts_with("//!")) {
        found.push((0, "the file does not begin with `//!` saying why it exists".to_owned()));
    }
}

fn sizes(source: &Source, found: &mut Found) {
    if source.text.contains("@generated") {
        return;
    }
    let lines = source.text.lines().count();
    if lines > FILE_LINES && !source.test {
        found.push((0, format!("{lines} lines; a file has at most {FILE_LINES}")));
    }
    for function in scan::functions(&source.masked) {
        let lines = function.last - function.first + 1;
        if lines > FUNCTION_LINES {
            let at = line_start(&source.text, function.first);
            found.push((
                at,
                format!("`{}` has {lines} lines; a function has at most {FUNCTION_LINES}", function.name),
            ));
        }
    }
}

fn line_start(text: &str, line: usize) -> usize {
    text.lines().take(line - 1).map(|line| line.len() + 1).sum()
}

fn words_banned(source: &Source, found: &mut Found) {
    let masked = &source.masked;
    for (at, _) in masked.match_indices("#[ignore") {
        found.push((at, "an ignored test is a test that does not exist: run it or delete it".to_owned()));
    }
    for word in [concat!("to", "do!"), concat!("unim", "plemented!")] {
        found.extend(
            scan::words(masked, word).map(|at| (at, format!("`{word}`: nothing is left unfinished"))),
        );
    }
    let tests = tests(source);
    for word in [".unwrap()", ".unwrap_err()"] {
        let outside =
            masked.match_indices(word).filter(|(at, _)| !tests.iter().any(|part| part.contains(at)));
        found.extend(
            outside.map(|(at, _)| (at, format!("`{word}` outside tests: say why it holds with `expect`"))),
        );
    }
}

fn tests(source: &Source) -> Vec<Range<usize>> {
    if source.test {
        std::iter::once(0..source.masked.len()).collect()
    } else {
        scan::test_parts(&source.masked)
    }
}

/// Roots and modules of `std` that the core never names: the world outside a function of (state, event, now).
const IMPURE: &[&str] = &[
    "tokio",
    "serde",
    "tracing",
    "rand",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::fs",
    "std::net",
    "std::env",
    "std::io",
    "std::process",
    "std::thread",
    "std::hash::RandomState",
    "std::collections::hash_map::RandomState",
];

fn pure(source: &Source, found: &mut Found) {
    let tests = tests(source);
    let is_test = |at: usize| tests.iter().any(|part| part.contains(&at));
    for import in imports::imports(source).into_iter().filter(|import| !is_test(import.at)) {
        let path = import.path.join("::");
        let banned = |word: &&&str| {
            path == **word || path.strip_prefix(**word).is_some_and(|rest| rest.starts_with("::"))
        };
        if let Some(word) = IMPURE.iter().find(banned) {
            found.push((
                import.at,
                format!("the core names `{word}`: time, chance and I/O are arguments there"),
            ));
        }
    }
    for word in ["print!", "println!", "eprintln!", "dbg!"] {
        let hits = scan::words(&source.masked, word).filter(|&at| !is_test(at));
        found.extend(hits.map(|at| (at, format!("the core uses `{word}`: it does no I/O"))));
    }
    for (map, parameters) in [("HashMap", 3), ("HashSet", 2)] {
        for at in scan::words(&source.masked, map).filter(|&at| !is_test(at)) {
            if has_random_state(&source.masked[at + map.len()..], parameters) {
                let sentence = format!(
                    "`{map}` with its random hasher: order differs between runs; take a B-tree or a fixed seed"
                );
                found.push((at, sentence));
            }
        }
    }
}

/// Whether what follows the name of a map means the standard library's random hasher: its constructors, which
/// exist for that hasher only, or a type with fewer `parameters` than one that names a hasher has.
fn has_random_state(after: &str, parameters: usize) -> bool {
    let after = after.trim_start();
    if let Some(method) = after.strip_prefix("::") {
        if let Some(generics) = method.strip_prefix('<') {
            return has_random_state(&format!("<{generics}"), parameters);
        }
        return ["new", "with_capacity", "from"]
            .iter()
            .any(|name| scan::words(method, name).next() == Some(0));
    }
    if !after.starts_with('<') {
        return false;
    }
    let (mut depth, mut count) = (0_usize, 1);
    for byte in after.bytes() {
        match byte {
            b'<' | b'(' | b'[' => depth += 1,
            b'>' | b')' | b']' if depth == 1 => break,
            b'>' | b')' | b']' => depth -= 1,
            b',' if depth == 1 => count += 1,
            _ => {}
        }
    }
    count < parameters
}

/// Borders inside a crate, which cargo does not see.
fn boundaries(source: &Source, faces: &[String], found: &mut Found) {
    let module: Vec<&str> = source.module.iter().map(String::as_str).collect();
    let other = match (source.package.as_str(), module.as_slice()) {
        ("synod-core", ["registry", ..]) => vec![vec!["crate", "txn"]],
        ("synod-core", ["txn", ..]) => vec![vec!["crate", "registry"]],
        ("synod-server", ["face", own, ..]) => {
            faces.iter().filter(|face| face != own).map(|face| vec!["crate", "face", face]).collect()
        }
        _ => return,
    };
    for import in imports::imports(source) {
        if let Some(other) = other.iter().find(|other| starts_with(&import.path, other)) {
            let (own, other) = (module.join("::"), other[1..].join("::"));
            found.push((import.at, format!("`{own}` names `{other}`: the two do not know each other")));
        }
    }
}

fn starts_with(path: &[String], start: &[&str]) -> bool {
    path.len() >= start.len() && path.iter().zip(start).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(package: &str, module: &str, text: &str) -> Vec<String> {
        let source = Source {
            package: package.to_owned(),
            module: module.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            test: false,
            path: "p.rs".into(),
            masked: scan::mask(text),
            text: text.to_owned(),
        };
        check(&source, &["eureka".to_owned(), "v1".to_owned()])
            .into_iter()
            .map(|(_, sentence)| sentence)
            .collect()
    }

    #[track_caller]
    fn catches(package: &str, module: &str, body: &str, part: &str) {
        let found = sentences(package, module, &format!("//! Why.\n{body}"));
        assert!(found.len() == 1 && found[0].contains(part), "{found:?} of {body}");
    }

    #[track_caller]
    fn passes(package: &str, module: &str, body: &str) {
        assert_eq!(sentences(package, module, &format!("//! Why.\n{body}")), [""; 0]);
    }

    #[test]
    fn the_head_and_the_sizes() {
        assert!(sentences("p", "", "fn f() {}")[0].contains("//!"));
        passes("p", "", &"\n".repeat(FILE_LINES - 1));
        catches("p", "", &"\n".repeat(FILE_LINES), "a file has at most");
        passes("p", "", &format!("// @generated\n{}", "\n".repeat(FILE_LINES)));
        catches("p", "", &format!("fn long() {{{}}}", "\n".repeat(FUNCTION_LINES)), "`long` has 71 lines");
        passes("p", "", &format!("fn long() {{{}}}", "\n".repeat(FUNCTION_LINES - 1)));
        passes("p", "", &format!("// @generated\nfn long() {{{}}}", "\n".repeat(FUNCTION_LINES)));
    }

    #[test]
    fn words_that_nothing_may_hold() {
        catches("p", "", "fn f() { x.unwrap(); }", "outside tests");
        passes("p", "", "#[cfg(test)]\nmod tests { fn f() { x.unwrap(); } }");
        passes("p", "", "/// `x.unwrap()`\nfn f() { \".unwrap()\"; }");
        catches("p", "", "#[ignore]\nfn f() {}", "ignored test");
        catches("p", "", concat!("fn f() { to", "do!() }"), "unfinished");
    }

    #[test]
    fn the_core_is_pure() {
        let core = |body| catches("synod-core", "registry", body, "the core");
        core("use std::time::Instant;");
        core("fn f() -> std::time::SystemTime { g() }");
        core("use serde::Serialize;");
        core("use std::{fmt, fs::File};");
        core("fn f() { tokio::spawn(g()) }");
        passes("synod-core", "registry", "use std::{fmt, collections::BTreeMap, time::Duration};");
        passes("synod-core", "registry", "#[cfg(test)]\nmod tests { use std::time::Instant; }");
        passes("synod-server", "clock", "use std::time::Instant;");
    }

    #[test]
    fn a_map_with_a_random_order_is_caught_and_one_with_a_hasher_is_not() {
        let map = |body| catches("synod-core", "registry", body, "random hasher");
        map("struct S { m: HashMap<String, Vec<(u8, u8)>> }");
        map("fn f() { let m = HashMap::new(); }");
        map("fn f() { let m = HashSet::<u8>::default(); }");
        passes(
            "synod-core",
            "registry",
            "use std::collections::HashMap;\nstruct S { m: HashMap<String, u8, Fixed> }",
        );
        passes("synod-core", "registry", "fn f() { let m = HashMap::with_hasher(Fixed); }");
    }

    #[test]
    fn borders_inside_a_crate() {
        catches("synod-core", "registry::lease", "use crate::txn::Xid;", "do not know each other");
        catches("synod-core", "txn", "use crate::{base, registry::lease};", "do not know each other");
        catches("synod-server", "face::eureka::map", "use super::super::v1::Page;", "do not know each other");
        passes("synod-server", "face::eureka::map", "use super::routes;\nuse crate::face::Face;");
        passes("synod-server", "net", "use crate::face::{eureka, v1};");
    }
}
