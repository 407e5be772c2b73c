//! Work in a global transaction.

use std::sync::Arc;
use std::time::Duration;

use super::global::{CommitError, GlobalTx};
use super::propagation::{Course, Propagation};
use super::{Backend, Error, Status};
use crate::context::{self, RollbackOnly, suspend};
use crate::{Context, Xid};

/// Seata's default.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Why work in a global transaction has no result. Whoever has one (`Ok`) knows that the transaction is committed, or, if it was
/// begun by somebody else, that this part of it is done.
#[derive(Clone, Debug, thiserror::Error)]
#[must_use]
#[non_exhaustive]
pub enum TxError<E> {
    /// Nothing was begun, and the work has not run.
    #[error("no transaction was begun: {0}")]
    NotBegun(#[source] Error),
    /// There is a transaction and must be none, or the reverse. The work has not run.
    #[error("{0:?} does not allow for this: {1:?} is the transaction that is there")]
    Misplaced(Propagation, Option<Xid>),
    /// The work failed, and its transaction is rolled back.
    #[error("rolled back: {error}")]
    RolledBack {
        /// The transaction.
        xid: Xid,
        /// What the work failed with.
        error: E,
    },
    /// The work failed, and the coordinator could not be told, or knows better ([`Error::Otherwise`]). Unless somebody else has decided, its
    /// time-out rolls it back.
    #[error("to be rolled back: {error} (and {cause})")]
    NotRolledBack {
        /// The transaction.
        xid: Xid,
        /// What the work failed with.
        error: E,
        /// Why it is not known to be rolled back.
        cause: Error,
    },
    /// The work failed that took part in the transaction of somebody else, who decides what becomes of it; or worked without one.
    #[error("{error}")]
    Failed {
        /// The transaction.
        xid: Option<Xid>,
        /// What the work failed with.
        error: E,
    },
    /// The work was done, and is undone: the time-out was faster, or somebody else has decided.
    #[error("{xid} has not committed: it was decided otherwise ({status:?})")]
    Undone {
        /// The transaction.
        xid: Xid,
        /// How it stands.
        status: Status,
    },
    /// The work was done, and is rolled back, as a part of it that had joined has failed, or asked for it: by its time-out at the latest, where
    /// the coordinator cannot be told. See [`Propagation`].
    #[error("{xid} is rolled back: a part of it has failed")]
    RollbackOnly {
        /// The transaction.
        xid: Xid,
    },
    /// The work was done. Nobody knows whether the commit has arrived.
    #[error("nobody knows whether {xid} has committed: {cause}")]
    InDoubt {
        /// The transaction. Ask how it stands.
        xid: Xid,
        /// Why nobody knows.
        #[source]
        cause: Error,
    },
}

impl<E> TxError<E> {
    /// What the work itself failed with, if it did.
    pub fn into_work(self) -> Option<E> {
        match self {
            Self::RolledBack { error, .. }
            | Self::NotRolledBack { error, .. }
            | Self::Failed { error, .. } => Some(error),
            Self::NotBegun(_)
            | Self::Misplaced(..)
            | Self::Undone { .. }
            | Self::RollbackOnly { .. }
            | Self::InDoubt { .. } => None,
        }
    }
}

/// What work knows of the transaction that it runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tx {
    xid: Option<Xid>,
    is_ours: bool,
    rollback_only: RollbackOnly,
}

impl Tx {
    /// Work without one.
    fn none() -> Self {
        Self { xid: None, is_ours: false, rollback_only: RollbackOnly::default() }
    }

    /// The transaction; none if the work does without.
    pub const fn xid(&self) -> Option<&Xid> {
        self.xid.as_ref()
    }

    /// Whether it was begun for this work, and is decided when it ends.
    pub const fn is_ours(&self) -> bool {
        self.is_ours
    }

    /// Takes the transaction along: runs `future` with it in the context, on whatever task. (What a task spawns has no context.)
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let mut context = context::current().with_xid(self.xid.clone());
        context.rollback_only = self.rollback_only.clone();
        context::scope(context, future)
    }

    /// Has the transaction rolled back when it is to be committed, whatever the work returns. Does nothing where it was begun by another
    /// process.
    pub fn set_rollback_only(&self) {
        if let Some(xid) = &self.xid {
            self.rollback_only.set(xid);
        }
    }
}

