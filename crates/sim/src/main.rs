//! Runs seeds: `synod-sim --seed 7 --verbose`, `synod-sim --seeds 0..1000`.

#![expect(clippy::print_stdout, reason = "a command line program")]

mod run_txn;

use std::ops::Range;
use std::process::ExitCode;

use synod_sim::Kind;

const USAGE: &str = "usage: synod-sim [--world KIND] [--seed N | --seeds A..B] [--verbose]

  --world KIND   plain, stalls, preserve, java or calm; plain if nothing is said
  --seed N       runs one seed
  --seeds A..B   runs the seeds from A to B, without B; 0..100 if nothing is said
  --verbose      writes what happens to standard error, and a line for each seed to standard output

Stops at the first seed that breaks an invariant, with its timeline, and then exits with 1.";

struct Arguments {
    kind: Kind,
    seeds: Range<u64>,
    verbose: bool,
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut parsed = Arguments { kind: Kind::Plain, seeds: 0..100, verbose: false };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--world" => parsed.kind = Kind::parse(&arguments.next()?)?,
            "--seed" => {
                let seed = arguments.next()?.parse().ok()?;
                parsed.seeds = seed..seed + 1;
            }
            "--seeds" => {
                let (from, to) =
                    arguments.next()?.split_once("..").map(|(from, to)| (from.parse(), to.parse()))?;
                parsed.seeds = from.ok()?..to.ok()?;
            }
            "--verbose" => parsed.verbose = true,
            _ => return None,
        }
    }
    Some(parsed)
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("txn") {
        return run_txn::run(std::env::args().skip(2));
    }
    let Some(Arguments { kind, seeds, verbose }) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let count = seeds.end.saturating_sub(seeds.start);
    let one = count == 1;
    for seed in seeds {
        match synod_sim::run(kind, seed, verbose && one) {
            Ok(report) if verbose || one => println!("seed {seed}: {report:?}"),
            Ok(_) => {}
            Err(violation) => {
                println!("{violation}");
                println!("{}", violation.reproduce());
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{count} seeds, no invariant broken");
    ExitCode::SUCCESS
}
