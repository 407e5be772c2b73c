//! What a request may contain at most, and what is said about one that cannot be used.

use std::borrow::Cow;

/// Sizes and counts that are taken. The size of a body is bounded by whoever reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of a global id.
    pub gid_bytes_max: usize,
    /// Of any other text: a URL, a reason, custom data.
    pub text_bytes_max: usize,
    /// Of one payload.
    pub payload_bytes_max: usize,
    /// Steps of a transaction; payloads too.
    pub steps_max: usize,
    /// Entries of a map: headers, extras, orders.
    pub pairs_max: usize,
}

impl Limits {
    /// For requests from outside.
    pub const REQUEST: Self = Self {
        gid_bytes_max: 512,
        text_bytes_max: 64 << 10,
        payload_bytes_max: 1 << 20,
        steps_max: 1000,
        pairs_max: 1000,
    };

    pub(super) fn gid(&self, gid: &str) -> Result<(), DecodeError> {
        length("gid", gid.len(), self.gid_bytes_max)
    }

    pub(super) fn text(&self, field: &'static str, text: &str) -> Result<(), DecodeError> {
        length(field, text.len(), self.text_bytes_max)
    }

    pub(super) fn payload(&self, field: &'static str, payload: &[u8]) -> Result<(), DecodeError> {
        length(field, payload.len(), self.payload_bytes_max)
    }

    pub(super) fn steps(&self, field: &'static str, found: usize) -> Result<(), DecodeError> {
        count(field, found, self.steps_max)
    }

    pub(super) fn pairs(&self, field: &'static str, found: usize) -> Result<(), DecodeError> {
        count(field, found, self.pairs_max)
    }
}

fn length(field: &'static str, found: usize, max: usize) -> Result<(), DecodeError> {
    if found > max { Err(DecodeError::TooLong { field, found, max }) } else { Ok(()) }
}

fn count(field: &'static str, found: usize, max: usize) -> Result<(), DecodeError> {
    if found > max { Err(DecodeError::TooMany { field, max }) } else { Ok(()) }
}

/// Why a request was refused. The texts repeat nothing that the client sent, lest a result word be read out of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The whole is not JSON, or not an object.
    #[error("malformed JSON: {0}")]
    Json(String),
    /// The whole is not the expected message of gRPC.
    #[error("malformed protobuf message: {0}")]
    Protobuf(String),
    /// A field has a value that it cannot have.
    #[error("{field}: {reason}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong.
        reason: Cow<'static, str>,
    },
    /// A field is too long.
    #[error("{field}: {found} bytes, where at most {max} are taken")]
    TooLong {
        /// Which.
        field: &'static str,
        /// Its length.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// A field has too many members.
    #[error("{field}: more than {max} members")]
    TooMany {
        /// Which.
        field: &'static str,
        /// The limit.
        max: usize,
    },
}

impl DecodeError {
    pub(super) fn field(field: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Field { field, reason: reason.into() }
    }
}
