//! What each mode of the SDK costs: the same transfer between two databases as two plain local transactions, and in every way in
//! which it can be made whole; beside it Seata's own Java client on the same databases, with its own plain transactions as base.
//!
//! What counts is finished transfers: the outcome is known and the branches have ended. After each row the money is counted; a row that
//! has lost some, or leaves anything behind, fails.

mod bank;
mod driver;
mod java;
mod load;
mod report;
mod result;
mod rows;
mod scenario;
mod side;
mod ways;

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::Result;

use self::bank::Bank;
use self::result::{Base, Results};
use self::rows::Standing;
use crate::coordinator::Programs;
use crate::result::Origin;
use crate::suite;

/// Options of `synod-bench sdk`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these rows, and the plain ones that they are compared with, separated by commas: an id (tcc@8) or the part of it before
    /// the @ (tcc).
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Without Seata's Java client.
    #[arg(long)]
    no_java: bool,
    /// Seconds for which each figure is measured.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Seconds of load before that.
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// Seconds of load once after the start of a JVM.
    #[arg(long, default_value_t = 12.0)]
    java_warmup: f64,
    /// Seconds, at most, to wait after the load until nothing is left of it.
    #[arg(long, default_value_t = 15.0)]
    drain: f64,
    /// Prints the ids of the rows and ends.
    #[arg(long)]
    list: bool,
    /// Writes the table of the kept results into this page, without measuring.
    #[arg(long, num_args = 0..=1, default_missing_value = "docs/performance.md")]
    markdown: Option<PathBuf>,
}

/// What all rows share.
#[derive(Debug)]
struct Bench {
    options: Options,
    programs: Programs,
    bank: Bank,
    origin: Origin,
}

/// Measures, prints and keeps; false when a row failed.
///
/// # Errors
/// When a program cannot be built, a database does not start, or kept results cannot be read.
pub(crate) fn run(options: Options) -> Result<bool> {
    if let Some(page) = &options.markdown {
        suite::publish::<Results>(page)?;
        return Ok(true);
    }
    let scenarios = scenario::selected(&options)?;
    if options.list {
        suite::list(scenarios.iter().map(|scenario| scenario.id()))?;
        return Ok(true);
    }
    let kept: Results = suite::kept()?;
    let wants = |system| scenarios.iter().any(|scenario| scenario.coordinator() == Some(system));
    let programs = Programs::find(wants, scenarios.iter().any(|scenario| scenario.by.is_java()))?;
    let bench = Bench { options, programs, bank: Bank::open()?, origin: Origin::here() };
    let (mut bases, mut standing) = (HashMap::<_, Base>::new(), Standing::default());
    suite::measure(
        kept,
        scenarios,
        |scenario| scenario.id(),
        |scenario| {
            let mut row = rows::run(*scenario, &bench, &mut standing)?;
            if scenario.is_plain() {
                bases.insert(scenario.base(), Base::of(&row.measured));
            }
            row.base = bases.get(&scenario.base()).copied();
            Ok(row)
        },
    )
}
