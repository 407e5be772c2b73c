//! The relay: takes what has committed to the outbox and delivers it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Pool;
use tokio::sync::watch;
use tokio::time::timeout;

use super::queue::{self, Taken};
use super::{Outbox, Sink, Undelivered};
use crate::backoff::Backoff;
use crate::clock;
use crate::sql::Database;
use crate::task::Task;

/// Most messages that a relay takes at once.
const BATCH_MAX: u32 = 1_000;

/// How a relay works.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Messages taken at once; at most 1,000.
    pub batch: u32,
    /// Between two looks at an outbox that was empty.
    pub interval: Duration,
    /// Longest time for one delivery.
    pub timeout: Duration,
    /// For how long a batch belongs to the relay that took it; then another one may take what is left of it. At least twice the time-out.
    pub lease: Duration,
    /// A message is parked when it has failed this often.
    pub attempts_max: u32,
    /// The pause after the first failure; it doubles with each.
    pub pause: Duration,
    /// Longest pause.
    pub pause_max: Duration,
}

impl Default for Rules {
    /// 32 messages, a look every 200 ms, 10 s for a delivery, a lease of 30 s, 16 attempts with pauses from 500 ms to 5 min: about an hour.
    fn default() -> Self {
        Self {
            batch: 32,
            interval: Duration::from_millis(200),
            timeout: Duration::from_secs(10),
            lease: Duration::from_secs(30),
            attempts_max: 16,
            pause: Duration::from_millis(500),
            pause_max: Duration::from_secs(300),
        }
    }
}

/// A relay at work; it ends when this is dropped, perhaps in the middle of a delivery, which then comes again.
#[derive(Debug)]
pub struct Relay {
    stop: watch::Sender<bool>,
    _task: Task,
}

struct Work<DB: Database> {
    pool: Pool<DB>,
    sink: Arc<dyn Sink>,
    rules: Rules,
    stop: watch::Receiver<bool>,
}

impl Relay {
    /// Starts one. There may be several, also in other processes.
    pub fn start<DB: Database>(outbox: &Outbox, pool: Pool<DB>, sink: Arc<dyn Sink>, rules: Rules) -> Self {
        let (stop, stopped) = watch::channel(false);
        let wake = outbox.wake.clone();
        let lease = rules.lease.max(rules.timeout * 2);
        let rules = Rules { batch: rules.batch.clamp(1, BATCH_MAX), lease, ..rules };
        let mut work = Work { pool, sink, rules, stop: stopped };
        let task = Task::spawn(async move {
            while !*work.stop.borrow() {
                match work.pass().await {
                    // There may be more.
                    Ok(taken) if taken == work.rules.batch as usize => continue,
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "the outbox cannot be read"),
                }
                tokio::select! {
                    () = tokio::time::sleep(work.rules.interval) => {}
                    () = wake.notified() => {}
                    _ = work.stop.changed() => {}
                }
            }
        });
        Self { stop, _task: task }
    }

    /// Lets it end the delivery it is at, gives back what it has taken, and waits until it is gone.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.stop.closed().await;
    }
}

impl<DB: Database> Work<DB> {
    /// Takes a batch and delivers it; how many were taken.
    async fn pass(&self) -> sqlx::Result<usize> {
        let began = clock::now();
        let batch = queue::take(&self.pool, self.rules.batch, self.rules.lease).await?;
        for taken in &batch {
            // No delivery begins that could last beyond the lease: two relays never deliver the same at the same time.
            let is_in_time = began.elapsed() + self.rules.timeout < self.rules.lease;
            if *self.stop.borrow() || !is_in_time {
                queue::put_back(&self.pool, taken).await?;
            } else {
                self.deliver(taken).await?;
            }
        }
        Ok(batch.len())
    }

    async fn deliver(&self, taken: &Taken) -> sqlx::Result<()> {
        let attempts = u32::try_from(taken.attempts).unwrap_or(u32::MAX);
        if attempts > self.rules.attempts_max {
            // The last attempt did not come to an end: its relay was gone.
            return self.park(taken, None).await;
        }
        let delivery = timeout(self.rules.timeout, self.sink.deliver(&taken.message)).await;
        match delivery.unwrap_or_else(|_| Err(Undelivered::Again("it took too long".to_owned()))) {
            Ok(()) => queue::delivered(&self.pool, taken).await,
            Err(Undelivered::Again(problem)) if attempts < self.rules.attempts_max => {
                queue::again(&self.pool, taken, self.rules.pause_after(attempts), &problem).await
            }
            Err(Undelivered::Again(problem) | Undelivered::Never(problem)) => {
                self.park(taken, Some(&problem)).await
            }
        }
    }

    async fn park(&self, taken: &Taken, problem: Option<&str>) -> sqlx::Result<()> {
        let id = &taken.message.id;
        tracing::warn!(
            id,
            attempts = taken.attempts,
            problem,
            "a message is parked: somebody has to look at it"
        );
        queue::park(&self.pool, taken, problem).await
    }
}

impl Rules {
    /// The pause after so many failures.
    pub(super) fn pause_after(&self, attempts: u32) -> Duration {
        Backoff::new(self.pause, self.pause_max).after(attempts)
    }
}
