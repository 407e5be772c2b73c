//! Why something is not done, by a stable code each; `docs/errors` has a page for every code.

use synod_core::txn::{Refusal, Status};

use crate::txn::Failure;

/// What is wrong, by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// No such transaction.
    NotFound,
    /// It ended so long ago that nobody knows how.
    Forgotten,
    /// The id is taken by a transaction with other content.
    Conflict,
    /// It stands so that this cannot be done.
    Standing,
    /// The branch's id is taken by a branch with other content.
    BranchConflict,
    /// Not now.
    Busy,
    /// Something is longer, or there is more of it, than is allowed.
    TooLong,
    /// It makes no sense.
    Senseless,
    /// A URL by which nobody can be called.
    Destination,
    /// No such topic, or nobody has subscribed to it.
    NoTopic,
    /// This node does not coordinate, or not yet.
    NotReady,
    /// No such branch.
    NoBranch,
}

impl Code {
    /// The status of HTTP, the code, and what is said of all that have it.
    pub const fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::NotFound => (404, "E2001", "No such transaction"),
            Self::Forgotten => (410, "E2002", "The outcome is forgotten"),
            Self::Conflict => (409, "E2003", "The id is taken"),
            Self::Standing => (409, "E2004", "The transaction stands otherwise"),
            Self::BranchConflict => (409, "E2005", "The branch's id is taken"),
            Self::Busy => (503, "E2006", "Not now"),
            Self::TooLong => (413, "E2007", "A limit is exceeded"),
            Self::Senseless => (422, "E2008", "The transaction makes no sense"),
            Self::Destination => (422, "E2009", "Nobody can be called there"),
            Self::NoTopic => (404, "E2010", "No such topic"),
            Self::NotReady => (503, "E2011", "Transactions are not coordinated here yet"),
            Self::NoBranch => (404, "E2012", "No such branch"),
        }
    }
}

/// Why something is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum No {
    /// It is refused, and nothing has changed.
    Refused {
        /// By this code.
        code: Code,
        /// What was wrong this time.
        detail: String,
        /// The transaction that is in the way, by its XID.
        xid: Option<String>,
        /// How the transaction stands that it was about.
        standing: Option<Status>,
    },
    /// It may have been done or may yet be: any answer might be wrong, so there is none.
    Unanswered,
}

impl No {
    /// A refusal.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self::Refused { code, detail: detail.into(), xid: None, standing: None }
    }

    pub(super) fn senseless(detail: impl Into<String>) -> Self {
        Self::new(Code::Senseless, detail)
    }

    pub(super) fn not_found(id: &str) -> Self {
        Self::new(Code::NotFound, format!("no transaction is known as {id:?}"))
    }
}

impl From<Failure> for No {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Lost => Self::Unanswered,
            Failure::Busy(_) => Self::new(Code::Busy, failure.to_string()),
            Failure::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        let (code, standing) = match refusal {
            Refusal::Unknown => (Code::NotFound, None),
            Refusal::Forgotten => (Code::Forgotten, None),
            Refusal::Ended(end) => (Code::Standing, Some(Status::Ended(end))),
            Refusal::Not(status) => (Code::Standing, Some(status)),
            Refusal::Conflict(_) => (Code::Conflict, None),
            // Nobody but Seata's clients lock rows, and they are answered otherwise.
            Refusal::Locked { .. } => (Code::Busy, None),
            Refusal::BranchConflict(_) => (Code::BranchConflict, None),
            Refusal::NoSuchBranch => (Code::NoBranch, None),
            Refusal::NoSuchTopic => (Code::NoTopic, None),
            // No later moment has room for these.
            Refusal::Busy("branches of a transaction" | "subscribers of the topic" | "topics")
            | Refusal::TooLarge(_) => (Code::TooLong, None),
            Refusal::Busy(_) => (Code::Busy, None),
            Refusal::Invalid(_) => (Code::Senseless, None),
        };
        Self::Refused { code, detail: refusal.to_string(), xid: None, standing }
    }
}
