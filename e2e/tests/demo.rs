//! The demonstration, `synod-demo bank`: every mode with every fault, on real databases. That it can tell when money is lost is
//! shown by a database that steals some.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use synod_e2e::process::Process;
use synod_e2e::synod::Ended;
use synod_e2e::{MariaDb, Postgres, Request, http, synod, tools, wait_until};
use tempfile::TempDir;

/// Longest time for all modes with all faults.
const LIMIT: Duration = Duration::from_secs(120);

/// `SYNOD_DEMO_BIN`, or the one of the dev profile: it starts others and waits, so that it need not be fast.
fn demo(arguments: &[&str]) -> Command {
    let path = std::env::var_os("SYNOD_DEMO_BIN")
        .map_or_else(|| tools::target().join("debug/synod-demo"), PathBuf::from);
    assert!(path.exists(), "no demonstration; run `cargo build -p synod-demo` or set SYNOD_DEMO_BIN");
    let mut command = Command::new(path);
    command.arg("bank").args(arguments).env("SYNOD_BIN", synod::binary());
    command
}

struct Run {
    process: Process,
    reader: std::thread::JoinHandle<String>,
    home: TempDir,
}

impl Run {
    fn start(arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a directory can be made");
        let mut command = demo(arguments);
        command.current_dir(home.path()).env("TMPDIR", home.path());
        let mut process = Process::start("synod-demo", command, &home.path().join("stderr"));
        let (_, mut out) = process.pipes();
        let file = home.path().join("stdout");
        let reader = std::thread::spawn(move || {
            // What has come so far can be looked at while it runs.
            let (mut all, mut some) = (Vec::new(), [0; 4096]);
            while let Ok(count @ 1..) = out.read(&mut some) {
                all.extend_from_slice(&some[..count]);
                std::fs::write(&file, &all).expect("the directory is there");
            }
            String::from_utf8(all).expect("what is shown is text")
        });
        Self { process, reader, home }
    }

    fn so_far(&self) -> String {
        std::fs::read_to_string(self.home.path().join("stdout")).unwrap_or_default()
    }

    fn end(mut self) -> Ended {
        let status = self.process.wait(LIMIT);
        let out = self.reader.join().expect("the reader does not panic");
        eprintln!("{out}");
        Ended { code: status.code().unwrap_or(-1), out, err: self.process.log() }
    }
}

fn run(arguments: &[&str]) -> Ended {
    Run::start(arguments).end()
}

fn databases() -> (Postgres, MariaDb) {
    let other = std::thread::spawn(MariaDb::start);
    (Postgres::start(), other.join().expect("the message is above"))
}

#[test]
fn every_mode_keeps_its_promise_whatever_fails() {
    let (a, b) = databases();
    let ended = run(&["--fail", "all", "--bank-a", &a.url(), "--bank-b", &b.url()]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("24 of 24 transfers kept the promise"));
    assert!(!ended.out.contains('\x1b'), "no colours where there is no terminal");
    assert_eq!(a.sql("select gid from pg_prepared_xacts"), [""; 0]);
    assert_eq!(b.sql("xa recover"), [""; 0]);
    let tables = "select table_name from information_schema.tables where table_name like 'synod_demo%'";
    assert_eq!((a.sql(tables), b.sql(tables)), (vec![], vec![]), "what belongs to others is left as it was");
    // Each of the things that the faults are there to show.
    for seen in [
        "PREPARE TRANSACTION 'synod-demo:",
        "XA COMMIT 'synod-demo:",
        "is killed (kill -9)",
        "meanwhile bank A holds 400 (1 prepared), bank B holds 200 (1 prepared)",
        "meanwhile bank A holds 400 (100 frozen), bank B holds 200 (100 awaited)",
        "there was no try: does nothing, and takes none any more",
        "yes, that has committed here",
        "no, that has not committed here, and never will",
        "its answer is lost on the way",
        "has done that before: does nothing",
        "cannot submit, tries again",
    ] {
        assert!(ended.out.contains(seen), "not seen: {seen}");
    }
}

#[test]
fn stolen_money_is_noticed() {
    let a = Postgres::start();
    a.sql("create database other");
    let b = format!("postgres://synod@{}/other", a.address());
    a.sql(
        "create function steal() returns trigger language plpgsql as \
         $$ begin if new.balance < old.balance then new.balance := new.balance - 1; end if; return new; end $$; \
         create function plant() returns event_trigger language plpgsql as \
         $$ begin if to_regclass('synod_demo_account') is not null then create or replace trigger thief \
         before update on synod_demo_account for each row execute function steal(); end if; end $$; \
         create event trigger planter on ddl_command_end when tag in ('CREATE TABLE') execute function plant()",
    );
    for mode in ["xa", "tcc", "saga", "message"] {
        let ended = run(&["--mode", mode, "--bank-a", &a.url(), "--bank-b", &b]);
        assert_eq!(ended.code, 1, "{mode}: {}", ended.err);
        assert!(ended.out.contains("BROKEN: together they had 600, and now have 599"), "{mode}");
        assert!(ended.out.contains("0 of 1 transfers kept the promise"), "{mode}");
    }
}

