//! Single values, read for what they mean instead of for how they are spelled.
//!
//! A value is taken as its raw text first. So `8080`, `"8080"` and `8.08e3` are one port, and a metadata
//! value `1.10` keeps its zero.

use std::borrow::Cow;

/// A JSON value that is no object and no list, or the news that it is one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'de> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it was spelled.
    Number(Cow<'de, str>),
    /// A string.
    Text(Cow<'de, str>),
    /// An object or a list.
    Nested(&'static str),
}

impl<'de> Scalar<'de> {
    /// Reads the text of one complete JSON value.
    pub(crate) fn parse(raw: &'de str) -> Result<Self, serde_json::Error> {
        Ok(match raw.as_bytes().first() {
            Some(b'"') => Self::Text(unquote(raw)?),
            Some(b'{') => Self::Nested("an object"),
            Some(b'[') => Self::Nested("a list"),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'n') | None => Self::Null,
            Some(_) => Self::Number(Cow::Borrowed(raw)),
        })
    }

    /// The value as text, `None` for null.
    pub(crate) fn text(self) -> Result<Option<Cow<'de, str>>, String> {
        match self {
            Self::Null => Ok(None),
            Self::Bool(value) => Ok(Some(Cow::Borrowed(if value { "true" } else { "false" }))),
            Self::Number(text) | Self::Text(text) => Ok(Some(text)),
            Self::Nested(kind) => Err(format!("expected text, found {kind}")),
        }
    }

    /// The value as a whole number, `None` for null and for empty text.
    pub(crate) fn integer(self) -> Result<Option<i64>, String> {
        match self {
            Self::Bool(value) => Err(format!("expected a number, found {value}")),
            Self::Nested(kind) => Err(format!("expected a number, found {kind}")),
            Self::Null => Ok(None),
            Self::Number(text) | Self::Text(text) => integer(&text),
        }
    }

    /// The value as a flag, `None` for null. As in Java, text other than `true` is false.
    pub(crate) fn boolean(self) -> Result<Option<bool>, String> {
        match self {
            Self::Null => Ok(None),
            Self::Bool(value) => Ok(Some(value)),
            Self::Number(text) => Ok(Some(text != "0")),
            Self::Text(text) => Ok(Some(is_true(&text))),
            Self::Nested(kind) => Err(format!("expected true or false, found {kind}")),
        }
    }
}

/// A whole number in text, `None` if the text is blank. Fractions are cut off.
pub(crate) fn integer(text: &str) -> Result<Option<i64>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(number) = text.parse() {
        return Ok(Some(number));
    }
    match text.parse::<f64>() {
        // The bounds are those between which the conversion is exact about the sign and never saturates.
        Ok(number) if (-9.2e18..9.2e18).contains(&number) => Ok(Some(number as i64)),
        _ => Err(format!("expected a number, found \"{}\"", text.chars().take(40).collect::<String>())),
    }
}

/// Whether text says true.
pub(crate) fn is_true(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("true")
}

/// The content of a JSON string with its quotes, borrowed if it has no escapes.
fn unquote(raw: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    match raw.get(1..raw.len().saturating_sub(1)) {
        Some(inner) if !inner.contains('\\') => Ok(Cow::Borrowed(inner)),
        _ => serde_json::from_str(raw).map(Cow::Owned),
    }
}
