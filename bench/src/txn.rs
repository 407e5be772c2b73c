//! Global transactions: Synod beside dtm on its own machine, with the same load, at the same participants.
//!
//! What counts is finished transactions: a client waits for the end of each, and the participants' own count says
//! whether every branch was called. Echo server and disk are measured too, as the limits of the machine.

mod drive;
mod limits;
mod open;
mod participant;
mod report;
mod result;
mod rows;
mod server;
mod work;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use self::result::Results;
use self::rows::Scenario;
use self::server::{Programs, System};
use crate::result::Origin;
use crate::suite;

/// Options of `synod-bench txn`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these rows, separated by commas: an id (saga@8) or the part of it before the @ (saga).
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these servers, separated by commas.
    #[arg(long, value_delimiter = ',', value_enum)]
    systems: Vec<System>,
    /// Seconds for which each figure is measured.
    #[arg(long, default_value_t = 8.0)]
    seconds: f64,
    /// Seconds of load before that.
    #[arg(long, default_value_t = 2.0)]
    warmup: f64,
    /// Open transactions in the rows about them.
    #[arg(long, default_value_t = 100_000)]
    open: usize,
    /// Prints the ids of the rows and ends.
    #[arg(long)]
    list: bool,
    /// Writes the table of the kept results into this page, without measuring.
    #[arg(long, num_args = 0..=1, default_missing_value = "docs/performance.md")]
    markdown: Option<PathBuf>,
}

impl Options {
    fn measure(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    fn warm(&self) -> Duration {
        Duration::from_secs_f64(self.warmup)
    }

    /// Whether this server is asked for; dtm needs Go and Redis, so that one may want to leave it out.
    fn wants(&self, system: System) -> bool {
        self.systems.is_empty() || self.systems.contains(&system)
    }
}

/// What all rows share.
#[derive(Debug)]
struct Bench {
    options: Options,
    programs: Programs,
    origin: Origin,
}

/// Measures, prints and keeps; false when a row failed.
///
/// # Errors
/// When a program cannot be built or kept results cannot be read.
pub(crate) fn run(options: Options) -> Result<bool> {
    if let Some(page) = &options.markdown {
        suite::publish::<Results>(page)?;
        return Ok(true);
    }
    let scenarios = rows::selected(&options)?;
    if options.list {
        suite::list(scenarios.iter().map(|scenario| scenario.id()))?;
        return Ok(true);
    }
    let results: Results = suite::kept()?;
    let programs = Programs::find(|system| options.wants(system))?;
    let bench = Bench { programs, options, origin: Origin::here() };
    let jobs = scenarios.iter().flat_map(|scenario| {
        let systems = scenario.systems().into_iter().filter(|system| bench.options.wants(*system));
        systems.map(|system| (*scenario, system))
    });
    let name = |(scenario, system): &(Scenario, System)| format!("{} {}", scenario.id(), system.name());
    suite::measure(results, jobs, name, |(scenario, system)| scenario.run(&bench, *system))
}
