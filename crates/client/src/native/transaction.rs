//! Transactions as Synod shows them.

use serde::Deserialize;

use crate::{Xid, tm};

/// How a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// Nobody has decided.
    Active,
    /// Going forward; a saga may turn back yet.
    Committing,
    /// Going back.
    RollingBack,
    /// A notification that nobody has acknowledged.
    GivenUp,
    /// It has ended: all of it has happened.
    Committed,
    /// It has ended: none of it has happened.
    RolledBack,
    /// An operator has ended it, whatever its participants know.
    Stopped,
    /// Something that this version does not know.
    #[serde(other)]
    Other,
}

impl From<Standing> for tm::Status {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Active => Self::Active,
            Standing::Committing => Self::Committing,
            Standing::RollingBack => Self::RollingBack,
            Standing::Committed => Self::Committed,
            Standing::RolledBack => Self::RolledBack,
            Standing::GivenUp | Standing::Stopped => Self::NeedsAttention,
            Standing::Other => Self::Unknown,
        }
    }
}

/// A transaction, as it stood when it was asked for.
#[derive(Clone, Debug, Deserialize)]
#[must_use]
#[non_exhaustive]
pub struct Transaction {
    /// Its id.
    #[serde(deserialize_with = "xid")]
    pub xid: Xid,
    /// The id its initiator chose.
    pub gid: Option<String>,
    /// `tcc`, `saga`, `message`, …; none when its details are gone.
    pub mode: Option<String>,
    /// What people call it; of messages and notifications the topic.
    #[serde(default)]
    pub name: String,
    /// How it stands.
    #[serde(rename = "status")]
    pub standing: Standing,
    /// Whether nothing more will be done.
    pub ended: bool,
    /// Why it was rolled back, stopped or given up.
    #[serde(default)]
    pub reason: String,
    /// The rest, where one transaction is looked at; not there when it ended long ago.
    pub details: Option<Details>,
}

/// What else is known of a transaction.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Details {
    /// Who takes part.
    pub branches: Vec<BranchView>,
}

/// A branch.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct BranchView {
    /// Its id.
    pub id: String,
    /// Action, confirm, commit, delivery.
    pub forward: Leg,
    /// Compensation, cancel, rollback.
    pub backward: Leg,
}

/// Somebody to call.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Leg {
    /// Where; none for nobody.
    pub url: Option<String>,
    /// `pending`, `done`, `refused` or `skipped`.
    pub step: String,
    /// Failed attempts in a row.
    pub failures: u32,
    /// What the last of them came to.
    pub last_error: Option<String>,
}

fn xid<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Xid, D::Error> {
    let text = String::deserialize(deserializer)?;
    Xid::parse(&text).map_err(serde::de::Error::custom)
}
