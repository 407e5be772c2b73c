//! Resource managers: who takes part in global transactions.
//!
//! A *resource* (a database, a TCC action) is registered with a [`Backend`], which says to the coordinator that this process can end
//! branches of it. A branch joins with [`Backend::enlist`] before its work is committed locally; when the transaction is decided, the
//! coordinator has [`Resource::commit`] or [`Resource::rollback`] called, here or in another process with the same resource, and
//! repeats that until it is done.
//!
//! Who has no database that keeps work back writes it in two steps ([`tcc`]), or writes how to undo it ([`saga`]).

mod input;
pub mod saga;
pub mod tcc;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use crate::Xid;

pub use input::CallError;

/// A future of a trait that is used as an object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How a resource ends its branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Seata's AT: changes are committed at once and undone from an undo log.
    At,
    /// Try, then confirm or cancel.
    Tcc,
    /// The database keeps the prepared work.
    Xa,
    /// Done at once, compensated on rollback.
    Saga,
}

/// A branch that joins.
#[derive(Clone, Debug)]
pub struct NewBranch {
    /// The transaction.
    pub xid: Xid,
    /// The resource, by the id under which it was registered.
    pub resource: Arc<str>,
    /// How it ends.
    pub kind: Kind,
    /// The rows it has changed, as Seata writes them (`table:key,key;table:key`); empty but for [`Kind::At`].
    pub rows: String,
    /// Comes back as it is when the branch is ended.
    pub data: Bytes,
}

/// A branch that takes part.
#[derive(Clone, Debug)]
pub struct Branch {
    /// The transaction.
    pub xid: Xid,
    /// The coordinator's name for the branch, unique within the transaction. A decimal `i64` where the coordinator speaks Seata.
    pub id: Arc<str>,
    /// The resource.
    pub resource: Arc<str>,
    /// How it ends.
    pub kind: Kind,
    /// What it joined with.
    pub data: Bytes,
}

/// Why a branch has not joined.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum EnlistError {
    /// Another transaction holds one of the rows. Worth another try soon.
    #[error("a row is held by another transaction: {0}")]
    Conflict(String),
    /// The same, and the holder is being rolled back: it needs the row's local lock, which must be let go of first.
    #[error("a row is held by a transaction that is being rolled back: {0}")]
    ConflictWithRollback(String),
    /// The transaction takes no more branches: it is decided, or not known. The local work must be rolled back.
    #[error("the transaction takes no more branches: {0}")]
    NotActive(String),
    /// Refused for another reason.
    #[error("refused: {0}")]
    Refused(String),
    /// Nobody knows whether it has joined. The local work must be rolled back.
    #[error("the coordinator cannot be asked: {0}")]
    Unreachable(String),
}

/// Why a branch has not been ended.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum EndError {
    /// Not now: the coordinator asks again.
    #[error("not now: {0}")]
    Again(String),
    /// Never by itself: somebody has to look at it.
    #[error("never: {0}")]
    Never(String),
}

/// Who ends branches. Both calls may come twice, late, or for a branch that never did anything: they must bear it.
pub trait Resource: Send + Sync {
    /// Makes the branch's work final.
    fn commit<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>>;

    /// Undoes it.
    fn rollback<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>>;

    /// Throws away what can only be left over: undo logs older than this.
    fn tidy(&self, _older_than: std::time::Duration) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// A coordinator, as resource managers see it. Cheap to share.
pub trait Backend: Send + Sync {
    /// Says that this process ends branches of a resource, from now on and after each reconnection. Returns when a coordinator knows.
    fn register<'a>(
        &'a self,
        id: Arc<str>,
        kind: Kind,
        resource: Arc<dyn Resource>,
    ) -> BoxFuture<'a, Result<(), EnlistError>>;

    /// A branch joins. Durable at the coordinator when this returns.
    fn enlist(&self, branch: NewBranch) -> BoxFuture<'_, Result<Branch, EnlistError>>;

    /// The branch's local work has failed after it joined: there will be nothing to commit.
    fn failed<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EnlistError>>;

    /// Whether none of the rows is held by another transaction than `xid`.
    fn is_free<'a>(
        &'a self,
        xid: &'a Xid,
        resource: &'a str,
        rows: &'a str,
    ) -> BoxFuture<'a, Result<bool, EnlistError>>;
}
