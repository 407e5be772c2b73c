//! Calls from code that blocks.

use std::future::Future;
use std::sync::mpsc;

use thiserror::Error;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::context;

/// Why something did not run to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The thread belongs to a runtime, which would stand still. Await the call there; on a thread of `spawn_blocking`, use
    /// [`Handle::block_on`].
    #[error("this would block a thread of a runtime: await it instead")]
    InsideRuntime,
    /// It has panicked.
    #[error("it has panicked")]
    Panicked,
}

/// A runtime on a thread of its own, for threads that have none. Ends when it is dropped.
///
/// ```
/// use synod_client::call::{Fixed, blocking::Blocking, http::Client};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let blocking = Blocking::start()?;
/// let client = Client::new(Fixed::default().with("bank", ["127.0.0.1:1".parse()?]));
/// let answer = blocking.run(async move { client.get("synod://bank/balance").await })?;
/// assert!(answer.is_err(), "nobody listens there");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Blocking {
    handle: Handle,
    _stop: oneshot::Sender<()>,
}

impl Blocking {
    /// Starts it.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let run = move || runtime.block_on(async { stopped.await.unwrap_or_default() });
        std::thread::Builder::new().name("synod-blocking".to_owned()).spawn(run)?;
        Ok(Self { handle, _stop: stop })
    }

    /// Runs a call, in the context of the caller, and blocks until it has ended.
    ///
    /// # Errors
    /// It cannot be run here, or has panicked.
    pub fn run<F>(&self, call: F) -> Result<F::Output, Error>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        if Handle::try_current().is_ok() {
            return Err(Error::InsideRuntime);
        }
        let (send, receive) = mpsc::sync_channel(1);
        let call = context::carry(call);
        self.handle.spawn(async move {
            // Nobody has left: the caller waits right below.
            send.send(call.await).ok();
        });
        receive.recv().map_err(|_| Error::Panicked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, Xid};

    #[test]
    fn a_call_runs_in_the_context_of_its_thread() {
        let blocking = Blocking::start().unwrap();
        let context = Context::default().with_xid(Some(Xid::parse("h:1:2").unwrap()));
        let seen = context::sync_scope(context.clone(), || blocking.run(async { context::current() }));
        assert_eq!(seen, Ok(context));
        assert_eq!(blocking.run(async { context::current() }), Ok(Context::default()));
        let panics = async {
            if true {
                std::panic::resume_unwind(Box::new("call"))
            }
        };
        assert_eq!(blocking.run(panics), Err(Error::Panicked));
        assert_eq!(blocking.run(async { 1 }), Ok(1), "others go on");
    }

    #[tokio::test]
    async fn a_worker_is_refused() {
        assert_eq!(Blocking::start().unwrap().run(async { 1 }), Err(Error::InsideRuntime));
    }
}
