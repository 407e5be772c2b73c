//! A two-phase message: it is left with Synod before the local transaction that debits, sent after it, and its receiver credits.

use std::net::SocketAddr;

use anyhow::Result;
use synod_client::native::{Checked, Message, Payload};
use synod_client::rm::{BoxFuture, EndError};
use synod_client::sql::{Barrier, Key, Op};

use super::ends::Ends;
use super::house::House;
use super::local::once;
use super::{Outcome, Pools, Posting, Transfer};
use crate::sdk::side::{Change, Step};

/// See the module.
#[derive(Debug)]
pub(super) struct WithMessage {
    house: House,
    ends: Ends,
    from: synod_client::sql::sqlx::PgPool,
    receiver: String,
    back_check: String,
}

impl WithMessage {
    pub(super) async fn open(pools: Pools, synod: SocketAddr) -> Result<Self> {
        let house = House::open(synod).await?;
        let Pools { from, to } = pools;
        let ends = Ends::default();
        let received = ends.clone();
        house.participants.on_message("credit", move |asked| {
            let (to, received) = (to.clone(), received.clone());
            async move {
                let change: Change = asked.json().map_err(|error| EndError::Never(error.to_string()))?;
                let key = Key::message(asked.xid.as_str(), "credit");
                let done = once(&to, key, (Op::Deliver, Step::Add), change).await;
                done.map_err(|error| EndError::Again(error.to_string()))?;
                received.ended(asked.xid.as_str(), &asked.branch);
                Ok(())
            }
        });
        let asked_at = from.clone();
        house.participants.on_check("debit", move |asked| {
            let from = asked_at.clone();
            async move {
                let sent = Barrier.was_sent(&from, Key::message(asked.xid.as_str(), "debit")).await;
                let sent = sent.map_err(|error| error.to_string())?;
                Ok(if sent { Checked::Committed } else { Checked::RolledBack })
            }
        });
        let [receiver, back_check] = ["credit", "debit"].map(|name| house.participants.url(name));
        Ok(Self { house, ends, from, receiver, back_check })
    }
}

impl Transfer for WithMessage {
    fn transfer(&self, posting: Posting) -> BoxFuture<'_, Result<Outcome>> {
        Box::pin(async move {
            let message = Message::to([&self.receiver]).back_check(&self.back_check);
            let message = message.payload(Payload::json(&posting.credit())?);
            let half = message.begin(&self.house.client).await?;
            let xid = half.xid().clone();
            let all_ended = self.ends.expect(xid.as_str(), 1);
            let key = Key::message(xid.as_str(), "debit");
            once(&self.from, key, (Op::Send, Step::Add), posting.debit()).await?;
            drop(half.submit().await?);
            let made = Outcome::made();
            all_ended.wait().await?;
            Ok(made)
        })
    }
}
