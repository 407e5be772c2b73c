//! The coordinator: a `synod` process of our own, which can be killed and started again, or one that runs already.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::StatusCode;
use synod_client::call::{Fixed, http::Client};
use synod_client::{native, seata};

use crate::bank::RETRY_INTERVAL;
use crate::binary;
use crate::child::{Owned, free_address};
use crate::fault::Faces;
use crate::say::{Say, Who};
use crate::task::now;

/// Longest time from start to ready.
const START: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(10);
/// What the demonstration does not need.
const OFF: [&str; 5] = ["face.dtm.grpc", "face.nacos", "face.zookeeper", "grpc", "cluster"];

/// See the module.
#[derive(Debug)]
pub(crate) struct Coordinator {
    pub(crate) at: Addresses,
    /// Us, as those who begin transactions and decide them.
    pub(crate) native: Arc<native::Client>,
    /// The same over Seata's protocol.
    pub(crate) seata: Option<seata::Client>,
    own: Option<Own>,
    say: Say,
}

/// Where a node is.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// The base URL.
    pub(crate) synod: String,
    /// `host:port`.
    pub(crate) seata: Option<String>,
    /// The base URL.
    pub(crate) dtm: Option<String>,
}

#[derive(Debug)]
struct Own {
    binary: PathBuf,
    folder: PathBuf,
    http: SocketAddr,
    seata: SocketAddr,
    dtm: SocketAddr,
    child: Owned,
}

impl Coordinator {
    /// One that runs already.
    pub(crate) async fn given(at: Addresses, say: &Say) -> anyhow::Result<Self> {
        let synod = Self::new(at, None, say)?;
        match synod.answer().await? {
            StatusCode::OK => Ok(synod),
            status => bail!("{} is not ready: {status}", synod.at.synod),
        }
    }

    /// Starts one that keeps its data in `folder`.
    pub(crate) async fn start(folder: PathBuf, say: &Say) -> anyhow::Result<Self> {
        let binary = tokio::task::spawn_blocking(binary::find).await??;
        let (http, seata, dtm) = (free_address()?, free_address()?, free_address()?);
        let child = Own::spawn(&binary, &folder, [http, seata, dtm])?;
        let at = Addresses {
            synod: format!("http://{http}"),
            seata: Some(seata.to_string()),
            dtm: Some(format!("http://{dtm}")),
        };
        let mut synod = Self::new(at, Some(Own { binary, folder, http, seata, dtm, child }), say)?;
        synod.ready().await?;
        Ok(synod)
    }

    fn new(at: Addresses, own: Option<Own>, say: &Say) -> anyhow::Result<Self> {
        let native = native::Client::new([&at.synod])?.retry_interval(RETRY_INTERVAL);
        let config = |server| seata::Config::new([server], "synod-demo-teller", "default_tx_group");
        let seata = at.seata.clone().map(|server| seata::Client::start(config(server))).transpose()?;
        Ok(Self { at, native: Arc::new(native), seata, own, say: say.clone() })
    }

    pub(crate) const fn faces(&self) -> Faces {
        Faces { seata: self.at.seata.is_some(), dtm: self.at.dtm.is_some() }
    }

    /// A page of its console, or of its API.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.at.synod.trim_end_matches('/'))
    }

    /// Kills it, as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(own) = &mut self.own {
            own.child.kill();
            self.say.line(Who::Coordinator, "is killed (kill -9)");
        }
    }

    /// Starts it again with the same address and data.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        let began = now();
        if let Some(own) = &mut self.own {
            own.child = Own::spawn(&own.binary, &own.folder, [own.http, own.seata, own.dtm])?;
            self.ready().await?;
            let took = began.elapsed().as_secs_f64();
            self.say
                .line(Who::Coordinator, &format!("is back after {took:.3} s, with what it had written down"));
        }
        Ok(())
    }

    async fn answer(&self) -> anyhow::Result<StatusCode> {
        let answer = Client::new(Fixed::default()).get(&self.url("/health/ready")).await;
        Ok(answer.with_context(|| format!("cannot reach {}", self.at.synod))?.status())
    }

    /// Waits until it is ready.
    async fn ready(&mut self) -> anyhow::Result<()> {
        let began = now();
        loop {
            let answer = self.answer().await;
            let Some(own) = &mut self.own else { return Ok(()) };
            let ended = own.child.0.try_wait()?;
            // Somebody else may have answered, while ours could not listen.
            if ended.is_none() && answer.is_ok_and(|status| status == StatusCode::OK) {
                return Ok(());
            }
            if ended.is_some() || began.elapsed() > START {
                let log = std::fs::read_to_string(own.folder.join("synod.log")).unwrap_or_default();
                let how = ended.map_or("does not get ready".to_owned(), |status| format!("ended ({status})"));
                bail!("the coordinator {how}; its log:\n{log}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Own {
    fn spawn(binary: &Path, folder: &Path, [http, seata, dtm]: [SocketAddr; 3]) -> anyhow::Result<Owned> {
        let log = File::options().create(true).append(true).open(folder.join("synod.log"));
        let log = log.with_context(|| format!("{} cannot be written to", folder.display()))?;
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SYNOD_"))
        {
            command.env_remove(name);
        }
        command.arg("serve").arg("--data").arg(folder.join("data"));
        // What does not say its own pause before a repeated call: transactions that are begun over Seata's protocol.
        command.args(["--set", "txn.retry=200ms", "--set", "txn.retry_max=2s"]);
        for (listener, address) in [("http", http), ("face.seata", seata), ("face.dtm.http", dtm)] {
            command.args(["--set", &format!("{listener}.listen={address}")]);
        }
        for off in OFF {
            command.args(["--set", &format!("{off}.listen=off")]);
        }
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        Ok(Owned(child.with_context(|| format!("{} cannot be started", binary.display()))?))
    }
}
