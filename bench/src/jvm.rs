//! A program of `e2e/java/seata-client` as load generator, which takes a command a line and answers each with a line of JSON.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;

use crate::server::end;

/// A JVM with Seata's own client in it, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Jvm {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Drop for Jvm {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

impl Jvm {
    /// Starts a class of the jar, and waits until it says true. `server` is where its coordinator is.
    ///
    /// # Errors
    /// When it does not start or the server does not take it.
    pub(crate) fn start(jar: &Path, server: SocketAddr, class: &str, arguments: &[String]) -> Result<Self> {
        let mut command = Command::new("java");
        command.arg(format!("-Dservice.default.grouplist={server}"));
        // Its log is of interest only when it fails; then the answer says why.
        command.arg("-Xmx1g").arg("-cp").arg(jar).arg(class).args(arguments).stderr(Stdio::null());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("starting java")?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.context("the pipes were asked for")?;
        let mut new = Self { child, input, output: BufReader::new(output) };
        new.answer::<bool>()?;
        Ok(new)
    }

    /// One command and its answer.
    ///
    /// # Errors
    /// When it has ended, or something has failed in it.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, command: &str) -> Result<T> {
        writeln!(self.input, "{command}").context("the client is gone")?;
        self.answer()
    }

    /// The process, for what the kernel says of it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn answer<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("Seata's client ended");
        }
        serde_json::from_str(&line).with_context(|| format!("Seata's client says: {}", line.trim()))
    }
}
