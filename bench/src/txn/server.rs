//! The coordinators under test, each with its data on the disk of `bench/out`, and killed and started again where a row
//! asks for it.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::server::{build, end, find_synod, free_port, log_end, status_of, synod_command, wait_until_ready};
use crate::{clock, process};

/// More than this is a failure.
const START_MAX: Duration = Duration::from_secs(60);

/// Whose figures these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum System {
    /// Durable: `fdatasync` before the answer.
    Synod,
    /// dtm 1.19.0 with its default store.
    DtmBoltdb,
    /// dtm 1.19.0 with Redis, which appends to a file that is synced every second.
    DtmRedis,
    /// An echo server: the limit of the network.
    Echo,
    /// A bare file: the limit of the disk.
    Disk,
}

impl System {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Synod => "Synod",
            Self::DtmBoltdb => "dtm, boltdb",
            Self::DtmRedis => "dtm, Redis (everysec)",
            Self::Echo => "echo server (limit)",
            Self::Disk => "bare file (limit)",
        }
    }

    /// What a power cut takes.
    pub(super) fn loses(self) -> &'static str {
        match self {
            Self::Synod | Self::DtmBoltdb | Self::Disk => "nothing",
            Self::DtmRedis => "the last second",
            Self::Echo => "–",
        }
    }
}

/// Where the programs under test are.
#[derive(Debug)]
pub(super) struct Programs {
    synod: Option<PathBuf>,
    dtm: Option<PathBuf>,
}

impl Programs {
    /// Finds or builds those that are wanted: Synod by `SYNOD_BIN` or cargo, dtm by Go.
    ///
    /// # Errors
    /// When a build fails.
    pub(super) fn find(wants: impl Fn(System) -> bool) -> Result<Self> {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = bench.parent().context("bench is a folder of the workspace")?;
        let synod = wants(System::Synod).then(|| find_synod(root)).transpose()?;
        let dtm = wants(System::DtmBoltdb) || wants(System::DtmRedis);
        let dtm = dtm.then(|| find_dtm(bench)).transpose()?;
        Ok(Self { synod, dtm })
    }
}

fn find_dtm(bench: &Path) -> Result<PathBuf> {
    let binary = bench.join("out/dtm/dtm");
    if !binary.is_file() {
        let output = binary.to_str().context("the path of the checkout is no text")?;
        let arguments = ["build", "-mod=mod", "-o", output, "github.com/dtm-labs/dtm"];
        build(&bench.join("dtm"), "go", &arguments)?;
    }
    ensure!(binary.is_file(), "there is no {}", binary.display());
    Ok(binary)
}

/// A coordinator that runs until it is dropped.
#[derive(Debug)]
pub(super) struct Coordinator {
    system: System,
    program: PathBuf,
    /// Where dtm's protocol is spoken.
    pub(super) dtm: SocketAddr,
    /// Where Synod's own API is.
    pub(super) native: SocketAddr,
    child: Option<Child>,
    redis: Option<(Child, u16)>,
    directory: TempDir,
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.child.iter_mut().for_each(end);
        if let Some((redis, _)) = &mut self.redis {
            end(redis);
        }
    }
}

impl Coordinator {
    /// Starts one with nothing in it.
    ///
    /// # Errors
    /// When it does not get ready.
    pub(super) fn start(system: System, programs: &Programs) -> Result<Self> {
        let program = match system {
            System::Synod => &programs.synod,
            System::DtmBoltdb | System::DtmRedis => &programs.dtm,
            System::Echo | System::Disk => bail!("a limit is no coordinator"),
        };
        let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("out");
        std::fs::create_dir_all(&out)?;
        let directory = tempfile::tempdir_in(&out)?;
        let port = || free_port().map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut new = Self {
            system,
            program: program.clone().context("its program was not asked for")?,
            dtm: port()?,
            native: port()?,
            child: None,
            redis: None,
            directory,
        };
        if system == System::DtmRedis {
            new.redis = Some(new.start_redis()?);
        }
        new.spawn()?;
        new.wait_until_ready()?;
        Ok(new)
    }

