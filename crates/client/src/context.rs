//! What belongs to the request that is being served, and goes along with every call it makes: the global transaction, the trace, the
//! deadline.
//!
//! It lives in the task: [`scope`] sets it for a future, and it ends with that future. What the future spawns does not have it,
//! unless it is told so.

use std::future::Future;

use tokio::time::Instant;

use crate::Xid;

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
}

/// The context of the present task; empty outside of every [`scope`].
pub fn current() -> Context {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Runs `future` in this context, and in no other.
pub fn scope<F: Future>(context: Context, future: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(context, future)
}
