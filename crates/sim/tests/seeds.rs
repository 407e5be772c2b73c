//! A fixed set of seeds, and as many fresh ones as there is time for.
//!
//! `SYNOD_SIM_SEEDS=5000 cargo test -p synod-sim` runs so many fresh ones instead.

use std::time::{Duration, Instant, SystemTime};

/// Fresh seeds are run for so long when nobody asks for a number of them.
const FRESH: Duration = Duration::from_secs(8);

#[expect(clippy::panic, reason = "this is how a test fails")]
fn run(seed: u64) -> synod_sim::Report {
    synod_sim::run(seed, false).unwrap_or_else(|violation| {
        panic!("{violation}\nreproduce: cargo run -p synod-sim -- --seed {seed} --verbose")
    })
}

#[test]
fn fixed_seeds_hold() {
    let reports: Vec<_> = (0..16).map(run).collect();
    // Runs in which nothing happens would prove nothing.
    let sum = |count: fn(&synod_sim::Report) -> u64| reports.iter().map(count).sum::<u64>();
    assert!(sum(|report| report.faults) > 100);
    assert!(sum(|report| report.evicted) > 500);
    assert!(sum(|report| report.requests) > 10_000);
    assert!(sum(|report| report.listed) > 50);
}

#[test]
fn one_seed_is_one_run() {
    let [first, second] = [run(11), run(11)];
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
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
