//! The coordinators that speak Seata's protocol, each with its data on the disk of `bench/out`.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::server::{
    bound_address, end, find_java, find_synod, free_port, log_end, status_of, synod_command, wait_until_ready,
};
use crate::{clock, process};

/// A JVM on two busy cores takes some seconds; more than this is a failure.
const START_MAX: Duration = Duration::from_secs(120);

/// Whose figures these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum System {
    /// Durable: `fdatasync` before the answer.
    Synod,
    /// Seata 2.0.0 on its file store as it comes: answers before the disk has anything.
    SeataAsync,
    /// The same, told to flush first (`store.file.flushDiskMode=sync`).
    SeataSync,
}

impl System {
    pub(crate) const ALL: [Self; 3] = [Self::Synod, Self::SeataAsync, Self::SeataSync];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Synod => "Synod",
            Self::SeataAsync => "Seata, file, async (not durable)",
            Self::SeataSync => "Seata, file, sync",
        }
    }

    /// Whether a power cut takes nothing that was acknowledged.
    pub(crate) fn is_durable(self) -> bool {
        self != Self::SeataAsync
    }

    /// Whether it has to be warmed, and so is not started for each row.
    pub(crate) fn is_java(self) -> bool {
        self != Self::Synod
    }
}

/// Where the programs under test are.
#[derive(Debug)]
pub(crate) struct Programs {
    synod: Option<PathBuf>,
    /// The directory with all jars of Seata's server.
    seata: Option<PathBuf>,
    /// The jar of the program on Seata's own client.
    pub(crate) client: Option<PathBuf>,
}

impl Programs {
    /// Finds or builds those that are wanted: Synod by `SYNOD_BIN` or cargo, Seata's by Maven.
    ///
    /// # Errors
    /// When a build fails.
    pub(crate) fn find(wants: impl Fn(System) -> bool, wants_client: bool) -> Result<Self> {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = bench.parent().context("bench is a folder of the workspace")?;
        let synod = wants(System::Synod).then(|| find_synod(root)).transpose()?;
        let seata = System::ALL.into_iter().any(|system| system.is_java() && wants(system));
        let seata = seata.then(|| find_java(root, "seata-server", "lib")).transpose()?;
        let client = || find_java(root, "seata-client", "2.6.0/seata-client.jar");
        let client = wants_client.then(client).transpose()?;
        Ok(Self { synod, seata, client })
    }
}

/// A coordinator that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Coordinator {
    pub(crate) system: System,
    /// Where Seata's protocol is spoken.
    pub(crate) address: SocketAddr,
    /// Where Synod's own API is.
    pub(crate) native: Option<SocketAddr>,
    /// From the start of the process until it served.
    pub(crate) ready_ms: f64,
    child: Child,
    directory: TempDir,
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

impl Coordinator {
    /// Starts one with nothing in it.
    ///
    /// # Errors
    /// When it does not get ready.
    pub(crate) fn start(system: System, programs: &Programs) -> Result<Self> {
        let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("out");
        std::fs::create_dir_all(&out)?;
        let directory = tempfile::tempdir_in(&out)?;
        if system.is_java() { seata(system, programs, directory) } else { synod(programs, directory) }
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
        process::resident_mib(self.pid())
    }

    /// Requests that made the disk write what it had in its cache, since the machine was started.
    pub(crate) fn flushes(&self) -> Option<u64> {
        process::flushes(self.directory.path())
    }

    /// Adds the end of the log to an error.
    ///
    /// # Errors
    /// Those of the result.
    pub(crate) fn explain<T>(&self, result: Result<T>) -> Result<T> {
        result.with_context(|| match log_end(self.directory.path()) {
            log if log.is_empty() => self.system.name().to_owned(),
            log => format!("{}, whose log ends with:\n{log}\n", self.system.name()),
        })
    }
}

fn synod(programs: &Programs, directory: TempDir) -> Result<Coordinator> {
    let program = programs.synod.as_ref().context("Synod was not asked for")?;
    let data = directory.path().join("data");
    let native = || bound_address(&data, "http");
    let listens = ["http.listen=127.0.0.1:0", "face.seata.listen=127.0.0.1:0"];
    let silent = ["face.dtm.http.listen=off", "face.dtm.grpc.listen=off", "grpc.listen=off"];
    let settings: Vec<String> = listens.into_iter().chain(silent).map(str::to_owned).collect();
    let command = synod_command(program, &data, &settings);
    let address = || {
        let is_ready = status_of(native()?, "/health/ready") == Some(200);
        if is_ready { bound_address(&data, "seata") } else { None }
    };
    let mut new = spawn(System::Synod, command, directory, Duration::from_millis(1), address)?;
    new.native = native();
    Ok(new)
}

/// As its scripts start it, but with a smaller heap, and it logs warnings only.
fn seata(system: System, programs: &Programs, directory: TempDir) -> Result<Coordinator> {
    let jars = programs.seata.as_ref().context("Seata's server was not asked for")?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let home = directory.path();
    let settings = [
        ("server.port", free_port()?.to_string()),
        ("seata.server.service-port", address.port().to_string()),
        ("seata.config.type", "file".into()),
        ("seata.registry.type", "file".into()),
        ("seata.store.mode", "file".into()),
        ("seata.store.file.dir", home.join("store").display().to_string()),
        ("seata.store.file.flush-disk-mode", if system.is_durable() { "sync" } else { "async" }.into()),
        ("logging.file.path", home.join("logs").display().to_string()),
        ("logging.level.io.seata", "warn".into()),
        // Its console does not start without.
        ("console.user.username", "seata".into()),
        ("console.user.password", "seata".into()),
        ("seata.security.secretKey", "secret".into()),
        ("seata.security.tokenValidityInMilliseconds", "1800000".into()),
    ];
    let mut command = Command::new("java");
    command.arg("-Xmx2g").args(settings.map(|(key, value)| format!("-D{key}={value}")));
    command.arg("-cp").arg(jars.join("*")).arg("io.seata.server.ServerApplication");
    let is_up = || TcpStream::connect(address).is_ok().then_some(address);
    spawn(system, command, directory, Duration::from_millis(20), is_up)
}

/// Starts it and waits until it has an address.
fn spawn(
    system: System,
    mut command: Command,
    directory: TempDir,
    pause: Duration,
    find: impl Fn() -> Option<SocketAddr>,
) -> Result<Coordinator> {
    let log = File::create(directory.path().join("log"))?;
    command.current_dir(directory.path()).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let begin = clock::now();
    let child = command.spawn().with_context(|| format!("starting {:?}", command.get_program()))?;
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut new = Coordinator { system, address, native: None, ready_ms: 0.0, child, directory };
    let mut found = None;
    let whose = (system.name(), new.directory.path());
    wait_until_ready(&mut new.child, whose, (START_MAX, pause), || {
        found = find();
        found.is_some()
    })?;
    new.address = found.context("a ready server has an address")?;
    new.ready_ms = begin.elapsed().as_secs_f64() * 1000.0;
    Ok(new)
}
