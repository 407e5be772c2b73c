//! Two local transactions with nothing between them, which is what all others are compared with; and the same with a barrier's row in each.

use anyhow::Result;
use synod_client::rm::BoxFuture;
use synod_client::sql::sqlx::{self, Pool};
use synod_client::sql::{Barrier, Key, Op};

use super::{Outcome, Pools, Posting, Transfer};
use crate::sdk::side::{Change, Side, Step};

/// A crash between the two loses money.
#[derive(Debug)]
pub(super) struct Plain(pub(super) Pools);

async fn add<D: Side>(pool: &Pool<D>, change: Change) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    D::step(&mut tx, Step::Add, change).await?;
    tx.commit().await
}

impl Transfer for Plain {
    fn transfer(&self, posting: Posting) -> BoxFuture<'_, Result<Outcome>> {
        Box::pin(async move {
            add(&self.0.from, posting.debit()).await?;
            add(&self.0.to, posting.credit()).await?;
            Ok(Outcome::made())
        })
    }
}

/// As participants do their steps.
#[derive(Debug)]
pub(super) struct WithBarrier(pub(super) Pools);

impl Transfer for WithBarrier {
    fn transfer(&self, posting: Posting) -> BoxFuture<'_, Result<Outcome>> {
        Box::pin(async move {
            let id = posting.id();
            once(&self.0.from, Key::branch(&id, "debit"), (Op::Action, Step::Add), posting.debit()).await?;
            once(&self.0.to, Key::branch(&id, "credit"), (Op::Action, Step::Add), posting.credit()).await?;
            Ok(Outcome::made())
        })
    }
}

/// A step in a local transaction, once, however often it is asked for.
pub(super) async fn once<D: Side>(
    pool: &Pool<D>,
    key: Key<'_>,
    (op, step): (Op, Step),
    change: Change,
) -> sqlx::Result<()> {
    Barrier.run(pool, key, op, async |tx| D::step(tx, step, change).await).await.map(drop)
}
