//! The dtm face: unmodified dtm clients over HTTP and JSON-RPC. What is on the wire is in `synod_wire::dtm`; sections of
//! `docs/protocol/dtm.md` are cited as `dtm.md`.
//!
//! | file | concern |
//! |---|---|
//! | `http` | paths, bodies, envelopes |
//! | `operate` | what the operations do, whatever carried them |
//! | `map` | transactions of the wire and of the core |
//! | `show` | queries, lists, key-value entries |

mod http;
mod map;
mod operate;
mod show;

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
