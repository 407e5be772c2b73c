//! Rows that count operations per CPU second of the server: renew, register, batches, lists.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{long, short};
use crate::bench::{Bench, measure, progress, record};
use crate::clock;
use crate::job::{Fleet, Job};
use crate::load::Outcome;
use crate::load::closed::{Closed, Until};
use crate::load::connection::Connection;
use crate::load::paced::{Paced, Running};
use crate::result::{Figure, Goal, Row, Run, Unit};
use crate::server::{Kind, Server, Settings};
use crate::verify;

/// Changes per second while lists are read.
pub(super) const CHANGES_PER_SECOND: f64 = 100.0;
/// For how long servers may keep the fleet in the delta before only the changed instances are left in it.
const DELTA_MAX: Duration = Duration::from_secs(240);

/// What is done again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Renew,
    Register,
    Batch,
    List,
    /// The delta while so many instances change round and round; None: the whole fleet.
    Delta(Option<u64>),
    Application,
}

/// How it is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// As fast as it is answered; 0 connections: those of the options.
    Closed { connections: usize },
    /// By a schedule.
    Open { per_second: f64 },
}

/// A row that counts operations.
#[derive(Debug)]
pub(crate) struct Rate {
    pub(crate) id: String,
    work: String,
    goal: Goal,
    size: u64,
    per_application: u64,
    operation: Operation,
    load: Load,
    /// Whether [`CHANGES_PER_SECOND`] happen meanwhile.
    changing: bool,
    settings: Settings,
}

/// What one server did in a row.
struct Measured {
    run: Run,
    outcome: Outcome,
    /// The first registration of the fleet.
    filled: Outcome,
}

impl Rate {
    /// A closed loop on a fleet of `fleet.0` instances, `fleet.1` of them per application.
    pub(crate) fn new(name: &str, fleet: (u64, u64), operation: Operation, goal: Goal) -> Self {
        let (size, per_application) = fleet;
        let what = match operation {
            Operation::Renew if name == "renew-2000" => "renew at a steady 2,000/s",
            Operation::Renew => "renew",
            Operation::Register => "register",
            Operation::Batch => "batches of 250 heartbeats, items",
            Operation::List => "full list, gzip JSON, current, 100 changes/s",
            Operation::Delta(None) => "delta with the whole fleet in it, gzip JSON, current, 100 changes/s",
            Operation::Delta(Some(_)) => "delta of 100 instances, gzip JSON, current, 100 changes/s",
            Operation::Application => "one application, JSON",
        };
        Self {
            id: format!("{name}@{}", short(size)),
            work: format!("{what}; {} instances, {} per application", long(size), long(per_application)),
            goal,
            size,
            per_application,
            operation,
            load: Load::Closed { connections: 0 },
            changing: false,
            settings: Settings::default(),
        }
    }

    /// Asked for in this way instead.
    pub(crate) fn with_load(self, load: Load) -> Self {
        Self { load, ..self }
    }

    /// While [`CHANGES_PER_SECOND`] happen.
    fn changing(self) -> Self {
        Self { changing: true, ..self }
    }

