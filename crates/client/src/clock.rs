//! The one place that reads the clock: tokio's, so that tests can hold it.

use tokio::time::Instant;

/// The time now.
#[expect(clippy::disallowed_methods, reason = "this is what the ban points to")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The time on the wall, in ms since 1970; 0 before.
#[cfg_attr(
    not(feature = "full"),
    allow(dead_code, reason = "only what others compare has to be on the wall")
)]
#[expect(clippy::disallowed_methods, reason = "this is what the ban points to")]
pub(crate) fn wall_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
