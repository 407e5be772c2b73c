//! Runs seeds: `synod-sim --seed 7 --verbose`, `synod-sim --seeds 0..1000`.

#![expect(clippy::print_stdout, reason = "a command line program")]

use std::ops::Range;
use std::process::ExitCode;

const USAGE: &str = "usage: synod-sim [--seed N | --seeds A..B] [--verbose]

  --seed N       runs one seed
  --seeds A..B   runs the seeds from A to B, without B; 0..100 if nothing is said
  --verbose      writes what happens to standard error, and a line for each seed to standard output

Stops at the first seed that breaks an invariant, with its timeline, and then exits with 1.";

struct Arguments {
    seeds: Range<u64>,
    verbose: bool,
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut parsed = Arguments { seeds: 0..100, verbose: false };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
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
    let Some(Arguments { seeds, verbose }) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let count = seeds.end.saturating_sub(seeds.start);
    let one = count == 1;
    for seed in seeds {
        match synod_sim::run(seed, verbose && one) {
            Ok(report) if verbose || one => println!("seed {seed}: {report:?}"),
            Ok(_) => {}
            Err(violation) => {
                println!("{violation}");
                println!("reproduce: cargo run -p synod-sim -- --seed {seed} --verbose");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{count} seeds, no invariant broken");
    ExitCode::SUCCESS
}
