//! What needs no database: pauses and headers.

use std::time::Duration;

use super::{Rules, headers};

#[test]
fn pauses_double_up_to_a_limit() {
    let rules = Rules::default();
    let pauses = [1, 2, 3, 10, 11, 40, u32::MAX].map(|attempts| rules.pause_after(attempts).as_millis());
    assert_eq!(pauses, [500, 1_000, 2_000, 256_000, 300_000, 300_000, 300_000]);
    let sum: Duration = (1..rules.attempts_max).map(|attempts| rules.pause_after(attempts)).sum();
    assert!(sum > Duration::from_secs(1800) && sum < Duration::from_secs(3600), "{sum:?}");
}

#[test]
fn headers_are_read_as_they_are_written() {
    let pairs = [("traceparent", "00-1-2-01"), ("a", ""), ("a", "b: c"), ("x", " y ä")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(headers::read(&headers::write(&pairs).unwrap()), pairs);
    assert!(headers::read("").is_empty());
}

#[test]
fn headers_that_would_be_read_as_something_else_are_refused() {
    for (name, value) in [("", "x"), ("a:", "x"), ("a b", "x"), ("a", "x\ny: z"), ("a", "\r"), ("a", "\0")] {
        assert!(headers::write(&[(name.to_owned(), value.to_owned())]).is_err(), "{name:?} {value:?}");
    }
    assert!(headers::write(&[("a".to_owned(), "b".repeat(17 << 10))]).is_err());
}
