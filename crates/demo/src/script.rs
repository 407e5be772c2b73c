//! What happens in a transfer, mode by mode.

use std::time::Duration;

use anyhow::{bail, ensure};
use synod_client::native::{self, Transaction};

use crate::bank::report::Kind;
use crate::bank::{Posting, Wish};
use crate::books::{self, Balance, audit};
use crate::fault::{Fault, Outcome, Point};
use crate::mode::Mode;
use crate::process::BankProcess;
use crate::say::Who;
use crate::setup::Stage;
use crate::task::now;
use crate::verdict::Verdict;

mod saga;
mod told;
mod two_phase;

/// What the accounts hold before.
const MONEY: [i64; 2] = [400, 200];
const AMOUNT: i64 = 100;
/// More than there is.
const TOO_MUCH: i64 = 500;
/// Failed attempts that are waited for, so that there is something to see.
const FAILURES: u32 = 2;
/// Longest wait for something that the coordinator is about to do.
const WAIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// One transfer.
pub(crate) struct Transfer<'a> {
    stage: &'a mut Stage,
    mode: Mode,
    fault: Fault,
    amount: i64,
    /// Our own name for it, where it is ours to choose.
    id: String,
}

/// Makes a transfer and looks at what came of it.
pub(crate) async fn run(stage: &mut Stage, mode: Mode, fault: Fault, id: String) -> anyhow::Result<Verdict> {
    let amount = if fault == Fault::Debit { TOO_MUCH } else { AMOUNT };
    books::reset(&stage.a.database, MONEY[0], false).await?;
    books::reset(&stage.b.database, MONEY[1], fault == Fault::Credit).await?;
    stage.a.forget();
    stage.b.forget();
    let before = accounts(stage).await?;
    let mut transfer = Transfer { stage, mode, fault, amount, id };
    let ended = match mode {
        Mode::Xa | Mode::Tcc | Mode::At | Mode::Mixed | Mode::MixedNative => {
            two_phase::run(&mut transfer).await
        }
        Mode::Saga => saga::run(&mut transfer).await,
        Mode::Message | Mode::Outbox => told::run(&mut transfer).await,
    };
    let after = accounts(transfer.stage).await?;
    let outcome = ended.inspect_err(|_| transfer.show_held(&after))?;
    transfer.coordinator(&format!("the transaction is {}", outcome.words()));
    Ok(Verdict { amount, before, after, outcome, expected: fault.expected(mode) })
}

async fn accounts(stage: &Stage) -> anyhow::Result<[Balance; 2]> {
    Ok([audit(&stage.a.database).await?, audit(&stage.b.database).await?])
}

impl Transfer<'_> {
    fn demo(&self, words: &str) {
        self.stage.say.line(Who::Demo, words);
    }

    fn coordinator(&self, words: &str) {
        self.stage.say.line(Who::Coordinator, words);
    }

    fn client(&self) -> &native::Client {
        &self.stage.coordinator.native
    }

    fn bank(&self, is_a: bool) -> &BankProcess {
        if is_a { &self.stage.a } else { &self.stage.b }
    }

    /// The whole of it.
    const fn posting(&self) -> Posting {
        Posting { account: 0, amount: self.amount }
    }

    fn show_held(&self, [a, b]: &[Balance; 2]) {
        self.demo(&format!("meanwhile bank A holds {}, bank B holds {}", held(a), held(b)));
    }

    /// Says which transaction it is, and where it can be looked at.
    fn link(&self, xid: &str) {
        let page = format!("/ui/transactions/{}", xid.replace('[', "%5B").replace(']', "%5D"));
        self.demo(&format!("transaction {xid}, to be seen at {}", self.stage.coordinator.url(&page)));
    }

    /// Kills the coordinator, and shows what the databases hold meanwhile.
    async fn lose_coordinator(&mut self) -> anyhow::Result<()> {
        self.stage.coordinator.kill();
        self.show_held(&accounts(self.stage).await?);
        Ok(())
    }

    /// Kills the coordinator when a bank has been asked for `point` and has not done it yet.
    async fn lose_coordinator_at(&mut self, is_a: bool, point: &str) -> anyhow::Result<()> {
        self.bank(is_a).until(Kind::Held, point).await?;
        self.lose_coordinator().await?;
        self.stage.coordinator.restart().await?;
        self.bank(is_a).wish(&Wish::Release(point.to_owned())).await
    }

    /// Waits until bank B could not be called, and says how; then it comes back.
    async fn restart_participant(&mut self, id: &str) -> anyhow::Result<()> {
        self.until_failures(id).await?;
        self.stage.b.restart().await
    }

    /// Waits until calls to bank B have failed, and says how.
    async fn until_failures(&self, id: &str) -> anyhow::Result<()> {
        let began = now();
        while began.elapsed() < WAIT {
            let branches = self.look(id).await?.and_then(|transaction| transaction.details);
            for branch in branches.map(|details| details.branches).unwrap_or_default() {
                for leg in [&branch.forward, &branch.backward] {
                    if leg.failures >= FAILURES {
                        let (id, failures) = (&branch.id, leg.failures);
                        let error = leg.last_error.as_deref().unwrap_or_default();
                        self.coordinator(&format!("branch {id} has failed {failures} times: {error}"));
                        return Ok(());
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("the coordinator has not called bank B {FAILURES} times within {WAIT:?}")
    }

    /// How a transaction stands; none if nobody has heard of it.
    async fn look(&self, id: &str) -> anyhow::Result<Option<Transaction>> {
        look(self.client(), id).await
    }

    /// Waits for the end.
    async fn end(&self, id: &str) -> anyhow::Result<Outcome> {
        let transaction = self.client().wait(id, WAIT).await?;
        let standing = transaction.standing;
        ensure!(transaction.ended, "the transaction has not ended: it is {standing:?}");
        Ok(standing.into())
    }

    const fn dies_at(&self, point: Point) -> bool {
        matches!((self.fault, point), (Fault::Coordinator(Point::Prepare), Point::Prepare))
            || matches!((self.fault, point), (Fault::Coordinator(Point::Decide), Point::Decide))
    }
}

/// How a transaction stands; none if nobody has heard of it.
pub(crate) async fn look(client: &native::Client, id: &str) -> anyhow::Result<Option<Transaction>> {
    const NO_SUCH_TRANSACTION: &str = "E2001";
    match client.look(id).await {
        Ok(transaction) => Ok(Some(transaction)),
        Err(error) if error.code() == Some(NO_SUCH_TRANSACTION) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn held(balance: &Balance) -> String {
    let Balance { balance, frozen, incoming, prepared, undo } = balance;
    let beside = [
        (*frozen, "frozen"),
        (*incoming, "awaited"),
        (i64::try_from(*prepared).unwrap_or(i64::MAX), "prepared"),
        (i64::try_from(*undo).unwrap_or(i64::MAX), "to be undone if need be"),
    ];
    let beside: Vec<String> = beside
        .iter()
        .filter(|(number, _)| *number != 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    if beside.is_empty() { balance.to_string() } else { format!("{balance} ({})", beside.join(", ")) }
}
