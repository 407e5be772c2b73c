//! Phase two. A commit has only an undo log to remove, together with those of others; a rollback undoes.
//!
//! Java's clients answer a commit before the log is removed, and one that is killed then leaves it behind until it is found by its age.
//! Here the answer waits for the removal, so that the coordinator asks again, whoever ends meanwhile. What comes while a statement
//! runs goes into the next one: under load many are removed at once, and without it nobody waits for anybody.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::dialect::Dialect;
use super::source::Shared;
use super::undo;
use super::undo_log::{self, Key};
use crate::rm::{BoxFuture, Branch, EndError, Resource};
use crate::task::Task;

/// Rows that are removed with one statement: branches, and those that are old.
const TOGETHER_MAX: usize = 1000;
const OLD_MAX: u32 = 3000;

/// A log to remove, and who waits for that.
struct Committed {
    key: Key,
    removed: oneshot::Sender<Result<(), EndError>>,
}

/// Ends branches.
pub(super) struct Cleaner<D: Dialect> {
    /// Weak, as the backend that the database knows holds this.
    shared: Weak<Shared<D>>,
    committed: Sender<Committed>,
    _task: Task,
}

impl<D: Dialect> Cleaner<D> {
    pub(super) fn start(shared: &Arc<Shared<D>>) -> Self {
        let (committed, waiting) = channel(shared.options.cleaning_max.max(1));
        let task = Task::spawn(clean(Arc::downgrade(shared), waiting));
        Self { shared: Arc::downgrade(shared), committed, _task: task }
    }

    fn shared(&self) -> Result<Arc<Shared<D>>, EndError> {
        self.shared.upgrade().ok_or_else(closed)
    }
}

fn closed() -> EndError {
    EndError::Again("the data source is closed".to_owned())
}

impl<D: Dialect> Resource for Cleaner<D> {
    fn commit<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(async move {
            let Some(key) = Key::of(branch) else { return Err(not_numbered(branch)) };
            let (removed, answer) = oneshot::channel();
            self.committed
                .try_send(Committed { key, removed })
                .map_err(|_| EndError::Again("too many wait to be cleaned".to_owned()))?;
            answer.await.unwrap_or_else(|_| Err(closed()))
        })
    }

    fn rollback<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(async move {
            let Some(key) = Key::of(branch) else { return Err(not_numbered(branch)) };
            undo::undo(&*self.shared()?, &key).await
        })
    }

    fn tidy(&self, older_than: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let Ok(shared) = self.shared() else { return };
            let seconds = i64::try_from(older_than.as_secs()).unwrap_or(i64::MAX);
            if let Err(error) = tidy(&shared, seconds).await {
                tracing::warn!(resource = %shared.resource, %error, "old undo logs stay");
            }
        })
    }
}

fn not_numbered(branch: &Branch) -> EndError {
    EndError::Never(format!("the branch {} has no number as in Seata", branch.id))
}

async fn tidy<D: Dialect>(shared: &Shared<D>, seconds: i64) -> Result<(), sqlx::Error> {
    loop {
        let mut connection = shared.pool.acquire().await?;
        let removed =
            undo_log::remove_old::<D>(&mut connection, &shared.options.undo_table, seconds, OLD_MAX).await?;
        if removed < u64::from(OLD_MAX) {
            return Ok(());
        }
    }
}

/// Removes the logs of committed branches, many at once. What the database does not take now the coordinator asks for again.
async fn clean<D: Dialect>(shared: Weak<Shared<D>>, mut waiting: Receiver<Committed>) {
    let mut committed = Vec::new();
    while waiting.recv_many(&mut committed, TOGETHER_MAX).await > 0 {
        let Some(interval) = shared.upgrade().map(|shared| shared.options.cleaning_interval) else { return };
        // As many as go together do not wait for more.
        if !interval.is_zero() && committed.len() < TOGETHER_MAX {
            sleep(interval).await;
            while committed.len() < TOGETHER_MAX
                && let Ok(one) = waiting.try_recv()
            {
                committed.push(one);
            }
        }
        let Some(shared) = shared.upgrade() else { return };
        let keys: Vec<Key> = committed.iter().map(|one| one.key.clone()).collect();
        let removed = remove(&shared, &keys).await.map_err(|error| {
            tracing::warn!(resource = %shared.resource, %error, logs = keys.len(), "undo logs stay for now");
            EndError::Again(error.to_string())
        });
        for one in committed.drain(..) {
            // Whoever no longer waits will be asked again.
            one.removed.send(removed.clone()).ok();
        }
    }
}

async fn remove<D: Dialect>(shared: &Shared<D>, keys: &[Key]) -> Result<(), sqlx::Error> {
    let mut connection = shared.pool.acquire().await?;
    undo_log::remove::<D>(&mut connection, &shared.options.undo_table, keys).await
}
