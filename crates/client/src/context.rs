//! What belongs to the request that is being served, and goes along with every call it makes: the global transaction, the trace, the
//! deadline.
//!
//! It lives in the task: [`scope`] sets it for a future, and it ends with that future. What the future spawns does not have it,
//! unless it is told so, with [`carry`]. [`sync_scope`] and [`carry_sync`] are the same for code that is not async.
//!
//! [`inject`] writes it into the headers of a request or a message, [`extract`] reads it from them. The layers of `call` do both by
//! themselves, [`message::consume`] does it for consumers of queues.
//!
//! ```
//! use std::collections::HashMap;
//! use synod_client::{Context, Xid, context};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), synod_client::BadXid> {
//! let here = Context { xid: Some(Xid::parse("10.0.0.1:8091:42")?), ..Context::default() };
//! let mut headers = HashMap::new();
//! context::scope(here, async { context::inject(&context::current(), &mut headers) }).await;
//! assert_eq!(headers["TX_XID"], "10.0.0.1:8091:42");
//!
//! let there = context::extract(&headers);
//! context::scope(there, async { assert!(context::current().xid.is_some()) }).await;
//! assert_eq!(context::current(), Context::default());
//! # Ok(()) }
//! ```

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::{Xid, clock};

mod carrier;
pub mod message;
mod rollback_only;
mod timeout;
mod trace;

pub use carrier::{Carrier, SYNOD_XID, TRACEPARENT, TRACESTATE, TX_XID, extract, inject};
pub use rollback_only::RollbackOnly;
#[cfg(feature = "http")]
pub(crate) use timeout::is_grpc;
pub use timeout::{GRPC_TIMEOUT, SYNOD_TIMEOUT};
pub use trace::Trace;

tokio::task_local! {
    static CURRENT: Context;
}

/// What goes along.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The global transaction that this is part of.
    pub xid: Option<Xid>,
    /// When whoever asked stops waiting.
    pub deadline: Option<Instant>,
    /// The trace, and the span that this is.
    pub trace: Option<Trace>,
    /// Whether the transaction can only be rolled back. This alone stays in the process.
    pub rollback_only: RollbackOnly,
}

impl Context {
    /// The same, in another transaction or in none.
    pub fn with_xid(self, xid: Option<Xid>) -> Self {
        Self { xid, rollback_only: RollbackOnly::default(), ..self }
    }

    /// The same, to be answered in `timeout` from now. A deadline that comes earlier stays.
    pub fn within(self, timeout: Duration) -> Self {
        let ours = clock::now().checked_add(timeout);
        let deadline = [self.deadline, ours].into_iter().flatten().min();
        Self { deadline, ..self }
    }

    /// How long whoever asked still waits; zero once they have stopped, `None` when they never do.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(clock::now()))
    }
}

/// The context of the present task; empty outside of every [`scope`].
pub fn current() -> Context {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Runs `future` in this context, and in no other.
pub fn scope<F: Future>(context: Context, future: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(context, future)
}

/// Runs `f` in this context, and in no other. Calls that block keep it: all that `f` does on this thread has it.
pub fn sync_scope<T>(context: Context, f: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(context, f)
}

/// The future in the context of the caller, to be spawned: what is spawned without it starts with an empty one.
///
/// The transaction is not kept open by this. Whoever decides it must wait for what was spawned.
pub fn carry<F: Future>(future: F) -> impl Future<Output = F::Output> {
    scope(current(), future)
}

/// The same for a thread or for `spawn_blocking`.
pub fn carry_sync<T>(f: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let context = current();
    move || sync_scope(context, f)
}

/// Runs `future` outside of the transaction; trace and deadline stay. The transaction resumes when the future has ended.
pub fn suspend<F: Future>(future: F) -> impl Future<Output = F::Output> {
    scope(current().with_xid(None), future)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Task;

    fn inside(number: u32) -> Context {
        Context::default().with_xid(Some(Xid::parse(&format!("h:1:{number}")).unwrap()))
    }

    #[tokio::test]
    async fn a_context_ends_with_its_future_and_nests() {
        scope(inside(1), async {
            assert_eq!(current(), inside(1));
            suspend(async { assert_eq!(current().xid, None) }).await;
            scope(inside(2), async { assert_eq!(current(), inside(2)) }).await;
            assert_eq!(current(), inside(1));
        })
        .await;
        assert_eq!(current(), Context::default());
    }

    #[tokio::test]
    async fn what_is_spawned_has_the_context_only_if_it_is_carried() {
        let (send, mut receive) = tokio::sync::mpsc::channel(2);
        let tell = |send: tokio::sync::mpsc::Sender<_>| async move { send.send(current()).await.unwrap() };
        let _tasks = scope(inside(1), async {
            let carried = Task::spawn(carry(tell(send.clone())));
            assert_eq!(receive.recv().await.unwrap(), inside(1));
            let plain = Task::spawn(tell(send.clone()));
            assert_eq!(receive.recv().await.unwrap(), Context::default());
            (carried, plain)
        })
        .await;
    }

    #[test]
    fn sync_code_has_it_on_its_thread_and_on_others_if_carried() {
        sync_scope(inside(1), || {
            assert_eq!(current(), inside(1));
            assert_eq!(std::thread::spawn(current).join().unwrap(), Context::default());
            assert_eq!(std::thread::spawn(carry_sync(current)).join().unwrap(), inside(1));
        });
        assert_eq!(current(), Context::default());
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_is_only_shortened() {
        let context = Context::default().within(Duration::from_secs(5));
        assert_eq!(context.clone().within(Duration::from_secs(9)).remaining(), Some(Duration::from_secs(5)));
        assert_eq!(context.clone().within(Duration::MAX).remaining(), Some(Duration::from_secs(5)));
        assert_eq!(context.clone().within(Duration::from_secs(1)).remaining(), Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(context.remaining(), Some(Duration::ZERO));
    }
}
