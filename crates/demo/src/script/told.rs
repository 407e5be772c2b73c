//! Bank A takes the money and tells bank B, by a message or out of its outbox. When nothing else fails, two things do that always
//! may: bank A dies between its local transaction and telling, and bank B's first answer is lost.

use anyhow::{Context as _, bail, ensure};
use synod_client::native::Subscriber;

use super::{PAUSE, Transfer, WAIT};
use crate::bank::report::Kind;
use crate::bank::{ABORT, Order, RELAY, SUBMIT, Wish};
use crate::books;
use crate::fault::{Fault, Outcome, Point};
use crate::mode::Mode;
use crate::process::Teller;
use crate::task::now;

const CHECK: &str = "message/debit/check";

pub(super) async fn run(transfer: &mut Transfer<'_>) -> anyhow::Result<Outcome> {
    let topic = format!("synod-demo-{}", transfer.id);
    if transfer.mode == Mode::Outbox {
        let (url, remark) = (receiver(transfer), "bank B".to_owned());
        transfer.client().declare_topic(&topic, &[Subscriber { url, remark }]).await?;
    }
    let order = order(transfer, &topic);
    let outcome = tell(transfer, &order).await;
    if transfer.mode == Mode::Outbox {
        transfer.client().delete_topic(&topic).await?;
    }
    outcome
}

/// Where bank B takes what it is told.
fn receiver(transfer: &Transfer<'_>) -> String {
    transfer.stage.b.teller.url(&format!("synod/{}.credit", transfer.mode.as_str()))
}

fn order(transfer: &Transfer<'_>, topic: &str) -> Order {
    let (take, bring) = (transfer.posting(), transfer.posting());
    let to = if transfer.mode == Mode::Outbox { topic.to_owned() } else { receiver(transfer) };
    Order { id: transfer.id.clone(), take, bring, to }
}

async fn tell(transfer: &mut Transfer<'_>, order: &Order) -> anyhow::Result<Outcome> {
    let deliver = format!("{}/credit/deliver", transfer.mode.as_str());
    match (transfer.fault, transfer.mode) {
        (Fault::None, mode) => {
            transfer.stage.b.wish(&Wish::LoseReply(deliver.clone())).await?;
            if mode == Mode::Outbox {
                silent_relay(transfer, order).await?;
            } else {
                silent_producer(transfer, order, SUBMIT, Kind::Done).await?;
            }
            transfer.stage.b.until(Kind::Lost, &deliver).await.context("the message did not come")?;
        }
        (Fault::Debit, Mode::Outbox) => {
            let Err(why) = request(transfer, order).await? else { bail!("bank A should refuse") };
            transfer.demo(&format!("bank A {why}: there is nothing to tell"));
            ensure!(transfer.look(&order.id).await?.is_none(), "Synod has heard of it");
            return Ok(Outcome::NeverBegun);
        }
        // It dies before it can say so.
        (Fault::Debit, _) => silent_producer(transfer, order, ABORT, Kind::Refused).await?,
        (Fault::Credit, _) => {
            agreed(transfer, order).await?;
            transfer.until_failures(&order.id).await?;
            books::close_accounts(&transfer.stage.b.database, false).await?;
            transfer.demo("somebody at bank B opens the account");
        }
        (Fault::Coordinator(Point::Decide), _) => {
            transfer.stage.b.wish(&Wish::Hold(deliver.clone())).await?;
            agreed(transfer, order).await?;
            transfer.lose_coordinator_at(false, &deliver).await?;
        }
        (Fault::Coordinator(Point::Prepare), Mode::Outbox) => {
            transfer.stage.coordinator.kill();
            agreed(transfer, order).await.context("bank A should do without the coordinator")?;
            transfer.stage.coordinator.restart().await?;
        }
        (Fault::Coordinator(Point::Prepare), _) => {
            transfer.stage.a.wish(&Wish::Hold(SUBMIT.to_owned())).await?;
            let sending = request(transfer, order);
            let (sent, lost) = tokio::join!(sending, lost_before_submit(transfer));
            lost?;
            sent?.map_err(anyhow::Error::msg)?;
        }
        (Fault::Participant, _) => {
            transfer.stage.b.kill();
            agreed(transfer, order).await?;
            transfer.restart_participant(&order.id).await?;
        }
    }
    link(transfer, &order.id).await?;
    transfer.end(&order.id).await
}

/// Bank A dies before it can say what became of its local transaction, and is asked.
async fn silent_producer(
    transfer: &mut Transfer<'_>,
    order: &Order,
    point: &str,
    answer: Kind,
) -> anyhow::Result<()> {
    transfer.stage.a.wish(&Wish::Hold(point.to_owned())).await?;
    // Dropped half-way: whoever asked hears no more of it than of a bank that died.
    tokio::select! {
        sent = request(transfer, order) => drop(sent.context("bank A should wait before it says so")?),
        held = transfer.stage.a.until(Kind::Held, point) => held?,
    }
    transfer.stage.a.kill();
    transfer.stage.a.restart().await?;
    transfer.stage.a.until(answer, CHECK).await.context("nobody asked bank A back")
}

/// Bank A dies before its relay has taken the message, and takes it up again.
async fn silent_relay(transfer: &mut Transfer<'_>, order: &Order) -> anyhow::Result<()> {
    transfer.stage.a.wish(&Wish::Hold(RELAY.to_owned())).await?;
    agreed(transfer, order).await?;
    transfer.stage.a.until(Kind::Held, RELAY).await?;
    transfer.stage.a.kill();
    transfer.stage.a.restart().await
}

async fn lost_before_submit(transfer: &mut Transfer<'_>) -> anyhow::Result<()> {
    transfer.stage.a.until(Kind::Held, SUBMIT).await?;
    transfer.lose_coordinator().await?;
    transfer.stage.a.wish(&Wish::Release(SUBMIT.to_owned())).await?;
    transfer.stage.coordinator.restart().await
}

/// Says which transaction it is, as soon as Synod has heard of it.
async fn link(transfer: &Transfer<'_>, id: &str) -> anyhow::Result<()> {
    let began = now();
    while began.elapsed() < WAIT {
        if let Some(transaction) = transfer.look(id).await? {
            transfer.link(transaction.xid.as_str());
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("Synod has not heard of {id} within {WAIT:?}")
}

async fn agreed(transfer: &Transfer<'_>, order: &Order) -> anyhow::Result<()> {
    request(transfer, order).await?.map(drop).map_err(anyhow::Error::msg)
}

/// Asks bank A to take the money and to tell bank B; whether it agrees.
fn request(
    transfer: &Transfer<'_>,
    order: &Order,
) -> impl Future<Output = anyhow::Result<Result<String, String>>> + use<> {
    let teller: Teller = transfer.stage.a.teller.clone();
    let (path, order) = (format!("{}/debit", transfer.mode.as_str()), order.clone());
    async move { teller.ask(&path, &order).await }
}
