//! The SDK as a service uses it, in this process: clients are tasks, each of which makes one transfer after the other.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::driver::{Counts, Driver, Window};
use super::ways::{Outcome, Posting, Transfer};
use crate::clock;
use crate::histogram::Histogram;
use crate::mix::scattered;

/// Most that one transfer moves.
const AMOUNT_MAX: u64 = 100;

/// What all clients share.
#[derive(Default)]
struct Plan {
    is_over: AtomicBool,
    numbers: AtomicU64,
    tally: Mutex<Tally>,
}

/// What the clients have seen.
#[derive(Default)]
struct Tally {
    counts: Counts,
    /// Of what has ended since it was looked at last.
    answered: Histogram,
    ended: Histogram,
}

impl Plan {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The load, under way since it was made.
pub(super) struct Load {
    runtime: Handle,
    clients: JoinSet<Result<()>>,
    plan: Arc<Plan>,
    /// What ends branches and cleans up has to be there until that is done.
    _way: Arc<dyn Transfer>,
}

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load").field("clients", &self.clients.len()).finish_non_exhaustive()
    }
}

impl Load {
    /// Begins with so many clients, which draw from so many accounts.
    pub(super) fn start(runtime: Handle, way: Arc<dyn Transfer>, clients: usize, accounts: u64) -> Self {
        let (plan, mut tasks) = (Arc::new(Plan::default()), JoinSet::new());
        for _ in 0..clients {
            tasks.spawn_on(run(Arc::clone(&way), Arc::clone(&plan), accounts), &runtime);
        }
        Self { runtime, clients: tasks, plan, _way: way }
    }
}

impl Driver for Load {
    fn measure(&mut self, time: Duration) -> Result<Window> {
        let before = {
            let mut tally = self.plan.tally();
            *tally = Tally { counts: tally.counts, ..Tally::default() };
            tally.counts
        };
        let begin = clock::now();
        let clients = &mut self.clients;
        self.runtime.block_on(async {
            tokio::select! {
                ended = clients.join_next() => match ended {
                    Some(ended) => ended.context("a client panicked")?,
                    None => bail!("there are no clients"),
                },
                () = tokio::time::sleep(time) => Ok(()),
            }
        })?;
        let (tally, seconds) = (self.plan.tally(), begin.elapsed().as_secs_f64());
        let (answered, ended) = (tally.answered.summary(), tally.ended.summary());
        Ok(Window { before, after: tally.counts, seconds, answered, ended })
    }

    fn stop(&mut self) -> Result<Counts> {
        self.plan.is_over.store(true, Ordering::Relaxed);
        let clients = &mut self.clients;
        self.runtime.block_on(async {
            while let Some(ended) = clients.join_next().await {
                ended.context("a client panicked")??;
            }
            anyhow::Ok(())
        })?;
        Ok(self.plan.tally().counts)
    }

    fn pid(&self) -> u32 {
        std::process::id()
    }
}

async fn run(way: Arc<dyn Transfer>, plan: Arc<Plan>, accounts: u64) -> Result<()> {
    while !plan.is_over.load(Ordering::Relaxed) {
        let posting = posting(plan.numbers.fetch_add(1, Ordering::Relaxed), accounts);
        let begin = clock::now();
        let outcome = way.transfer(posting).await.with_context(|| format!("{posting:?}"))?;
        let mut tally = plan.tally();
        match outcome {
            Outcome::Made { answered } => {
                tally.counts.finished += 1;
                tally.counts.moved += posting.amount;
                tally.answered.record(answered.duration_since(begin));
                tally.ended.record(begin.elapsed());
            }
            Outcome::Undone => tally.counts.rolled_back += 1,
        }
    }
    Ok(())
}

/// What the transfer of this number moves.
fn posting(number: u64, accounts: u64) -> Posting {
    let chance = scattered(number);
    let account = |chance: u64| i32::try_from(chance % accounts).unwrap_or(0);
    let amount = i64::try_from(1 + (chance >> 48) % AMOUNT_MAX).unwrap_or(1);
    Posting { number, from: account(chance & 0xff_ffff), to: account((chance >> 24) & 0xff_ffff), amount }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postings_use_all_accounts_and_no_others() {
        let postings: Vec<_> = (0..1000).map(|number| posting(number, 16)).collect();
        for account in 0..16 {
            assert!(postings.iter().any(|posting| posting.from == account));
            assert!(postings.iter().any(|posting| posting.to == account));
        }
        let fits =
            |posting: &Posting| posting.from < 16 && posting.to < 16 && (1..=100).contains(&posting.amount);
        assert!(postings.iter().all(fits));
    }
}
