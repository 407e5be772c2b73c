//! One run of the benchmark: its options, the programs under test, and the steps that all rows share.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::job::{Fleet, Job};
use crate::load::Outcome;
use crate::load::closed::{Closed, Until};
use crate::load::connection::Connection;
use crate::process;
use crate::result::{Figure, Goal, Origin, Row, Run, Unit};
use crate::server::{Kind, Programs, Server, Settings};

/// Cores that others may use meanwhile before a row says that it was not alone.
const OTHERS_CORES_MAX: f64 = 0.05;

/// Options of `synod-bench registry`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Small fleets and short times, to see that every row works: below 3 minutes without Java.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these rows, separated by commas: an id (renew@10k) or the part of it before the @ (renew).
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Leaves the Spring Cloud server out; its ratios stay open.
    #[arg(long)]
    pub(crate) no_java: bool,
    /// Leaves Synod out; the echo server then answers as Java does.
    #[arg(long, conflicts_with = "no_java")]
    pub(crate) no_synod: bool,
    /// Prints the ids of the rows and ends.
    #[arg(long)]
    pub(crate) list: bool,
    /// Writes the table of the kept results into this page, without measuring.
    #[arg(long, num_args = 0..=1, default_missing_value = "docs/performance.md")]
    pub(crate) markdown: Option<PathBuf>,
    /// Seconds for which each figure is measured [default: 10, quick 1].
    #[arg(long)]
    pub(crate) seconds: Option<f64>,
    /// Seconds of load before measuring Synod and the echo server [default: 2, quick 0.3].
    #[arg(long)]
    pub(crate) warmup: Option<f64>,
    /// Seconds of load before measuring the JVM [default: 20, quick 5].
    #[arg(long)]
    pub(crate) java_warmup: Option<f64>,
    /// Minutes of full load before memory is read [default: 3, quick 0.05].
    #[arg(long)]
    pub(crate) load_minutes: Option<f64>,
    /// Connections of closed loops.
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// Requests that a connection of a closed loop has outstanding.
    #[arg(long, default_value_t = 1)]
    pub(crate) depth: u64,
}

impl Options {
    fn pick(&self, given: Option<f64>, full: f64, quick: f64) -> Duration {
        Duration::from_secs_f64(given.unwrap_or(if self.quick { quick } else { full }))
    }

    /// For how long a figure is measured.
    pub(crate) fn measure(&self) -> Duration {
        self.pick(self.seconds, 10.0, 1.0)
    }

    /// For how long this server is warmed.
    pub(crate) fn warm(&self, kind: Kind) -> Duration {
        match kind {
            Kind::Java => self.pick(self.java_warmup, 20.0, 5.0),
            Kind::Synod | Kind::Echo => self.pick(self.warmup, 2.0, 0.3),
        }
    }

    /// For how long the full load lasts after which memory is read.
    pub(crate) fn load(&self) -> Duration {
        self.pick(self.load_minutes, 3.0, 0.05).mul_f64(60.0)
    }
}

/// What all rows share.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) options: Options,
    programs: Programs,
    origin: Origin,
}

impl Bench {
    /// Finds or builds the programs.
    ///
    /// # Errors
    /// When a build fails.
    pub(crate) fn new(options: Options) -> Result<Self> {
        let programs = Programs::find(!options.no_synod, !options.no_java)?;
        Ok(Self { options, programs, origin: Origin::here() })
    }

