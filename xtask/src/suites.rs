//! The list of suites: what `cargo xtask test` runs, in this order. The list is the truth; nothing is probed for.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::need::{self, Need};
use crate::process::{Counts, cargo, count};
use crate::{Outcome, api, console, fuzz, tidy};

/// One run of the suites.
pub(crate) struct Run<'a> {
    pub root: &'a Path,
    /// When the present suite is stopped.
    pub deadline: Instant,
}

/// A suite of tests.
pub(crate) struct Suite {
    pub name: &'static str,
    /// Runs only with `--long` or when it is named.
    pub long: bool,
    /// Whether it runs tests that can be counted; such a suite has failed when it ran none.
    pub counted: bool,
    pub needs: &'static [Need],
    pub run: fn(&Run) -> (Counts, Outcome),
}

const fn check(name: &'static str, needs: &'static [Need], run: fn(&Run) -> (Counts, Outcome)) -> Suite {
    Suite { name, long: false, counted: false, needs, run }
}

const fn tests(name: &'static str, needs: &'static [Need], run: fn(&Run) -> (Counts, Outcome)) -> Suite {
    Suite { name, long: false, counted: true, needs, run }
}

/// The SDK with everything that it can do.
const FULL: &str = "--features=synod-client/full";

pub(crate) const SUITES: &[Suite] = &[
    check("tidy", &[need::GIT, need::NODE], |run| (Counts::default(), tidy::run(run.root))),
    check("fmt", &[], |run| run.cargo(&["fmt", "--all", "--check"])),
    check("clippy", &[], |run| {
        run.cargo(&["clippy", "--locked", "--workspace", FULL, "--all-targets", "--", "-D", "warnings"])
    }),
    check("api", &[], |run| (Counts::default(), api::check(run.root))),
    tests("unit", &[need::POSTGRES, need::MARIADB], |run| {
        run.cargo(&["test", "--locked", "--workspace", FULL, "--exclude", "synod-e2e", "--no-fail-fast"])
    }),
    tests("fuzz", &[need::CXX], |run| fuzz::run(run.root, 2)),
    tests("console", &[need::NODE, need::NPM, need::CHROMIUM], |run| {
        run.all(&mut [
            console::npm(run.root, &["ci"]),
            console::npm(run.root, &["run", "check"]),
            console::npm(run.root, &["run", "fresh"]),
            console::npm(run.root, &["test"]),
            cargo(run.root, &["build", "--locked", "--profile", "e2e", "-p", "synod"]),
            console::npm(run.root, &["run", "test:node"]),
        ])
    }),
    tests("e2e", E2E, e2e),
    Suite { long: true, ..tests("e2e-long", &[need::JAVA, need::MAVEN], e2e_long) },
    Suite { long: true, ..tests("log-long", &[], |run| run.long(&["-p", "synod-log"])) },
    Suite { long: true, ..tests("sim-long", &[], sim_long) },
    Suite { long: true, ..tests("fuzz-long", &[need::CXX], |run| fuzz::run(run.root, 60)) },
];

/// The languages of the clients, and the databases of the participants.
const E2E: &[Need] = &[
    need::NODE,
    need::NPM,
    need::PYTHON,
    need::PYTHON_VENV,
    need::JAVA,
    need::MAVEN,
    need::GO,
    need::POSTGRES,
    need::MARIADB,
];

/// All tests of `e2e/tests`, by name and in the workspace as a whole: so nothing is compiled again that the unit suite has, with other
/// features. Beside them programs that tests start: the demonstration, and examples of the SDK.
fn e2e(run: &Run) -> (Counts, Outcome) {
    let names = match test_names(&run.root.join("e2e/tests")) {
        Ok(names) => names,
        Err(error) => return (Counts::default(), Err(format!("e2e/tests: {error}"))),
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    end_to_end(run, &names, false)
}

/// These tests of `e2e/tests`, and what they start; those that can do more when there is time do so if `long`.
fn end_to_end(run: &Run, names: &[&str], long: bool) -> (Counts, Outcome) {
    let mut test = cargo(run.root, &["test", "--locked", "--workspace", FULL, "--no-fail-fast"]);
    test.args(names.iter().flat_map(|name| ["--test", name]));
    if long {
        test.env("SYNOD_LONG", "1");
    }
    run.all(&mut [
        cargo(run.root, &["build", "--locked", "--profile", "e2e", "-p", "synod"]),
        cargo(run.root, &["build", "--locked", "--workspace", FULL, "--bin", "synod-demo", "--examples"]),
        test,
    ])
}

/// What cargo calls the files and folders of a folder of tests.
fn test_names(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_test = path.extension().is_some_and(|end| end == "rs") || path.join("main.rs").exists();
        if let Some(name) = path.file_stem().and_then(|name| name.to_str()).filter(|_| is_test) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Thousands of seeds instead of a hundred.
fn sim_long(run: &Run) -> (Counts, Outcome) {
    let mut steps = [("seeds", "5000"), ("txn_seeds", "50000")].map(|(test, seeds)| {
        let mut step = cargo(run.root, &["test", "--locked", "--release", "-p", "synod-sim", "--test", test]);
        step.env("SYNOD_SIM_SEEDS", seeds);
        step
    });
    run.all(&mut steps)
}

/// Hundreds of kills and power cuts instead of a dozen, ten rounds with a Java server instead of one, ten minutes of chaos instead
/// of one, six releases of Seata's client instead of two.
fn e2e_long(run: &Run) -> (Counts, Outcome) {
    let names =
        ["transactions_crash", "java_peer", "demo", "seata_at", "seata_saga", "seata_tcc", "seata_xa"];
    end_to_end(run, &names, true)
}

impl Run<'_> {
    fn cargo(&self, arguments: &[&str]) -> (Counts, Outcome) {
        count(&mut cargo(self.root, arguments), self.deadline)
    }

    /// Tests that do more when they are told that there is time.
    fn long(&self, chosen: &[&str]) -> (Counts, Outcome) {
        let mut test = cargo(self.root, &["test", "--locked", "--no-fail-fast"]);
        test.args(chosen).env("SYNOD_LONG", "1");
        count(&mut test, self.deadline)
    }

    /// One step after the other; the first that fails ends the suite.
    fn all(&self, steps: &mut [Command]) -> (Counts, Outcome) {
        let mut counts = Counts::default();
        for step in steps {
            let (some, outcome) = count(step, self.deadline);
            counts.add(some);
            if outcome.is_err() {
                return (counts, outcome);
            }
        }
        (counts, Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name of theirs that another package has too would be run there once more.
    #[test]
    fn end_to_end_tests_have_names_of_their_own() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let own = test_names(&root.join("e2e/tests")).unwrap();
        assert!(own.iter().any(|name| name == "demo") && own.iter().any(|name| name == "transactions_crash"));
        for package in std::fs::read_dir(root.join("crates")).unwrap() {
            let folder = package.unwrap().path().join("tests");
            let others = if folder.exists() { test_names(&folder).unwrap() } else { Vec::new() };
            assert!(!others.iter().any(|name| own.contains(name)), "{}: {others:?}", folder.display());
        }
    }
}