    /// Kills it as `kill -9` does; what holds its data, where that is another process, goes on.
    pub(super) fn kill(&mut self) {
        self.child.iter_mut().for_each(end);
        self.child = None;
    }

    /// Starts it again on the same data and the same ports. Returns when it was started and how long it took to get ready.
    ///
    /// # Errors
    /// When it does not get ready.
    pub(super) fn start_again(&mut self) -> Result<(Instant, Duration)> {
        let begin = clock::now();
        self.spawn()?;
        self.wait_until_ready()?;
        Ok((begin, begin.elapsed()))
    }

    fn spawn(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.directory.path().join("log"))?;
        let mut command = match self.system {
            System::Synod => self.synod_command(),
            _ => self.dtm_command()?,
        };
        command.current_dir(self.directory.path()).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("starting {}", self.program.display()))?;
        self.child = Some(child);
        Ok(())
    }

    fn synod_command(&self) -> Command {
        let settings = [
            format!("http.listen={}", self.native),
            format!("face.dtm.http.listen={}", self.dtm),
            "face.seata.listen=off".to_owned(),
            "face.dtm.grpc.listen=off".to_owned(),
            "grpc.listen=off".to_owned(),
        ];
        synod_command(&self.program, &self.directory.path().join("data"), &settings)
    }

    /// dtm's defaults, less a log line for each request, which would cost it dearly.
    fn dtm_command(&self) -> Result<Command> {
        let mut command = Command::new(&self.program);
        command
            .env("HTTP_PORT", self.dtm.port().to_string())
            .env("GRPC_PORT", free_port()?.to_string())
            .env("JSON_RPC_PORT", free_port()?.to_string())
            .env("LOG_LEVEL", "error");
        if let Some((_, port)) = &self.redis {
            command
                .env("STORE_DRIVER", "redis")
                .env("STORE_HOST", "127.0.0.1")
                .env("STORE_PORT", port.to_string());
        }
        Ok(command)
    }

    fn start_redis(&self) -> Result<(Child, u16)> {
        let port = free_port()?;
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
        command
            .args(["--appendonly", "yes", "--appendfsync", "everysec", "--dir"])
            .arg(self.directory.path());
        let log = File::create(self.directory.path().join("redis.log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("starting redis-server (Debian: apt install redis-server)")?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let up = || std::net::TcpStream::connect(address).is_ok();
        let mut redis = (child, port);
        if !clock::wait_until(START_MAX, Duration::from_millis(5), up) {
            end(&mut redis.0);
            bail!("redis-server does not listen");
        }
        Ok(redis)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let (addr, path) = match self.system {
            System::Synod => (self.native, "/health/ready"),
            _ => (self.dtm, "/api/ping"),
        };
        let child = self.child.as_mut().context("it has been started")?;
        let whose = (self.system.name(), self.directory.path());
        let pause = Duration::from_millis(2);
        wait_until_ready(child, whose, (START_MAX, pause), || status_of(addr, path) == Some(200))
    }

    /// The processes that do the work.
    pub(super) fn pids(&self) -> Vec<u32> {
        let redis = self.redis.as_ref().map(|(redis, _)| redis);
        self.child.iter().chain(redis).map(Child::id).collect()
    }

    /// CPU seconds that all of them used.
    ///
    /// # Errors
    /// When one of them is gone.
    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        self.pids().into_iter().map(|pid| Ok(process::cpu(pid)?.seconds())).sum()
    }

    /// Resident memory of all of them.
    ///
    /// # Errors
    /// When one of them is gone.
    pub(super) fn resident_mib(&self) -> Result<f64> {
        self.pids().into_iter().map(process::resident_mib).sum()
    }

    /// Requests that made the disk write what it had in its cache, since the machine was started.
    pub(super) fn flushes(&self) -> Option<u64> {
        process::flushes(self.directory.path())
    }

    /// Adds the end of the log to an error.
    ///
    /// # Errors
    /// Those of the result.
    pub(super) fn explain<T>(&self, result: Result<T>) -> Result<T> {
        result.with_context(|| match log_end(self.directory.path()) {
            log if log.is_empty() => self.system.name().to_owned(),
            log => format!("{}, whose log ends with:\n{log}\n", self.system.name()),
        })
    }
}
