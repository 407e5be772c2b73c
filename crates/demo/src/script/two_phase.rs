//! XA, TCC, AT, and all kinds of branches in one transaction: the banks are asked first, then it is decided; Synod carries the decision
//! out, however long that takes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use synod_client::tm::{Backend, GlobalTx};

use super::Transfer;
use crate::bank::{Posting, Wish};
use crate::fault::{Fault, Outcome, Point};
use crate::mode::Mode;

/// Undecided for so long, it is rolled back.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What one bank is asked for.
struct Part {
    is_a: bool,
    path: &'static str,
    amount: i64,
}

fn parts(mode: Mode, amount: i64) -> Vec<Part> {
    let part = |is_a, path, amount| Part { is_a, path, amount };
    let half = amount / 2;
    match mode {
        Mode::Xa => vec![part(true, "xa/debit", amount), part(false, "xa/credit", amount)],
        Mode::At => vec![part(true, "at/debit", amount), part(false, "at/credit", amount)],
        // Bank A takes one half as a service of Synod's does, the other as one that was written for dtm.
        Mode::Mixed | Mode::MixedNative => vec![
            part(true, "tcc/debit", half),
            part(true, "dtm/debit", amount - half),
            part(false, "at/credit", amount),
        ],
        _ => vec![part(true, "tcc/debit", amount), part(false, "tcc/credit", amount)],
    }
}

/// Where bank A carries the decision out, if that can be seen from here: Seata's way it hears of it on its own connection.
const fn forward(mode: Mode) -> Option<&'static str> {
    match mode {
        Mode::At => None,
        Mode::Xa => Some("xa/confirm"),
        _ => Some("tcc/debit/confirm"),
    }
}

pub(super) async fn run(transfer: &mut Transfer<'_>) -> anyhow::Result<Outcome> {
    let tx = GlobalTx::begin(&manager(transfer)?, "transfer", TIMEOUT).await?;
    let xid = tx.xid().to_string();
    transfer.link(&xid);
    if let Err(reason) = tx.scope(ask(transfer)).await? {
        transfer.demo(&format!("decides to roll back: {reason}"));
        tx.rollback().await?;
        return transfer.end(&xid).await;
    }
    match (transfer.fault, forward(transfer.mode)) {
        (Fault::Participant, _) => transfer.stage.b.kill(),
        (Fault::Coordinator(Point::Decide), Some(point)) => {
            transfer.stage.a.wish(&Wish::Hold(point.to_owned())).await?;
        }
        _ => {}
    }
    if transfer.dies_at(Point::Prepare) {
        transfer.lose_coordinator().await?;
        transfer.demo("decides to commit, and says so until somebody answers");
        let (committed, restarted) = tokio::join!(tx.commit(), transfer.stage.coordinator.restart());
        restarted?;
        committed?;
    } else {
        transfer.demo("decides to commit");
        tx.commit().await?;
    }
    if transfer.dies_at(Point::Decide) {
        match forward(transfer.mode) {
            Some(point) => transfer.lose_coordinator_at(true, point).await?,
            None => {
                transfer.lose_coordinator().await?;
                transfer.stage.coordinator.restart().await?;
            }
        }
    }
    if transfer.fault == Fault::Participant {
        transfer.restart_participant(&xid).await?;
    }
    transfer.end(&xid).await
}

/// Whoever begins it and decides it: us, over one of two protocols.
fn manager(transfer: &Transfer<'_>) -> anyhow::Result<Arc<dyn Backend>> {
    let coordinator = &transfer.stage.coordinator;
    Ok(match transfer.mode {
        Mode::At | Mode::Mixed => {
            Arc::new(coordinator.seata.clone().context("no listener for Seata is known")?)
        }
        _ => coordinator.native.clone(),
    })
}

/// Asks the banks, in the transaction of the context; the first that does not agree is the reason to go back.
async fn ask(transfer: &Transfer<'_>) -> anyhow::Result<Result<(), String>> {
    for Part { is_a, path, amount } in parts(transfer.mode, transfer.amount) {
        let posting = Posting { amount, ..transfer.posting() };
        if let Err(why) = transfer.bank(is_a).teller.ask(path, &posting).await? {
            return Ok(Err(format!("bank {} {why}", if is_a { "A" } else { "B" })));
        }
    }
    Ok(Ok(()))
}
