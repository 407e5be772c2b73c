//! The dtm face: unmodified dtm clients over HTTP, JSON-RPC and gRPC. What is on the wire is in `synod_wire::dtm`; sections of
//! `docs/protocol/dtm.md` are cited as `dtm.md`.
//!
//! | file | concern |
//! |---|---|
//! | `http` | paths, bodies, envelopes |
//! | `grpc` | the same operations as methods, their refusals as codes |
//! | `operate` | what the operations do, whatever carried them |
//! | `map` | transactions of the wire and of the core |
//! | `show` | queries, lists, key-value entries |

mod grpc;
mod http;
mod map;
mod operate;
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::too_many_lines, reason = "generated from dtmgimp.proto")]
#[rustfmt::skip]
mod service;
mod show;

pub use grpc::GrpcFront;
pub use http::Front;

use synod_wire::dtm::Refusal;

/// Why an operation is not answered with success.
#[derive(Clone, Debug, PartialEq, Eq)]
enum No {
    /// What the client is told.
    Refused(Refusal, String),
    /// Nothing: any answer might be wrong.
    Unanswered,
}

impl No {
    fn failure(text: impl Into<String>) -> Self {
        Self::Refused(Refusal::Failure, text.into())
    }

    fn error(text: impl Into<String>) -> Self {
        Self::Refused(Refusal::Error, text.into())
    }
}
