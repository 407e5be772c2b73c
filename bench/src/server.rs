//! The servers under test as child processes: started on a free port, waited for, measured, ended.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::clock;
use crate::load::connection::Connection;
use crate::process;

/// A JVM on two busy cores takes some seconds; more than this is a failure.
const START_MAX: Duration = Duration::from_secs(180);

/// Environment variable with the path of the binary under test, which is built otherwise.
pub(crate) const SYNOD_BIN: &str = "SYNOD_BIN";

/// Whose figures these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Synod,
    Java,
    Echo,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Synod => "synod",
            Self::Java => "java",
            Self::Echo => "echo",
        }
    }
}

/// What a row changes in the configuration of the servers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// Command line arguments of the Spring application.
    pub(crate) java: Vec<String>,
    /// `key=value` for `--set`.
    pub(crate) synod: Vec<String>,
}

/// A server that answers at [`Self::addr`] until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) addr: SocketAddr,
    /// From the start of the process until it answered.
    pub(crate) start_time: Duration,
    child: Child,
    directory: TempDir,
}

/// Ends the process and forgets its directory.
impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

impl Server {
    /// Starts `synod serve` on this port (0: any) and waits until it is ready.
    ///
    /// # Errors
    /// When it ends or does not get ready; the end of its log is in the error.
    pub(crate) fn synod(binary: &Path, port: u16, settings: &Settings) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let data = directory.path().join("data");
        let mut all = vec![format!("http.listen=127.0.0.1:{port}")];
        all.extend(
            ["face.seata", "face.dtm.http", "face.dtm.grpc", "grpc"].map(|face| format!("{face}.listen=off")),
        );
        all.extend_from_slice(&settings.synod);
        let command = synod_command(binary, &data, &all);
        let mut start = Start::spawn(Kind::Synod, command, directory)?;
        let mut addr = None;
        let ready = |at: SocketAddr| status_of(at, "/health/ready") == Some(200);
        start.wait(Duration::from_millis(1), || {
            addr = addr.or_else(|| bound_address(&data, "http"));
            addr.is_some_and(ready)
        })?;
        Ok(start.finish(addr.context("a ready server has an address")?))
    }

    /// Starts the Spring Cloud server of `e2e/java/eureka-server` on this port (0: a free one) and waits for its list.
    ///
    /// # Errors
    /// When it ends or does not answer; the end of its log is in the error.
    pub(crate) fn java(jar: &Path, port: u16, settings: &Settings) -> Result<Self> {
        let port = if port == 0 { free_port()? } else { port };
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new("java");
        command.arg("-jar").arg(jar).arg(format!("--server.port={port}"));
        // Without it Tomcat closes each connection after 100 requests: kinder to Java than its default.
        command.arg("--server.tomcat.max-keep-alive-requests=-1").args(&settings.java);
        let mut start = Start::spawn(Kind::Java, command, tempfile::tempdir()?)?;
        start.wait(Duration::from_millis(20), || status_of(addr, "/eureka/apps") == Some(200))?;
        Ok(start.finish(addr))
    }

    /// Starts this program as echo server for the recorded answer, see [`crate::echo`].
    ///
    /// # Errors
    /// When it does not say its address.
    pub(crate) fn echo(recorded: &[u8]) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let answer = directory.path().join("answer");
        std::fs::write(&answer, recorded)?;
        let mut command = Command::new(std::env::current_exe().context("the path of this program")?);
        command.arg("echo").arg("--answer").arg(&answer).stdout(Stdio::piped());
        let mut start = Start::spawn(Kind::Echo, command, directory)?;
        let stdout =
            start.child.as_mut().and_then(|child| child.stdout.take()).context("the echo server's output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let addr = line.trim().parse().with_context(|| format!("the echo server said {line:?}"))?;
        Ok(start.finish(addr))
    }

    /// The process, for what the kernel says of it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in MiB.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn resident_mib(&self) -> Result<f64> {
        process::resident_mib(self.child.id())
    }

    /// The end of what the server wrote, for an error.
    pub(crate) fn log_end(&self) -> String {
        log_end(self.directory.path())
    }
}

/// A port that is free now. Only where the number must be known before the server starts: a Spring server, peers.
///
/// # Errors
/// When the loopback interface has none.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A server process that does not answer yet.
struct Start {
    kind: Kind,
    begin: std::time::Instant,
    /// Taken when the start has succeeded; ended otherwise.
    child: Option<Child>,
    directory: Option<TempDir>,
}

impl Start {
    fn spawn(kind: Kind, mut command: Command, directory: TempDir) -> Result<Self> {
        let log = File::create(directory.path().join("log"))?;
        command.stdin(Stdio::null()).stderr(log.try_clone()?);
        if kind != Kind::Echo {
            command.stdout(log);
        }
        let begin = clock::now();
        let child = command.spawn().with_context(|| format!("starting {:?}", command.get_program()))?;
        Ok(Self { kind, begin, child: Some(child), directory: Some(directory) })
    }

    fn wait(&mut self, pause: Duration, ready: impl FnMut() -> bool) -> Result<()> {
        let child = self.child.as_mut().context("a start is waited for once")?;
        let directory = self.directory.as_ref().context("a start has a directory")?.path();
        wait_until_ready(child, (self.kind.name(), directory), (START_MAX, pause), ready)
    }

