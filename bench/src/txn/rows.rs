//! The rows. Each starts its own server with nothing in it, so that rows do not disturb each other and every one can be run
//! alone.

use anyhow::{Result, ensure};

use super::drive::{Load, Until};
use super::participant::{self, Ledger};
use super::result::{Found, Measured, Row};
use super::server::{Coordinator, System};
use super::work::Work;
use super::{Bench, Options, limits, open};
use crate::{process, suite};

const COORDINATORS: [System; 3] = [System::Synod, System::DtmBoltdb, System::DtmRedis];
/// Clients at once.
const CLIENTS: [usize; 3] = [1, 8, 64];

/// What makes one row at each of its servers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scenario {
    Load { work: Work, clients: usize },
    Open,
}

/// The name of a row.
pub(super) fn id(work: Work, clients: usize) -> String {
    format!("{}@{clients}", work.id())
}

/// Where a row stands among all.
pub(super) fn position(id: &str) -> usize {
    all().iter().position(|scenario| scenario.id() == id).unwrap_or(usize::MAX)
}

fn all() -> Vec<Scenario> {
    let works = [Work::Saga, Work::Tcc, Work::Message, Work::Submit, Work::Native, Work::Echo];
    let loads = works.into_iter().flat_map(|work| CLIENTS.map(|clients| Scenario::Load { work, clients }));
    loads.chain([Scenario::Open]).collect()
}

/// The scenarios that the options ask for.
///
/// # Errors
/// When a name of `--only` is no row.
pub(super) fn selected(options: &Options) -> Result<Vec<Scenario>> {
    suite::chosen(all(), |scenario| scenario.id(), &options.only)
}

impl Scenario {
    pub(super) fn id(self) -> String {
        match self {
            Self::Load { work, clients } => id(work, clients),
            Self::Open => "open".into(),
        }
    }

    /// Where it is measured.
    pub(super) fn systems(self) -> Vec<System> {
        match self {
            Self::Load { work: Work::Native, .. } => vec![System::Synod],
            Self::Load { work: Work::Echo, .. } => vec![System::Echo, System::Disk],
            Self::Load { .. } | Self::Open => COORDINATORS.to_vec(),
        }
    }

    /// Measures.
    ///
    /// # Errors
    /// When a server does not start or answers something else than it must.
    pub(super) fn run(self, bench: &Bench, system: System) -> Result<Found> {
        let row = match (self, system) {
            (Self::Load { clients, .. }, System::Echo) => limits::echo(bench, clients)?,
            (Self::Load { clients, .. }, System::Disk) => limits::disk(bench, clients)?,
            (Self::Load { work, clients }, _) => load(bench, system, work, clients)?,
            (Self::Open, _) => return Ok(Found::Open(Box::new(open::run(bench, system)?))),
        };
        Ok(Found::Row(Box::new(row)))
    }
}

fn load(bench: &Bench, system: System, work: Work, clients: usize) -> Result<Row> {
    let server = Coordinator::start(system, &bench.programs)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let driven = runtime.block_on(async {
        let (listener, participant) = participant::listen(0)?;
        let ledger = Ledger::default();
        let load = Load {
            work,
            server: if work == Work::Native { server.native } else { server.dtm },
            participant,
            clients,
        };
        tokio::select! {
            ended = participant::serve(listener, ledger.clone()) => Err(ended.err().unwrap_or_else(|| anyhow::anyhow!("the participant ended"))),
            row = measure(bench, &server, system, load, &ledger) => row,
        }
    });
    server.explain(driven)
}

async fn measure(
    bench: &Bench,
    server: &Coordinator,
    system: System,
    load: Load,
    ledger: &Ledger,
) -> Result<Row> {
    let warmed = load.run(0, Until::Elapsed(bench.options.warm())).await?;
    let (cpu, flushes) = (server.cpu_seconds()?, server.flushes());
    let others = process::Others::watch(&server.pids())?;
    let driven = load.run(warmed.numbers.end, Until::Elapsed(bench.options.measure())).await?;
    let cpu = server.cpu_seconds()? - cpu;
    let flushes = server.flushes().zip(flushes).map(|(after, before)| (after - before) as f64);
    let seconds = driven.elapsed.as_secs_f64();
    let others_cores = others.used()? / seconds;
    let audit = ledger.audit(driven.numbers.clone());
    let mut notes = Vec::new();
    if audit.wrong > 0 {
        ensure!(system != System::Synod, "{audit:?}: said to have succeeded, and branches were not called");
        notes.push(format!(
            "{} of {} transactions were said to have succeeded, and branches were not called",
            audit.wrong,
            driven.numbers.len()
        ));
    }
    if audit.repeated > 0 {
        notes.push(format!("{} transactions had a branch called twice", audit.repeated));
    }
    let count = audit.finished.max(1) as f64;
    let measured = Measured {
        per_second: audit.finished as f64 / seconds,
        latency: driven.latency.summary(),
        cpu_per_1000: Some(cpu * 1000.0 / count),
        flushes: flushes.map(|flushes| flushes / count),
        others_cores,
    };
    Ok(bench.row(load.work, load.clients, system, measured, notes))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        options: Options,
    }

    fn ids(arguments: &str) -> Result<Vec<String>> {
        let options = Arguments::parse_from(format!("bench {arguments}").split_whitespace()).options;
        Ok(selected(&options)?.into_iter().map(Scenario::id).collect())
    }

    #[test]
    fn rows_are_chosen_by_id_or_family() {
        assert_eq!(ids("--only saga").unwrap(), ["saga@1", "saga@8", "saga@64"]);
        assert_eq!(ids("--only tcc@8,open").unwrap(), ["tcc@8", "open"]);
        assert!(ids("--only nothing").is_err());
        let mut all = ids("").unwrap();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
