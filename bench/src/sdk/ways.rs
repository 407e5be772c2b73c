//! The ways in which a transfer is made: as plain local transactions, and in each of the SDK's modes.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use synod_client::rm::BoxFuture;
use synod_client::sql::sqlx::{MySql, Pool, Postgres};

use super::bank::Bank;
use super::scenario::{Scenario, Way};
use super::side::Change;
use crate::clock;
use crate::coordinator::Coordinator;

mod at;
mod ends;
mod house;
mod local;
mod message;
mod outbox;
mod saga;
mod tcc;
mod xa;

/// A transfer: so much out of an account of the first bank, into one of the second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Posting {
    /// Nobody else's.
    pub(super) number: u64,
    pub(super) from: i32,
    pub(super) to: i32,
    pub(super) amount: i64,
}

impl Posting {
    const fn debit(&self) -> Change {
        Change { account: self.from, amount: -self.amount }
    }

    const fn credit(&self) -> Change {
        Change { account: self.to, amount: self.amount }
    }

    /// What names it.
    fn id(&self) -> String {
        format!("transfer-{}", self.number)
    }
}

/// How a transfer went.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// It is made, and all has ended.
    Made {
        /// When the client knew that it would be.
        answered: Instant,
    },
    /// It was undone: accounts did not get free.
    Undone,
}

impl Outcome {
    /// It is known now.
    fn made() -> Self {
        Self::Made { answered: clock::now() }
    }
}

/// A way to make transfers.
pub(super) trait Transfer: Send + Sync {
    /// Makes one, and returns when its branches have ended.
    ///
    /// # Errors
    /// When it fails for another reason than other transfers, or nobody knows.
    fn transfer(&self, posting: Posting) -> BoxFuture<'_, Result<Outcome>>;
}

/// The databases as the service has them.
#[derive(Debug)]
struct Pools {
    from: Pool<Postgres>,
    to: Pool<MySql>,
}

/// What makes the transfers of a scenario.
///
/// # Errors
/// When a database or the coordinator cannot be reached, or the coordinator is missing.
pub(super) async fn open(
    scenario: Scenario,
    bank: &Bank,
    coordinator: Option<&Coordinator>,
) -> Result<Arc<dyn Transfer>> {
    let (from, to) = bank.pools(scenario.clients).await?;
    let pools = Pools { from, to };
    let coordinator = || coordinator.context("this way needs a coordinator");
    let native = || coordinator()?.native.context("it has no native API");
    Ok(match scenario.way {
        Way::Plain => Arc::new(local::Plain(pools)),
        Way::Barrier => Arc::new(local::WithBarrier(pools)),
        Way::Outbox => Arc::new(outbox::WithOutbox::open(pools, native()?).await?),
        Way::Message => Arc::new(message::WithMessage::open(pools, native()?).await?),
        Way::Saga => Arc::new(saga::InSaga::open(pools, native()?).await?),
        Way::Tcc => Arc::new(tcc::InTcc::open(pools, native()?).await?),
        Way::Xa => Arc::new(xa::InXa::open(pools, native()?).await?),
        Way::At => Arc::new(at::InAt::open(pools, coordinator()?.address).await?),
    })
}
