//! The example of the README: transfers between two banks while both the banks' process and Synod are killed.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use synod_e2e::process::{Process, free_port};
use synod_e2e::random::Random;
use synod_e2e::synod::Synod;
use synod_e2e::{Request, tools, wait_until};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);

/// The process of both banks, its databases and its output in `home`.
struct Banks {
    process: Process,
    home: TempDir,
    arguments: [(&'static str, String); 2],
}

fn start(home: &TempDir, arguments: &[(&'static str, String); 2], count: &str) -> Process {
    let path = std::env::var_os("SYNOD_BANK_BIN")
        .map_or_else(|| tools::target().join("debug/examples/bank"), PathBuf::from);
    assert!(path.exists(), "run `cargo build -p synod-client --all-features --example bank`");
    let mut command = Command::new(path);
    command.arg(count).current_dir(home.path()).envs(arguments.iter().map(|(name, value)| (name, value)));
    Process::start_logging("bank", command, &home.path().join("log"))
}

impl Banks {
    fn new(synod: &Synod) -> Self {
        let arguments =
            [("SYNOD", synod.address().to_string()), ("BANK", format!("127.0.0.1:{}", free_port()))];
        let home = tempfile::tempdir().expect("a directory can be made");
        Self { process: start(&home, &arguments, "1000000"), home, arguments }
    }

    fn restart(&mut self, count: &str) {
        self.process.kill9();
        self.process = start(&self.home, &self.arguments, count);
    }

    fn lines_with(&self, what: &str) -> usize {
        self.process.log().lines().filter(|line| line.contains(what)).count()
    }

    /// Waits until more transfers are done, whatever of them.
    fn wait_for_progress(&self) {
        let before = self.lines_with("is done");
        wait_until(LIMIT, "transfers are done", || self.lines_with("is done") >= before + 5);
    }
}

#[test]
fn nothing_is_lost_whatever_is_killed() {
    let rounds = if std::env::var_os("SYNOD_LONG").is_some() { 100 } else { 8 };
    let mut random = Random::new(7);
    let mut synod = Synod::start(&["txn.retry=100ms", "txn.retry_max=500ms"]);
    let mut banks = Banks::new(&synod);
    for round in 0..rounds {
        banks.wait_for_progress();
        // Somewhere within a transfer.
        std::thread::sleep(Duration::from_micros(random.next() % 20_000));
        match round % 3 {
            0 => banks.restart("1000000"),
            1 => {
                synod.kill9();
                synod = synod.restart();
            }
            _ => {
                synod.kill9();
                banks.restart("1000000");
                synod = synod.restart();
            }
        }
    }
    banks.wait_for_progress();
    banks.restart("0");
    wait_until(LIMIT, "all is settled", || {
        let log = banks.process.log();
        log.lines().last().is_some_and(|line| line.contains("together 600, held 0"))
    });
    wait_until(LIMIT, "no transaction is open", || {
        let summary = synod.send(&Request::get("/v1/transactions/summary")).expect(200).json();
        summary["open"] == 0
    });
}
