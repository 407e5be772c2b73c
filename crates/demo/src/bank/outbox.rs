//! The outbox: the money is taken and the message is written down in one local transaction, and a relay gives it to Synod when it
//! can. While Synod is away a bank goes on.

use std::sync::Arc;

use synod_client::native;
use synod_client::sql::outbox::{Message, Sink, Undelivered};
use synod_client::sql::{Barrier, BoxFuture, Op, Ran};

use super::account::{skipped, told};
use super::change::Change;
use super::gate::Gate;
use super::message::sender;
use super::posting::{NotDone, Order, Said, Side};
use super::report::{Kind, tell};
use super::service::Bank;
use super::vault::{Vault, post};
use crate::mode::Mode;

/// Between the local transaction and the relay.
pub(crate) const RELAY: &str = "outbox/debit/relay";

/// Takes the money here, and leaves word of it beside.
pub(super) async fn put<DB: Vault>(bank: &Bank<DB>, order: &Order) -> Said {
    let account = bank.account(Mode::Outbox, Side::Debit);
    told(&account.point(Op::Send), try_put(bank, order).await)
}

async fn try_put<DB: Vault>(bank: &Bank<DB>, order: &Order) -> Said {
    let change =
        Change::of(Side::Debit, Op::Send).ok_or_else(|| NotDone::failed("there is nothing to do"))?;
    let payload = serde_json::to_vec(&order.bring).map_err(NotDone::failed)?;
    let message = Message::new(&order.id, &order.to, payload);
    let work = Barrier.run(&bank.pool, sender(&order.id), Op::Send, async |tx| {
        let words = post(tx, change, order.take).await?;
        bank.outbox.put(tx, &message).await?;
        Ok::<_, NotDone>(words)
    });
    match work.await? {
        Ran::Done(words) => {
            bank.outbox.notify();
            Ok(format!("{words} and puts message {} beside it, in one local transaction", order.id))
        }
        Ran::Skipped(entry) => skipped(entry, Op::Send),
    }
}

/// Synod, as the relay sees it.
pub(super) struct Synod {
    pub(super) client: Arc<native::Client>,
    pub(super) gate: Arc<Gate>,
}

impl Sink for Synod {
    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async {
            self.gate.pass(RELAY, "is about to do it").await;
            self.client.deliver(message).await?;
            tell(Kind::Done, RELAY, format!("gives message {} to Synod", message.id));
            Ok(())
        })
    }
}
