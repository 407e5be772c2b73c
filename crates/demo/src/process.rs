//! The service of a bank as a process of its own, which can be killed and started again.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::{Method, StatusCode};
use serde_json::json;
use tokio::sync::watch;

use crate::api::{Answer, Api};
use crate::bank::Wish;
use crate::bank::report::{Kind, Report};
use crate::database::Database;
use crate::say::{Say, Who};

/// Longest wait for something that a bank is about to do.
const WAIT: Duration = Duration::from_secs(30);

/// A child that does not outlive us.
#[derive(Debug)]
pub(crate) struct Owned(pub(crate) Child);

impl Owned {
    /// SIGKILL, and waits for the end.
    pub(crate) fn kill(&mut self) {
        // One that has ended already cannot be killed, which is as good.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A bank's service.
#[derive(Debug)]
pub(crate) struct BankProcess {
    pub(crate) who: Who,
    pub(crate) database: Database,
    pub(crate) api: Api,
    address: SocketAddr,
    child: Owned,
    reports: watch::Sender<Vec<Report>>,
    say: Say,
}

impl BankProcess {
    pub(crate) async fn start(who: Who, database: Database, say: &Say) -> anyhow::Result<Self> {
        let reports = watch::Sender::default();
        let address = free_address()?;
        let child = spawn(who, &database, address, &reports, say).await?;
        let api = Api::new(&format!("http://{address}"))?;
        Ok(Self { who, database, api, address, child, reports, say: say.clone() })
    }

    /// Kills it, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill();
        self.say.line(self.who, "is killed (kill -9)");
    }

    /// Starts it again on the same address.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        self.child = spawn(self.who, &self.database, self.address, &self.reports, &self.say).await?;
        self.say.line(self.who, "is back");
        Ok(())
    }

    /// Forgets what was reported so far.
    pub(crate) fn forget(&self) {
        self.reports.send_replace(Vec::new());
    }

    /// Waits until it has reported this.
    pub(crate) async fn until(&self, kind: Kind, point: &str) -> anyhow::Result<()> {
        until(&self.reports, kind, point).await
    }

    /// Tells it where to wait, or what answer to lose.
    pub(crate) async fn wish(&self, wish: &Wish) -> anyhow::Result<()> {
        let answer = self.api.ask(Method::POST, "/gate", &[], Some(&serde_json::to_value(wish)?)).await?;
        if answer.status == StatusCode::OK { Ok(()) } else { bail!("{wish:?}: {}", answer.status) }
    }

    /// Asks it for a step of a branch: whether it agrees.
    pub(crate) async fn ask(
        &self,
        point: &str,
        xid: &str,
        branch: &str,
        amount: i64,
    ) -> anyhow::Result<bool> {
        let headers = [("synod-xid", xid), ("synod-branch", branch)];
        let path = format!("/{point}");
        let answer = self.api.ask(Method::POST, &path, &headers, Some(&json!({ "amount": amount }))).await?;
        agreed(point, &answer)
    }
}

/// Whether a bank that answers like this has agreed.
pub(crate) fn agreed(point: &str, answer: &Answer) -> anyhow::Result<bool> {
    match answer.status {
        StatusCode::OK => Ok(true),
        StatusCode::CONFLICT => Ok(false),
        status => bail!("{point}: {status} {}", String::from_utf8_lossy(&answer.body)),
    }
}

async fn spawn(
    who: Who,
    database: &Database,
    listen: SocketAddr,
    reports: &watch::Sender<Vec<Report>>,
    say: &Say,
) -> anyhow::Result<Owned> {
    reports.send_replace(Vec::new());
    let mut command = Command::new(std::env::current_exe().context("our own program has no path")?);
    command.args(["bank-service", "--database", &database.url, "--listen", &listen.to_string()]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = Owned(child.context("the service of a bank cannot be started")?);
    let output = child.0.stdout.take().context("its output was asked for")?;
    let (reports_too, say) = (reports.clone(), say.clone());
    std::thread::spawn(move || read(output, who, &reports_too, &say));
    let heard = until(reports, Kind::Listening, &listen.to_string()).await;
    heard.context("the service of a bank does not start").map(|()| child)
}

fn read(output: ChildStdout, who: Who, reports: &watch::Sender<Vec<Report>>, say: &Say) {
    for line in BufReader::new(output).lines() {
        let Ok(line) = line else { return };
        let Ok(report) = serde_json::from_str::<Report>(&line) else {
            say.line(who, &line);
            continue;
        };
        if report.kind != Kind::Listening {
            say.line(who, &shown(&report));
        }
        reports.send_modify(|reports| reports.push(report));
    }
}

fn shown(Report { kind, point, words }: &Report) -> String {
    let step = point.rsplit('/').next().unwrap_or_default();
    let fails = if *kind == Kind::Failed { "fails: " } else { "" };
    format!("{step:<10}  {fails}{words}")
}

async fn until(reports: &watch::Sender<Vec<Report>>, kind: Kind, point: &str) -> anyhow::Result<()> {
    let is_it = |report: &Report| report.kind == kind && report.point == point;
    let mut reports = reports.subscribe();
    let heard = tokio::time::timeout(WAIT, reports.wait_for(|reports| reports.iter().any(is_it))).await;
    heard.with_context(|| format!("not within {WAIT:?}: {kind:?} {point}"))??;
    Ok(())
}

/// One that stays ours while whoever listens there is down: below the ports that the system hands out by itself.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    let port = synod_scratch::free_port().context("no port is free")?;
    Ok(SocketAddr::from(([127, 0, 0, 1], port)))
}