    fn finish(mut self, addr: SocketAddr) -> Server {
        let child = self.child.take().expect("only finish takes the child");
        let directory = self.directory.take().expect("only finish takes the directory");
        Server { kind: self.kind, addr, start_time: self.begin.elapsed(), child, directory }
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            end(child);
        }
    }
}

/// Waits until the child answers, asking each `pause`, for `limit` at most. Its name, and the end of the `log` in its directory,
/// are for the error.
///
/// # Errors
/// When it ends or does not get ready.
pub(crate) fn wait_until_ready(
    child: &mut Child,
    (name, directory): (&str, &Path),
    (limit, pause): (Duration, Duration),
    mut ready: impl FnMut() -> bool,
) -> Result<()> {
    let mut ended = None;
    let in_time = clock::wait_until(limit, pause, || {
        ended = child.try_wait().ok().flatten();
        ended.is_some() || ready()
    });
    if let Some(status) = ended {
        bail!("{name} ended with {status}:\n{}", log_end(directory));
    }
    ensure!(in_time, "{name} is not ready after {limit:?}:\n{}", log_end(directory));
    Ok(())
}

/// Ends a process at once, and waits for that.
pub(crate) fn end(child: &mut Child) {
    // Both fail only when the process is gone already.
    child.kill().ok();
    child.wait().ok();
}

/// What starts a node with its data here and these settings (`key=value`).
pub(crate) fn synod_command(binary: &Path, data: &Path, settings: &[String]) -> Command {
    let mut command = Command::new(binary);
    // Synod takes every SYNOD_* variable for configuration.
    command.env_remove(SYNOD_BIN).arg("serve").arg("--data").arg(data);
    for setting in settings {
        command.arg("--set").arg(setting);
    }
    command
}

/// Where the node with its data here listens for a protocol, once it does.
pub(crate) fn bound_address(data: &Path, protocol: &str) -> Option<SocketAddr> {
    let text = std::fs::read(data.join("addresses.json")).ok()?;
    let addresses: std::collections::BTreeMap<String, String> = serde_json::from_slice(&text).ok()?;
    addresses.get(protocol)?.parse().ok()
}

/// The status that a path is answered with; none when nobody answers.
pub(crate) fn status_of(addr: SocketAddr, path: &str) -> Option<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n");
    Connection::new(addr).exchange(request.as_bytes(), false).ok().map(|answer| answer.status)
}

/// The end of the file `log` in this directory.
pub(crate) fn log_end(directory: &Path) -> String {
    let log = std::fs::read(directory.join("log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// Where the programs under test are; none: that server is left out.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) synod: Option<PathBuf>,
    pub(crate) jar: Option<PathBuf>,
}

impl Programs {
    /// Finds or builds them: Synod by `SYNOD_BIN` or cargo, the Spring Cloud server by Maven.
    ///
    /// # Errors
    /// When a build fails.
    pub(crate) fn find(synod: bool, java: bool) -> Result<Self> {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("bench is a folder of the workspace")?;
        let synod = synod.then(|| find_synod(root)).transpose()?;
        let jar = java.then(|| find_java(root, "eureka-server", "eureka-server.jar")).transpose()?;
        Ok(Self { synod, jar })
    }
}

/// Synod by `SYNOD_BIN`, or built.
///
/// # Errors
/// When the build fails.
pub(crate) fn find_synod(root: &Path) -> Result<PathBuf> {
    let binary = if let Some(path) = std::env::var_os(SYNOD_BIN) {
        PathBuf::from(path)
    } else {
        build(root, "cargo", &["build", "--release", "--quiet", "-p", "synod"])?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        target.join("release/synod")
    };
    ensure!(binary.is_file(), "there is no {}", binary.display());
    Ok(binary)
}

/// What Maven makes in `target` of a project of `e2e/java`, made again when sources are newer.
///
/// # Errors
/// When the build fails.
pub(crate) fn find_java(root: &Path, project: &str, product: &str) -> Result<PathBuf> {
    let project = root.join("e2e/java").join(project);
    let product = project.join("target").join(product);
    let sources = newest(&[project.join("pom.xml"), project.join("src")]).context("the project is empty")?;
    let is_made =
        std::fs::metadata(&product).and_then(|made| made.modified()).is_ok_and(|made| made >= sources);
    if !is_made {
        build(&project, "mvn", &["--batch-mode", "--quiet", "package"])?;
        // Maven leaves a folder as old as it was when nothing in it changes.
        let made = File::open(&product).with_context(|| format!("there is no {}", product.display()))?;
        made.set_modified(sources)?;
    }
    Ok(product)
}

/// When anything in these files and folders was changed last.
fn newest(paths: &[PathBuf]) -> Option<SystemTime> {
    let changed = |path: &PathBuf| {
        let inside = std::fs::read_dir(path).into_iter().flatten().flatten();
        let inside: Vec<_> = inside.map(|entry| entry.path()).collect();
        newest(&inside).max(std::fs::metadata(path).and_then(|path| path.modified()).ok())
    };
    paths.iter().filter_map(changed).max()
}

/// Runs a program that builds something.
///
/// # Errors
/// When it fails.
pub(crate) fn build(directory: &Path, program: &str, arguments: &[&str]) -> Result<()> {
    let status = Command::new(program).args(arguments).current_dir(directory).status();
    let status = status.with_context(|| format!("starting {program}"))?;
    ensure!(status.success(), "{program} {} failed in {}", arguments.join(" "), directory.display());
    Ok(())
}
