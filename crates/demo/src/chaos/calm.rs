//! Waits until nothing is left over, for as long as that may take, and reads what there is then.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use synod_client::call::{Fixed, http::Client};
use synod_client::native::{Leg, Standing};

use super::ledger::{Known, Ledger, Left};
use super::teller::Office;
use crate::books;
use crate::say::Who;
use crate::script::look;
use crate::setup::Stage;
use crate::task::now;

/// Much longer than any time-out and any pause before a repeated call.
const CALM: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// See the module.
pub(super) async fn wait(stage: &Stage, office: &Office, ledger: &Ledger) -> anyhow::Result<Left> {
    let began = now();
    let mut was_calm = false;
    loop {
        let left = left(stage).await?;
        let (is_calm, is_over) = (left.is_calm(), began.elapsed() > CALM);
        // Twice, as not all is read at one time: a message may be on its way from the one to the other.
        if is_calm && was_calm || is_over {
            if left.open > 0 {
                for line in stuck(stage, office).await? {
                    stage.say.line(Who::Coordinator, &line);
                }
            }
            ask(office, ledger).await?;
            return Ok(left);
        }
        was_calm = is_calm;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks Synod for what only it knows. Only when all outboxes are empty is it certain that it will not hear of anything any more.
async fn ask(office: &Office, ledger: &Ledger) -> anyhow::Result<()> {
    for id in ledger.unknown() {
        let known = match look(&office.native, &id).await? {
            None => Known::NotMoved,
            Some(transaction) => match (transaction.ended, transaction.standing) {
                (true, Standing::Committed) => Known::Moved,
                (true, Standing::RolledBack) => Known::NotMoved,
                _ => continue,
            },
        };
        ledger.learn(&id, &known);
    }
    Ok(())
}

async fn left(stage: &Stage) -> anyhow::Result<Left> {
    let [a, b] = [&stage.a.database, &stage.b.database];
    let open = get(stage, "/v1/transactions/summary").await?;
    let locks = get(stage, "/v1/locks?limit=1").await?;
    Ok(Left {
        accounts: [books::balances(a).await?, books::balances(b).await?],
        banks: [books::audit(a).await?, books::audit(b).await?],
        open: open["open"].as_u64().context("the summary does not say how many are open")?,
        locks: locks["held"].as_u64().context("the list of locks does not say how many there are")?,
        waiting: [books::waiting(a).await?, books::waiting(b).await?],
    })
}

/// Some of the transactions that do not end, and why.
async fn stuck(stage: &Stage, office: &Office) -> anyhow::Result<Vec<String>> {
    let page = get(stage, "/v1/transactions?status=open&limit=10").await?;
    let mut lines = Vec::new();
    for row in page["transactions"].as_array().into_iter().flatten() {
        let xid = row["xid"].as_str().unwrap_or_default();
        let transaction = office.native.look(xid).await?;
        let (mode, standing) = (transaction.mode.unwrap_or_default(), transaction.standing);
        lines.push(format!("{xid} ({mode}) is {standing:?}"));
        for branch in transaction.details.into_iter().flat_map(|details| details.branches) {
            for Leg { url, step, failures, last_error, .. } in [branch.forward, branch.backward] {
                if let Some(error) = last_error {
                    let url = url.unwrap_or_default();
                    lines.push(format!("  {} {url}: {step}, failed {failures} times: {error}", branch.id));
                }
            }
        }
    }
    Ok(lines)
}

async fn get(stage: &Stage, path: &str) -> anyhow::Result<Value> {
    let answer = Client::new(Fixed::default()).get(&stage.coordinator.url(path)).await?;
    serde_json::from_slice(answer.body()).with_context(|| format!("{path}: the answer is not JSON"))
}
