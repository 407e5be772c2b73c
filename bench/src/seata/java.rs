//! Seata's own client as load generator: the program `e2e/java/seata-client`, class `Load`, which takes a command a line and
//! answers each with a line of JSON.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;

use super::driver::{Drained, Driver, Window};
use super::work::Work;
use crate::server::end;

/// The load.
#[derive(Debug)]
pub(super) struct Java {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Drop for Java {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

impl Java {
    /// Starts a JVM and in it this many threads, each with one transaction under way.
    ///
    /// # Errors
    /// When the client does not start or the server does not take it.
    pub(super) fn start(jar: &Path, server: SocketAddr, work: Work, threads: usize) -> Result<Self> {
        let mut command = Command::new("java");
        command.arg(format!("-Dservice.default.grouplist={server}"));
        // Its log is of interest only when it fails; then the answer says why.
        command.arg("-Xmx1g").arg("-cp").arg(jar).arg("synod.e2e.Load").stderr(Stdio::null());
        command.arg(work.id()).arg(threads.to_string());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("starting java")?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.context("the pipes were asked for")?;
        let mut new = Self { child, input, output: BufReader::new(output) };
        new.answer::<bool>()?;
        Ok(new)
    }

    fn ask<T: DeserializeOwned>(&mut self, what: &str, time: Duration) -> Result<T> {
        writeln!(self.input, "{what} {}", time.as_millis()).context("the client is gone")?;
        self.answer()
    }

    fn answer<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("Seata's client ended");
        }
        serde_json::from_str(&line).with_context(|| format!("Seata's client says: {}", line.trim()))
    }
}

impl Driver for Java {
    fn measure(&mut self, time: Duration) -> Result<Window> {
        self.ask("measure", time)
    }

    fn drain(&mut self, limit: Duration) -> Result<Drained> {
        self.ask("drain", limit)
    }

    fn pid(&self) -> Option<u32> {
        Some(self.child.id())
    }
}
