//! What happens in a transfer, mode by mode.

use std::time::Duration;

use anyhow::{bail, ensure};

use crate::api::{Leg, Transaction};
use crate::args::Mode;
use crate::books::{self, Account, audit};
use crate::fault::{Fault, Point};
use crate::process::BankProcess;
use crate::say::Who;
use crate::setup::Stage;
use crate::task::now;
use crate::verdict::Verdict;

mod message;
mod saga;
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
    /// Our own name for the transaction.
    gid: String,
}

/// Makes a transfer and looks at what came of it.
pub(crate) async fn run(stage: &mut Stage, mode: Mode, fault: Fault, gid: String) -> anyhow::Result<Verdict> {
    let amount = if fault == Fault::Debit { TOO_MUCH } else { AMOUNT };
    books::reset(&stage.a.database, MONEY[0], false).await?;
    books::reset(&stage.b.database, MONEY[1], fault == Fault::Credit).await?;
    stage.a.forget();
    stage.b.forget();
    let before = accounts(stage).await?;
    let mut transfer = Transfer { stage, mode, fault, amount, gid };
    let ended = match mode {
        Mode::Xa | Mode::Tcc => two_phase::run(&mut transfer).await,
        Mode::Saga => saga::run(&mut transfer).await,
        Mode::Message => message::run(&mut transfer).await,
    };
    let after = accounts(transfer.stage).await?;
    let ended = ended.inspect_err(|_| transfer.show_held(&after))?;
    transfer.coordinator(&format!("the transaction is {}", ended.status.replace('_', " ")));
    Ok(Verdict { amount, before, after, status: ended.status, expected: fault.expected(mode) })
}

async fn accounts(stage: &Stage) -> anyhow::Result<[Account; 2]> {
    Ok([audit(&stage.a.database).await?, audit(&stage.b.database).await?])
}

impl Transfer<'_> {
    fn demo(&self, words: &str) {
        self.stage.say.line(Who::Demo, words);
    }

    fn coordinator(&self, words: &str) {
        self.stage.say.line(Who::Coordinator, words);
    }

    fn show_held(&self, [a, b]: &[Account; 2]) {
        self.demo(&format!("meanwhile bank A holds {}, bank B holds {}", held(a), held(b)));
    }

    /// Says which transaction it is, and where it can be looked at.
    fn link(&self, transaction: &Transaction) {
        let xid = &transaction.xid;
        let page = format!("/ui/transactions/{}", xid.replace('[', "%5B").replace(']', "%5D"));
        self.demo(&format!("transaction {xid}, to be seen at {}", self.stage.coordinator.api.url(&page)));
    }

    /// Kills the coordinator, and shows what the databases hold meanwhile.
    async fn lose_coordinator(&mut self) -> anyhow::Result<()> {
        self.stage.coordinator.kill();
        self.show_held(&accounts(self.stage).await?);
        Ok(())
    }

    /// Kills the coordinator when `bank` has been asked for `point` and has not done it yet.
    async fn lose_coordinator_at(&mut self, is_a: bool, point: &str) -> anyhow::Result<()> {
        let bank = if is_a { &self.stage.a } else { &self.stage.b };
        bank.until(crate::bank::report::Kind::Held, point).await?;
        self.lose_coordinator().await?;
        self.stage.coordinator.restart().await?;
        let bank = if is_a { &self.stage.a } else { &self.stage.b };
        bank.wish(&crate::bank::Wish::Release(point.to_owned())).await
    }

    /// Waits until calls to bank B have failed, and says how.
    async fn until_failures(&self, id: &str) -> anyhow::Result<()> {
        let began = now();
        while began.elapsed() < WAIT {
            let transaction = self.stage.coordinator.api.look(id).await?;
            let branches = transaction.details.map(|details| details.branches).unwrap_or_default();
            for branch in &branches {
                for Leg { failures, last_error } in [&branch.forward, &branch.backward] {
                    if *failures >= FAILURES {
                        let error = last_error.as_deref().unwrap_or_default();
                        let id = &branch.id;
                        self.coordinator(&format!("branch {id} has failed {failures} times: {error}"));
                        return Ok(());
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("the coordinator has not called bank B {FAILURES} times within {WAIT:?}")
    }

    /// Waits for the end.
    async fn end(&self, id: &str) -> anyhow::Result<Transaction> {
        let transaction = self.stage.coordinator.api.wait(id).await?;
        ensure!(transaction.ended, "the transaction has not ended: it is {}", transaction.status);
        Ok(transaction)
    }

    fn url(&self, bank: &BankProcess, step: &str) -> String {
        bank.api.url(&format!("/{}/{step}", self.mode.as_str()))
    }

    const fn dies_at(&self, point: Point) -> bool {
        matches!((self.fault, point), (Fault::Coordinator(Point::Prepare), Point::Prepare))
            || matches!((self.fault, point), (Fault::Coordinator(Point::Decide), Point::Decide))
    }
}

fn held(account: &Account) -> String {
    let Account { balance, frozen, incoming, prepared } = account;
    match (frozen, incoming, prepared) {
        (0, 0, 0) => balance.to_string(),
        (0, 0, prepared) => format!("{balance} ({prepared} prepared)"),
        (frozen, 0, _) => format!("{balance} ({frozen} frozen)"),
        (_, incoming, _) => format!("{balance} ({incoming} awaited)"),
    }
}
