//! `synod-demo chaos`: many transfers at a time in all modes, while services, databases and the coordinator are killed; and whether
//! what is left is right.
//!
//! | file | what |
//! |---|---|
//! | `plan` | a transfer: who pays whom, how |
//! | `teller` | makes it, and says what is known of it |
//! | `havoc` | who is killed, and comes back |
//! | `ledger` | what is known of all transfers, and what every account should have |
//! | `calm` | waits until nothing is left over |

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;

use crate::args;
use crate::books;
use crate::database::Dialect;
use crate::failure::Failure;
use crate::fault::unsuited;
use crate::mode::Mode;
use crate::say::{Say, Who};
use crate::setup::{Stage, Wanted};
use crate::task;
use crate::told::Told;

mod calm;
mod havoc;
mod ledger;
mod plan;
mod teller;

use havoc::Havoc;
use ledger::{Ledger, MONEY};
use plan::ACCOUNTS;
use teller::Office;

/// Makes havoc for a while; whether what is left is right.
pub(crate) async fn run(chaos: &args::Chaos) -> Result<bool, Failure> {
    let say = Say::new();
    let mut told = Told::new()?;
    let wanted = Wanted {
        synod: None,
        seata: None,
        dtm: None,
        banks: [None, None],
        sqlite: false,
        accounts: ACCOUNTS,
        narrates: false,
    };
    let mut stage = tokio::select! {
        stage = Stage::new(&wanted, &say) => stage?,
        () = told.wait() => return Ok(false),
    };
    let dialects = stage.dialects();
    if let Some(why) =
        chaos.modes().into_iter().find_map(|mode| unsuited(mode, dialects, stage.coordinator.faces()))
    {
        return Err(Failure::usage(why));
    }
    tokio::select! {
        held = chaos_in(chaos, &mut stage, &say) => Ok(held?),
        () = told.wait() => Ok(false),
    }
}

async fn chaos_in(chaos: &args::Chaos, stage: &mut Stage, say: &Say) -> anyhow::Result<bool> {
    let seed = chaos.seed.unwrap_or_else(|| fastrand::u64(..));
    for bank in [&stage.a, &stage.b] {
        books::reset(&bank.database, MONEY, false).await?;
    }
    let office = Office::open(stage).await?;
    let [a, b] = stage.dialects().map(Dialect::name);
    let modes: Vec<&str> = chaos.modes().into_iter().map(Mode::as_str).collect();
    say.begin(&format!(
        "{} s of {} at a time between bank A on {a} and bank B on {b}: {}; seed {seed}",
        chaos.seconds,
        chaos.tellers,
        modes.join(", ")
    ));
    let (stop, stopped) = watch::channel(false);
    let ledger = Arc::new(Ledger::default());
    let tellers: Vec<_> = (0..chaos.tellers)
        .map(|number| {
            let random = fastrand::Rng::with_seed(seed.wrapping_add(number));
            let work =
                teller::work(office.clone(), chaos.modes(), random, Arc::clone(&ledger), stopped.clone());
            task::spawn(work)
        })
        .collect();
    let mut havoc = Havoc::new(fastrand::Rng::with_seed(!seed));
    let end = task::now() + Duration::from_secs(chaos.seconds);
    while task::now() < end {
        havoc.strike(stage).await?;
        say.line(Who::Demo, &ledger.summary());
    }
    stop.send_replace(true);
    for teller in tellers {
        teller.await.context("a teller has panicked")?;
    }
    say.line(Who::Demo, "nobody is killed any more, and no transfers are begun");
    let left = calm::wait(stage, &office, &ledger).await?;
    for (victim, kills) in havoc.kills() {
        say.text(&format!("{victim} was killed {kills} times"));
    }
    Ok(ledger.judge(say, &left))
}
