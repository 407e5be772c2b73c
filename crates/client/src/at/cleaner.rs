//! Phase two. A commit has only an undo log to remove, which waits for others and is not waited for; a rollback undoes.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
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

/// Ends branches.
pub(super) struct Cleaner<D: Dialect> {
    /// Weak, as the backend that the database knows holds this.
    shared: Weak<Shared<D>>,
    committed: Sender<Key>,
    _task: Task,
}

impl<D: Dialect> Cleaner<D> {
    pub(super) fn start(shared: &Arc<Shared<D>>) -> Self {
        let (committed, waiting) = channel(shared.options.cleaning_max.max(1));
        let task = Task::spawn(clean(Arc::downgrade(shared), waiting));
        Self { shared: Arc::downgrade(shared), committed, _task: task }
    }

    fn shared(&self) -> Result<Arc<Shared<D>>, EndError> {
        self.shared.upgrade().ok_or_else(|| EndError::Again("the data source is closed".to_owned()))
    }
}

impl<D: Dialect> Resource for Cleaner<D> {
    /// Answers at once. Should this process end before the log is removed, it is found by its age.
    fn commit<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(async move {
            let Some(key) = Key::of(branch) else { return Err(not_numbered(branch)) };
            self.committed
                .try_send(key)
                .map_err(|_| EndError::Again("too many wait to be cleaned".to_owned()))
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

/// Removes the logs of committed branches, many at once. What the database does not take is tried again, with a longer pause.
async fn clean<D: Dialect>(shared: Weak<Shared<D>>, mut waiting: Receiver<Key>) {
    const PAUSE_MAX: Duration = Duration::from_secs(30);
    let mut keys = Vec::new();
    let mut pause = Duration::ZERO;
    while !keys.is_empty() || waiting.recv_many(&mut keys, TOGETHER_MAX).await > 0 {
        let Some(interval) = shared.upgrade().map(|shared| shared.options.cleaning_interval) else { return };
        // As many as go together do not wait for more: no rate of commits outruns the cleaning by the clock.
        let is_full = keys.len() >= TOGETHER_MAX;
        sleep(if is_full { pause } else { interval.max(pause) }).await;
        while keys.len() < TOGETHER_MAX {
            match waiting.try_recv() {
                Ok(key) => keys.push(key),
                Err(_) => break,
            }
        }
        let Some(shared) = shared.upgrade() else { return };
        match remove(&shared, &keys).await {
            Ok(()) => {
                keys.clear();
                pause = Duration::ZERO;
            }
            Err(error) => {
                tracing::warn!(resource = %shared.resource, %error, logs = keys.len(), "undo logs stay for now");
                pause = (pause * 2).clamp(Duration::from_millis(200), PAUSE_MAX);
            }
        }
    }
}

async fn remove<D: Dialect>(shared: &Shared<D>, keys: &[Key]) -> Result<(), sqlx::Error> {
    let mut connection = shared.pool.acquire().await?;
    undo_log::remove::<D>(&mut connection, &shared.options.undo_table, keys).await
}
