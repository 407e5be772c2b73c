//! Calls to participants over real sockets: what participants see, what their answers mean, and what they cannot do to us.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod dtm;
mod grpc;
mod hostile;
mod http;
mod participant;
mod rig;
mod services;
