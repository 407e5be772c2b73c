//! The table of rooms: which package may depend on which, and what may never reach it.
//!
//! ARCHITECTURE.md shows the same table with the reasons. A package without a row here is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::modules::Target;
use crate::process;

/// Rows of packages outside the product (load generators, this tool) and of rooms to come are here too:
/// a room is added by adding its row.
struct Room {
    package: &'static str,
    /// Packages of this workspace.
    rooms: &'static [&'static str],
    /// Packages of others, for the product itself (tests may use more); `None`: any that `never` does not name.
    others: Option<&'static [&'static str]>,
    /// What must not be reached, not even through others.
    never: &'static [&'static str],
}

const ASYNC: &[&str] = &["tokio", "hyper", "openraft", "tracing-subscriber"];
const SQL: &[&str] = &["sqlx", "sqlx-core", "tokio-postgres", "mysql_async", "rusqlite", "diesel"];

const ROOMS: &[Room] = &[
    Room { package: "synod-base", rooms: &[], others: Some(&["xxhash-rust"]), never: ASYNC },
    Room { package: "synod-ring", rooms: &[], others: Some(&["xxhash-rust"]), never: ASYNC },
    Room {
        package: "synod-core",
        rooms: &["synod-base"],
        others: Some(&["bytes", "smallvec", "thiserror"]),
        never: &["tokio", "serde", "serde_core", "rand", "tracing", "hyper", "openraft"],
    },
    Room {
        package: "synod-wire",
        rooms: &[],
        others: Some(&[
            "bytes",
            "bzip2",
            "flate2",
            "itoa",
            "lz4_flex",
            "prost",
            "quick-xml",
            "ruzstd",
            "serde",
            "serde_json",
            "thiserror",
            "xxhash-rust",
        ]),
        never: ASYNC,
    },
    Room {
        package: "synod-log",
        rooms: &["synod-base"],
        others: Some(&["bytes", "crc32c", "thiserror"]),
        never: ASYNC,
    },
    Room {
        package: "synod-replica",
        rooms: &["synod-base", "synod-core", "synod-log"],
        others: Some(&["bytes", "thiserror"]),
        never: ASYNC,
    },
    Room {
        package: "synod-server",
        rooms: &["synod-base", "synod-core", "synod-wire", "synod-log", "synod-replica", "synod-ring"],
        others: None,
        never: SQL,
    },
    Room { package: "synod", rooms: &["synod-base", "synod-server"], others: None, never: SQL },
    Room {
        package: "synod-client",
        // The databases are for its tests.
        rooms: &["synod-base", "synod-ring", "synod-scratch", "synod-wire"],
        others: None,
        never: &["openraft", "tracing-subscriber"],
    },
    Room {
        package: "synod-scratch",
        rooms: &[],
        others: Some(&["rustix", "tempfile", "thiserror"]),
        never: ASYNC,
    },
    Room { package: "synod-demo", rooms: &["synod-client", "synod-scratch"], others: None, never: &[] },
    Room {
        package: "synod-sim",
        rooms: &["synod-base", "synod-core", "synod-log", "synod-replica", "synod-wire"],
        others: None,
        never: ASYNC,
    },
    Room { package: "synod-e2e", rooms: &["synod-client", "synod-scratch"], others: None, never: &[] },
    Room {
        package: "synod-bench",
        // The databases are for what the SDK's modes cost there.
        rooms: &["synod-client", "synod-log", "synod-scratch", "synod-wire"],
        others: None,
        never: &[],
    },
    Room {
        package: "xtask",
        rooms: &[],
        others: Some(&[
            "prost",
            "prost-build",
            "protox",
            "public-api",
            "serde_json",
            "toml",
            "tonic-prost-build",
        ]),
        never: ASYNC,
    },
];

/// Every breach of the table in the output of `cargo metadata`: the manifest (relative to `root`) and a sentence. `is_built` says
/// whether a package that reaches another one there is really built with it.
pub(crate) fn breaches(
    root: &Path,
    metadata: &Value,
    is_built: impl Fn(&str, &str) -> bool,
) -> Vec<(String, String)> {
    let reach = Reach::new(metadata);
    let mut found = Vec::new();
    for package in members(metadata) {
        let name = text(package, "name");
        let manifest = relative(root, text(package, "manifest_path"));
        let mut tell = |sentence: String| found.push((manifest.clone(), sentence));
        let Some(room) = ROOMS.iter().find(|room| room.package == name) else {
            tell(format!("package {name} has no row in the table of rooms (xtask/src/tidy/rooms.rs)"));
            continue;
        };
        for dependency in array(package, "dependencies") {
            let (other, kind) = (text(dependency, "name"), text(dependency, "kind"));
            if dependency["path"].is_string() {
                if !room.rooms.contains(&other) {
                    tell(format!("{name} must not depend on {other}: its row allows {:?}", room.rooms));
                }
            } else if kind != "dev" && room.others.is_some_and(|allowed| !allowed.contains(&other)) {
                tell(format!(
                    "{name} must not depend on {other}: its row allows {:?}",
                    room.others.unwrap_or(&[])
                ));
            }
        }
        let reached = reach.from(text(package, "id"));
        let banned = reached.iter().filter(|other| room.never.contains(*other));
        for banned in banned.filter(|other| is_built(name, other)) {
            tell(format!(
                "{banned} reaches {name} through its dependencies, which the table of rooms forbids"
            ));
        }
    }
    found
}

