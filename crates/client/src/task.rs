//! Starting tasks that end with the value that started them, or soon after it.

#![cfg_attr(not(feature = "full"), allow(dead_code, reason = "not every feature has tasks"))]

use std::future::Future;
#[cfg(any(feature = "native", feature = "seata"))]
use std::time::Duration;

#[cfg(any(feature = "native", feature = "seata"))]
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// A task that is cancelled when this is dropped.
#[derive(Debug)]
pub(crate) struct Task(AbortHandle);

impl Task {
    /// Starts `future` on the runtime this is called on.
    #[expect(clippy::disallowed_methods, reason = "this is what the ban points to")]
    pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(future).abort_handle())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts `future` and leaves it to itself: it must end by its own when nobody needs it any more.
#[cfg(feature = "registry")]
#[expect(clippy::disallowed_methods, reason = "this is what the ban points to")]
pub(crate) fn detached(future: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(future));
}

/// Starts `future` for somebody who is being dropped and cannot wait: it goes on alone, but not longer than `limit`. Where there is no
/// runtime (any more), nothing happens.
#[cfg(any(feature = "native", feature = "seata"))]
pub(crate) fn last_will(limit: Duration, future: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = Handle::try_current() {
        drop(runtime.spawn(tokio::time::timeout(limit, future)));
    }
}
