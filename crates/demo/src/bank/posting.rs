//! What a bank is asked for, and how that may go.

use serde::{Deserialize, Serialize};
use synod_client::rm::{CallError, EndError};
use synod_client::sql::sqlx;

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
pub(super) enum Side {
    Debit,
    Credit,
}

/// Why a step has not happened.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotDone {
    /// The bank does not agree, and has changed nothing.
    #[error("refuses: {0}")]
    Refused(String),
    /// Something does not work; perhaps it does later.
    #[error("{0}")]
    Failed(String),
}

/// How a step went: what it did, in words.
pub(super) type Said = Result<String, NotDone>;

impl Side {
    pub(super) const BOTH: [Self; 2] = [Self::Debit, Self::Credit];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Debit => "debit",
            Self::Credit => "credit",
        }
    }
}

impl NotDone {
    /// Refused, and that stays so.
    pub(super) fn refused(why: &str) -> Self {
        Self::Refused(why.to_owned())
    }

    pub(super) fn failed(error: impl ToString) -> Self {
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
