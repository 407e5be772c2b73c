//! Everything that a transfer needs: two databases, two banks, a coordinator.

use std::path::Path;

use anyhow::{Context as _, ensure};
use synod_scratch::{Kind, Server};
use tempfile::TempDir;

use crate::args;
use crate::books;
use crate::coordinator::{Addresses, Coordinator};
use crate::database::{Database, Dialect};
use crate::process::BankProcess;
use crate::say::{Say, Who};

/// What is to be there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// A node that runs already, instead of one of our own.
    pub(crate) synod: Option<&'a str>,
    pub(crate) seata: Option<&'a str>,
    pub(crate) dtm: Option<&'a str>,
    /// Databases that are there already, instead of servers of our own.
    pub(crate) banks: [Option<&'a str>; 2],
    pub(crate) sqlite: bool,
    /// At each bank.
    pub(crate) accounts: i64,
    /// Whether the banks say what they do.
    pub(crate) narrates: bool,
}

impl<'a> From<&'a args::Bank> for Wanted<'a> {
    fn from(bank: &'a args::Bank) -> Self {
        Self {
            synod: bank.synod.as_deref(),
            seata: bank.seata.as_deref(),
            dtm: bank.dtm.as_deref(),
            banks: [bank.bank_a.as_deref(), bank.bank_b.as_deref()],
            sqlite: bank.sqlite,
            accounts: 1,
            narrates: true,
        }
    }
}

/// See the module. The order is that in which they end.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) say: Say,
    pub(crate) a: BankProcess,
    pub(crate) b: BankProcess,
    pub(crate) coordinator: Coordinator,
    /// Databases of others, and which tables of the SDK's they did not have: what came because of us goes at the end.
    borrowed: Vec<(Database, Vec<&'static str>)>,
    /// The servers of bank A's and bank B's databases, where they are ours.
    pub(crate) servers: [Option<Server>; 2],
    _folder: TempDir,
}

impl Stage {
    /// Starts what is not given.
    pub(crate) async fn new(wanted: &Wanted<'_>, say: &Say) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no scratch folder can be made")?;
        let kinds = [(wanted.banks[0], Kind::Postgres), (wanted.banks[1], Kind::MariaDb)];
        let starting = kinds.map(|(url, kind)| start(url, kind, wanted.sqlite, say));
        let (mut databases, mut servers) = (Vec::new(), [None, None]);
        for (at, starting) in starting.into_iter().enumerate() {
            if let Some(starting) = starting {
                servers[at] = Some(starting.await??);
            }
            let url = match (wanted.banks[at], &servers[at]) {
                (Some(url), _) => url.to_owned(),
                (None, Some(server)) => server.url(),
                (None, None) => sqlite(folder.path(), ["a", "b"][at]),
            };
            databases.push(Database::parse(&url)?);
        }
        let [a, b] = <[Database; 2]>::try_from(databases).ok().context("there are two banks")?;
        ensure!(a.url != b.url, "two banks need two databases");
        let coordinator = match wanted.synod {
            Some(url) => {
                let synod = url.to_owned();
                let (seata, dtm) = (wanted.seata.map(str::to_owned), wanted.dtm.map(str::to_owned));
                Coordinator::given(Addresses { synod, seata, dtm }, say).await?
            }
            None => Coordinator::start(folder.path().to_owned(), say).await?,
        };
        let mut borrowed = Vec::new();
        for (database, url) in [&a, &b].into_iter().zip(wanted.banks) {
            if url.is_some() {
                borrowed.push((database.clone(), books::missing(database).await?));
            }
            books::create(database, wanted.accounts).await?;
        }
        let bank =
            |who, database| BankProcess::start(who, database, coordinator.at.clone(), wanted.narrates, say);
        Ok(Self {
            a: bank(Who::BankA, a).await?,
            b: bank(Who::BankB, b).await?,
            coordinator,
            say: say.clone(),
            borrowed,
            servers,
            _folder: folder,
        })
    }

    pub(crate) fn dialects(&self) -> [Dialect; 2] {
        [&self.a, &self.b].map(|bank| bank.database.dialect)
    }

    /// Leaves nothing behind in what belongs to others.
    pub(crate) async fn clear(&self) -> anyhow::Result<()> {
        for (database, shared) in &self.borrowed {
            books::remove(database, shared).await?;
        }
        Ok(())
    }
}

type Starting = tokio::task::JoinHandle<Result<Server, synod_scratch::Error>>;

/// Starts a server beside, unless there is an address, or it is not to be, or it is not on this machine.
fn start(url: Option<&str>, kind: Kind, sqlite: bool, say: &Say) -> Option<Starting> {
    if url.is_some() || sqlite {
        return None;
    }
    match kind.installed() {
        Ok(()) => Some(tokio::task::spawn_blocking(move || Server::start(kind))),
        Err(error) => {
            say.text(&format!("no {}, SQLite instead ({error})", kind.name()));
            None
        }
    }
}

fn sqlite(folder: &Path, name: &str) -> String {
    format!("sqlite://{}?mode=rwc", folder.join(format!("bank-{name}.sqlite")).display())
}
