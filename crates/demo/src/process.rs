//! The service of a bank as a process of its own, which can be killed and started again.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::StatusCode;
use serde::Serialize;
use synod_client::call::{Fixed, http::Client};
use tokio::sync::watch;

use crate::bank::Wish;
use crate::bank::report::{Kind, Report};
use crate::child::{Owned, free_address};
use crate::coordinator::Addresses;
use crate::database::Database;
use crate::say::{Say, Who};

/// Longest wait for something that a bank is about to do.
const WAIT: Duration = Duration::from_secs(30);

/// A bank's service.
#[derive(Debug)]
pub(crate) struct BankProcess {
    pub(crate) who: Who,
    pub(crate) database: Database,
    pub(crate) teller: Teller,
    address: SocketAddr,
    synod: Addresses,
    child: Owned,
    ears: Ears,
    say: Say,
}

/// Who hears what a bank reports.
#[derive(Clone, Debug)]
struct Ears {
    who: Who,
    reports: watch::Sender<Vec<Report>>,
    /// Where it is shown; nowhere if there will be too much of it, and then it is not kept either.
    say: Option<Say>,
}

impl BankProcess {
    pub(crate) async fn start(
        who: Who,
        database: Database,
        synod: Addresses,
        narrates: bool,
        say: &Say,
    ) -> anyhow::Result<Self> {
        let ears = Ears { who, reports: watch::Sender::default(), say: narrates.then(|| say.clone()) };
        let address = free_address()?;
        let child = spawn((&database, &synod), address, &ears).await?;
        let teller = Teller { base: format!("http://{address}"), client: Client::new(Fixed::default()) };
        Ok(Self { who, database, teller, address, synod, child, ears, say: say.clone() })
    }

    /// Kills it, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill();
        self.say.line(self.who, "is killed (kill -9)");
    }

    /// Starts it again on the same address.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        self.child = spawn((&self.database, &self.synod), self.address, &self.ears).await?;
        self.say.line(self.who, "is back");
        Ok(())
    }

    /// Forgets what was reported so far.
    pub(crate) fn forget(&self) {
        self.ears.reports.send_replace(Vec::new());
    }

    /// Waits until it has reported this.
    pub(crate) async fn until(&self, kind: Kind, point: &str) -> anyhow::Result<()> {
        until(&self.ears.reports, kind, point).await
    }

    /// Tells it where to wait, or what answer to lose.
    pub(crate) async fn wish(&self, wish: &Wish) -> anyhow::Result<()> {
        self.teller.ask("gate", wish).await?.map(drop).map_err(|why| anyhow::anyhow!("{wish:?}: {why}"))
    }
}

/// Whoever asks a bank for something. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Teller {
    base: String,
    client: Client,
}

impl Teller {
    /// Where the bank is asked for something.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// Asks the bank for its part, in the transaction of the context: whether it agrees, in words.
    pub(crate) async fn ask(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> anyhow::Result<Result<String, String>> {
        let answer = self.client.post(&self.url(path), serde_json::to_vec(body)?).await?;
        let words = String::from_utf8_lossy(answer.body()).into_owned();
        match answer.status() {
            StatusCode::OK => Ok(Ok(words)),
            StatusCode::CONFLICT => Ok(Err(words)),
            status => bail!("{path}: {status} {words}"),
        }
    }
}

async fn spawn(
    (database, synod): (&Database, &Addresses),
    listen: SocketAddr,
    ears: &Ears,
) -> anyhow::Result<Owned> {
    ears.reports.send_replace(Vec::new());
    let mut command = Command::new(std::env::current_exe().context("our own program has no path")?);
    command.args(["bank-service", "--database", &database.url, "--listen", &listen.to_string()]);
    command.args(["--synod", &synod.synod]);
    let others = [("--seata", &synod.seata), ("--dtm", &synod.dtm)];
    for (name, address) in others.into_iter().filter_map(|(name, address)| Some((name, address.as_ref()?))) {
        command.args([name, address]);
    }
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = Owned(child.context("the service of a bank cannot be started")?);
    let output = child.0.stdout.take().context("its output was asked for")?;
    let listening = ears.clone();
    std::thread::spawn(move || listening.listen(output));
    let heard = until(&ears.reports, Kind::Listening, &listen.to_string()).await;
    heard.context("the service of a bank does not start").map(|()| child)
}

impl Ears {
    fn listen(&self, output: ChildStdout) {
        for line in BufReader::new(output).lines() {
            let Ok(line) = line else { return };
            match (serde_json::from_str::<Report>(&line), &self.say) {
                (Ok(report), _) if report.kind == Kind::Listening => self.keep(report),
                (Ok(report), Some(say)) => {
                    say.line(self.who, &shown(&report));
                    self.keep(report);
                }
                (Err(_), Some(say)) => say.line(self.who, &line),
                (_, None) => {}
            }
        }
    }

    fn keep(&self, report: Report) {
        self.reports.send_modify(|reports| reports.push(report));
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
