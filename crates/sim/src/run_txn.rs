//! Runs seeds of global transactions: `synod-sim txn --seed 7 --verbose`, `synod-sim txn --seeds 0..1000`.

#![expect(clippy::print_stdout, reason = "a command line program")]

use std::ops::Range;
use std::process::ExitCode;

const USAGE: &str = "usage: synod-sim txn [--seed N | --seeds A..B] [--verbose]";

fn parse(mut arguments: impl Iterator<Item = String>) -> Option<(Range<u64>, bool)> {
    let (mut seeds, mut verbose) = (0..1_000, false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seed" => {
                let seed = arguments.next()?.parse().ok()?;
                seeds = seed..seed + 1;
            }
            "--seeds" => {
                let text = arguments.next()?;
                let (from, to) = text.split_once("..")?;
                seeds = from.parse().ok()?..to.parse().ok()?;
            }
            "--verbose" => verbose = true,
            _ => return None,
        }
    }
    Some((seeds, verbose))
}

/// Stops at the first seed that breaks something, with its timeline.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let Some((seeds, verbose)) = parse(arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let count = seeds.end.saturating_sub(seeds.start);
    for seed in seeds {
        match synod_sim::txn::run(seed, verbose && count == 1) {
            Ok(report) if verbose || count == 1 => println!("seed {seed}: {report:?}"),
            Ok(_) => {}
            Err(violation) => {
                println!("{violation}");
                println!("{}", violation.reproduce());
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{count} seeds, nothing broken");
    ExitCode::SUCCESS
}
