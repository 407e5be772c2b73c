//! AT over Seata's protocol: one statement on each database, which undoes itself if it has to.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use synod_client::at::{self, DataSource, Options};
use synod_client::rm::{self, BoxFuture};
use synod_client::seata::{Client, Config};
use synod_client::sql::sqlx::{MySql, Postgres};
use synod_client::tm::{TxError, global_tx};

use super::house::LIMIT;
use super::{Outcome, Pools, Posting, Transfer};
use crate::sdk::side::Side;

/// See the module.
#[derive(Debug)]
pub(super) struct InAt {
    client: Arc<Client>,
    from: DataSource<Postgres>,
    to: DataSource<MySql>,
}

impl InAt {
    pub(super) async fn open(pools: Pools, synod: SocketAddr) -> Result<Self> {
        let client = Client::connect(Config::new([synod.to_string()], "synod-bench", "synod")).await?;
        let backend: Arc<dyn rm::Backend> = Arc::new(client.clone());
        let from = DataSource::register(pools.from, Arc::clone(&backend), Options::default()).await?;
        let to = DataSource::register(pools.to, backend, Options::default()).await?;
        Ok(Self { client: Arc::new(client), from, to })
    }
}

impl Transfer for InAt {
    fn transfer(&self, posting: Posting) -> BoxFuture<'_, Result<Outcome>> {
        let (debit, credit) = (posting.debit(), posting.credit());
        Box::pin(async move {
            let done = global_tx(&self.client, "transfer", LIMIT, async |_| {
                let values = [debit.amount.into(), debit.account.into()];
                self.from.execute(Postgres::ADD, &values).await?;
                let values = [credit.amount.into(), credit.account.into()];
                self.to.execute(MySql::ADD, &values).await
            });
            match done.await {
                Ok(_) => Ok(Outcome::made()),
                Err(TxError::RolledBack { error: at::Error::Conflict(_), .. }) => Ok(Outcome::Undone),
                Err(error) => Err(error.into()),
            }
        })
    }
}
