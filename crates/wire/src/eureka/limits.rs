//! What a body may contain at most, and what is said about one that cannot be used.

use std::borrow::Cow;

/// Bounds on what decoding builds in memory. The size of the body itself is bounded by whoever reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Deepest nesting of objects, lists or elements, in known and in skipped values alike.
    pub depth_max: usize,
    /// Most metadata keys of one instance (and, counted apart, of its data center).
    pub metadata_keys_max: usize,
    /// Most bytes of text kept of one instance, over all its fields.
    pub text_bytes_max: usize,
    /// Most items in a batch, or applications and instances together in a list.
    pub items_max: usize,
}

impl Limits {
    /// For a request of a client or a batch of a peer.
    pub const REQUEST: Self =
        Self { depth_max: 32, metadata_keys_max: 1_000, text_bytes_max: 256 * 1024, items_max: 10_000 };

    /// For the whole list of a peer, read at start-up.
    pub const SYNC: Self = Self { items_max: 1_000_000, ..Self::REQUEST };
}

impl Default for Limits {
    fn default() -> Self {
        Self::REQUEST
    }
}

/// Why a body was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The body is not UTF-8.
    #[error("not valid UTF-8 at byte {at}")]
    Utf8 {
        /// Offset of the first bad byte.
        at: usize,
    },
    /// The body is not well-formed in its format, or its root is of another kind.
    #[error("malformed {format}: {reason}")]
    Malformed {
        /// `JSON` or `XML`.
        format: &'static str,
        /// What is wrong and where.
        reason: String,
    },
    /// A field is there but cannot be used.
    #[error("{field}: {reason}")]
    Field {
        /// Name of the field as it stands in the protocol, with its parent where that helps.
        field: Cow<'static, str>,
        /// What was expected and what was found.
        reason: String,
    },
    /// A list without which the body means nothing is absent or null.
    #[error("{field} is missing")]
    Missing {
        /// Name of the list.
        field: &'static str,
    },
    /// The body is over one of the [`Limits`].
    #[error("more than {max} {what}")]
    TooMuch {
        /// What there was too much of.
        what: &'static str,
        /// The limit.
        max: usize,
    },
}

impl DecodeError {
    pub(crate) fn field(field: impl Into<Cow<'static, str>>, reason: impl Into<String>) -> Self {
        Self::Field { field: field.into(), reason: reason.into() }
    }
}

/// The body as text, without a byte order mark.
pub(crate) fn text(body: &[u8]) -> Result<&str, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|error| DecodeError::Utf8 { at: error.valid_up_to() })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Counts what one instance has used of its limits.
#[derive(Debug)]
pub(crate) struct Budget<'l> {
    pub(crate) limits: &'l Limits,
    text_bytes: usize,
}

impl<'l> Budget<'l> {
    pub(crate) fn new(limits: &'l Limits) -> Self {
        Self { limits, text_bytes: 0 }
    }

    /// Takes `text` into the count.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), DecodeError> {
        self.text_bytes = self.text_bytes.saturating_add(text.len());
        if self.text_bytes > self.limits.text_bytes_max {
            return Err(DecodeError::TooMuch {
                what: "bytes of text in an instance",
                max: self.limits.text_bytes_max,
            });
        }
        Ok(())
    }

    /// Checks that one more key may join the `keys` there are.
    pub(crate) fn key(&self, keys: usize) -> Result<(), DecodeError> {
        if keys >= self.limits.metadata_keys_max {
            return Err(DecodeError::TooMuch { what: "metadata keys", max: self.limits.metadata_keys_max });
        }
        Ok(())
    }

    /// Checks that a value may be nested this deep.
    pub(crate) fn depth(&self, depth: usize) -> Result<(), DecodeError> {
        if depth > self.limits.depth_max {
            return Err(DecodeError::TooMuch { what: "levels of nesting", max: self.limits.depth_max });
        }
        Ok(())
    }
}
