//! The one place that reads the clock: tokio's, so that tests can hold it.

use tokio::time::Instant;

/// The time now.
#[expect(clippy::disallowed_methods, reason = "this is what the ban points to")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
