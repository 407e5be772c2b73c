//! The one place of the bench that reads clocks; everything else asks here, so that the rest can be tested.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time, for latencies and deadlines.
#[expect(clippy::disallowed_methods, reason = "a load generator measures real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Today's date in UTC, as `2026-11-22`, for the head of a result.
#[expect(clippy::disallowed_methods, reason = "a result carries its date")]
pub(crate) fn today() -> String {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    date_of(since_1970.as_secs() / 86_400)
}

/// Waits until `ready` says yes, asking every `pause`; false when `limit` has passed first.
pub(crate) fn wait_until(limit: Duration, pause: Duration, mut ready: impl FnMut() -> bool) -> bool {
    let begin = now();
    loop {
        if ready() {
            return true;
        }
        if begin.elapsed() >= limit {
            return false;
        }
        std::thread::sleep(pause);
    }
}

/// Civil date of a day counted from 1970-01-01, by eras of 400 years that begin in March.
fn date_of(day: u64) -> String {
    let shifted = day + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day_of_month:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(date_of(0), "1970-01-01");
        assert_eq!(date_of(11_016), "2000-02-29");
        assert_eq!(date_of(20_779), "2026-11-22");
    }

    #[test]
    fn waiting_ends_at_its_limit() {
        assert!(!wait_until(Duration::from_millis(3), Duration::from_millis(1), || false));
        assert!(wait_until(Duration::ZERO, Duration::ZERO, || true));
    }
}
