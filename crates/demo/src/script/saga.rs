//! A saga: Synod calls one bank after the other, and back if one of them refuses.

use synod_client::native::{Payload, Saga, SagaStep};

use super::Transfer;
use crate::bank::{RETRY_INTERVAL, Wish};
use crate::fault::{Fault, Outcome, Point};

const DEBIT: &str = "saga/debit/action";
const CREDIT: &str = "saga/credit/action";

pub(super) async fn run(transfer: &mut Transfer<'_>) -> anyhow::Result<Outcome> {
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
        transfer.restart_participant(&xid).await?;
    }
    transfer.end(&xid).await
}

async fn submit(transfer: &Transfer<'_>) -> anyhow::Result<String> {
    let mut saga = Saga::new("transfer").gid(&transfer.id).retry_interval(RETRY_INTERVAL);
    for (side, is_a) in [("debit", true), ("credit", false)] {
        let url = transfer.bank(is_a).teller.url(&format!("synod/saga.{side}"));
        let payload = Payload::json(&transfer.posting())?;
        saga = saga.step(SagaStep::new(&url).compensate(&url).id(side).payload(payload));
    }
    let xid = saga.submit(transfer.client()).await?.xid.to_string();
    transfer.link(&xid);
    Ok(xid)
}
