//! Global transactions: a fixed set of seeds, as many fresh ones as there is time for, and seeds with something broken on
//! purpose, which has to be noticed.
//!
//! `SYNOD_SIM_SEEDS=50000 cargo test -p synod-sim --test txn_seeds` runs so many fresh ones instead.

use std::time::{Duration, Instant, SystemTime};

use synod_sim::txn::{self, Breakage, Report};

/// Fresh seeds are run for so long when nobody asks for a number of them.
const FRESH: Duration = Duration::from_secs(12);
/// Within so many seeds every breakage has to be noticed.
const NOTICED: u64 = 4_000;

#[expect(clippy::panic, reason = "this is how a test fails")]
fn run(seed: u64) -> Report {
    txn::run(seed, false).unwrap_or_else(|violation| panic!("{violation}\n{}", violation.reproduce()))
}

#[test]
fn fixed_seeds_hold() {
    let reports: Vec<_> = (0..1_500).map(run).collect();
    // Runs in which nothing happens would prove nothing.
    let sum = |count: fn(&Report) -> u64| reports.iter().map(count).sum::<u64>();
    assert!(sum(|report| report.starts.into()) > 5_000);
    assert!(sum(|report| report.calls) > 20_000);
    assert!(sum(|report| report.ends[0]) > 2_000 && sum(|report| report.ends[1]) > 2_000);
    assert!(sum(|report| report.failures) > 300 && sum(|report| report.flips) > 300);
    assert!(sum(|report| report.turns) > 300 && sum(|report| report.lost) > 5_000);
    assert!(sum(|report| report.changes[0]) > 1_000 && sum(|report| report.changes[1]) > 400);
    assert!(sum(|report| report.conflicts) > 1_000);
}

#[test]
fn one_seed_is_one_run() {
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed));
    }
}

#[test]
fn what_is_broken_on_purpose_is_noticed() {
    for breakage in Breakage::ALL {
        let noticed = (0..NOTICED).find_map(|seed| {
            let violation = txn::run_broken(seed, breakage).err()?;
            Some((seed, violation.broken.oracle))
        });
        let (seed, oracle) = noticed.unwrap_or_else(|| unreachable!("{breakage:?} is not noticed"));
        println!("{breakage:?}: `{oracle}` at seed {seed}");
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "fresh seeds come from the clock, and time for them is limited"
)]
fn fresh_seeds_hold() {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
    let first = since_1970.as_millis() as u64;
    let asked = std::env::var("SYNOD_SIM_SEEDS").ok();
    let asked: Option<u64> = asked.map(|count| count.parse().expect("SYNOD_SIM_SEEDS is a number"));
    let begun = Instant::now();
    for count in 0.. {
        if asked.map_or(begun.elapsed() > FRESH, |asked| count >= asked) {
            println!("{count} fresh seeds from {first}");
            return;
        }
        run(first + count);
    }
}
