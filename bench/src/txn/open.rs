//! Many transactions open at once: their participant is away. What they take, and what happens to them when the
//! coordinator is killed while they are open and the participant is back when it comes up again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::time::timeout;

use super::Bench;
use super::drive::{Load, Until};
use super::participant::{self, Ledger};
use super::result::Open;
use super::server::{Coordinator, System};
use super::work::Work;
use crate::bench::progress;
use crate::clock;
use crate::server::free_port;

/// Clients that begin them.
const CLIENTS: usize = 64;
/// dtm on boltdb begins some hundred a second: it is asked for a tenth.
const BOLTDB_SHARE: usize = 10;
/// For how long the backlog is watched.
const WATCH_MAX: Duration = Duration::from_secs(60);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// # Errors
/// When the server does not start, or refuses a transaction.
pub(super) fn run(bench: &Bench, system: System) -> Result<Open> {
    let mut server = Coordinator::start(system, &bench.programs)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = runtime.block_on(measure(bench, system, &mut server));
    server.explain(measured)
}

async fn measure(bench: &Bench, system: System, server: &mut Coordinator) -> Result<Open> {
    let open = bench.options.open / if system == System::DtmBoltdb { BOLTDB_SHARE } else { 1 };
    // Nobody listens there yet.
    let port = free_port()?;
    let load = Load {
        work: Work::Accepted,
        server: server.dtm,
        participant: ([127, 0, 0, 1], port).into(),
        clients: CLIENTS,
    };
    let filled = load.run(0, Until::Number(open)).await?;
    progress(&format!("{open} open after {:.1} s", filled.elapsed.as_secs_f64()));
    let resident_mib = server.resident_mib()?;
    server.kill();
    // Not before: a call of the one that was killed would count. It does not answer before the next one is ready, whose first
    // calls wait in the listener's queue; so the first cannot be seen earlier than that.
    let (listener, _) = participant::listen(port)?;
    let ledger = Ledger::default();
    let (begin, ready) = server.start_again()?;
    let watched = tokio::select! {
        ended = participant::serve(listener, ledger.clone()) => { ended?; None }
        watched = watch(&ledger, open, begin) => Some(watched),
    };
    let watched = watched.context("the participant ended")?;
    let audit = ledger.audit(0..open);
    let mut notes = vec![format!("{open} were begun at {:.0}/s", open as f64 / filled.elapsed.as_secs_f64())];
    if watched.all.is_none() {
        notes.push(format!("{} of {open} finished within {} s", audit.finished, WATCH_MAX.as_secs()));
    }
    if audit.repeated > 0 {
        notes.push(format!("{} transactions had a branch called twice", audit.repeated));
    }
    Ok(Open {
        system,
        open,
        resident_mib,
        ready_seconds: ready.as_secs_f64(),
        first_call_seconds: watched.first.map(|first| first.as_secs_f64()),
        all_seconds: watched.all.map(|all| all.as_secs_f64()),
        backlog_per_second: watched.per_second,
        notes,
        origin: bench.origin.clone(),
    })
}

struct Watched {
    first: Option<Duration>,
    all: Option<Duration>,
    per_second: f64,
}

async fn watch(ledger: &Ledger, open: usize, begin: Instant) -> Watched {
    let all = timeout(WATCH_MAX, async {
        while ledger.finished() < open {
            tokio::time::sleep(LOOK).await;
        }
        begin.elapsed()
    });
    let all = all.await.ok();
    let first = ledger.first();
    let working = first.map_or(Duration::ZERO, |first| clock::now() - first);
    Watched {
        first: first.map(|first| first - begin),
        all,
        per_second: ledger.finished() as f64 / working.as_secs_f64().max(1e-9),
    }
}
