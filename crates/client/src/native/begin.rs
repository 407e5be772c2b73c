//! Begin, enlist, decide, wait, look.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ask::{Ask, Error};
use super::payload::{Payload, ms};
use super::terms::{Terms, terms};
use super::transaction::Transaction;
use super::{Client, id};
use crate::clock;
use crate::http_client::escaped;
use crate::tm::Decision;

/// The server's limit for one wait.
const WAIT_MAX: Duration = Duration::from_secs(60);
pub(super) const TRANSACTIONS: &str = "v1/transactions";

/// Kinds of transactions whose branches join one by one, before somebody decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Branches are confirmed or cancelled.
    Tcc,
    /// Branches are committed or rolled back in their databases.
    Xa,
    /// Branches of several kinds, those of Seata's clients too: committed in the order in which they joined, rolled back in the
    /// reverse one.
    Mixed,
}

/// A transaction to begin. It has an id of its own from the start: to begin it once more begins nothing new.
#[derive(Clone, Debug, Serialize)]
pub struct Begin {
    gid: String,
    mode: Mode,
    name: String,
    #[serde(flatten)]
    terms: Terms,
    concurrent: bool,
}

impl Begin {
    /// One with a fresh id. The name is for people.
    pub fn new(mode: Mode, name: impl Into<String>) -> Self {
        Self { gid: id::fresh(), mode, name: name.into(), terms: Terms::default(), concurrent: false }
    }

    /// An id that says what it is about, such as the order's: then also another process can repeat it.
    #[must_use]
    pub fn gid(mut self, gid: impl Into<String>) -> Self {
        self.gid = gid.into();
        self
    }

    terms!("Rolled back if it is not decided after so long; the server's `txn.timeout` unless said.");

    /// Branches are called side by side.
    #[must_use]
    pub const fn concurrent(mut self) -> Self {
        self.concurrent = true;
        self
    }
}

/// A branch that joins, by the URLs at which it is ended.
#[derive(Clone, Debug, Serialize)]
pub struct NewBranch {
    id: String,
    forward: Option<String>,
    backward: Option<String>,
    #[serde(flatten)]
    payload: Payload,
}

impl NewBranch {
    /// One with this id, unique within its transaction. To enlist it once more does nothing.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), forward: None, backward: None, payload: Payload::default() }
    }

    /// Whom to call to confirm or commit; nobody unless said.
    #[must_use]
    pub fn forward(mut self, url: impl Into<String>) -> Self {
        self.forward = Some(url.into());
        self
    }

    /// Whom to call to cancel, roll back, or compensate; nobody unless said.
    #[must_use]
    pub fn backward(mut self, url: impl Into<String>) -> Self {
        self.backward = Some(url.into());
        self
    }

    /// What they are called with.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Payload>) -> Self {
        self.payload = payload.into();
        self
    }
}

#[derive(Deserialize)]
struct Decided {
    decision: String,
}

pub(super) fn path(id: &str, what: &str) -> String {
    format!("{TRANSACTIONS}/{}/{what}", escaped(id))
}

/// Ids are gids, or XIDs as text.
impl Client {
    /// Begins a transaction.
    ///
    /// # Errors
    /// Refused (`E2003`: its gid is another one's), or nobody knows.
    pub async fn begin(&self, begin: &Begin) -> Result<Transaction, Error> {
        self.read(Ask::post(TRANSACTIONS, begin)?).await
    }

    /// A branch joins. It is durable when this returns.
    ///
    /// # Errors
    /// Refused (`E2004`: it is decided), or nobody knows.
    pub async fn enlist(&self, id: &str, branch: &NewBranch) -> Result<(), Error> {
        self.ask(&Ask::post(path(id, "branches"), branch)?).await.map(drop)
    }

    /// Decides to go forward, and returns when that is certain.
    ///
    /// # Errors
    /// Refused (`E2004`: the opposite is decided), or nobody knows.
    pub async fn commit(&self, id: &str) -> Result<Transaction, Error> {
        self.read(Ask::post(path(id, "commit"), &serde_json::json!({}))?).await
    }

    /// Decides to go back, and returns when that is certain. The reason is for people.
    ///
    /// # Errors
    /// Refused (`E2004`: the opposite is decided), or nobody knows.
    pub async fn rollback(&self, id: &str, reason: &str) -> Result<Transaction, Error> {
        self.read(Ask::post(path(id, "rollback"), &serde_json::json!({ "reason": reason }))?).await
    }

    /// Waits until it has ended, but no longer than `limit`; how it stands then.
    ///
    /// # Errors
    /// It is not known (`E2001`, `E2002`), or nobody answers.
    pub async fn wait(&self, id: &str, limit: Duration) -> Result<Transaction, Error> {
        let until = clock::now() + limit;
        loop {
            let rest = until.saturating_duration_since(clock::now()).min(WAIT_MAX);
            let ask = Ask::get(format!("{}?timeout={}", path(id, "wait"), ms(rest))).wait(rest);
            let transaction: Transaction = self.read(ask).await?;
            if transaction.ended || clock::now() >= until {
                return Ok(transaction);
            }
            // A node that is stopping answers early.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What a participant in doubt is to do. Ask by the XID: of a gid that is not known nobody can tell.
    ///
    /// # Errors
    /// Nobody answers, or it belongs to another cluster.
    pub async fn decision(&self, id: &str) -> Result<Decision, Error> {
        let told: Decided = self.read(Ask::get(path(id, "decision"))).await?;
        Ok(match told.decision.as_str() {
            "commit" => Decision::Commit,
            "rollback" => Decision::Rollback,
            "undecided" => Decision::Undecided,
            _ => Decision::Forgotten,
        })
    }

    /// One transaction with its branches.
    ///
    /// # Errors
    /// It is not known (`E2001`, `E2002`), or nobody answers.
    pub async fn look(&self, id: &str) -> Result<Transaction, Error> {
        self.read(Ask::get(format!("{TRANSACTIONS}/{}", escaped(id)))).await
    }
}