    /// The servers that take part, less the echo server.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        let synod = self.programs.synod.is_some().then_some(Kind::Synod);
        let java = self.programs.jar.is_some().then_some(Kind::Java);
        synod.into_iter().chain(java).collect()
    }

    /// Starts a server of this kind on this port (0: any).
    ///
    /// # Errors
    /// When it does not get ready.
    pub(crate) fn start(&self, kind: Kind, port: u16, settings: &Settings) -> Result<Server> {
        let Programs { synod, jar } = &self.programs;
        match kind {
            Kind::Synod => Server::synod(synod.as_ref().context("Synod is left out")?, port, settings),
            Kind::Java => Server::java(jar.as_ref().context("Java is left out")?, port, settings),
            Kind::Echo => anyhow::bail!("an echo server is started with what it answers"),
        }
    }

    /// Starts a server of this kind and registers the fleet.
    ///
    /// # Errors
    /// When it does not get ready or refuses a registration.
    pub(crate) fn start_with(
        &self,
        kind: Kind,
        settings: &Settings,
        fleet: &Arc<Fleet>,
    ) -> Result<(Server, Outcome)> {
        let server = self.start(kind, 0, settings)?;
        let filled = self.fill(&server, fleet)?;
        Ok((server, filled))
    }

    /// Registers the fleet.
    ///
    /// # Errors
    /// When a registration is refused.
    pub(crate) fn fill(&self, server: &Server, fleet: &Arc<Fleet>) -> Result<Outcome> {
        let job = Arc::new(Job::fill(fleet));
        explain(server, self.closed(server).run(&job, Until::Requests(fleet.size)))
            .context("registering the fleet")
    }

    /// A closed loop with the connections and depth of the options.
    pub(crate) fn closed(&self, server: &Server) -> Closed {
        Closed { addr: server.addr, connections: self.options.connections, depth: self.options.depth }
    }

    /// A finished row.
    pub(crate) fn row(&self, id: &str, work: &str, unit: Unit, goal: Goal, figures: Vec<Figure>) -> Row {
        let mut notes = Vec::new();
        for figure in &figures {
            let others = figure.run.map_or(0.0, |run| run.others_cores);
            if others > OTHERS_CORES_MAX {
                notes.push(format!("NOT ALONE: others used {others:.2} cores beside {}", figure.kind.name()));
            }
        }
        let (id, work) = (id.to_owned(), work.to_owned());
        Row { id, work, unit, goal, figures, notes, origin: self.origin.clone() }
    }
}

/// Tells on stderr what is going on.
pub(crate) fn progress(what: &str) {
    // Progress is a courtesy: a closed stderr is no reason to stop.
    writeln!(std::io::stderr(), "… {what}").ok();
}

/// Runs load and says what it cost the server. `operations` is what one request counts for.
///
/// # Errors
/// When the load fails; the end of the server's log is in the error.
pub(crate) fn measure(
    server: &Server,
    operations: u64,
    load: impl FnOnce() -> Result<Outcome>,
) -> Result<(Run, Outcome)> {
    let before = process::cpu(server.pid())?.seconds();
    let others = process::Others::watch(&[server.pid()])?;
    let outcome = explain(server, load())?;
    let server_cpu_seconds = process::cpu(server.pid())?.seconds() - before;
    let others_cores = others.used()? / outcome.elapsed.as_secs_f64().max(0.01);
    let operations_done = outcome.requests * operations;
    let run = Run {
        operations: operations_done,
        per_second: outcome.rate() * operations as f64,
        server_cpu_seconds,
        cpu_seconds_per_1000: server_cpu_seconds * 1000.0 / operations_done.max(1) as f64,
        latency: outcome.latency.summary(),
        others_cores,
    };
    Ok((run, outcome))
}

/// Adds the end of the server's log to an error.
///
/// # Errors
/// Those of the result.
pub(crate) fn explain<T>(server: &Server, result: Result<T>) -> Result<T> {
    result.with_context(|| match server.log_end() {
        log if log.is_empty() => server.kind.name().to_owned(),
        log => format!("{}, whose log ends with:\n{log}\n", server.kind.name()),
    })
}

/// One answer to the first request of a job, head and body as on the wire, for the echo server.
///
/// # Errors
/// When the answer is not what the job must get.
pub(crate) fn record(server: &Server, job: &Job) -> Result<Vec<u8>> {
    let mut request = Vec::new();
    job.compose(0, &mut request);
    let mut connection = Connection::new(server.addr);
    let answer = explain(server, connection.exchange(&request, true))?;
    job.check(answer)?;
    let (mut recorded, body) = connection.take_kept();
    recorded.extend(body);
    Ok(recorded)
}
