//! Seata's own Java client, told step by step what to do.
//!
//! The program is `java/seata-client`: a resource manager and transaction manager whose sessions take a command a line. Each
//! session is a thread, as Seata ties a transaction to one; what TCC actions are called for comes as events.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::ChildStdin;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::Process;
use crate::tools;
use crate::wait::now;

/// Longest time for one answer: the client itself gives up a request after 30 s, and the first one waits for a JVM.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a client asks for a lock before it gives up, 10 ms between; 30 by default, which a busy machine may sleep through.
const LOCK_RETRIES: &str = "60";
/// How long a client since 1.6 waits for an answer; by default 30 s and 15 s, which is long for a server that was killed.
const REQUEST_MS: &str = "5000";

/// A release of Seata's Java client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeataVersion {
    /// As in `2.6.0`.
    pub number: &'static str,
    /// Maven's group, and the root of the Java packages.
    pub package: &'static str,
}

impl SeataVersion {
    /// The newest release.
    pub const NEWEST: Self = Self { number: "2.6.0", package: "org.apache.seata" };
    /// The oldest that is in wide use.
    pub const OLDEST: Self = Self { number: "1.4.2", package: "io.seata" };
    /// What lies between, one for each time the client's ways changed.
    const BETWEEN: [Self; 4] = [
        Self { number: "2.2.0", package: "org.apache.seata" },
        Self { number: "2.0.0", package: "io.seata" },
        Self { number: "1.8.0", package: "io.seata" },
        Self { number: "1.5.2", package: "io.seata" },
    ];

    /// Those between that a run tries: with `SYNOD_LONG` all.
    pub fn between() -> &'static [Self] {
        if std::env::var_os("SYNOD_LONG").is_some() { &Self::BETWEEN } else { &[] }
    }

    /// Whether it takes an answer to a commit that says the transaction was not committed for a failure. Older ones take
    /// every answer for success.
    pub fn minds_the_status(self) -> bool {
        !["1.4.2", "1.5.2"].contains(&self.number)
    }

    /// Whether Seata has published its serializer for protobuf, as until 2.0.0.
    pub fn has_protobuf(self) -> bool {
        self.package == "io.seata"
    }

    /// What it calls a rollback that is decided and goes on.
    pub fn of_a_retry(self) -> &'static str {
        if self.minds_the_status() { "Rollbacking" } else { "RollbackRetrying" }
    }

    /// Whether it says of a row that somebody else changed that its rollback has failed for good, as since 1.6. Older ones have
    /// it tried again for ever.
    pub fn calls_dirty_writes_final(self) -> bool {
        self.minds_the_status()
    }
}

impl fmt::Display for SeataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}", self.number)
    }
}

/// A command that was sent and may not have been answered yet.
#[derive(Clone, Copy, Debug)]
pub struct Ticket(u64);

/// A running client.
#[derive(Debug)]
pub struct SeataClient {
    version: SeataVersion,
    process: Process,
    input: ChildStdin,
    lines: Receiver<Value>,
    /// Answers nobody has asked for yet.
    answers: BTreeMap<u64, Value>,
    /// Calls of TCC actions that nobody has looked at yet.
    events: VecDeque<Value>,
    sent: u64,
    _home: TempDir,
}

impl SeataClient {
    /// Starts one as transaction manager and resource manager of `application`, for the server at `address`.
    ///
    /// # Panics
    /// It does not start in time.
    #[track_caller]
    pub fn start(version: SeataVersion, application: &str, address: SocketAddr) -> Self {
        Self::start_with(version, application, &[("service.default.grouplist", &*address.to_string())])
    }

    /// As [`SeataClient::start`] with these properties of Seata's client, which have to say where the server is.
    ///
    /// # Panics
    /// As [`SeataClient::start`].
    #[track_caller]
    pub fn start_with(version: SeataVersion, application: &str, properties: &[(&str, &str)]) -> Self {
        let mut client = Self::spawn_with(version, application, "both", properties);
        client.wait_ready();
        client
    }

    /// As [`SeataClient::start`] with the roles `tm`, `rm` or `both`, without waiting.
    ///
    /// # Panics
    /// It cannot be started.
    #[track_caller]
    pub fn spawn(version: SeataVersion, application: &str, roles: &str, address: SocketAddr) -> Self {
        Self::spawn_with(version, application, roles, &[("service.default.grouplist", &*address.to_string())])
    }

