//! One transaction from its begin to its decision.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Backend, Error, Status};
use crate::backoff::Backoff;
use crate::context::RollbackOnly;
use crate::{Xid, clock, context, task};

/// Before a decision is sent again whose answer was lost.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
/// How long a rollback is tried. The transaction's time-out rolls back too, so that nobody need wait for this.
const ROLLBACK: Duration = Duration::from_secs(5);

/// Why a transaction that was to be committed is not known to be.
#[derive(Clone, Debug, thiserror::Error)]
#[must_use]
#[non_exhaustive]
pub enum CommitError {
    /// It has not committed, and its work is undone: by its time-out, or somebody has decided so.
    #[error("not committed: it was decided otherwise ({0:?})")]
    Otherwise(Status),
    /// It was not to be committed, as a part of its work has failed (see [`Propagation`](super::Propagation)), and is rolled back
    /// instead: by its time-out at the latest, where the coordinator cannot be told.
    #[error("rolled back instead: a part of it has failed")]
    RollbackOnly,
    /// Nobody knows (yet) whether it has committed. [`Backend::status`] tells once the coordinator can be asked; or a person has to, if it
    /// was stopped by one.
    #[error("nobody knows whether it has committed: {0}")]
    InDoubt(#[source] Error),
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Commit,
    Rollback,
}

/// A transaction that was begun here and is not decided. Dropped like this, it is rolled back: at once if the coordinator can be
/// told, else by its time-out.
#[must_use = "dropped undecided, it is rolled back"]
pub struct GlobalTx<B: Backend + ?Sized + 'static> {
    backend: Arc<B>,
    xid: Xid,
    deadline: Instant,
    rollback_only: RollbackOnly,
    is_decided: bool,
}

impl<B: Backend + ?Sized + 'static> fmt::Debug for GlobalTx<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlobalTx").field("xid", &self.xid).finish_non_exhaustive()
    }
}

impl<B: Backend + ?Sized + 'static> GlobalTx<B> {
    /// Begins one that is rolled back if it is not decided within `timeout`. It is not in the context: see [`GlobalTx::scope`].
    ///
    /// # Errors
    /// It is refused, or nobody answers. What may have been begun all the same ends by its time-out.
    pub async fn begin(backend: &Arc<B>, name: &str, timeout: Duration) -> Result<Self, Error> {
        // The coordinator's clock starts later than ours: what is over here may still be decided there, never the reverse.
        let deadline = clock::now() + timeout;
        let xid = backend.begin(name, timeout).await?;
        tracing::debug!(%xid, name, "a global transaction was begun");
        let (backend, rollback_only) = (Arc::clone(backend), RollbackOnly::new(xid.clone()));
        Ok(Self { backend, xid, deadline, rollback_only, is_decided: false })
    }

    /// Its id.
    pub const fn xid(&self) -> &Xid {
        &self.xid
    }

    /// When it is rolled back at the earliest if nobody has decided.
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) const fn rollback_only(&self) -> &RollbackOnly {
        &self.rollback_only
    }

    /// Runs `future` as a part of it: with its id and its deadline in the context.
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F, B> {
        let mut context = context::current();
        context.xid = Some(self.xid.clone());
        context.rollback_only = self.rollback_only.clone();
        context.deadline =
            Some(context.deadline.map_or(self.deadline, |deadline| deadline.min(self.deadline)));
        context::scope(context, future)
    }

    /// Commits, or rolls back where work that had joined has failed. A lost answer is asked for again until the transaction's time-out, and then how it stands. `Ok` means that it can no
    /// longer be rolled back; branches may still be being told.
    ///
    /// Dropped half-way, this leaves the decision to whatever of it has arrived.
    ///
    /// # Errors
    /// It has not committed, or nobody knows.
    pub async fn commit(mut self) -> Result<(), CommitError> {
        if self.rollback_only.is_set() {
            return match self.rollback().await {
                Err(error @ Error::Otherwise(_)) => Err(CommitError::InDoubt(error)),
                Ok(()) | Err(_) => Err(CommitError::RollbackOnly),
            };
        }
        self.is_decided = true;
        let result = match self.decide(Way::Commit, self.deadline).await {
            Ok(Status::Committing | Status::Committed) => Ok(()),
            Ok(status) | Err(Error::Otherwise(status)) => match status {
                Status::RollingBack | Status::RolledBack => Err(CommitError::Otherwise(status)),
                _ => Err(CommitError::InDoubt(Error::Otherwise(status))),
            },
            Err(error) => Err(CommitError::InDoubt(error)),
        };
        match &result {
            Ok(()) => tracing::debug!(xid = %self.xid, "a global transaction is committed"),
            Err(error) => {
                tracing::warn!(xid = %self.xid, %error, "a global transaction is not known to be committed")
            }
        }
        result
    }

    /// Rolls back. `Ok` means that it can no longer be committed; branches may still be being told.
    ///
    /// # Errors
    /// [`Error::Otherwise`]: somebody has committed or stopped it. Else the coordinator cannot be told; its time-out will.
    pub async fn rollback(mut self) -> Result<(), Error> {
        let until = self.deadline.min(clock::now() + ROLLBACK);
        let decided = self.decide(Way::Rollback, until).await;
        // Only now: dropped half-way, this is still an undecided transaction to be rolled back.
        self.is_decided = true;
        let result = match decided {
            Ok(Status::RollingBack | Status::RolledBack) => Ok(()),
            Ok(Status::Active) => Err(Error::Unreachable("it is still active".to_owned())),
            Ok(status) => Err(Error::Otherwise(status)),
            Err(error) => Err(error),
        };
        match &result {
            Ok(()) => tracing::debug!(xid = %self.xid, "a global transaction is rolled back"),
            Err(error) => {
                tracing::warn!(xid = %self.xid, %error, "a global transaction could not be rolled back")
            }
        }
        result
    }

    async fn decide(&self, way: Way, until: Instant) -> Result<Status, Error> {
        let mut failures = 0;
        loop {
            let answer = match way {
                Way::Commit => self.backend.commit(&self.xid).await,
                Way::Rollback => self.backend.rollback(&self.xid).await,
            };
            let error = match answer {
                Err(error @ Error::Unreachable(_)) => error,
                answer => return answer,
            };
            failures += 1;
            let pause = BACKOFF.after(failures);
            if clock::now() + pause >= until {
                return self.backend.status(&self.xid).await.map_err(|_| error);
            }
            tracing::debug!(xid = %self.xid, ?way, %error, "a decision is told again");
            tokio::time::sleep(pause).await;
        }
    }
}

impl<B: Backend + ?Sized + 'static> Drop for GlobalTx<B> {
    fn drop(&mut self) {
        if self.is_decided {
            return;
        }
        let (backend, xid) = (Arc::clone(&self.backend), self.xid.clone());
        task::last_will(ROLLBACK, async move {
            match backend.rollback(&xid).await {
                Ok(status) => {
                    tracing::info!(%xid, ?status, "a global transaction was abandoned and is rolled back")
                }
                Err(error) => {
                    tracing::warn!(%xid, %error, "a global transaction was abandoned; its time-out will roll it back");
                }
            }
        });
    }
}
