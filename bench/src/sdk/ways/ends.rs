//! The ends of branches, seen where they happen: in this process, which asks nobody for them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use synod_client::Xid;
use synod_client::rm::{Backend, BoxFuture, Branch, EndError, EnlistError, Kind, NewBranch, Resource};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::house::LIMIT;

/// Who waits for what.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends(Arc<Mutex<HashMap<String, Awaited>>>);

#[derive(Debug)]
struct Awaited {
    /// How many branches have not ended yet.
    left: usize,
    seen: Vec<Arc<str>>,
    all: oneshot::Sender<()>,
}

/// To be waited for.
#[derive(Debug)]
pub(super) struct AllEnded(oneshot::Receiver<()>);

impl AllEnded {
    /// # Errors
    /// When they have not ended in time.
    pub(super) async fn wait(self) -> Result<()> {
        timeout(LIMIT, self.0)
            .await
            .context("branches have not ended in time")?
            .context("somebody else waits")
    }
}

impl Ends {
    /// Waits, from now on, for so many branches of a transaction or a message.
    pub(super) fn expect(&self, of: &str, branches: usize) -> AllEnded {
        let (all, wait) = oneshot::channel();
        self.lock().insert(of.to_owned(), Awaited { left: branches, seen: Vec::new(), all });
        AllEnded(wait)
    }

    /// A branch has ended, perhaps once more.
    pub(super) fn ended(&self, of: &str, branch: &Arc<str>) {
        let mut waiting = self.lock();
        let Some(awaited) = waiting.get_mut(of).filter(|awaited| !awaited.seen.contains(branch)) else {
            return;
        };
        awaited.seen.push(Arc::clone(branch));
        awaited.left -= 1;
        if awaited.left == 0
            && let Some(awaited) = waiting.remove(of)
        {
            // Whoever has waited may have failed.
            awaited.all.send(()).ok();
        }
    }

    /// A coordinator whose commits are seen here.
    pub(super) fn watch(&self, backend: Arc<dyn Backend>) -> Arc<dyn Backend> {
        Arc::new(Watched { inner: backend, ends: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Awaited>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A coordinator, or a resource that is registered with it.
struct Watched<T: ?Sized> {
    inner: Arc<T>,
    ends: Ends,
}

impl<T: ?Sized> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

impl Resource for Watched<dyn Resource> {
    fn commit<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(async {
            self.inner.commit(branch).await?;
            self.ends.ended(branch.xid.as_str(), &branch.id);
            Ok(())
        })
    }

    fn rollback<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>> {
        self.inner.rollback(branch)
    }
}

impl Backend for Watched<dyn Backend> {
    fn register<'a>(
        &'a self,
        id: Arc<str>,
        kind: Kind,
        resource: Arc<dyn Resource>,
    ) -> BoxFuture<'a, Result<(), EnlistError>> {
        let resource = Watched { inner: resource, ends: self.ends.clone() };
        self.inner.register(id, kind, Arc::new(resource))
    }

    fn enlist(&self, branch: NewBranch) -> BoxFuture<'_, Result<Branch, EnlistError>> {
        self.inner.enlist(branch)
    }

    fn failed<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EnlistError>> {
        self.inner.failed(branch)
    }

    fn is_free<'a>(
        &'a self,
        xid: &'a Xid,
        resource: &'a str,
        rows: &'a str,
    ) -> BoxFuture<'a, Result<bool, EnlistError>> {
        self.inner.is_free(xid, resource, rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_branches_have_to_end_and_each_counts_once() {
        let ends = Ends::default();
        let mut all = ends.expect("a", 2);
        let (debit, credit): (Arc<str>, Arc<str>) = ("debit".into(), "credit".into());
        ends.ended("a", &debit);
        ends.ended("a", &debit);
        ends.ended("b", &credit);
        assert!(all.0.try_recv().is_err());
        ends.ended("a", &credit);
        all.wait().await.unwrap();
    }
}
