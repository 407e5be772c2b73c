//! Calls to services by name, and serving them: layers that carry the context along.
//!
//! | | HTTP | gRPC |
//! |---|---|---|
//! | call a service by its name | [`http::Client`] | `grpc::Channel` |
//! | carry the context with calls of a client of your own | [`ContextLayer`] | [`ContextLayer`] |
//! | serve in the context of whoever calls | [`ServeLayer`] | [`ServeLayer`] |
//!
//! What travels: the transaction (`TX_XID`, `synod-xid`), the trace (`traceparent`, `tracestate`), and how long is left until the deadline
//! (`synod-timeout-ms`, or `grpc-timeout` over gRPC). A deadline is enforced on both sides, and only ever shortened.
//!
//! A call is sent again, to another instance, when it is certain that it was not sent, and after it was sent only if twice is as good
//! as once. Which one is chosen, and how many may be tried, is up to [`balance`](crate::balance): a [`Resolver`] has a balancer for each
//! service, and a [`RetryBudget`](crate::balance::RetryBudget) keeps repeated calls from becoming the load that breaks what is left.

use thiserror::Error;

pub mod blocking;
#[cfg(feature = "grpc")]
pub mod grpc;
pub mod http;
mod layer;
mod resolve;
mod serve;

pub use layer::{ContextLayer, WithContext};
pub use resolve::{Fixed, Registered, Resolver};
pub use serve::{Serve, ServeLayer};

/// An extension of a request: what [`Hashing`](crate::balance::Hashing) goes by. Requests of one key go to one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashKey(pub bytes::Bytes);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody is known under this name.
    #[error("no instance of {0:?} is known")]
    NoInstance(String),
    /// No instance was sent anything, so nothing has happened.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It was sent, and the answer is missing, too long or broken: nobody knows what has happened.
    #[error("no answer: {0}")]
    Unknown(String),
    /// There was no time left. Where it was sent before, nobody knows what has happened.
    #[error("no answer before the deadline")]
    DeadlineExceeded,
    /// This cannot be called.
    #[error("cannot be called: {0}")]
    BadTarget(String),
}
