//! A message: bank A takes the money and tells bank B. When nothing else fails, two things do that always may: bank A dies
//! between its commit and its submit, and bank B's first answer is lost. It also dies when it has not enough money, before it can
//! say so.

use anyhow::Context as _;
use http::Method;
use serde_json::json;

use super::Transfer;
use crate::api::{HalfMessage, Transaction};
use crate::bank::report::Kind;
use crate::bank::{ABORT, SEND, SUBMIT, Sending, Wish};
use crate::books;
use crate::fault::{Fault, Point};
use crate::process::agreed;

const CHECK: &str = "message/debit/check";
const DELIVER: &str = "message/credit/deliver";

pub(super) async fn run(transfer: &mut Transfer<'_>) -> anyhow::Result<Transaction> {
    let gid = transfer.gid.clone();
    match transfer.fault {
        Fault::None => {
            transfer.stage.b.wish(&Wish::LoseReply(DELIVER.to_owned())).await?;
            silent_producer(transfer, SUBMIT, Kind::Done).await?;
            transfer.stage.b.until(Kind::Lost, DELIVER).await.context("the message did not come")?;
        }
        Fault::Debit => silent_producer(transfer, ABORT, Kind::Refused).await?,
        Fault::Credit => {
            send(transfer).await?;
            transfer.until_failures(&gid).await?;
            books::close_account(&transfer.stage.b.database, false).await?;
            transfer.demo("somebody at bank B opens the account");
        }
        Fault::Coordinator(point) => lost_coordinator(transfer, point).await?,
        Fault::Participant => {
            transfer.stage.b.kill();
            send(transfer).await?;
            transfer.until_failures(&gid).await?;
            transfer.stage.b.restart().await?;
        }
    }
    transfer.end(&gid).await
}

/// Bank A dies before it can say what became of its local transaction, and is asked.
async fn silent_producer(transfer: &mut Transfer<'_>, point: &str, answer: Kind) -> anyhow::Result<()> {
    transfer.stage.a.wish(&Wish::Hold(point.to_owned())).await?;
    // Dropped half-way: whoever asked hears no more of it than of a bank that died.
    tokio::select! {
        sent = request(transfer)? => drop(sent.context("bank A should wait before it says so")?),
        held = transfer.stage.a.until(Kind::Held, point) => held?,
    }
    link(transfer).await?;
    transfer.stage.a.kill();
    transfer.stage.a.restart().await?;
    transfer.stage.a.until(answer, CHECK).await.context("nobody asked bank A back")
}

/// The coordinator dies before the submit, or when it delivers.
async fn lost_coordinator(transfer: &mut Transfer<'_>, point: Point) -> anyhow::Result<()> {
    if point == Point::Decide {
        transfer.stage.b.wish(&Wish::Hold(DELIVER.to_owned())).await?;
        send(transfer).await?;
        return transfer.lose_coordinator_at(false, DELIVER).await;
    }
    transfer.stage.a.wish(&Wish::Hold(SUBMIT.to_owned())).await?;
    let (sent, lost) = tokio::join!(request(transfer)?, lost_before_submit(transfer));
    lost?;
    sent.map(drop)
}

async fn lost_before_submit(transfer: &mut Transfer<'_>) -> anyhow::Result<()> {
    transfer.stage.a.until(Kind::Held, SUBMIT).await?;
    link(transfer).await?;
    transfer.lose_coordinator().await?;
    transfer.stage.a.wish(&Wish::Release(SUBMIT.to_owned())).await?;
    transfer.stage.a.until(Kind::Note, SUBMIT).await?;
    transfer.stage.coordinator.restart().await
}

async fn send(transfer: &Transfer<'_>) -> anyhow::Result<()> {
    request(transfer)?.await?;
    link(transfer).await
}

async fn link(transfer: &Transfer<'_>) -> anyhow::Result<()> {
    transfer.link(&transfer.stage.coordinator.api.look(&transfer.gid).await?);
    Ok(())
}

/// Asks bank A to take the money and to tell bank B; whether it agrees.
fn request(transfer: &Transfer<'_>) -> anyhow::Result<impl Future<Output = anyhow::Result<bool>> + use<>> {
    let stage = &transfer.stage;
    let sending = Sending {
        synod: stage.coordinator.api.url(""),
        amount: transfer.amount,
        message: HalfMessage {
            gid: transfer.gid.clone(),
            subscribers: vec![transfer.url(&stage.b, "credit/deliver")],
            payload: json!({ "amount": transfer.amount }),
            back_check: transfer.url(&stage.a, "debit/check"),
            timeout: "1s".to_owned(),
            retry_interval: "200ms".to_owned(),
        },
    };
    let (api, body) = (stage.a.api.clone(), serde_json::to_value(sending)?);
    Ok(async move {
        let answer = api.ask(Method::POST, &format!("/{SEND}"), &[], Some(&body)).await?;
        agreed(SEND, &answer)
    })
}
