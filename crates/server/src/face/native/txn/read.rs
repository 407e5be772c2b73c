//! What requests have in common: bodies that may be missing, payloads in three forms, durations with their units.

use std::time::Duration;

use axum::body::HttpBody as _;
use axum::extract::{FromRequest, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use synod_core::txn::Mode;

use super::extract::Body;
use super::failed::Failed;
use super::problem::Problem;
use crate::config;

/// A JSON body, or none, which says nothing.
pub(super) struct MaybeBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for MaybeBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if request.body().size_hint().exact() == Some(0) {
            return Ok(Self(T::default()));
        }
        Body::from_request(request, state).await.map(|Body(body)| Self(body))
    }
}

/// JSON as it was written.
pub(super) type Json = Option<Box<RawValue>>;

/// Bytes that are given as JSON, as text, or in Base64, under names that begin with `name`.
pub(super) fn bytes(
    name: &str,
    json: Json,
    text: Option<String>,
    base64: Option<String>,
) -> Result<Option<Bytes>, Failed> {
    match (json, text, base64) {
        (None, None, None) => Ok(None),
        (Some(json), None, None) => Ok(Some(Bytes::from(String::from(Box::<str>::from(json))))),
        (None, Some(text), None) => Ok(Some(text.into())),
        (None, None, Some(text)) => match STANDARD.decode(&text) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) => Err(Failed::body(format!("\"{name}_base64\" is not Base64: {error}"))),
        },
        _ => Err(Failed::body(format!(
            "\"{name}\", \"{name}_text\" and \"{name}_base64\" are three ways to say one thing: choose one"
        ))),
    }
}

/// A duration such as `30s`.
pub(super) fn duration(name: &str, text: Option<&str>) -> Result<Option<Duration>, Failed> {
    let read = |text: &str| {
        config::parse_duration(text).ok_or_else(|| {
            Failed::body(format!("\"{name}\": {text:?} is no duration such as \"30s\" or \"250ms\""))
        })
    };
    text.map(read).transpose()
}

/// The same in milliseconds.
pub(super) fn ms(name: &str, text: Option<&str>) -> Result<Option<u64>, Failed> {
    Ok(duration(name, text)?.map(|duration| duration.as_millis() as u64))
}

/// The pauses of a schedule.
pub(super) fn schedule(texts: Option<&[String]>) -> Result<Option<Vec<u64>>, Failed> {
    let pause = |text: &String| Ok(ms("schedule", Some(text))?.unwrap_or_default());
    texts.map(|texts| texts.iter().map(pause).collect()).transpose()
}

/// A mode by its name.
pub(super) fn mode(name: &str) -> Result<Mode, String> {
    Mode::parse(name).ok_or_else(|| {
        let known = Mode::ALL.map(Mode::as_str).join(", ");
        format!("\"mode\": {name:?} is none of {known}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Json {
        Some(RawValue::from_string(text.to_owned()).unwrap())
    }

    #[test]
    fn a_payload_is_said_in_one_of_three_ways() {
        let given = |json, text: Option<&str>, base64: Option<&str>| {
            bytes("payload", json, text.map(str::to_owned), base64.map(str::to_owned)).ok()
        };
        assert_eq!(given(None, None, None), Some(None));
        let precise = "{\"n\":123456789012345678901234567890.10}";
        assert_eq!(given(raw(precise), None, None), Some(Some(precise.into())));
        assert_eq!(given(None, Some("a ü"), None), Some(Some("a ü".into())));
        assert_eq!(given(None, None, Some("AP8=")), Some(Some(Bytes::from_static(&[0, 255]))));
        assert_eq!(given(None, None, Some("?")), None);
        assert_eq!(given(raw("1"), Some("1"), None), None);
    }

    #[test]
    fn durations_carry_their_unit() {
        assert_eq!(ms("wait", Some("250ms")).ok(), Some(Some(250)));
        assert_eq!(ms("wait", None).ok(), Some(None));
        assert!(ms("wait", Some("30")).is_err());
        let both = ["15s".to_owned(), "1m".to_owned()];
        assert_eq!(schedule(Some(&both)).ok(), Some(Some(vec![15_000, 60_000])));
    }
}