    #[track_caller]
    fn spawn_with(version: SeataVersion, application: &str, roles: &str, more: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().expect("a directory can be made");
        // For Seata's client a system property goes before its own files.
        let mut properties = vec![
            ("client.rm.lock.retryTimes", LOCK_RETRIES),
            ("transport.rpcTmRequestTimeout", REQUEST_MS),
            ("transport.rpcRmRequestTimeout", REQUEST_MS),
        ];
        properties.extend(more);
        let mut command = tools::seata_client(version.number, version.package, &properties);
        command.args([application, roles]);
        let mut process =
            Process::start(&format!("{application}, {version}"), command, &home.path().join("log"));
        let (input, output) = process.pipes();
        let (sender, lines) = sync_channel(1024);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(value).is_err() {
                    break;
                }
            }
        });
        let (answers, events) = (BTreeMap::new(), VecDeque::new());
        Self { version, process, input, lines, answers, events, sent: 0, _home: home }
    }

    /// Waits until it has registered.
    ///
    /// # Panics
    /// It has not in time.
    #[track_caller]
    pub fn wait_ready(&mut self) {
        let line = self.line(PATIENCE);
        assert!(line.is_some_and(|line| line["ready"] == true), "{} does not start", self.version);
    }

    /// Its release.
    pub const fn version(&self) -> SeataVersion {
        self.version
    }

    /// Sends a command to a session, which is made when it is new.
    ///
    /// # Panics
    /// The client is gone.
    #[track_caller]
    pub fn send(&mut self, session: &str, command: &[&str]) -> Ticket {
        self.sent += 1;
        let line = format!("{}\t{session}\t{}", self.sent, command.join("\t"));
        writeln!(self.input, "{line}").unwrap_or_else(|error| panic!("{} is gone: {error}", self.version));
        Ticket(self.sent)
    }

    /// Waits for the answer to a command, or for why it failed.
    ///
    /// # Errors
    /// What the client threw, with its causes.
    ///
    /// # Panics
    /// There is no answer in time.
    #[track_caller]
    pub fn answer(&mut self, ticket: Ticket) -> Result<Value, String> {
        let answer = self.answer_within(ticket, PATIENCE);
        answer.unwrap_or_else(|| panic!("{} does not answer within {PATIENCE:?}", self.version))
    }

    /// As [`SeataClient::answer`]; nothing when there is none after `limit`.
    ///
    /// # Panics
    /// The client is gone.
    #[track_caller]
    pub fn answer_within(&mut self, ticket: Ticket, limit: Duration) -> Option<Result<Value, String>> {
        let began = now();
        while !self.answers.contains_key(&ticket.0) {
            let line = self.line(limit.saturating_sub(began.elapsed()))?;
            self.sort(line);
        }
        let answer = self.answers.remove(&ticket.0)?;
        Some(match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer),
        })
    }

    /// Sends a command and waits for the answer, or for why it failed.
    ///
    /// # Errors
    /// As [`SeataClient::answer`].
    ///
    /// # Panics
    /// As [`SeataClient::answer`].
    #[track_caller]
    pub fn attempt(&mut self, session: &str, command: &[&str]) -> Result<Value, String> {
        let ticket = self.send(session, command);
        self.answer(ticket)
    }

    /// As [`SeataClient::attempt`], where the command has to succeed.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn ask(&mut self, session: &str, command: &[&str]) -> Value {
        self.attempt(session, command)
            .unwrap_or_else(|error| panic!("{}: {command:?} fails: {error}", self.version))
    }

    /// Begins a global transaction in a session; its xid.
    ///
    /// # Panics
    /// It cannot be begun.
    #[track_caller]
    pub fn begin(&mut self, session: &str, timeout: Duration) -> String {
        let answer = self.ask(session, &["begin", &timeout.as_millis().to_string(), "e2e"]);
        answer["xid"].as_str().unwrap_or_else(|| panic!("no xid in {answer}")).to_owned()
    }

    /// Runs a statement in a session.
    ///
    /// # Panics
    /// It fails.
    #[track_caller]
    pub fn sql(&mut self, session: &str, database: &str, statement: &str) -> Value {
        self.ask(session, &["sql", database, statement])
    }

    /// The next call of an action in phase two.
    ///
    /// # Panics
    /// There is none within `limit`.
    #[track_caller]
    pub fn event(&mut self, limit: Duration) -> Value {
        let began = now();
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            match self.line(limit.saturating_sub(began.elapsed())) {
                Some(line) => self.sort(line),
                None => panic!("{}: no call within {limit:?}", self.version),
            }
        }
    }

    /// The calls so far that nobody has looked at.
    pub fn events(&mut self) -> Vec<Value> {
        while let Ok(line) = self.lines.try_recv() {
            self.sort(line);
        }
        self.events.drain(..).collect()
    }

    fn sort(&mut self, line: Value) {
        match line["answer"].as_u64() {
            Some(number) => drop(self.answers.insert(number, line)),
            None => self.events.push_back(line),
        }
    }

    fn line(&self, limit: Duration) -> Option<Value> {
        self.lines.recv_timeout(limit).ok()
    }

    /// Kills it with SIGKILL.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}
