//! A fixed set of seeds of each kind of worlds, and as many fresh ones as there is time for.
//!
//! `SYNOD_SIM_SEEDS=5000 cargo test -p synod-sim` runs so many fresh ones instead, of all kinds in turn.

use std::time::{Duration, Instant, SystemTime};

use synod_sim::{Kind, Report};

/// Fresh seeds are run for so long when nobody asks for a number of them.
const FRESH: Duration = Duration::from_secs(8);

#[expect(clippy::panic, reason = "this is how a test fails")]
fn run(kind: Kind, seed: u64) -> Report {
    synod_sim::run(kind, seed, false)
        .unwrap_or_else(|violation| panic!("{violation}\n{}", violation.reproduce()))
}

/// Runs the seeds below `count`. Runs in which nothing happens would prove nothing.
fn hold(kind: Kind, count: u64) -> Report {
    let mut sum = Report::default();
    for report in (0..count).map(|seed| run(kind, seed)) {
        sum.add(&report);
    }
    assert!(sum.requests > 500 * count && sum.listed > 2 * count, "{sum:?}");
    sum
}

#[test]
fn nodes_that_lose_messages_and_each_other() {
    let sum = hold(Kind::Plain, 16);
    assert!(sum.faults > 100 && sum.evicted > 500, "{sum:?}");
}

#[test]
fn nodes_that_stand_still() {
    let sum = hold(Kind::Stalls, 8);
    assert!(sum.stalls > 20 && sum.evicted > 200, "{sum:?}");
}

#[test]
fn nodes_that_preserve_themselves() {
    let sum = hold(Kind::Preserve, 8);
    assert!(sum.preserving > 100 && sum.evicted > 100, "{sum:?}");
}

#[test]
fn java_servers_among_the_peers() {
    let sum = hold(Kind::Java, 16);
    assert!(sum.faults > 100 && sum.stalls > 20 && sum.settled > 20, "{sum:?}");
}

#[test]
fn java_servers_with_nothing_going_wrong() {
    let sum = hold(Kind::Calm, 16);
    assert!(sum.requests > 10_000, "{sum:?}");
}

#[test]
fn one_seed_is_one_run() {
    for kind in Kind::ALL {
        let [first, second] = [run(kind, 11), run(kind, 11)];
        assert_eq!(format!("{first:?}"), format!("{second:?}"));
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
        run(Kind::ALL[count as usize % Kind::ALL.len()], first + count);
    }
}