/// Whether `package` is built with `other`. `cargo metadata` also counts the features that optional dependencies which nobody has
/// switched on would switch on; `cargo tree` resolves as a build does.
pub(crate) fn is_built(root: &Path, package: &str, other: &str) -> bool {
    let mut tree = process::cargo(root, &["tree", "--locked", "--target", "all", "--edges", "normal"]);
    let tree = process::capture(tree.args(["--prefix", "none", "--format", "{p}", "--package", package]));
    let is_other = |line: &str| line.split(' ').next() == Some(other);
    // Who cannot be asked is not believed.
    tree.map_or(true, |tree| tree.lines().any(is_other))
}

/// The root files of all crates in the workspace.
pub(crate) fn targets(root: &Path, metadata: &Value) -> Vec<Target> {
    let of_package = |package: &Value| -> Vec<Target> {
        let one = |target: &Value| Target {
            package: text(package, "name").to_owned(),
            path: relative(root, text(target, "src_path")).into(),
            test: array(target, "kind").iter().any(|kind| matches!(kind.as_str(), Some("test" | "bench"))),
        };
        array(package, "targets").iter().map(one).collect()
    };
    members(metadata).flat_map(of_package).collect()
}

fn members(metadata: &Value) -> impl Iterator<Item = &Value> {
    let members = array(metadata, "workspace_members");
    array(metadata, "packages").iter().filter(move |package| members.contains(&package["id"]))
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn relative(root: &Path, path: &str) -> String {
    Path::new(path).strip_prefix(root).unwrap_or(Path::new(path)).display().to_string()
}

/// Who depends on whom in the product (build and development dependencies left out), as cargo resolved it.
struct Reach<'a> {
    edges: BTreeMap<&'a str, Vec<&'a str>>,
    names: BTreeMap<&'a str, &'a str>,
}

impl<'a> Reach<'a> {
    fn new(metadata: &'a Value) -> Self {
        let normal = |dep: &&Value| array(dep, "dep_kinds").iter().any(|kind| kind["kind"].is_null());
        let edges = array(&metadata["resolve"], "nodes").iter().map(|node| {
            let deps = array(node, "deps").iter().filter(normal).map(|dep| text(dep, "pkg"));
            (text(node, "id"), deps.collect())
        });
        let names =
            array(metadata, "packages").iter().map(|package| (text(package, "id"), text(package, "name")));
        Self { edges: edges.collect(), names: names.collect() }
    }

    /// Names of all packages that `id` reaches.
    fn from(&self, id: &'a str) -> BTreeSet<&'a str> {
        let mut seen = BTreeSet::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            for next in self.edges.get(id).into_iter().flatten() {
                if seen.insert(*next) {
                    open.push(next);
                }
            }
        }
        seen.iter().filter_map(|id| self.names.get(id).copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A workspace of one package that depends on `path_dep` (ours) and `dep` (others'), which brings `tokio`.
    fn sentences(name: &str, path_dep: &str, dep: &str, kind: Value) -> Vec<String> {
        let normal = json!([{ "kind": null }]);
        let metadata = json!({
            "workspace_members": ["m"],
            "packages": [
                { "id": "m", "name": name, "manifest_path": "/r/crates/m/Cargo.toml", "targets": [], "dependencies": [
                    { "name": path_dep, "path": "/r/crates/x", "kind": null },
                    { "name": dep, "kind": kind },
                ]},
                { "id": "d", "name": dep }, { "id": "t", "name": "tokio" },
            ],
            "resolve": { "nodes": [
                { "id": "m", "deps": [{ "pkg": "d", "dep_kinds": [{ "kind": kind }] }] },
                { "id": "d", "deps": [{ "pkg": "t", "dep_kinds": normal }] },
            ]},
        });
        breaches(Path::new("/r"), &metadata, |_, _| true)
            .into_iter()
            .map(|(file, sentence)| format!("{file}: {sentence}"))
            .collect()
    }

    #[test]
    fn each_kind_of_breach_is_caught() {
        let normal = || Value::Null;
        assert_eq!(sentences("synod-core", "synod-base", "proptest", json!("dev")), [""; 0]);
        let caught = |sentences: Vec<String>, part: &str| {
            assert!(sentences.iter().any(|sentence| sentence.contains(part)), "{sentences:?}");
            assert!(sentences.iter().all(|sentence| sentence.starts_with("crates/m/Cargo.toml: ")));
        };
        caught(
            sentences("synod-core", "synod-base", "serde", normal()),
            "synod-core must not depend on serde",
        );
        caught(
            sentences("synod-core", "synod-wire", "bytes", normal()),
            "synod-core must not depend on synod-wire",
        );
        caught(sentences("synod-core", "synod-base", "bytes", normal()), "tokio reaches synod-core");
        caught(sentences("synod-news", "synod-base", "bytes", normal()), "no row in the table");
    }

    #[test]
    fn what_a_package_is_built_with_is_asked_of_cargo() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert!(is_built(root, "synod-core", "smallvec") && is_built(root, "synod-core", "synod-base"));
        assert!(!is_built(root, "synod-core", "tokio") && !is_built(root, "synod-core", "proptest"));
        assert!(is_built(root, "no-such-package", "tokio"));
    }

    #[test]
    fn a_client_and_the_simulator_never_see_the_server() {
        for package in ["synod-client", "synod-sim", "synod-e2e", "synod-demo"] {
            assert!(!sentences(package, "synod-server", "bytes", Value::Null).is_empty());
        }
    }
}
