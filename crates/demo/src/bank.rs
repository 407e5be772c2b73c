//! A bank: a service of its own process over a database of its own, which others may ask to take money or to bring it, in each of
//! the modes. It knows nothing of other banks. What a service needs of the SDK (`synod-client`) is shown here, mode by mode.
//!
//! | file | what |
//! |---|---|
//! | `service` | listens, reads requests, answers |
//! | `account` | the account, and its steps: each happens once, in one local transaction |
//! | `change` | what each step does to the account, as SQL |
//! | `vault` | what differs between databases |
//! | `tcc`, `saga`, `message`, `outbox` | modes that every database can |
//! | `strong` | XA and AT, which take more than SQLite has |
//! | `dtm` | a branch as services have them that were written for dtm |
//! | `gate` | where the demonstration makes it wait, or lose an answer |
//! | `report` | what it tells the demonstration |

mod account;
mod change;
mod dtm;
mod gate;
mod message;
mod outbox;
pub(crate) mod report;
mod saga;
mod service;
mod strong;
mod tcc;
#[cfg(test)]
mod tests;
mod vault;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_client::rm::{CallError, EndError};
use synod_client::sql::sqlx;

pub(crate) use gate::Wish;
pub(crate) use message::{ABORT, SUBMIT};
pub(crate) use outbox::RELAY;
pub(crate) use service::serve;

/// The first pause before a bank is called again: short, so that there is something to see.
pub(crate) const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// Money to take or to bring.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Posting {
    pub(crate) account: i64,
    pub(crate) amount: i64,
}

/// What goes to another bank when money was taken here.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Order {
    /// Names it, for ever.
    pub(crate) id: String,
    /// What is taken here.
    pub(crate) take: Posting,
    /// What is brought there.
    pub(crate) bring: Posting,
    /// Where: the URL of the other bank's receiver, or the topic that it has subscribed to.
    pub(crate) to: String,
}

/// Which end of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Debit,
    Credit,
}

/// Why a step has not happened.
#[derive(Debug, thiserror::Error)]
enum NotDone {
    /// The bank does not agree, and has changed nothing.
    #[error("refuses: {0}")]
    Refused(String),
    /// Something does not work; perhaps it does later.
    #[error("{0}")]
    Failed(String),
}

/// How a step went: what it did, in words.
type Said = Result<String, NotDone>;

impl Side {
    const BOTH: [Self; 2] = [Self::Debit, Self::Credit];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Debit => "debit",
            Self::Credit => "credit",
        }
    }
}

impl NotDone {
    /// Refused, and that stays so.
    fn refused(why: &str) -> Self {
        Self::Refused(why.to_owned())
    }

    fn failed(error: impl ToString) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<sqlx::Error> for NotDone {
    fn from(error: sqlx::Error) -> Self {
        Self::failed(error)
    }
}

impl From<CallError<Self>> for NotDone {
    fn from(error: CallError<Self>) -> Self {
        match error {
            CallError::Failed(error) => error,
            error => Self::failed(error),
        }
    }
}

impl From<NotDone> for EndError {
    fn from(error: NotDone) -> Self {
        match error {
            NotDone::Refused(why) => Self::Never(why),
            NotDone::Failed(why) => Self::Again(why),
        }
    }
}