    /// On servers with these settings.
    fn configured(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// Measures all servers, one after the other.
    ///
    /// # Errors
    /// When a server does not start or answers something else than it must.
    pub(crate) fn run(&self, bench: &Bench) -> Result<Row> {
        let mut figures = Vec::new();
        let mut notes = Vec::new();
        let mut recorded = None;
        for kind in bench.kinds() {
            progress(&format!("{}: {}", self.id, kind.name()));
            let Measured { run, outcome, filled } = self.run_server(bench, kind, &mut recorded)?;
            if self.operation == Operation::Register {
                let rate = long(filled.rate() as u64);
                notes.push(format!(
                    "{} registered the fleet for the first time at {rate}/s, just started",
                    kind.name()
                ));
            }
            if outcome.offered > outcome.requests + outcome.requests / 100 {
                let asked = outcome.offered as f64 / outcome.elapsed.as_secs_f64();
                notes.push(format!("{} carried {:.0} of {asked:.0} per second", kind.name(), outcome.rate()));
            }
            figures.push(figure(kind, run));
        }
        if let Some(recorded) = recorded {
            progress(&format!("{}: echo", self.id));
            let server = Server::echo(&recorded)?;
            let job = Arc::new(self.job(&Fleet::new(self.size, self.per_application)));
            self.drive(bench, &server, &job, bench.options.warm(Kind::Echo))?;
            let load = || self.drive(bench, &server, &job, bench.options.measure());
            figures.push(figure(Kind::Echo, measure(&server, job.operations(), load)?.0));
            let bytes = recorded.len();
            notes.push(format!("the echo server's answer has {} bytes", long(bytes as u64)));
        }
        let mut row = bench.row(&self.id, &self.work, Unit::PerCpuSecond, self.goal, figures);
        row.notes.extend(notes);
        Ok(row)
    }

    fn run_server(&self, bench: &Bench, kind: Kind, recorded: &mut Option<Vec<u8>>) -> Result<Measured> {
        let fleet = Fleet::new(self.size, self.per_application);
        let (server, filled) = bench.start_with(kind, &self.settings, &fleet)?;
        let changes = self.changing.then(|| self.change(&server, &fleet)).transpose()?;
        let job = Arc::new(self.job(&fleet));
        if let Operation::Delta(Some(span)) = self.operation {
            wait_for_delta_of(&server, &fleet, span)?;
        }
        if recorded.is_none() {
            *recorded = Some(record(&server, &job)?);
        }
        self.drive(bench, &server, &job, bench.options.warm(kind))?;
        let load = || self.drive(bench, &server, &job, bench.options.measure());
        let (run, outcome) = measure(&server, job.operations(), load)?;
        if let Some(changes) = changes {
            changes.finish().context("the changes meanwhile")?;
        }
        job.verify().with_context(|| format!("{}'s answers", kind.name()))?;
        Ok(Measured { run, outcome, filled })
    }

    fn job(&self, fleet: &Arc<Fleet>) -> Job {
        match self.operation {
            Operation::Renew => Job::renew(fleet),
            Operation::Register => Job::register(fleet, fleet.size),
            Operation::Batch => Job::batch(fleet),
            Operation::List => Job::list(fleet),
            Operation::Delta(span) => Job::delta(fleet, span.unwrap_or(fleet.size)),
            Operation::Application => Job::application(fleet),
        }
    }

    fn change(&self, server: &Server, fleet: &Arc<Fleet>) -> Result<Running> {
        let span = match self.operation {
            Operation::Delta(Some(span)) => span,
            _ => fleet.size,
        };
        changes(server, fleet, span)
    }

    fn drive(&self, bench: &Bench, server: &Server, job: &Arc<Job>, duration: Duration) -> Result<Outcome> {
        match self.load {
            Load::Closed { connections } => {
                let closed = bench.closed(server);
                let connections = if connections == 0 { closed.connections } else { connections };
                Closed { connections, ..closed }.run(job, Until::Elapsed(duration))
            }
            Load::Open { per_second } => {
                Paced { addr: server.addr, connections: 16, per_second }.run(job, duration)
            }
        }
    }
}

/// Registers new versions of the first `span` instances, [`CHANGES_PER_SECOND`] of them.
pub(super) fn changes(server: &Server, fleet: &Arc<Fleet>, span: u64) -> Result<Running> {
    let job = Arc::new(Job::register(fleet, span));
    Paced { addr: server.addr, connections: 4, per_second: CHANGES_PER_SECOND }.start(&job)
}

fn figure(kind: Kind, run: Run) -> Figure {
    let value = run.operations as f64 / run.server_cpu_seconds.max(0.01);
    Figure { kind, value, run: Some(run) }
}

/// Waits until the registrations of the fleet have left the delta.
fn wait_for_delta_of(server: &Server, fleet: &Arc<Fleet>, span: u64) -> Result<()> {
    let job = Job::delta(fleet, span);
    let mut connection = Connection::new(server.addr);
    let mut request = Vec::new();
    job.compose(0, &mut request);
    let mut found = Ok(0);
    let done = clock::wait_until(DELTA_MAX, Duration::from_millis(250), || {
        let answer = connection.exchange(&request, true);
        found = answer.and_then(|_| verify::count_instances(&connection.take_kept().1));
        found.as_ref().map_or(true, |count| *count as u64 == span)
    });
    let found = found?;
    ensure!(done, "the delta of {} still holds {found} instances after {DELTA_MAX:?}", server.kind.name());
    Ok(())
}

/// The rows that read: lists, deltas, one application, at 10,000 instances.
pub(super) fn lists() -> Vec<Rate> {
    let current = java_without_cache();
    let readers = Load::Closed { connections: 8 };
    let row = |name: &str, operation, goal| Rate::new(name, (10_000, 100), operation, goal);

    let goal =
        Goal { times_java: Some(60.0), of_echo: Some(0.5), at_least: Some(9_000.0), ..Goal::default() };
    let list = row("list", Operation::List, goal).with_load(readers).changing().configured(current.clone());
    let mut stale = row("list-java-stale", Operation::List, Goal::default()).with_load(readers).changing();
    stale.work.push_str("; Java's up to 30 s old");
    let goal = Goal { times_java: Some(60.0), ..Goal::default() };
    let whole = row("delta-whole", Operation::Delta(None), goal);
    let whole = whole.with_load(readers).changing().configured(current.clone());
    let goal = Goal { of_echo: Some(0.6), ..Goal::default() };
    let small = row("delta-100", Operation::Delta(Some(100)), goal).changing().configured(short_delta());
    let application = row("application", Operation::Application, Goal::default()).configured(current);
    vec![list, stale, whole, small, application]
}

/// Both servers forget changes after 5 s, so that only those of the last seconds are in the delta.
fn short_delta() -> Settings {
    let mut settings = java_without_cache();
    settings.java.push("--eureka.server.retentionTimeInMSInDeltaQueue=5000".into());
    settings.java.push("--eureka.server.deltaRetentionTimerIntervalInMs=500".into());
    settings.synod.push("registry.delta_retention=5s".into());
    settings
}

/// Java's lists are otherwise up to 30 s old.
pub(super) fn java_without_cache() -> Settings {
    let java = vec!["--eureka.server.use-read-only-response-cache=false".into()];
    Settings { java, synod: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::BATCH_ITEMS;

    #[test]
    fn batches_count_their_items() {
        let rate = Rate::new("batch", (10_000, 100), Operation::Batch, Goal::default());
        assert_eq!(rate.job(&Fleet::new(10_000, 100)).operations(), BATCH_ITEMS);
        assert_eq!(rate.id, "batch@10k");
    }
}
