//! `synod-demo bank`: transfers in each mode that is asked for, with each fault, and a table at the end.

use anyhow::Context as _;

use crate::args;
use crate::database::Dialect;
use crate::failure::Failure;
use crate::fault::{Fault, unsuited};
use crate::say::{Say, Who};
use crate::script;
use crate::setup::{Stage, Wanted};
use crate::told::Told;
use crate::verdict::{Verdict, total};

/// What is told of a transfer at the end.
struct Row {
    mode: &'static str,
    fault: &'static str,
    outcome: String,
    seconds: f64,
    holds: bool,
}

/// Shows all that is asked for, or until told to end; whether everything held.
pub(crate) async fn run(bank: &args::Bank) -> Result<bool, Failure> {
    let kills = bank.faults().iter().any(|fault| matches!(fault, Fault::Coordinator(_)));
    if bank.synod.is_some() && kills {
        return Err(Failure::usage("a coordinator given with --synod is not ours to kill"));
    }
    let say = Say::new();
    let mut told = Told::new()?;
    let wanted = Wanted::from(bank);
    let mut stage = tokio::select! {
        stage = Stage::new(&wanted, &say) => stage?,
        () = told.wait() => return Ok(false),
    };
    let held = tokio::select! {
        held = transfers(bank, &mut stage) => held,
        () = told.wait() => Ok(false),
    };
    if bank.stay && held.is_ok() {
        let console = stage.coordinator.url("/ui/transactions");
        say.text(&format!("\nThe console is at {console}; Ctrl-C ends all."));
        told.wait().await;
    }
    stage.clear().await?;
    held
}

/// Each mode with each fault, one after the other; ends at the first that does not hold, as what comes next would be judged by
/// what that one has left.
async fn transfers(bank: &args::Bank, stage: &mut Stage) -> Result<bool, Failure> {
    let say = stage.say.clone();
    let dialects = stage.dialects();
    let [a, b] = dialects.map(Dialect::name);
    let url = stage.coordinator.url("/");
    say.text(&format!("bank A on {a}, bank B on {b}, coordinator at {url}"));
    let mut rows: Vec<Row> = Vec::new();
    for mode in bank.modes() {
        if let Some(why) = unsuited(mode, dialects, stage.coordinator.faces()) {
            if bank.mode.contains(&mode) {
                return Err(Failure::usage(why));
            }
            say.text(&format!("\n{}: not shown. {why}", mode.as_str()));
            continue;
        }
        for fault in bank.faults() {
            let gid = format!("transfer-{}-{}", std::process::id(), rows.len() + 1);
            say.begin(&format!("{}: {}", mode.as_str(), fault.words()));
            let told = script::run(stage, mode, fault, gid).await;
            let seconds = say.seconds();
            let (outcome, holds) = judge(&say, told);
            rows.push(Row { mode: mode.as_str(), fault: fault.words(), outcome, seconds, holds });
            if !holds {
                return Ok(table(&say, &rows));
            }
        }
    }
    Ok(table(&say, &rows))
}

/// Shows what was found; the outcome in a word or two, and whether the promise was kept.
fn judge(say: &Say, told: anyhow::Result<Verdict>) -> (String, bool) {
    let verdict = match told.context("the transfer could not be brought to its end") {
        Ok(verdict) => verdict,
        Err(error) => {
            say.verdict(false, &format!("FAILED: {error:#}"));
            return ("failed".to_owned(), false);
        }
    };
    let breaches = verdict.breaches();
    let [a, b] = verdict.before.map(|account| account.balance);
    say.line(Who::Demo, &format!("before: bank A {a} + bank B {b} = {}", total(&verdict.before)));
    let [a, b] = verdict.after.map(|account| account.balance);
    say.line(Who::Demo, &format!("after:  bank A {a} + bank B {b} = {}", total(&verdict.after)));
    for breach in &breaches {
        say.verdict(false, &format!("BROKEN: {breach}"));
    }
    if breaches.is_empty() {
        say.verdict(true, "kept: the total is the same, both or neither have changed, nothing is left over");
    }
    (verdict.outcome.words().to_owned(), breaches.is_empty())
}

/// Shows all transfers; whether all of them kept their promise.
fn table(say: &Say, rows: &[Row]) -> bool {
    say.text(&format!(
        "\n{:<12}  {:<43}  {:<11}  {:>7}  promise",
        "mode", "what failed", "transfer", "seconds"
    ));
    for Row { mode, fault, outcome, seconds, holds } in rows {
        let kept = if *holds { "kept" } else { "BROKEN" };
        say.text(&format!("{mode:<12}  {fault:<43}  {outcome:<11}  {seconds:7.2}  {kept}"));
    }
    let kept = rows.iter().filter(|row| row.holds).count();
    say.text(&format!("{kept} of {} transfers kept the promise", rows.len()));
    kept == rows.len()
}
