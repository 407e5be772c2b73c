//! Time: the one place that reads the clock, and waiting for a condition with a limit.

use std::time::{Duration, Instant, SystemTime};

/// The clock of the tests.
#[expect(clippy::disallowed_methods, reason = "the product takes time as an argument; its tests measure it")]
pub fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since 1970.
///
/// # Panics
/// The machine's clock stands before 1970.
#[expect(clippy::disallowed_methods, reason = "clients stamp their registrations with the time of day")]
pub fn epoch_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is set");
    u64::try_from(since.as_millis()).expect("milliseconds fit for a long time to come")
}

/// Asks every 20 ms until `condition` holds, and returns how long that took.
///
/// # Panics
/// `limit` has passed; the message names `what` did not happen.
#[track_caller]
pub fn wait_until(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) -> Duration {
    wait_for(limit, || if condition() { Ok(()) } else { Err(what.to_owned()) }).1
}

/// As [`wait_until`], for a condition that yields something, or the sentence to fail with.
///
/// # Panics
/// `limit` has passed; the message is the last sentence.
#[track_caller]
pub fn wait_for<T>(limit: Duration, mut attempt: impl FnMut() -> Result<T, String>) -> (T, Duration) {
    let started = now();
    loop {
        match attempt() {
            Ok(value) => return (value, started.elapsed()),
            Err(what) if started.elapsed() > limit => panic!("not within {limit:?}: {what}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
