//! Everything that a transfer needs: two databases, two banks, a coordinator.

use std::path::Path;

use anyhow::{Context as _, ensure};
use synod_scratch::{Kind, Server};
use tempfile::TempDir;

use crate::args;
use crate::books;
use crate::coordinator::Coordinator;
use crate::database::{Database, Dialect};
use crate::process::BankProcess;
use crate::say::{Say, Who};

/// See the module. The order is that in which they end.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) say: Say,
    pub(crate) a: BankProcess,
    pub(crate) b: BankProcess,
    pub(crate) coordinator: Coordinator,
    /// Databases of others, whose tables we take away at the end.
    borrowed: Vec<Database>,
    _servers: Vec<Server>,
    _folder: TempDir,
}

impl Stage {
    /// Starts what is not given.
    pub(crate) async fn new(bank: &args::Bank, say: &Say) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no scratch folder can be made")?;
        let wanted = [(bank.bank_a.as_deref(), Kind::Postgres), (bank.bank_b.as_deref(), Kind::MariaDb)];
        let starting = wanted.map(|(url, kind)| start(url, kind, bank.sqlite, say));
        let (mut databases, mut servers) = (Vec::new(), Vec::new());
        for ((starting, (url, _)), name) in starting.into_iter().zip(wanted).zip(["a", "b"]) {
            let server = match starting {
                Some(starting) => Some(starting.await??),
                None => None,
            };
            let url = match (url, &server) {
                (Some(url), _) => url.to_owned(),
                (None, Some(server)) => server.url(),
                (None, None) => sqlite(folder.path(), name),
            };
            databases.push(Database::parse(&url)?);
            servers.extend(server);
        }
        let [a, b] = <[Database; 2]>::try_from(databases).ok().context("there are two banks")?;
        ensure!(a.url != b.url, "two banks need two databases");
        for database in [&a, &b] {
            books::create(database).await?;
        }
        let borrowed = wanted.iter().zip([&a, &b]).filter(|((url, _), _)| url.is_some());
        let borrowed = borrowed.map(|(_, database)| database.clone()).collect();
        let coordinator = match &bank.synod {
            Some(url) => Coordinator::given(url, say).await?,
            None => Coordinator::start(folder.path().to_owned(), say).await?,
        };
        Ok(Self {
            a: BankProcess::start(Who::BankA, a, say).await?,
            b: BankProcess::start(Who::BankB, b, say).await?,
            coordinator,
            say: say.clone(),
            borrowed,
            _servers: servers,
            _folder: folder,
        })
    }

    pub(crate) fn dialects(&self) -> [Dialect; 2] {
        [&self.a, &self.b].map(|bank| bank.database.dialect)
    }

    /// Leaves nothing behind in what belongs to others.
    pub(crate) async fn clear(&self) -> anyhow::Result<()> {
        for database in &self.borrowed {
            books::remove(database).await?;
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
