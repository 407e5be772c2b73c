//! The coordinator: a `synod` process of our own, which can be killed and started again, or one that runs already.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::{Method, StatusCode};

use crate::api::Api;
use crate::binary;
use crate::process::{Owned, free_address};
use crate::say::{Say, Who};
use crate::task::now;

/// Longest time from start to ready.
const START: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(10);
/// What the demonstration does not need.
const OFF: [&str; 7] =
    ["face.seata", "face.dtm.http", "face.dtm.grpc", "face.nacos", "face.zookeeper", "grpc", "cluster"];

/// See the module.
#[derive(Debug)]
pub(crate) struct Coordinator {
    pub(crate) api: Api,
    own: Option<Own>,
    say: Say,
}

#[derive(Debug)]
struct Own {
    binary: PathBuf,
    folder: PathBuf,
    listen: SocketAddr,
    child: Owned,
}

impl Coordinator {
    /// One that runs already.
    pub(crate) async fn given(url: &str, say: &Say) -> anyhow::Result<Self> {
        let api = Api::new(url)?;
        let answer = api.ask(Method::GET, "/health/ready", &[], None).await?;
        if answer.status != StatusCode::OK {
            bail!("{url} is not ready: {}", answer.status);
        }
        Ok(Self { api, own: None, say: say.clone() })
    }

    /// Starts one that keeps its data in `folder`.
    pub(crate) async fn start(folder: PathBuf, say: &Say) -> anyhow::Result<Self> {
        let binary = tokio::task::spawn_blocking(binary::find).await??;
        let listen = free_address()?;
        let child = spawn(&binary, &folder, listen)?;
        let api = Api::new(&format!("http://{listen}"))?;
        let mut own = Own { binary, folder, listen, child };
        own.ready(&api).await?;
        Ok(Self { api, own: Some(own), say: say.clone() })
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
        if let Some(own) = &mut self.own {
            let began = now();
            own.child = spawn(&own.binary, &own.folder, own.listen)?;
            own.ready(&self.api).await?;
            let took = began.elapsed().as_secs_f64();
            self.say
                .line(Who::Coordinator, &format!("is back after {took:.3} s, with what it had written down"));
        }
        Ok(())
    }
}

fn spawn(binary: &Path, folder: &Path, listen: SocketAddr) -> anyhow::Result<Owned> {
    let log = File::options().create(true).append(true).open(folder.join("synod.log"));
    let log = log.with_context(|| format!("{} cannot be written to", folder.display()))?;
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SYNOD_")) {
        command.env_remove(name);
    }
    command.arg("serve").arg("--data").arg(folder.join("data"));
    command.args(["--set", &format!("http.listen={listen}")]);
    for off in OFF {
        command.args(["--set", &format!("{off}.listen=off")]);
    }
    let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
    Ok(Owned(child.with_context(|| format!("{} cannot be started", binary.display()))?))
}

impl Own {
    /// Waits until it is ready.
    async fn ready(&mut self, api: &Api) -> anyhow::Result<()> {
        let began = now();
        loop {
            let answer = api.ask(Method::GET, "/health/ready", &[], None).await;
            let ended = self.child.0.try_wait()?;
            // Somebody else may have answered, while ours could not listen.
            if ended.is_none() && answer.is_ok_and(|answer| answer.status == StatusCode::OK) {
                return Ok(());
            }
            if ended.is_some() || began.elapsed() > START {
                let log = std::fs::read_to_string(self.folder.join("synod.log")).unwrap_or_default();
                let how = ended.map_or("does not get ready".to_owned(), |status| format!("ended ({status})"));
                bail!("the coordinator {how}; its log:\n{log}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