/// How work is to run in a transaction.
#[derive(Clone, Debug)]
pub struct Options {
    name: String,
    timeout: Duration,
    propagation: Propagation,
}

impl Options {
    /// [`Propagation::Required`], 60 seconds. The name is for people.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), timeout: TIMEOUT, propagation: Propagation::default() }
    }

    /// Rolled back if it is not decided after so long.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What happens when there is a transaction already.
    #[must_use]
    pub const fn propagation(mut self, propagation: Propagation) -> Self {
        self.propagation = propagation;
        self
    }

    /// Runs `work`. If a transaction is begun for it, it is in the context meanwhile; it is committed when the work returns `Ok`, and rolled
    /// back when it returns `Err`, panics, or is dropped.
    ///
    /// # Errors
    /// See [`TxError`]: only one of them leaves open what has happened.
    pub async fn run<B, T, E, W>(&self, backend: &Arc<B>, work: W) -> Result<T, TxError<E>>
    where
        B: Backend + ?Sized + 'static,
        W: AsyncFnOnce(Tx) -> Result<T, E>,
    {
        let Context { xid: outer, rollback_only, .. } = context::current();
        let failed = |xid| |error| TxError::Failed { xid, error };
        match self.propagation.course(outer.is_some()) {
            Course::Begin => self.run_in_new(backend, work).await,
            Course::Join => {
                tracing::debug!(xid = ?outer, name = self.name, "joins a global transaction");
                let tx = Tx { xid: outer.clone(), is_ours: false, rollback_only };
                let mut joined = Joined { tx: tx.clone(), is_done: false };
                let result = work(tx).await;
                joined.is_done = result.is_ok();
                result.map_err(failed(outer))
            }
            Course::Without => suspend(work(Tx::none())).await.map_err(failed(None)),
            Course::Refuse => Err(TxError::Misplaced(self.propagation, outer)),
        }
    }

    async fn run_in_new<B, T, E, W>(&self, backend: &Arc<B>, work: W) -> Result<T, TxError<E>>
    where
        B: Backend + ?Sized + 'static,
        W: AsyncFnOnce(Tx) -> Result<T, E>,
    {
        let tx = GlobalTx::begin(backend, &self.name, self.timeout).await.map_err(TxError::NotBegun)?;
        let xid = tx.xid().clone();
        let work =
            work(Tx { xid: Some(xid.clone()), is_ours: true, rollback_only: tx.rollback_only().clone() });
        match tx.scope(work).await {
            Ok(value) => match tx.commit().await {
                Ok(()) => Ok(value),
                Err(CommitError::RollbackOnly) => Err(TxError::RollbackOnly { xid }),
                Err(CommitError::Otherwise(status)) => Err(TxError::Undone { xid, status }),
                Err(CommitError::InDoubt(cause)) => Err(TxError::InDoubt { xid, cause }),
            },
            Err(error) => match tx.rollback().await {
                Ok(()) => Err(TxError::RolledBack { xid, error }),
                Err(cause) => Err(TxError::NotRolledBack { xid, error, cause }),
            },
        }
    }
}

/// Work in the transaction of somebody else. Unless it is done when this is dropped, that can only be rolled back.
struct Joined {
    tx: Tx,
    is_done: bool,
}

impl Drop for Joined {
    fn drop(&mut self) {
        if !self.is_done {
            self.tx.set_rollback_only();
        }
    }
}

/// Runs `work` in a global transaction: in the one of the context if there is one, else in a new one that is rolled back if it is not decided
/// within `timeout`. See [`Options::run`].
///
/// # Errors
/// See [`TxError`].
pub async fn global_tx<B, T, E>(
    backend: &Arc<B>,
    name: &str,
    timeout: Duration,
    work: impl AsyncFnOnce(Tx) -> Result<T, E>,
) -> Result<T, TxError<E>>
where
    B: Backend + ?Sized + 'static,
{
    Options::new(name).timeout(timeout).run(backend, work).await
}
