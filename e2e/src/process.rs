//! Child processes that never outlive their test and whose log is printed when the test fails.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

use crate::wait::now;

/// How much of a log is printed.
const LOG_TAIL: u64 = 12_000;

/// A running program.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// Whether its end is expected, so that its log need not be printed.
    ended: bool,
}

impl Process {
    /// Starts `command` with piped input and output, its standard error going to `log`.
    ///
    /// # Panics
    /// It cannot be started.
    #[track_caller]
    pub fn start(name: &str, mut command: Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("the log file can be made");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let child =
            command.spawn().unwrap_or_else(|error| panic!("cannot start {name} ({command:?}): {error}"));
        Self { name: name.to_owned(), child, log: log.to_owned(), ended: false }
    }

    /// As [`Process::start`], with standard output in the log too.
    ///
    /// # Panics
    /// It cannot be started.
    #[track_caller]
    pub fn start_logging(name: &str, mut command: Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("the log file can be made");
        let both = file.try_clone().expect("a file handle can be doubled");
        command.stdin(Stdio::null()).stdout(both).stderr(file);
        let child =
            command.spawn().unwrap_or_else(|error| panic!("cannot start {name} ({command:?}): {error}"));
        Self { name: name.to_owned(), child, log: log.to_owned(), ended: false }
    }

    /// Its input and output.
    ///
    /// # Panics
    /// They were taken before.
    pub fn pipes(&mut self) -> (ChildStdin, ChildStdout) {
        (self.child.stdin.take().expect("taken once"), self.child.stdout.take().expect("taken once"))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM.
    ///
    /// # Panics
    /// It is not running.
    pub fn terminate(&self) {
        let pid =
            i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id is positive");
        kill_process(pid, Signal::TERM).expect("the process is running");
    }

    /// Kills it with SIGKILL and waits for its end.
    ///
    /// # Panics
    /// It is not ours to kill.
    pub fn kill9(&mut self) {
        self.child.kill().expect("the process is ours");
        self.child.wait().expect("the process is ours");
        self.ended = true;
    }

    /// How it ended, if it did.
    ///
    /// # Panics
    /// It is not our child.
    pub fn exit(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("the process is ours");
        self.ended |= status.is_some();
        status
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// It still runs after `limit`.
    #[track_caller]
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let started = now();
        loop {
            if let Some(status) = self.exit() {
                return status;
            }
            assert!(started.elapsed() < limit, "{} still runs after {limit:?}", self.name);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Everything it wrote to its log.
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Resident memory in bytes.
    ///
    /// # Panics
    /// It is not running.
    pub fn memory_bytes(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process runs");
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a live process has a size");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("the size is a number");
        kib * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.ended {
            self.child.kill().ok();
            self.child.wait().ok();
        }
        if std::thread::panicking() {
            eprintln!("--- log of {} ({})\n{}\n---", self.name, self.log.display(), tail(&self.log));
        }
    }
}

fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_else(|error| error.to_string())
}

/// A port that nobody listens on, below those the system hands out by itself, for programs that need to know each
/// other's address before they start.
///
/// # Panics
/// There is none.
pub fn free_port() -> u16 {
    synod_scratch::free_port().expect("a port is free on 127.0.0.1")
}

/// Allows this process and those it starts so many open files.
///
/// # Panics
/// The machine does not allow it.
pub fn allow_files(wanted: u64) {
    let limits = getrlimit(Resource::Nofile);
    if limits.current.is_some_and(|current| current < wanted) {
        let maximum = limits.maximum.map(|maximum| maximum.max(wanted));
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).unwrap_or_else(|error| {
            panic!("{wanted} open files are not allowed here ({error}); raise `ulimit -Hn`")
        });
    }
}
