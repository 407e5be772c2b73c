//! A saga: Synod calls one bank after the other, and back if one of them refuses.

use serde_json::json;

use super::Transfer;
use crate::api::Transaction;
use crate::bank::Wish;
use crate::fault::{Fault, Point};

const DEBIT: &str = "saga/debit/action";
const CREDIT: &str = "saga/credit/action";

pub(super) async fn run(transfer: &mut Transfer<'_>) -> anyhow::Result<Transaction> {
    match transfer.fault {
        // Submitting a saga decides that it goes forward; the first call shows that it is submitted.
        Fault::Coordinator(Point::Decide) => transfer.stage.a.wish(&Wish::Hold(DEBIT.to_owned())).await?,
        Fault::Coordinator(Point::Prepare) => transfer.stage.b.wish(&Wish::Hold(CREDIT.to_owned())).await?,
        Fault::Participant => transfer.stage.b.kill(),
        _ => {}
    }
    let xid = submit(transfer).await?;
    if transfer.dies_at(Point::Decide) {
        transfer.lose_coordinator_at(true, DEBIT).await?;
    }
    if transfer.dies_at(Point::Prepare) {
        transfer.lose_coordinator_at(false, CREDIT).await?;
    }
    if transfer.fault == Fault::Participant {
        transfer.until_failures(&xid).await?;
        transfer.stage.b.restart().await?;
    }
    transfer.end(&xid).await
}

async fn submit(transfer: &Transfer<'_>) -> anyhow::Result<String> {
    let branches = [("debit", &transfer.stage.a), ("credit", &transfer.stage.b)].map(|(side, bank)| {
        let url = |step| transfer.url(bank, &format!("{side}/{step}"));
        json!({
            "id": side, "action": url("action"), "compensate": url("compensate"),
            "payload": { "amount": transfer.amount },
        })
    });
    let transaction = transfer.stage.coordinator.api.submit_saga(&transfer.gid, &branches).await?;
    transfer.link(&transaction);
    Ok(transaction.xid)
}
