//! `cargo xtask test`: every suite, one after the other, each against its budget, and a summary that hides nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::process::{Counts, now};
use crate::suites::{Run, SUITES, Suite};
use crate::{Outcome, need};

/// Over its budget a suite is warned of, over this many budgets it has failed, and is stopped a budget later.
const TOO_SLOW: u64 = 2;

/// What became of one suite.
struct Row {
    name: &'static str,
    counts: Counts,
    took: Duration,
    budget: Duration,
    error: Option<String>,
}

/// # Errors
/// Bad usage, something missing on the machine, or any suite failed.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Outcome {
    let suites = select(arguments)?;
    let budgets = budgets(root)?;
    let needs: Vec<_> = suites.iter().flat_map(|suite| suite.needs.iter().copied()).collect();
    need::ensure(&needs)?;
    let mut rows = Vec::new();
    for suite in suites {
        let row = run_one(root, suite, budgets[suite.name]);
        if let Some(error) = &row.error {
            println!("suite {} FAILED: {error}", suite.name);
        }
        rows.push(row);
    }
    for line in summary(&rows) {
        println!("{line}");
    }
    let failed = rows.iter().filter(|row| row.error.is_some()).map(|row| row.name).collect::<Vec<_>>();
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

fn run_one(root: &Path, suite: &'static Suite, budget: Duration) -> Row {
    println!("\n=== {} (budget {} s)", suite.name, budget.as_secs());
    let started = now();
    let deadline = started + budget * (TOO_SLOW as u32 + 1);
    let (mut counts, outcome) = (suite.run)(&Run { root, deadline });
    let took = started.elapsed();
    let error = outcome.err().or_else(|| complaint(suite.counted, counts, took, budget));
    if error.is_some() && counts.failed == 0 {
        // The suite itself is what failed: it did not compile, ran too long, or a check without tests said no.
        counts.failed = 1;
    }
    if error.is_none() && took > budget {
        println!("warning: {} took {} s; its budget is {} s", suite.name, took.as_secs(), budget.as_secs());
    }
    Row { name: suite.name, counts, took, budget, error }
}

/// Why a suite whose commands all succeeded has failed nevertheless.
fn complaint(counted: bool, counts: Counts, took: Duration, budget: Duration) -> Option<String> {
    if counts.failed > 0 {
        return Some(format!("{} tests failed", counts.failed));
    }
    if counts.skipped > 0 {
        return Some(format!("{} tests were skipped", counts.skipped));
    }
    if counted && counts.passed == 0 {
        return Some("it ran no test".to_owned());
    }
    let too_slow = took > budget * TOO_SLOW as u32;
    too_slow
        .then(|| format!("{} s are more than {TOO_SLOW} budgets of {} s", took.as_secs(), budget.as_secs()))
}

fn select(arguments: &[String]) -> Outcome<Vec<&'static Suite>> {
    let names = || SUITES.iter().map(|suite| suite.name).collect::<Vec<_>>().join(", ");
    let (mut long, mut only) = (false, Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--long" => long = true,
            "--only" => {
                only.push(rest.next().ok_or_else(|| format!("`--only` needs a suite: {}", names()))?.as_str())
            }
            other => {
                return Err(format!(
                    "unknown argument `{other}`; usage: cargo xtask test [--long] [--only SUITE]..."
                ));
            }
        }
    }
    if let Some(unknown) = only.iter().find(|name| !SUITES.iter().any(|suite| suite.name == **name)) {
        return Err(format!("no suite `{unknown}`; there are {}", names()));
    }
    let chosen = |suite: &&Suite| match only.as_slice() {
        [] => long || !suite.long,
        only => only.contains(&suite.name),
    };
    Ok(SUITES.iter().filter(chosen).collect())
}

/// Seconds for each suite on two cores, from `budget.toml`.
fn budgets(root: &Path) -> Outcome<BTreeMap<String, Duration>> {
    let text = std::fs::read_to_string(root.join("xtask/budget.toml"))
        .map_err(|error| format!("xtask/budget.toml is not readable: {error}"))?;
    let table: toml::Table = text.parse().map_err(|error| format!("xtask/budget.toml: {error}"))?;
    let one = |suite: &Suite| {
        let seconds =
            table.get(suite.name).and_then(toml::Value::as_integer).and_then(|n| u64::try_from(n).ok());
        let seconds =
            seconds.ok_or_else(|| format!("xtask/budget.toml has no seconds for `{}`", suite.name))?;
        Ok((suite.name.to_owned(), Duration::from_secs(seconds)))
    };
    SUITES.iter().map(one).collect()
}

fn summary(rows: &[Row]) -> Vec<String> {
    let mut total = Counts::default();
    let mut lines = vec![String::new(), "suite        passed   failed  seconds   budget".to_owned()];
    for row in rows {
        total.add(row.counts);
        let end = match &row.error {
            Some(_) => "  FAILED",
            None if row.took > row.budget => "  over budget",
            None => "",
        };
        lines.push(format!(
            "{:<10} {:>8} {:>8} {:>8.1} {:>8}{end}",
            row.name,
            row.counts.passed,
            row.counts.failed,
            row.took.as_secs_f64(),
            row.budget.as_secs()
        ));
    }
    let seconds: f64 = rows.iter().map(|row| row.took.as_secs_f64()).sum();
    lines.push(format!(
        "{} suites run, {} tests run, {seconds:.0} seconds",
        rows.len(),
        total.passed + total.failed
    ));
    lines.push(format!("{} passed, {} failed", total.passed, total.failed));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn arguments_choose_suites() {
        let names = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
            select(&arguments).map(|suites| suites.iter().map(|suite| suite.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["--only", "fmt", "--only", "tidy"]), Ok(vec!["tidy", "fmt"]));
        assert_eq!(names(&["--long"]).unwrap().len(), SUITES.len());
        assert!(names(&["--only"]).unwrap_err().contains("needs a suite"));
        assert!(names(&["--only", "speed"]).unwrap_err().contains("no suite `speed`"));
        assert!(names(&["--fast"]).unwrap_err().contains("unknown argument"));
    }

    #[test]
    fn a_suite_that_proves_nothing_has_failed() {
        let passed = Counts { passed: 1, ..Counts::default() };
        assert_eq!(complaint(true, passed, SECOND, SECOND), None);
        assert_eq!(complaint(false, Counts::default(), SECOND * 2, SECOND), None);
        assert!(complaint(true, Counts::default(), SECOND, SECOND).is_some());
        assert!(complaint(true, Counts { skipped: 1, ..passed }, SECOND, SECOND).is_some());
        assert!(complaint(true, Counts { failed: 1, ..passed }, SECOND, SECOND).is_some());
        assert!(complaint(true, passed, SECOND * 3, SECOND).is_some());
    }

    #[test]
    fn the_last_line_is_what_machines_read() {
        let row = |name, passed, failed, error: Option<&str>| Row {
            name,
            counts: Counts { passed, failed, skipped: 0 },
            took: SECOND,
            budget: SECOND,
            error: error.map(str::to_owned),
        };
        let lines = summary(&[row("unit", 5, 0, None), row("e2e", 2, 1, Some("why"))]);
        assert_eq!(lines[lines.len() - 2], "2 suites run, 8 tests run, 2 seconds");
        assert_eq!(lines[lines.len() - 1], "7 passed, 1 failed");
        assert!(lines[3].ends_with("FAILED"));
    }

    #[test]
    fn each_suite_has_a_budget() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert_eq!(budgets(root).map(|budgets| budgets.len()), Ok(SUITES.len()));
    }
}
