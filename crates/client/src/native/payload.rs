//! What participants are called with, and how JSON carries it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

/// Bytes, and none unless said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload(Bytes);

impl Payload {
    /// Those of a value as JSON.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        Ok(Self(serde_json::to_vec(value)?.into()))
    }
}

impl<T: Into<Bytes>> From<T> for Payload {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

/// A part of an object: text where it is text, so that people can read it.
impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.0.is_empty() {
            match std::str::from_utf8(&self.0) {
                Ok(text) => map.serialize_entry("payload_text", text)?,
                Err(_) => map.serialize_entry("payload_base64", &STANDARD.encode(&self.0))?,
            }
        }
        map.end()
    }
}

/// A duration as the API reads it.
pub(super) fn ms(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

pub(super) fn serialize_ms<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration.map(ms).serialize(serializer)
}
