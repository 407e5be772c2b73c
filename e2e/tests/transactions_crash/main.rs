//! The real binary under load, stopped in the hardest ways and started again on the same data: what was acknowledged is
//! carried through, what was decided stays decided, and participants' own records agree.
//!
//! - `kill -9` at random moments: proves nothing about `fdatasync`, as the page cache survives it.
//! - A power cut: the node writes down what each completed `fdatasync` covered, and after `kill -9` everything else is set
//!   back to its old bytes, new names too. That this notices is shown by a node that leaves `fdatasync` out.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use synod_e2e::synod::{command, run};
use synod_e2e::wait::{epoch_ms, wait_for};
use synod_e2e::{Random, Synod};

mod promises;

use promises::{Work, contradiction};

/// After the last start everything that is open has to end within this time.
const HEAL: Duration = Duration::from_secs(40);
/// Least time of load before a kill.
const SHORT: Duration = Duration::from_millis(20);
/// Bytes of a saga or message, so that the log grows over more than one segment.
const PAYLOAD: usize = 2_000;
/// As many that the log takes a new segment, and a snapshot, within a second or two.
const LARGE_PAYLOAD: usize = 100_000;
/// The small segment is what makes new ones come into being within a short run.
const SETS: [&str; 6] = [
    "face.dtm.http.listen=127.0.0.1:0",
    "txn.retry=200ms",
    "registry.snapshot_interval=0s",
    "raft.segment_bytes=8MiB",
    "raft.snapshot_bytes=1MiB",
    "raft.keep_bytes=1MiB",
];

fn rounds(short: u64) -> u64 {
    if std::env::var_os("SYNOD_LONG").is_some() { 200 } else { short }
}

fn dtm(node: &Synod) -> SocketAddr {
    node.addresses()["dtm_http"].parse().expect("an address")
}

/// Lets clients work for a while, at least for `least`, and kills the node meanwhile.
fn load_and_kill(node: &mut Synod, work: &Work, random: &mut Random, least: Duration) {
    let (address, stop) = (dtm(node), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| work.load(address, &stop));
        // The moment of the kill is what the test is about.
        std::thread::sleep(least + Duration::from_millis(random.below(400) as u64));
        node.kill9();
        stop.store(true, Ordering::Relaxed);
    });
}

/// Waits until all promises are kept and nothing is open, and holds what was called against what must never be.
fn heal(node: &Synod, work: &Work) -> Duration {
    let (calls, took) = wait_for(HEAL, || {
        let unkept = work.unkept();
        if unkept.is_empty() { Ok(work.calls()) } else { Err(unkept[..unkept.len().min(5)].join("\n")) }
    });
    for (gid, calls) in &calls {
        contradiction(gid, calls);
    }
    let address = dtm(node);
    wait_for(HEAL, || {
        work.finish_workflows(address);
        let open = node.metric("synod_transactions_open");
        if open == 0.0 { Ok(()) } else { Err(format!("{open} transactions are still open")) }
    });
    took
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let (work, mut random) = (Work::new(PAYLOAD), Random::new(epoch_ms()));
    let mut node = Synod::start(&SETS);
    let rounds = rounds(8);
    for _ in 0..rounds {
        load_and_kill(&mut node, &work, &mut random, SHORT);
        node = node.restart();
    }
    let took = heal(&node, &work);
    let kept = work.promised().len() as u64;
    println!("{kept} promises kept over {rounds} kills, the last {took:?} after the last start");
    assert!(kept > rounds * 4, "too little was under way: {kept}");
}

/// A node that writes down what is not durable, and what lost its power so far.
struct Recorded {
    node: Synod,
    journal: PathBuf,
    /// Writes and names that were set back.
    undone: (u64, u64),
    _home: tempfile::TempDir,
}

impl Recorded {
    fn start(more: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a directory can be made");
        let journal = home.path().join("journal");
        let key = format!("raft.power_cut_journal={}", journal.display());
        let sets: Vec<&str> = SETS.into_iter().chain([key.as_str()]).chain(more.iter().copied()).collect();
        Self { node: Synod::start(&sets), journal, undone: (0, 0), _home: home }
    }

    /// Sets back what was not durable when the node was killed: with a seed, only a part of it. Returns which changes of names were
    /// under way.
    fn cut(&mut self, torn: Option<u64>) -> Vec<String> {
        let mut words = vec!["log".to_owned(), "power-cut".to_owned()];
        words.extend([self.node.data(), self.journal.clone()].map(|path| path.display().to_string()));
        words.extend(torn.map(|seed| format!("--torn={seed}")));
        let ended = run(command(&words.iter().map(String::as_str).collect::<Vec<_>>()));
        assert_eq!(ended.code, 0, "{}", ended.err);
        let undone: Value = serde_json::from_str(&ended.out).expect("it prints JSON");
        let count = |name: &str| undone[name].as_u64().expect("a number");
        self.undone = (self.undone.0 + count("writes"), self.undone.1 + count("names"));
        let under_way = undone["under_way"].as_array().expect("a list");
        under_way.iter().map(|change| change.as_str().expect("a text").to_owned()).collect()
    }

    fn restart(self) -> Self {
        Self { node: self.node.restart(), ..self }
    }
}