#[test]
fn sqlite_does_for_all_modes_but_xa() {
    let ended = run(&["--sqlite", "--fail", "all"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("xa: not shown. XA needs databases that can prepare a transaction"));
    assert!(ended.out.contains("18 of 18 transfers kept the promise"));
}

#[test]
fn what_cannot_be_shown_is_said() {
    let ended = run(&["--sqlite", "--mode", "xa"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("SQLite cannot"), "{}", ended.err);
    let ended = run(&["--sqlite", "--synod", "http://127.0.0.1:1", "--fail", "coordinator"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("not ours to kill"), "{}", ended.err);
    let ended = run(&["--sqlite", "--synod", "http://127.0.0.1:1"]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("cannot reach 127.0.0.1:1"), "{}", ended.err);
}

/// Judged by what others see: SQL beside the demonstration, the link that it shows, and banks that are asked in any order.
#[test]
fn it_can_stay_to_be_looked_at_and_leaves_nothing_behind() {
    let (a, b) = databases();
    let mut run = Run::start(&["--mode", "xa", "--stay", "--bank-a", &a.url(), "--bank-b", &b.url()]);
    wait_until(LIMIT, "it stays", || {
        assert!(run.process.exit().is_none(), "it has left: {}", run.so_far());
        run.so_far().contains("Ctrl-C ends all")
    });
    let out = run.so_far();
    let link =
        out.split_whitespace().find(|word| word.contains("/ui/transactions/")).expect("a link is shown");
    let (address, id) = link.trim_start_matches("http://").split_once("/ui/transactions/").unwrap();
    let address = address.parse().unwrap();
    let page = http::send(address, &Request::get(&format!("/ui/transactions/{id}"))).expect(200);
    assert!(page.text().to_lowercase().contains("<html"));
    let seen = http::send(address, &Request::get(&format!("/v1/transactions/{id}"))).expect(200).json();
    assert_eq!(seen["status"], "committed");
    let xid = seen["xid"].as_str().unwrap();
    let accounts: [&dyn Fn() -> String; 2] = [
        &|| a.sql("select balance, frozen, incoming from synod_demo_account").concat().replace('|', " "),
        &|| {
            b.sql("select balance, frozen, incoming from bank.synod_demo_account").concat().replace('\t', " ")
        },
    ];
    for (branch, account) in accounts.into_iter().enumerate() {
        let url = seen["details"]["branches"][branch]["forward"]["url"].as_str().unwrap();
        let (bank, path) = url.trim_start_matches("http://").split_once('/').unwrap();
        let side = path.split('/').nth(1).unwrap();
        asked_in_any_order(&Bank { address: bank.parse().unwrap(), side }, xid, account);
    }
    assert_eq!(a.sql("select gid from pg_prepared_xacts"), [""; 0]);
    assert_eq!(b.sql("xa recover"), [""; 0]);
    let home = run.home.path().to_owned();
    run.process.terminate();
    assert_eq!(run.process.wait(Duration::from_secs(10)).code(), Some(0));
    assert!(http::try_send(address, &Request::get("/health/live")).is_err(), "the coordinator is gone");
    assert_eq!(a.sql("select to_regclass('synod_demo_account') is null"), ["t"]);
    let left = std::fs::read_dir(home).unwrap().flatten().filter(|entry| entry.path().is_dir());
    assert_eq!(left.count(), 0, "no scratch folder is left");
}

struct Bank<'a> {
    address: SocketAddr,
    side: &'a str,
}

impl Bank<'_> {
    fn ask(&self, step: &str, xid: &str) -> u16 {
        let request = Request::post_json(&format!("/xa/{}/{step}", self.side), "{\"amount\":100}");
        http::send(self.address, &request.header("synod-xid", xid).header("synod-branch", self.side)).status
    }
}

/// `committed` has committed at this bank; every other order of XA's steps.
fn asked_in_any_order(bank: &Bank<'_>, committed: &str, account: &dyn Fn() -> String) {
    assert_eq!(account(), "300 0 0");
    assert_eq!(bank.ask("commit", committed), 200, "a commit may be repeated");
    assert_eq!(bank.ask("rollback", committed), 500, "what has committed cannot be rolled back");
    assert_eq!(bank.ask("prepare", committed), 409, "nor be done again");
    assert_eq!(bank.ask("commit", "x:1:1"), 500, "what was never prepared cannot be committed");
    for _ in 0..2 {
        assert_eq!(bank.ask("rollback", "x:1:2"), 200, "what was never prepared is rolled back");
    }
    assert_eq!(bank.ask("prepare", "x:1:2"), 409, "and is not prepared when it comes late");
    assert_eq!(bank.ask("prepare", "x:1:3"), 200);
    assert_eq!(account(), "300 0 0", "what is prepared is not seen");
    // MariaDB lets go of it a moment after its connection was closed; until then the bank says that it has failed.
    wait_until(LIMIT, "it is rolled back", || bank.ask("rollback", "x:1:3") == 200);
    assert_eq!(bank.ask("rollback", "x:1:3"), 200, "a rollback may be repeated");
    assert_eq!(bank.ask("prepare", "x:1:3"), 409);
    assert_eq!(account(), "300 0 0");
    assert_eq!(bank.ask("prepare", "x'; drop table t"), 400, "an id that could be more than one");
}
