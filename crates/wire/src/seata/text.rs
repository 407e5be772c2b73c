//! Texts of messages, which share the bytes of the frame they came in.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

/// A text. The protocol writes null and the empty text the same way, and so both are the empty one here.
///
/// It keeps the whole buffer alive that it was cut from: what is to be kept for long must be copied.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Bytes);

impl Text {
    /// The empty one.
    pub const EMPTY: Self = Self(Bytes::new());

    /// Without copying.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Takes bytes for a text, if they are UTF-8.
    pub fn from_utf8(bytes: Bytes) -> Option<Self> {
        if std::str::from_utf8(&bytes).is_ok() { Some(Self(bytes)) } else { None }
    }

    /// Its characters. UTF-8 is checked again, at many bytes a nanosecond, which is what it costs to do without `unsafe`.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("every constructor checks")
    }

    /// Its bytes, shared.
    pub const fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
