//! A message that goes if and only if a local transaction commits: first a half message, then the local transaction, then submit. Dying
//! in between does no harm: Synod asks back, and the barrier's row knows. Whoever gets it takes it once, however often it comes.

use std::sync::Arc;
use std::time::Duration;

use synod_client::native::{Asked, Checked, Message, Payload};
use synod_client::rm::EndError;
use synod_client::sql::{Barrier, Key, Op};

use super::RETRY_INTERVAL;
use super::account::{Account, told};
use super::posting::{NotDone, Order, Posting, Said, Side};
use super::report::{Kind, tell};
use super::service::Bank;
use super::vault::Vault;
use crate::mode::Mode;

/// Between the local transaction and the submit.
pub(crate) const SUBMIT: &str = "message/debit/submit";
/// Between a local transaction that was refused and saying so.
pub(crate) const ABORT: &str = "message/debit/abort";
/// Whom Synod asks back.
pub(super) const CHECKED: &str = "message.debit";
/// How long Synod waits before it does.
const BACK_CHECK: Duration = Duration::from_secs(1);

/// Whoever sends a message.
pub(super) const fn sender(id: &str) -> Key<'_> {
    Key::message(id, "sender")
}

/// Takes the money here, and tells the other bank.
pub(super) async fn send<DB: Vault>(bank: &Bank<DB>, order: &Order) -> Said {
    let account = bank.account(Mode::Message, Side::Debit);
    let message = Message::to([&order.to])
        .gid(&order.id)
        .payload(Payload::json(&order.bring).map_err(NotDone::failed)?)
        .back_check(bank.url(CHECKED))
        .timeout(BACK_CHECK)
        .retry_interval(RETRY_INTERVAL);
    let half = message.begin(&bank.client).await.map_err(NotDone::failed)?;
    let words = format!("prepares half message {}: nobody sees it yet", order.id);
    tell(Kind::Note, &account.point(Op::Prepare), words);
    let said = account.step(sender(&order.id), Op::Send, order.take).await;
    match &said {
        Ok(_) => {
            bank.pass(SUBMIT, "is about to do it").await;
            half.submit().await.map(drop).map_err(NotDone::failed)?;
            tell(Kind::Done, SUBMIT, "submits the message");
        }
        Err(NotDone::Refused(why)) => {
            bank.pass(ABORT, "is about to do it").await;
            half.abort(why).await.map(drop).map_err(NotDone::failed)?;
            tell(Kind::Done, ABORT, "drops the message");
        }
        // Nobody knows whether it has committed: whoever asks back will.
        Err(NotDone::Failed(_)) => {}
    }
    said
}

/// Whether a message was meant: whether the local transaction beside it has committed. If it has not, it never will.
pub(super) async fn check<DB: Vault>(account: Arc<Account<DB>>, asked: Asked) -> Result<Checked, String> {
    let id = asked.gid.as_deref().ok_or("a message has an id of its own")?;
    let sent = Barrier.was_sent(&account.pool, sender(id)).await;
    let said = match sent {
        Ok(true) => Ok("yes, that has committed here".to_owned()),
        Ok(false) => Err(NotDone::refused("no, that has not committed here, and never will")),
        Err(error) => Err(error.into()),
    };
    match told(&account.point(Op::Check), said) {
        Ok(_) => Ok(Checked::Committed),
        Err(NotDone::Refused(_)) => Ok(Checked::RolledBack),
        Err(NotDone::Failed(why)) => Err(why),
    }
}

/// Takes a message, once. It cannot be refused: what does not work now is tried again until it does.
pub(super) async fn receive<DB: Vault>(account: Arc<Account<DB>>, asked: Asked) -> Result<(), EndError> {
    let posting: Posting = asked.json().map_err(|error| EndError::Never(error.to_string()))?;
    let id = asked.gid.as_deref().unwrap_or(asked.xid.as_str());
    let said = account.step(Key::message(id, "receiver"), Op::Deliver, posting).await;
    said.map(drop).map_err(|error| EndError::Again(error.to_string()))
}