#[test]
fn what_was_acknowledged_survives_power_cuts() {
    let seed = epoch_ms();
    println!("seed {seed}");
    let (work, mut random) = (Work::new(PAYLOAD), Random::new(seed));
    let mut recorded = Recorded::start(&[]);
    let rounds = rounds(12);
    let mut snapshots = 0;
    for round in 0..rounds {
        // Whether a snapshot is due is looked at twice a second.
        let least = if round % 4 == 2 { Duration::from_secs(1) } else { SHORT };
        load_and_kill(&mut recorded.node, &work, &mut random, least);
        // Nothing survives, or any sector may.
        recorded.cut((round % 2 == 1).then_some(seed ^ round));
        snapshots = snapshots.max(newest_snapshot(&recorded.node.data()));
        recorded = recorded.restart();
    }
    let took = heal(&recorded.node, &work);
    let (kept, (writes, names)) = (work.promised().len() as u64, recorded.undone);
    println!(
        "{kept} promises kept over {rounds} power cuts, the last {took:?} after the last start; {writes} writes and \
         {names} names were set back; the newest snapshot holds {snapshots} entries"
    );
    assert!(kept > rounds * 4, "too little was under way: {kept}");
    assert!(writes > 0, "nothing was under way at any cut");
    assert!(snapshots > 0, "no snapshot was taken");
}

/// The last entry that a snapshot holds.
fn newest_snapshot(data: &Path) -> u64 {
    let files = std::fs::read_dir(data.join("log")).expect("there is a log").flatten();
    let number =
        |file: std::fs::DirEntry| file.file_name().to_str()?.strip_prefix("snap-")?.parse::<u64>().ok();
    files.filter_map(number).max().unwrap_or(0)
}

/// Files, told by their names.
type Kind = fn(&str) -> bool;

/// Lets clients work until there is a new file of a kind, and a moment longer; then kills the node.
fn load_until_file_and_kill(node: &mut Synod, work: &Work, kind: Kind, moment: Duration) {
    let (address, stop) = (dtm(node), AtomicBool::new(false));
    let before = names(&node.data());
    std::thread::scope(|scope| {
        scope.spawn(|| work.load(address, &stop));
        wait_for(HEAL, || {
            let now = names(&node.data());
            let is_new = now.difference(&before).any(|name| kind(name));
            if is_new { Ok(()) } else { Err(format!("there is no new file of the kind among {now:?}")) }
        });
        std::thread::sleep(moment);
        node.kill9();
        stop.store(true, Ordering::Relaxed);
    });
}

/// The files of the log.
fn names(data: &Path) -> BTreeSet<String> {
    let files = std::fs::read_dir(data.join("log")).expect("there is a log").flatten();
    files.filter_map(|file| file.file_name().into_string().ok()).collect()
}

/// Cuts at any moment hardly ever meet these: names are made durable in a millisecond. Here that takes longer, and the power goes when
/// such a file is seen.
#[test]
fn what_was_acknowledged_survives_power_cuts_amid_new_files() {
    let seed = epoch_ms();
    println!("seed {seed}");
    let (work, mut random) = (Work::new(LARGE_PAYLOAD), Random::new(seed));
    let mut recorded = Recorded::start(&["raft.power_cut_slow_names=60ms"]);
    let is_segment: Kind = |name| name.ends_with(".seg");
    let is_snapshot: Kind = |name| name.starts_with("snap-") && !name.ends_with(".tmp");
    let windows = [("create ", is_segment), ("rename snap-", is_snapshot)];
    let mut met = [0; 2];
    // Another flush of names may just have covered it: then that cut counts for nothing.
    for round in 0..rounds(8) {
        let at = (round % 2) as usize;
        let (change, kind) = windows[at];
        let moment = Duration::from_millis(random.below(30) as u64);
        load_until_file_and_kill(&mut recorded.node, &work, kind, moment);
        let under_way = recorded.cut((round % 4 > 1).then_some(seed ^ round));
        let is_it = |under_way: &String| {
            under_way.starts_with(change) && under_way.rsplit(' ').next().is_some_and(kind)
        };
        met[at] += u64::from(under_way.iter().any(is_it));
        recorded = recorded.restart();
    }
    let took = heal(&recorded.node, &work);
    let kept = work.promised().len();
    println!(
        "{kept} promises kept over power cuts, {} of them amid the making of a segment and {} amid the renaming of a snapshot; \
         the last {took:?} after the last start",
        met[0], met[1]
    );
    assert!(met.iter().all(|met| *met > 0), "too few cuts met what they aimed at: {met:?}");
}

/// If this held its promises, the test above would prove nothing.
#[test]
fn without_fdatasync_a_power_cut_is_noticed() {
    let (work, mut random) = (Work::new(PAYLOAD), Random::new(epoch_ms()));
    // The log is made with everything in order.
    let mut recorded = Recorded::start(&[]);
    recorded.node.stop();
    recorded.node = recorded.node.restart_with(&["raft.power_cut_skip_sync=true"]);
    load_and_kill(&mut recorded.node, &work, &mut random, SHORT);
    let promised = work.promised().len();
    assert!(promised > 5, "too little was under way: {promised}");
    recorded.cut(None);
    recorded.node = recorded.node.restart_with(&["raft.power_cut_skip_sync=false"]);
    wait_for(HEAL, || {
        work.finish_workflows(dtm(&recorded.node));
        let open = recorded.node.metric("synod_transactions_open");
        if open == 0.0 { Ok(()) } else { Err(format!("{open} transactions are still open")) }
    });
    let lost = work.unkept().len();
    println!("{lost} of {promised} promises were lost without fdatasync");
    assert!(lost > 0, "nothing was lost although nothing was durable");
}
