//! Tasks, and the clock: the one place that starts the ones and reads the other.

use std::time::Instant;

use tokio::task::JoinHandle;

/// Lets something run beside.
#[expect(clippy::disallowed_methods, reason = "tasks of the demonstration have no names to be told by")]
pub(crate) fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(work)
}

/// The clock: times are shown, and waits have a limit.
#[expect(clippy::disallowed_methods, reason = "a demonstration shows how long things take")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
