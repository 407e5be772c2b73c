//! The real binary in a directory of its own.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::http::{self, Connection, Reply, Request};
use crate::listing::{Form, Listing};
use crate::process::Process;
use crate::small_disk;
use crate::tools;
use crate::wait::{now, wait_until};

/// Longest time from start to ready.
const START: Duration = Duration::from_secs(20);
/// Longest time from SIGTERM to the end, by contract.
const DRAIN: Duration = Duration::from_secs(10);

/// A running node.
#[derive(Debug)]
pub struct Synod {
    process: Process,
    address: SocketAddr,
    home: Arc<TempDir>,
    /// The data directory as it is seen from here.
    data: PathBuf,
    sets: Vec<String>,
    started: Duration,
}

/// What a command of the binary wrote and how it ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// The binary: `SYNOD_BIN`, or the one of the `e2e` profile.
pub fn binary() -> PathBuf {
    std::env::var_os("SYNOD_BIN").map_or_else(|| tools::target().join("e2e/synod"), PathBuf::from)
}

/// A command of the binary, without the environment's own settings.
///
/// # Panics
/// It has not been built.
pub fn command(arguments: &[&str]) -> Command {
    let path = binary();
    assert!(path.exists(), "no binary; run `cargo build --profile e2e -p synod` or set SYNOD_BIN");
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SYNOD_")) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

/// Runs a command of the binary to its end.
///
/// # Panics
/// It does not end within ten seconds.
#[track_caller]
pub fn run(mut command: Command) -> Ended {
    let home = tempfile::tempdir().expect("a directory can be made");
    command.current_dir(home.path());
    let log = home.path().join("stderr");
    let mut process = Process::start("synod", command, &log);
    let (_, mut pipe) = process.pipes();
    let reader = std::thread::spawn(move || {
        let mut out = String::new();
        pipe.read_to_string(&mut out).map(|_| out)
    });
    let status = process.wait(Duration::from_secs(10));
    let out = reader.join().expect("the reader does not panic").expect("output is UTF-8");
    Ended { code: status.code().unwrap_or(-1), out, err: process.log() }
}

impl Synod {
    /// Starts a node with `sets` (each `key=value`) in a new directory and waits until it is ready.
    ///
    /// # Panics
    /// It ends, or is not ready in time.
    #[track_caller]
    pub fn start(sets: &[&str]) -> Self {
        let home = Arc::new(tempfile::tempdir().expect("a directory can be made"));
        Self::start_in(home, sets.iter().map(|&set| set.to_owned()).collect())
    }

    #[track_caller]
    fn start_in(home: Arc<TempDir>, sets: Vec<String>) -> Self {
        let began = now();
        let mut node = Self::spawn_in(home, sets);
        node.wait_ready();
        node.started = began.elapsed();
        node
    }

    /// Starts a node without waiting, for nodes that need each other; then call [`Synod::wait_ready`].
    ///
    /// # Panics
    /// The program cannot be started.
    #[track_caller]
    pub fn spawn(sets: &[&str]) -> Self {
        let home = Arc::new(tempfile::tempdir().expect("a directory can be made"));
        Self::spawn_in(home, sets.iter().map(|&set| set.to_owned()).collect())
    }

    /// Starts a node on a file system of its own with room for `bytes`, and waits until it is ready. The file system goes with
    /// the process.
    ///
    /// # Panics
    /// It ends, or is not ready in time; or this machine does not let us mount anything.
    #[track_caller]
    pub fn start_on_small_disk(bytes: u64, sets: &[&str]) -> Self {
        let home = Arc::new(tempfile::tempdir().expect("a directory can be made"));
        let data = home.path().join("data");
        std::fs::create_dir(&data).expect("a directory can be made");
        let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
        let command = small_disk::command(&serve(&data, &sets), &data, bytes);
        let mut node = Self::start_command(home, data, sets, command);
        node.data = small_disk::seen_from_here(node.pid(), &node.data);
        node.wait_ready();
        node
    }

    fn spawn_in(home: Arc<TempDir>, sets: Vec<String>) -> Self {
        let data = home.path().join("data");
        std::fs::remove_file(data.join("addresses.json")).ok();
        let command = serve(&data, &sets);
        Self::start_command(home, data, sets, command)
    }

    fn start_command(home: Arc<TempDir>, data: PathBuf, sets: Vec<String>, command: Command) -> Self {
        let process = Process::start_logging("synod", command, &home.path().join("stderr"));
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { process, address: nowhere, home, data, sets, started: Duration::ZERO }
    }

    /// Waits for `addresses.json` and then for `/health/ready`.
    ///
    /// # Panics
    /// The node ends, or is not ready in time.
    #[track_caller]
    pub fn wait_ready(&mut self) {
        self.wait_bound();
        let address = self.address;
        let process = &mut self.process;
        wait_until(START, "/health/ready answers 200", || {
            assert!(process.exit().is_none(), "the node ended before it was ready");
            http::try_send(address, &Request::get("/health/ready")).is_ok_and(|reply| reply.status == 200)
        });
    }

    /// Waits for `addresses.json` only.
    ///
    /// # Panics
    /// The node ends, or does not write it in time.
    #[track_caller]
    pub fn wait_bound(&mut self) {
        let file = self.data().join("addresses.json");
        let process = &mut self.process;
        wait_until(START, "addresses.json is written", || {
            assert!(process.exit().is_none(), "the node ended before it listened");
            file.exists()
        });
        self.address = self.addresses()["http"].parse().expect("an address is host:port");
    }

    /// What `addresses.json` says.
    ///
    /// # Panics
    /// It is not an object of strings.
    #[track_caller]
    pub fn addresses(&self) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.data().join("addresses.json")).expect("the file is there");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("addresses.json is odd ({error}): {text}"))
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL as a Eureka client would write it.
    pub fn url(&self) -> String {
        format!("http://{}/eureka/", self.address)
    }

    /// From start to ready.
    pub const fn started(&self) -> Duration {
        self.started
    }

    /// The process.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Resident memory in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.process.memory_bytes()
    }

    /// A connection.
    ///
    /// # Panics
    /// It does not listen.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(self.address).expect("the node listens")
    }

    /// One request on its own connection.
    ///
    /// # Panics
    /// There is no answer.
    #[track_caller]
    pub fn send(&self, request: &Request) -> Reply {
        http::send(self.address, request)
    }

    /// The full list.
    ///
    /// # Panics
    /// There is none.
    #[track_caller]
    pub fn list(&self) -> Listing {
        let form = Form::default();
        form.decode(self.send(&form.request()).expect(200))
    }

    /// One number of `/metrics` by the beginning of its line.
    ///
    /// # Panics
    /// There is no such line.
    #[track_caller]
    pub fn metric(&self, line: &str) -> f64 {
        let text = self.send(&Request::get("/metrics")).expect(200).text();
        let found = text.lines().find_map(|other| other.strip_prefix(line)?.strip_prefix(' ')?.parse().ok());
        found.unwrap_or_else(|| panic!("no metric `{line}` in\n{text}"))
    }

    /// Kills it with SIGKILL.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// SIGTERM; it leaves with code 0 in time. Returns how long that took.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn stop(&mut self) -> Duration {
        let began = now();
        self.process.terminate();
        let status = self.process.wait(DRAIN);
        assert_eq!(status.code(), Some(0), "a clean stop ends with code 0");
        began.elapsed()
    }

    /// Starts again on the same address and data after [`Synod::kill9`] or [`Synod::stop`].
    ///
    /// # Panics
    /// It is not ready in time.
    #[track_caller]
    pub fn restart(self) -> Self {
        self.restart_with(&[])
    }

    /// The same with some settings changed.
    ///
    /// # Panics
    /// It is not ready in time.
    #[track_caller]
    pub fn restart_with(self, changed: &[&str]) -> Self {
        let (home, mut sets, address) = (Arc::clone(&self.home), self.sets.clone(), self.address);
        drop(self);
        // Of two values for one key the later one counts.
        sets.extend(changed.iter().map(|&set| set.to_owned()));
        Self::start_in(home, with_address(sets, address))
    }
}

/// The command that serves with `sets` on `data`, every listener but HTTP off unless they say otherwise.
pub fn serve(data: &Path, sets: &[String]) -> Command {
    let mut command = command(&["serve", "--data"]);
    command.arg(data);
    for set in ["http.listen=127.0.0.1:0", "registry.self.hostname=127.0.0.1"] {
        command.args(["--set", set]);
    }
    for off in
        ["face.seata", "face.dtm.http", "face.dtm.grpc", "face.nacos", "face.zookeeper", "grpc", "cluster"]
    {
        command.args(["--set", &format!("{off}.listen=off")]);
    }
    for set in sets {
        command.args(["--set", set]);
    }
    command
}

fn with_address(mut sets: Vec<String>, address: SocketAddr) -> Vec<String> {
    sets.retain(|set| !set.starts_with("http.listen="));
    sets.push(format!("http.listen={address}"));
    sets
}
