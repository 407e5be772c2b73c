//! The outbox: a message is put beside the debit, a relay hands it to Synod, and Synod delivers it to a receiver, who credits.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use synod_client::native::Subscriber;
use synod_client::rm::{BoxFuture, EndError};
use synod_client::sql::outbox::{Message, Outbox, Relay, Rules};
use synod_client::sql::sqlx::{PgPool, Postgres};
use synod_client::sql::{Key, Op};

use super::ends::Ends;
use super::house::House;
use super::local::once;
use super::{Outcome, Pools, Posting, Transfer};
use crate::sdk::side::{Change, Side as _, Step};

const TOPIC: &str = "bench-credits";

/// See the module.
#[derive(Debug)]
pub(super) struct WithOutbox {
    from: PgPool,
    outbox: Outbox,
    ends: Ends,
    _relay: Relay,
    _house: House,
}

impl WithOutbox {
    pub(super) async fn open(pools: Pools, synod: SocketAddr) -> Result<Self> {
        let house = House::open(synod).await?;
        let Pools { from, to } = pools;
        let ends = Ends::default();
        let received = ends.clone();
        house.participants.on_message("credit", move |asked| {
            let (to, received) = (to.clone(), received.clone());
            async move {
                let change: Change = asked.json().map_err(|error| EndError::Never(error.to_string()))?;
                let id = asked.gid.ok_or_else(|| EndError::Never("a message without an id".to_owned()))?;
                let done = once(&to, Key::message(&id, "credit"), (Op::Deliver, Step::Add), change).await;
                done.map_err(|error| EndError::Again(error.to_string()))?;
                received.ended(&id, &asked.branch);
                Ok(())
            }
        });
        let subscriber = Subscriber { url: house.participants.url("credit"), remark: String::new() };
        house.client.declare_topic(TOPIC, &[subscriber]).await?;
        let outbox = Outbox::default();
        let relay = Relay::start(&outbox, from.clone(), Arc::clone(&house.client) as _, Rules::default());
        Ok(Self { from, outbox, ends, _relay: relay, _house: house })
    }
}

impl Transfer for WithOutbox {
    fn transfer(&self, posting: Posting) -> BoxFuture<'_, Result<Outcome>> {
        Box::pin(async move {
            let id = posting.id();
            let all_ended = self.ends.expect(&id, 1);
            let credit = serde_json::to_vec(&posting.credit())?;
            let mut tx = self.from.begin().await?;
            Postgres::step(&mut tx, Step::Add, posting.debit()).await?;
            self.outbox.put(&mut tx, &Message::new(id, TOPIC, credit)).await?;
            tx.commit().await?;
            self.outbox.notify();
            let made = Outcome::made();
            all_ended.wait().await?;
            Ok(made)
        })
    }
}
