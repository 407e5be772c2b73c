//! Real processes on a real directory: one owner, `kill -9`, and power cuts that are made up from a journal.
//!
//! This test's own program is the child: with `SYNOD_LOG_CHILD` set, [`child`] does what it says.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use synod_base::rng::Rng;
use synod_log::disk::{Loss, RealDisk, Recording, power_cut};
use synod_log::{Batch, Helper, Log, OpenError, Settings};

use crate::common::{SEGMENT, trials};

const ROLE: &str = "SYNOD_LOG_CHILD";
const DIR: &str = "SYNOD_LOG_DIR";

fn settings() -> Settings {
    Settings {
        id: 5,
        segment_bytes: SEGMENT,
        first_segment_bytes: SEGMENT,
        helper: Helper::Thread,
        ..Settings::default()
    }
}

fn payload(index: u64) -> Vec<u8> {
    let mut rng = Rng::new(index);
    (0..rng.below(400)).map(|_| rng.next_u64() as u8).collect()
}

fn spawn(role: &str, dir: &Path) -> Child {
    let program = std::env::current_exe().unwrap();
    Command::new(program)
        .args(["--exact", "process::child", "--nocapture"])
        .env(ROLE, role)
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a child process does; nothing in the test's own process.
#[test]
fn child() {
    let (Ok(role), Some(dir)) = (std::env::var(ROLE), std::env::var_os(DIR)) else { return };
    let dir = Path::new(&dir);
    let data = dir.join("data");
    match role.as_str() {
        "open" => {
            let opened = Log::open(Arc::new(RealDisk::new(&data).unwrap()), settings());
            say(if matches!(opened, Err(OpenError::InUse { .. })) { "in use" } else { "mine" });
        }
        "write" | "write-without-sync" => {
            let recording = Recording {
                journal: dir.join("journal"),
                skip_sync: role != "write",
                ..Recording::default()
            };
            let disk = RealDisk::recording(&data, &recording).unwrap();
            write_for_ever(&mut Log::open(Arc::new(disk), settings()).unwrap());
        }
        other => panic!("no role {other}"),
    }
}

/// Not `println!`, which the test harness holds back.
fn say(line: &str) {
    let mut out = std::io::stdout();
    out.write_all(format!("\nchild: {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Writes until it is killed, and says what is durable after each batch. One slot repeats the last index.
fn write_for_ever(log: &mut Log) {
    let mut next = log.reader().range().end;
    let mut rng = Rng::new(next);
    loop {
        let mut batch = Batch::new();
        for _ in 0..=rng.below(4) {
            batch.entry(next, &payload(next)).unwrap();
            next += 1;
        }
        batch.slot(0, &next.to_le_bytes()).unwrap();
        if next > 500 && rng.percent(2) {
            batch.purge(next - 500);
        }
        log.write(&mut batch).unwrap();
        say(&next.to_string());
    }
}

/// Lets a child write until it has said `lines` lines, kills it, and returns the last index that it called durable.
fn write_and_kill(role: &str, dir: &Path, lines: usize) -> u64 {
    let mut child = spawn(role, dir);
    let mut acknowledged = 0;
    let mut seen = 0;
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    loop {
        line.clear();
        if output.read_line(&mut line).unwrap() == 0 {
            // Everything that it said before it died is read.
            break;
        }
        if let Some(next) = line.trim().strip_prefix("child: ") {
            acknowledged = next.parse().unwrap();
            seen += 1;
            if seen == lines {
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    assert!(seen >= lines, "the child ended by itself after {seen} lines");
    acknowledged
}

/// Whether everything is there up to `acknowledged`; otherwise what is missing.
fn check(dir: &Path, acknowledged: u64) -> Result<(), String> {
    let disk = RealDisk::new(&dir.join("data")).unwrap();
    let log = Log::open(Arc::new(disk), settings()).map_err(|error| error.to_string())?;
    let range = log.reader().range();
    if range.end < acknowledged {
        return Err(format!("the log ends at {}, acknowledged was {acknowledged}", range.end));
    }
    let entries = log.reader().entries(range.clone(), usize::MAX).map_err(|error| error.to_string())?;
    if entries.len() as u64 != range.end - range.start {
        return Err("entries are missing".to_owned());
    }
    if let Some(wrong) = entries.iter().find(|entry| entry.payload != payload(entry.index)) {
        return Err(format!("entry {} is another one", wrong.index));
    }
    let slot = log.reader().slot(0).map(|slot| slot.to_vec());
    if slot != Some(range.end.to_le_bytes().to_vec()) {
        return Err("the slot does not belong to the last batch".to_owned());
    }
    Ok(())
}

/// Rounds of writing, killing and cutting the power in one directory, until something is missing.
fn rounds(role: &str, seeds: std::ops::Range<u64>) -> Result<usize, String> {
    let dir = tempfile::tempdir().unwrap();
    let mut undone = 0;
    for seed in seeds {
        let mut rng = Rng::new(seed);
        let acknowledged = write_and_kill(role, dir.path(), 1 + rng.below(250) as usize);
        if rng.percent(30) {
            // The machine lives on, and the next child continues the journal.
            check(dir.path(), acknowledged).map_err(|lost| format!("round {seed}, killed: {lost}"))?;
            continue;
        }
        let loss = if rng.percent(50) { Loss::All } else { Loss::Torn(seed) };
        let set_back =
            power_cut::set_back(&dir.path().join("data"), &dir.path().join("journal"), loss).unwrap();
        undone += set_back.writes;
        check(dir.path(), acknowledged).map_err(|lost| format!("round {seed}, {loss:?}: {lost}"))?;
    }
    Ok(undone)
}

#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let disk = || Arc::new(RealDisk::new(&dir.path().join("data")).unwrap());
    let answer = || {
        let output = spawn("open", dir.path()).wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().find_map(|line| line.strip_prefix("child: ")).map(str::to_owned)
    };
    let log = Log::open(disk(), settings()).unwrap();
    assert_eq!(answer().as_deref(), Some("in use"));
    assert!(matches!(Log::open(disk(), settings()), Err(OpenError::InUse { .. })));
    drop(log);
    assert_eq!(answer().as_deref(), Some("mine"));
}

#[test]
fn what_was_acknowledged_survives_kills_and_power_cuts() {
    let undone = rounds("write", trials(12, 200)).unwrap();
    assert!(undone > 0, "no power cut undid anything: it cuts nothing");
}

/// The test above is worth something: without `fdatasync`, it fails.
#[test]
fn a_log_that_does_not_sync_is_found_out() {
    let lost = rounds("write-without-sync", 0..12).unwrap_err();
    assert!(lost.contains("round"), "{lost}");
}
