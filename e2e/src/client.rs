//! The clients of other languages, each a small program that takes a command a line and answers a JSON object a line.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::Process;
use crate::tools;

/// Longest time for one answer; the first one includes the start of a JVM.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running client.
#[derive(Debug)]
pub struct Client {
    /// Name for messages.
    pub name: &'static str,
    /// The application it registers.
    pub app: &'static str,
    /// The instance it registers.
    pub id: &'static str,
    process: Process,
    input: ChildStdin,
    answers: Receiver<Value>,
    _home: TempDir,
}

impl Client {
    /// `py-eureka-client`.
    pub fn python(url: &str) -> Self {
        let mut command = tools::python();
        command.args([url, "PYTHON", "python-1", "9101"]);
        Self::spawn("python", "PYTHON", "python-1", command)
    }

    /// `eureka-js-client` that fetches everything each time.
    pub fn js_full(url: &str) -> Self {
        let mut command = tools::node();
        command.args([url, "js-full", "js-full-1", "9102", "full"]);
        Self::spawn("js full", "JS-FULL", "js-full-1", command)
    }

    /// `eureka-js-client` in delta mode.
    pub fn js_delta(url: &str) -> Self {
        let mut command = tools::node();
        command.args([url, "js-delta", "js-delta-1", "9103", "delta"]);
        Self::spawn("js delta", "JS-DELTA", "js-delta-1", command)
    }

    /// Netflix's own client.
    pub fn netflix(url: &str) -> Self {
        let mut command = tools::java("netflix-client");
        command.args([url, "NETFLIX", "netflix-1"]);
        Self::spawn("netflix", "NETFLIX", "netflix-1", command)
    }

    /// A Spring Cloud application.
    pub fn spring(url: &str) -> Self {
        let mut command = tools::java("spring-client");
        command
            .arg("--spring.application.name=spring")
            .arg("--eureka.instance.instance-id=spring-1")
            .arg(format!("--eureka.client.service-url.defaultZone={url}"));
        Self::spawn("spring", "SPRING", "spring-1", command)
    }

    #[track_caller]
    fn spawn(name: &'static str, app: &'static str, id: &'static str, command: Command) -> Self {
        let home = tempfile::tempdir().expect("a directory can be made");
        let mut process = Process::start(name, command, &home.path().join("log"));
        let (input, output) = process.pipes();
        let (sender, answers) = sync_channel(16);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let answer = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(answer).is_err() {
                    break;
                }
            }
        });
        Self { name, app, id, process, input, answers, _home: home }
    }

    #[track_caller]
    fn answer(&self) -> Value {
        let answer = self
            .answers
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("the {} client does not answer within {PATIENCE:?}", self.name));
        assert!(
            answer.is_object() && answer.get("error").is_none(),
            "the {} client says {answer}",
            self.name
        );
        answer
    }

    /// Waits until it has started.
    ///
    /// # Panics
    /// It has not in time.
    #[track_caller]
    pub fn ready(&self) {
        let answer = self.answer();
        assert_eq!(answer["ready"], true, "the {} client says {answer}", self.name);
    }

    /// Sends a command and returns the answer.
    ///
    /// # Panics
    /// There is none in time, or it is an error.
    #[track_caller]
    pub fn ask(&mut self, command: &str) -> Value {
        writeln!(self.input, "{command}")
            .unwrap_or_else(|error| panic!("the {} client is gone: {error}", self.name));
        self.answer()
    }

    /// What it believes is registered: `APP/ID` to status.
    ///
    /// # Panics
    /// It does not answer.
    #[track_caller]
    pub fn list(&mut self) -> BTreeMap<String, String> {
        let answer = self.ask("list");
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let rows = answer["instances"].as_array().expect("the answer has a list");
        rows.iter()
            .map(|row| (format!("{}/{}", text(row, "app"), text(row, "id")), text(row, "status")))
            .collect()
    }

    /// What it counted of its own doings.
    ///
    /// # Panics
    /// It does not answer, or does not count that.
    #[track_caller]
    pub fn count(&mut self, what: &str) -> u64 {
        let counters = self.ask("counters");
        counters[what]
            .as_u64()
            .unwrap_or_else(|| panic!("the {} client does not count {what}: {counters}", self.name))
    }

    /// `APP/ID`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.app, self.id)
    }

    /// Deregisters and ends.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn leave(&mut self) {
        self.ask("leave");
        self.process.wait(Duration::from_secs(20));
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}
