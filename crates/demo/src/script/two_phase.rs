//! XA and TCC: ask both banks first, then decide; Synod carries the decision out, however long that takes.

use serde_json::json;

use super::Transfer;
use crate::api::Transaction;
use crate::args::Mode;
use crate::bank::Wish;
use crate::fault::{Fault, Point};
use crate::process::BankProcess;

/// The steps: ask, go forward, go back.
fn steps(mode: Mode) -> [&'static str; 3] {
    if mode == Mode::Xa { ["prepare", "commit", "rollback"] } else { ["try", "confirm", "cancel"] }
}

pub(super) async fn run(transfer: &mut Transfer<'_>) -> anyhow::Result<Transaction> {
    let xid = begin(transfer).await?;
    if let Err(reason) = ask(transfer, &xid).await? {
        transfer.demo(&format!("decides to roll back: {reason}"));
        transfer.stage.coordinator.api.rollback(&xid, &reason).await?;
        return transfer.end(&xid).await;
    }
    let [_, forward, _] = steps(transfer.mode);
    let point = format!("{}/debit/{forward}", transfer.mode.as_str());
    match transfer.fault {
        Fault::Participant => transfer.stage.b.kill(),
        Fault::Coordinator(Point::Decide) => transfer.stage.a.wish(&Wish::Hold(point.clone())).await?,
        _ => {}
    }
    if transfer.dies_at(Point::Prepare) {
        transfer.lose_coordinator().await?;
        if let Err(error) = transfer.stage.coordinator.api.commit(&xid).await {
            transfer.demo(&format!("cannot tell the decision: {error:#}"));
        }
        transfer.stage.coordinator.restart().await?;
    }
    transfer.demo("decides to commit");
    transfer.stage.coordinator.api.commit(&xid).await?;
    if transfer.dies_at(Point::Decide) {
        transfer.lose_coordinator_at(true, &point).await?;
    }
    if transfer.fault == Fault::Participant {
        transfer.until_failures(&xid).await?;
        transfer.stage.b.restart().await?;
    }
    transfer.end(&xid).await
}

/// Begins, and says where each branch is ended, before anybody does anything.
async fn begin(transfer: &Transfer<'_>) -> anyhow::Result<String> {
    let api = &transfer.stage.coordinator.api;
    let transaction = api.begin(transfer.mode, &transfer.gid).await?;
    transfer.link(&transaction);
    let [_, forward, backward] = steps(transfer.mode);
    for (side, bank) in [("debit", &transfer.stage.a), ("credit", &transfer.stage.b)] {
        let url = |step| transfer.url(bank, &format!("{side}/{step}"));
        let branch = json!({
            "id": side, "forward": url(forward), "backward": url(backward),
            "payload": { "amount": transfer.amount },
        });
        api.enlist(&transaction.xid, &branch).await?;
    }
    Ok(transaction.xid)
}

/// Asks both banks; the one that does not agree is the reason.
async fn ask(transfer: &Transfer<'_>, xid: &str) -> anyhow::Result<Result<(), String>> {
    let [first, ..] = steps(transfer.mode);
    let both: [(&str, &str, &BankProcess); 2] =
        [("debit", "A", &transfer.stage.a), ("credit", "B", &transfer.stage.b)];
    for (side, name, bank) in both {
        let point = format!("{}/{side}/{first}", transfer.mode.as_str());
        if !bank.ask(&point, xid, side, transfer.amount).await? {
            return Ok(Err(format!("bank {name} has refused")));
        }
    }
    Ok(Ok(()))
}
