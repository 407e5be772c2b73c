//! A saga that Synod drives: it calls this process for both steps, one after the other.

use std::net::SocketAddr;

use anyhow::Result;
use synod_client::native::{Payload, Saga, SagaStep};
use synod_client::rm::saga::{Step as SagaHalves, StepError};
use synod_client::rm::{BoxFuture, Branch, EndError};
use synod_client::sql::sqlx::Pool;
use synod_client::sql::{Key, Op};

use super::house::House;
use super::local::once;
use super::{Outcome, Pools, Posting, Transfer};
use crate::sdk::side::{Change, Side, Step};

/// See the module.
#[derive(Debug)]
pub(super) struct InSaga {
    house: House,
    urls: [String; 2],
}

/// One of the two steps.
struct Account<D: Side>(Pool<D>);

impl<D: Side> SagaHalves for Account<D> {
    type Input = Change;

    async fn action(&self, branch: &Branch, change: &Change) -> Result<(), StepError> {
        let done = once(&self.0, Key::from(branch), (Op::Action, Step::Add), *change).await;
        done.map_err(|error| StepError::Failed(error.to_string()))
    }

    async fn compensate(&self, branch: &Branch, change: &Change) -> Result<(), EndError> {
        let back = Change { amount: -change.amount, ..*change };
        let done = once(&self.0, Key::from(branch), (Op::Compensate, Step::Add), back).await;
        done.map_err(|error| EndError::Again(error.to_string()))
    }
}

impl InSaga {
    pub(super) async fn open(pools: Pools, synod: SocketAddr) -> Result<Self> {
        let house = House::open(synod).await?;
        house.participants.step("debit", Account(pools.from));
        house.participants.step("credit", Account(pools.to));
        let urls = ["debit", "credit"].map(|name| house.participants.url(name));
        Ok(Self { house, urls })
    }
}

impl Transfer for InSaga {
    fn transfer(&self, posting: Posting) -> BoxFuture<'_, Result<Outcome>> {
        Box::pin(async move {
            let mut saga = Saga::new("transfer");
            for (url, change) in self.urls.iter().zip([posting.debit(), posting.credit()]) {
                let step = SagaStep::new(url).compensate(url).payload(Payload::json(&change)?);
                saga = saga.step(step);
            }
            let xid = saga.submit(&self.house.client).await?.xid;
            self.house.ended(&xid).await?;
            Ok(Outcome::made())
        })
    }
}
