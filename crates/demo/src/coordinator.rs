//! The coordinator: a `synod` process of our own, which can be killed and started again, or one that runs already.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::{Method, StatusCode};

use crate::api::Api;
use crate::binary;
use crate::process::Owned;
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
    listen: String,
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
        let listen = "127.0.0.1:0".to_owned();
        let child = spawn(&binary, &folder, &listen)?;
        let mut own = Own { binary, folder, listen, child };
        own.listen = own.ready().await?;
        Ok(Self { api: Api::new(&format!("http://{}", own.listen))?, own: Some(own), say: say.clone() })
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
            own.child = spawn(&own.binary, &own.folder, &own.listen)?;
            own.ready().await?;
            let took = began.elapsed().as_secs_f64();
            self.say
                .line(Who::Coordinator, &format!("is back after {took:.3} s, with what it had written down"));
        }
        Ok(())
    }
}

fn spawn(binary: &Path, folder: &Path, listen: &str) -> anyhow::Result<Owned> {
    std::fs::remove_file(folder.join("data/addresses.json")).ok();
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
    /// Waits until it is ready; where it listens.
    async fn ready(&mut self) -> anyhow::Result<String> {
        let began = now();
        loop {
            if let Some(listen) = self.try_ready().await {
                return Ok(listen);
            }
            let ended = self.child.0.try_wait()?;
            if ended.is_some() || began.elapsed() > START {
                let log = std::fs::read_to_string(self.folder.join("synod.log")).unwrap_or_default();
                let how = ended.map_or("does not get ready".to_owned(), |status| format!("ended ({status})"));
                bail!("the coordinator {how}; its log:\n{log}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn try_ready(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.folder.join("data/addresses.json")).ok()?;
        let mut addresses: BTreeMap<String, String> = serde_json::from_str(&text).ok()?;
        let listen = addresses.remove("http")?;
        let api = Api::new(&format!("http://{listen}")).ok()?;
        let answer = api.ask(Method::GET, "/health/ready", &[], None).await.ok()?;
        (answer.status == StatusCode::OK).then_some(listen)
    }
}
