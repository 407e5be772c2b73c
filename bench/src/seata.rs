//! Seata's protocol: Synod beside Seata's own server on its own machine, with the same load, by frames as cheap as can be and by
//! Seata's own Java client.
//!
//! What counts is finished transactions: the clients follow every branch, and a transaction is finished when its commit was answered
//! and each of its branches was told. Disk and loopback interface are measured in the same run, for what is possible at all.

mod client;
mod driver;
mod java;
mod ledger;
mod limits;
mod raw;
mod report;
mod result;
mod rows;
mod work;

use std::path::PathBuf;

use anyhow::Result;

use self::limits::Limits;
use self::result::Results;
use self::rows::{Load, Scenario};
use crate::coordinator::{Programs, System};
use crate::result::Origin;
use crate::suite;

/// Options of `synod-bench seata`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these rows, separated by commas: an id (tcc@8) or the part of it before the @ (tcc).
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these servers, separated by commas.
    #[arg(long, value_delimiter = ',', value_enum)]
    systems: Vec<System>,
    /// Only rows with this load, separated by commas.
    #[arg(long, value_delimiter = ',', value_enum)]
    load: Vec<Load>,
    /// Seconds for which each figure is measured.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Seconds of load before that.
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// The same for a JVM: the server, once after each start, and the client.
    #[arg(long, default_value_t = 8.0)]
    java_warmup: f64,
    /// Seconds, at most, to wait after the load until all is finished.
    #[arg(long, default_value_t = 15.0)]
    drain: f64,
    /// Prints the ids of the rows and ends.
    #[arg(long)]
    list: bool,
    /// Writes the table of the kept results into this page, without measuring.
    #[arg(long, num_args = 0..=1, default_missing_value = "docs/performance.md")]
    markdown: Option<PathBuf>,
}

impl Options {
    fn wants(&self, system: System) -> bool {
        self.systems.is_empty() || self.systems.contains(&system)
    }
}

/// What all rows share.
#[derive(Debug)]
struct Bench {
    options: Options,
    programs: Programs,
    limits: Limits,
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
    let wants_client = scenarios.iter().any(|scenario| scenario.is_java());
    let programs = Programs::find(|system| options.wants(system), wants_client)?;
    let bench = Bench { programs, options, limits: Limits::measure()?, origin: Origin::here() };
    let systems = System::ALL.into_iter().filter(|system| bench.options.wants(*system));
    let jobs = systems.flat_map(|system| scenarios.iter().map(move |scenario| (*scenario, system)));
    let name = |(scenario, system): &(Scenario, System)| format!("{} {}", scenario.id(), system.name());
    let mut kept = None;
    suite::measure(results, jobs, name, |(scenario, system)| scenario.run(&bench, *system, &mut kept))
}
