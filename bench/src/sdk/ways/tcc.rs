//! TCC over the native API: money is set aside, or noted as to come, and moved by the confirm.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use synod_client::rm::tcc::{Action, Tcc};
use synod_client::rm::{BoxFuture, Branch, CallError, EndError};
use synod_client::sql::sqlx::{self, MySql, Pool, Postgres};
use synod_client::sql::{Key, Op};
use synod_client::tm::{Tx, global_tx};

use super::ends::Ends;
use super::house::{House, LIMIT};
use super::local::once;
use super::{Outcome, Pools, Posting, Transfer};
use crate::sdk::side::{Change, Side, Step};

/// See the module.
#[derive(Debug)]
pub(super) struct InTcc {
    house: House,
    ends: Ends,
    from: Tcc<Account<Postgres>>,
    to: Tcc<Account<MySql>>,
}

/// The accounts of one bank.
struct Account<D: Side>(Pool<D>);

impl<D: Side> Action for Account<D> {
    type Input = Change;
    type Output = ();
    type Error = sqlx::Error;

    async fn try_(&self, branch: &Branch, change: &Change) -> Result<(), sqlx::Error> {
        once(&self.0, Key::from(branch), (Op::Try, Step::Try), *change).await
    }

    async fn confirm(&self, branch: &Branch, change: &Change) -> Result<(), EndError> {
        let done = once(&self.0, Key::from(branch), (Op::Confirm, Step::Confirm), *change).await;
        done.map_err(|error| EndError::Again(error.to_string()))
    }

    async fn cancel(&self, branch: &Branch, change: &Change) -> Result<(), EndError> {
        let done = once(&self.0, Key::from(branch), (Op::Cancel, Step::Cancel), *change).await;
        done.map_err(|error| EndError::Again(error.to_string()))
    }
}

impl InTcc {
    pub(super) async fn open(pools: Pools, synod: SocketAddr) -> Result<Self> {
        let house = House::open(synod).await?;
        let ends = Ends::default();
        let backend = || ends.watch(Arc::clone(&house.client) as _);
        let from = Tcc::register(backend(), "from", Account(pools.from)).await?;
        let to = Tcc::register(backend(), "to", Account(pools.to)).await?;
        Ok(Self { house, ends, from, to })
    }
}

impl Transfer for InTcc {
    fn transfer(&self, posting: Posting) -> BoxFuture<'_, Result<Outcome>> {
        Box::pin(async move {
            let done = global_tx(&self.house.client, "transfer", LIMIT, async |tx: Tx| {
                self.from.call(&posting.debit()).await?;
                self.to.call(&posting.credit()).await?;
                Ok::<_, CallError<sqlx::Error>>(tx.xid().map(|xid| self.ends.expect(xid.as_str(), 2)))
            });
            let all_ended = done.await?.context("it was begun")?;
            let made = Outcome::made();
            all_ended.wait().await?;
            Ok(made)
        })
    }
}
