//! XA over the native API: both databases keep the work prepared until it is decided.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use synod_client::rm::BoxFuture;
use synod_client::sql::sqlx::{self, MySql, Postgres};
use synod_client::sql::xa::{Error, Xa};
use synod_client::tm::{Tx, global_tx};

use super::ends::Ends;
use super::house::{House, LIMIT};
use super::{Outcome, Pools, Posting, Transfer};
use crate::sdk::side::{Side as _, Step};

/// See the module.
#[derive(Debug)]
pub(super) struct InXa {
    house: House,
    ends: Ends,
    from: Xa<Postgres>,
    to: Xa<MySql>,
}

impl InXa {
    pub(super) async fn open(pools: Pools, synod: SocketAddr) -> Result<Self> {
        let house = House::open(synod).await?;
        let ends = Ends::default();
        let backend = || ends.watch(Arc::clone(&house.client) as _);
        let from = Xa::register("from", pools.from, backend()).await?;
        let to = Xa::register("to", pools.to, backend()).await?;
        Ok(Self { house, ends, from, to })
    }
}

impl Transfer for InXa {
    fn transfer(&self, posting: Posting) -> BoxFuture<'_, Result<Outcome>> {
        let (debit, credit) = (posting.debit(), posting.credit());
        Box::pin(async move {
            let done = global_tx(&self.house.client, "transfer", LIMIT, async |tx: Tx| {
                let Some(xid) = tx.xid() else { return Err(Error::RolledBack) };
                self.from.run(xid, async |tx| Postgres::step(tx, Step::Add, debit).await).await?;
                self.to.run(xid, async |tx| MySql::step(tx, Step::Add, credit).await).await?;
                Ok::<_, Error<sqlx::Error>>(self.ends.expect(xid.as_str(), 2))
            });
            let all_ended = done.await.context("a branch was not prepared")?;
            let made = Outcome::made();
            all_ended.wait().await?;
            Ok(made)
        })
    }
}
