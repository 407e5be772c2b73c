//! Starting tasks that end with the value that started them.

use std::future::Future;

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
