//! A message that goes if and only if a local transaction commits: first a half message, then the local transaction, then submit. Dying
//! in between does no harm: Synod asks back, and the barrier's row knows.

use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::order::{INITIATOR, Order, Side, Step};
use super::report::{Kind, tell};
use super::service::Bank;
use super::{Said, local};
use crate::api::{Api, HalfMessage};
use crate::args::Mode;

/// What asks for it.
pub(crate) const POINT: &str = "message/debit/send";
/// Between the local transaction and the submit.
pub(crate) const SUBMIT: &str = "message/debit/submit";
/// Between a local transaction that was refused and saying so.
pub(crate) const ABORT: &str = "message/debit/abort";
/// How often, and how long apart, a submit is tried; then the back-check has to do.
const SUBMITS: usize = 50;
const PAUSE: Duration = Duration::from_millis(200);

/// What to send.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Sending {
    /// The coordinator's base URL.
    pub(crate) synod: String,
    pub(crate) amount: i64,
    pub(crate) message: HalfMessage,
}

/// Takes the money here, and tells the other bank.
pub(super) async fn send(bank: &Bank, body: &[u8]) -> anyhow::Result<Said> {
    let sending: Sending = serde_json::from_slice(body).context("that is nothing to send")?;
    let api = Api::new(&sending.synod)?;
    let begun = api.begin_message(&sending.message).await?;
    tell(Kind::Note, POINT, format!("prepares half message {}: nobody sees it yet", sending.message.gid));
    let order = Order {
        mode: Mode::Message,
        side: Side::Debit,
        step: Step::Send,
        xid: begun.xid,
        branch: INITIATOR.to_owned(),
        amount: sending.amount,
    };
    let said = local::carry_out(&bank.database, &order).await?;
    match &said {
        Said::Done(words) => {
            tell(Kind::Done, POINT, format!("{words} and notes that it has, in one local transaction"));
            bank.pass(SUBMIT, "is about to do it").await;
            submit(&api, &sending.message.gid).await?;
            tell(Kind::Done, SUBMIT, "submits the message");
        }
        Said::Refused(words) => {
            tell(Kind::Refused, POINT, words);
            bank.pass(ABORT, "is about to do it").await;
            api.abort_message(&sending.message.gid, words).await?;
            tell(Kind::Done, ABORT, "drops the message");
        }
    }
    Ok(said)
}

async fn submit(api: &Api, gid: &str) -> anyhow::Result<()> {
    let mut last = None;
    for attempt in 0..SUBMITS {
        match api.submit_message(gid).await {
            Ok(()) => return Ok(()),
            Err(error) if attempt == 0 => {
                tell(Kind::Note, SUBMIT, format!("cannot submit, tries again: {error:#}"));
                last = Some(error);
            }
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(PAUSE).await;
    }
    last.map_or(Ok(()), Err)
}
