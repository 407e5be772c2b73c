//! seata-python 0.1 in AT mode over MariaDB: a client that shares no code with the Java one.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::io::{BufRead, BufReader};
use std::time::Duration;

use serde_json::{Value, json};
use synod_e2e::process::Process;
use synod_e2e::wait::now;
use synod_e2e::{Ledger, SeataServer, tools};

/// Longest time until the program has ended after its input.
const LEAVES: Duration = Duration::from_secs(10);

/// Runs the program on an account and one that it opens, up to the outcome; phase two needs it to stay.
#[track_caller]
fn run(server: &SeataServer, ledger: &Ledger, end: &str, number: u32) {
    let (began, home) = (now(), tempfile::tempdir().expect("a directory can be made"));
    let (address, database) = (server.address().to_string(), ledger.address());
    let mut command = tools::python_program("seata_client.py");
    command.args([
        &address,
        &database.ip().to_string(),
        &database.port().to_string(),
        end,
        &number.to_string(),
    ]);
    let mut process = Process::start("seata-python", command, &home.path().join("log"));
    let (input, output) = process.pipes();
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).expect("the client answers");
    let answer: Value = serde_json::from_str(&line).expect("an answer is JSON");
    let opened = number + 1;
    let took = if end == "commit" {
        assert_eq!(answer, json!({"code": "CommitDone"}));
        ledger.settles(&[(number, 130), (opened, 7)], &[])
    } else {
        assert_eq!(answer, json!({"code": "RollbackDone", "status": "Rollbacked"}));
        ledger.settles(&[(number, 100)], &[opened])
    };
    println!("{end}: {:?}, of it {took:?} for phase two", began.elapsed());
    drop(input);
    process.wait(LEAVES);
}

#[test]
fn transactions_commit_and_roll_back() {
    let (server, ledger) = (SeataServer::start(), Ledger::mariadb());
    for end in ["commit", "rollback"] {
        let [number] = ledger.accounts();
        let [_opened] = Ledger::numbers();
        run(&server, &ledger, end, number);
    }
}
