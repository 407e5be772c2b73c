//! Child processes: run quietly, run streaming, run streaming while counting tests, and never for ever.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use crate::Outcome;

/// What this machine is to rustc; the suites run on Linux.
pub(crate) const HOST: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };

/// Tests counted from the output of a test runner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub passed: u64,
    pub failed: u64,
    /// Ignored or skipped: told, and never taken for success.
    pub skipped: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// The clock of this tool; nothing else here reads one.
#[expect(
    clippy::disallowed_methods,
    reason = "the product takes time as an argument; this tool measures itself"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A `cargo` command in the repository's root.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root).args(arguments);
    // `cargo run` describes xtask's own package to us; a child that saw it would believe it is that package.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            command.env_remove(name);
        }
    }
    command
}

/// Runs with this process' own streams.
///
/// # Errors
/// The program cannot be started, or leaves with another code than 0.
pub(crate) fn stream(command: &mut Command) -> Outcome {
    let shown = show(command);
    let status = command.status().map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` failed: {status}")) }
}

/// Runs and returns what it wrote to stdout; stderr stays visible.
///
/// # Errors
/// The program cannot be started, leaves with another code than 0, or does not write UTF-8.
pub(crate) fn capture(command: &mut Command) -> Outcome<String> {
    let shown = show(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{shown}` failed: {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{shown}` wrote something else than UTF-8"))
}

/// Runs with stdout shown line by line and the test counts in it added up. At `deadline` the whole tree of
/// processes is killed.
pub(crate) fn count(command: &mut Command, deadline: Instant) -> (Counts, Outcome) {
    let shown = show(command);
    let mut child = match command.stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => return (Counts::default(), Err(format!("cannot start `{shown}`: {error}"))),
    };
    let (counts, in_time) = tee(&mut child, deadline);
    if !in_time {
        kill_tree(child.id());
    }
    let outcome = match child.wait() {
        _ if !in_time => Err(format!("`{shown}` was stopped: it ran far beyond its suite's budget")),
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` failed: {status}")),
        Err(error) => Err(format!("`{shown}` was lost: {error}")),
    };
    (counts, outcome)
}

fn tee(child: &mut Child, deadline: Instant) -> (Counts, bool) {
    let mut counts = Counts::default();
    let Some(output) = child.stdout.take() else { return (counts, true) };
    let (sender, lines) = sync_channel::<Vec<u8>>(64);
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(now())) {
            Ok(line) => {
                let line = String::from_utf8_lossy(&line);
                println!("{line}");
                counts.add(count_line(&line).unwrap_or_default());
            }
            Err(RecvTimeoutError::Timeout) => return (counts, false),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    // A closed stdout is not an end: wait for the process, within the same limit.
    while now() < deadline {
        if !matches!(child.try_wait(), Ok(None)) {
            return (counts, true);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    (counts, false)
}

/// The counts in one line of output: cargo's `test result: ok. 3 passed; 0 failed; …`, or the `pass 3`,
/// `fail 0` with which node's own runner ends.
pub(crate) fn count_line(line: &str) -> Option<Counts> {
    if let Some(rest) = line.trim_start().strip_prefix("test result: ") {
        let number = |word| before(rest, word);
        return Some(Counts {
            passed: number(" passed")?,
            failed: number(" failed")?,
            skipped: number(" ignored")?,
        });
    }
    let mut words = line.split_whitespace();
    let (mark, word, number) = (words.next()?, words.next()?, words.next()?);
    if !matches!(mark, "#" | "ℹ") || words.next().is_some() {
        return None;
    }
    let number = number.parse().ok()?;
    match word {
        "pass" => Some(Counts { passed: number, ..Counts::default() }),
        "fail" | "cancelled" => Some(Counts { failed: number, ..Counts::default() }),
        "skipped" => Some(Counts { skipped: number, ..Counts::default() }),
        _ => None,
    }
}

/// The number that stands directly before `word`.
fn before(text: &str, word: &str) -> Option<u64> {
    let digits = text[..text.find(word)?].rsplit(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Kills a process and all its descendants. They share our process group on purpose (so that Ctrl-C reaches
/// them), hence the walk through `/proc`.
fn kill_tree(pid: u32) {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name of the program is in parentheses and may hold anything; the parent is the second field after it.
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        children.entry(parent.unwrap_or(0)).or_default().push(child);
    }
    let mut doomed = vec![pid];
    let mut next = 0;
    while let Some(&parent) = doomed.get(next) {
        doomed.extend(children.remove(&parent).unwrap_or_default());
        next += 1;
    }
    let pids = doomed.iter().map(u32::to_string);
    if let Err(error) = Command::new("kill").arg("-9").args(pids).status() {
        println!("cannot kill process {pid} and its children: {error}");
    }
}

/// The command as a person would type it.
fn show(command: &Command) -> String {
    let program =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
    let shown = std::iter::once(program).chain(words).collect::<Vec<_>>().join(" ");
    if let Err(error) = std::io::stdout().flush() {
        return format!("{shown} (stdout: {error})");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64, skipped: u64) -> Option<Counts> {
        Some(Counts { passed, failed, skipped })
    }

    #[test]
    fn lines_of_the_test_runners_are_counted_and_no_others() {
        let cargo = "test result: FAILED. 12 passed; 3 failed; 4 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(count_line(cargo), counts(12, 3, 4));
        assert_eq!(count_line("ℹ pass 7"), counts(7, 0, 0));
        assert_eq!(count_line("# fail 2"), counts(0, 2, 0));
        assert_eq!(count_line("# skipped 1"), counts(0, 0, 1));
        assert_eq!(count_line("ℹ tests 9"), None);
        assert_eq!(count_line("# pass 2 of them"), None);
        assert_eq!(count_line("12 passed; 3 failed"), None);
        assert_eq!(count_line(""), None);
    }

    #[test]
    fn a_command_is_counted_and_its_failure_is_told() {
        let soon = now() + Duration::from_secs(20);
        let mut good = Command::new("sh");
        good.args(["-c", "echo 'test result: ok. 2 passed; 0 failed; 0 ignored;'; echo '# fail 1'"]);
        let (counts, outcome) = count(&mut good, soon);
        assert_eq!((counts, outcome), (Counts { passed: 2, failed: 1, skipped: 0 }, Ok(())));
        let (_, outcome) = count(Command::new("sh").args(["-c", "exit 3"]), soon);
        assert!(outcome.unwrap_err().contains("exit status: 3"));
        let (_, outcome) = count(&mut Command::new("no-such-program-here"), soon);
        assert!(outcome.unwrap_err().contains("cannot start"));
    }

    #[test]
    fn what_runs_too_long_is_killed_with_its_children() {
        let started = now();
        let mut hung = Command::new("sh");
        hung.args(["-c", "sleep 60 & sleep 60; true"]);
        let (_, outcome) = count(&mut hung, started + Duration::from_millis(200));
        assert!(outcome.unwrap_err().contains("was stopped"));
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}
