//! Writing: registrations, renewals, leaves, overrides, metadata. Sections 1.5 to 1.8 of `eureka.md`.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::body::Incoming;
use synod_core::registry::{Origin, Record, Renewal, Status};
use synod_wire::eureka::{self as wire, Format, Limits};

use super::negotiate::Charset;
use super::{answer, fetch, negotiate, route};
use crate::net::{Body, body};
use crate::node::Node;
use crate::registry::convert::{self, upper};

/// `POST apps/A`: 204, and nothing but 204, says that it worked.
pub(super) async fn register(
    node: &Node,
    headers: &HeaderMap,
    body: Incoming,
    app: &str,
    format: Format,
) -> Response<Body> {
    let Some((given, charset)) = negotiate::body(headers) else {
        return answer::empty(StatusCode::UNSUPPORTED_MEDIA_TYPE, None);
    };
    let bytes = match body::read_inflated(headers, body, node.body_limits).await {
        Ok(bytes) => bytes,
        Err(error) => return refused(error.status(), error.to_string()),
    };
    let max = node.config.registry.instance_bytes_max;
    if bytes.len() > max {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, format!("the instance is larger than {max} bytes"));
    }
    let bytes = utf8(bytes, charset);
    let decoded = match wire::decode_instance(&bytes, given, &limits(node)) {
        Ok(decoded) => decoded,
        Err(error) => {
            tracing::debug!(app, %error, "registration refused");
            return unreadable(headers);
        }
    };
    let lease_s = node.config.registry.lease_duration.as_secs() as u32;
    let instance = match convert::instance(&decoded, &upper(app), lease_s, node.registry.now()) {
        Ok(instance) => instance,
        Err(invalid) => {
            let content_type = negotiate::content_type(format);
            return answer::text(StatusCode::BAD_REQUEST, content_type, invalid.to_string());
        }
    };
    match node.registry.register(instance, origin(headers)) {
        Ok(_) => answer::empty(StatusCode::NO_CONTENT, Some(format)),
        Err(full) => refused(StatusCode::SERVICE_UNAVAILABLE, full.to_string()),
    }
}

/// Bounds on what a registration may contain.
pub(super) fn limits(node: &Node) -> Limits {
    let metadata_keys_max = node.config.registry.metadata_keys_max;
    Limits { metadata_keys_max, text_bytes_max: node.config.registry.instance_bytes_max, ..Limits::REQUEST }
}

fn utf8(bytes: Bytes, charset: Charset) -> Bytes {
    match charset {
        Charset::Utf8 => bytes,
        Charset::Latin1 => bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into(),
    }
}

/// What the original says to a body that it cannot parse: its words depend on the content type, to the letter.
fn unreadable(headers: &HeaderMap) -> Response<Body> {
    let content_type = headers.get(http::header::CONTENT_TYPE).cloned();
    let content_type = content_type.unwrap_or_else(|| negotiate::content_type(Format::Xml));
    let text = if content_type == "application/json" {
        r#"{"error": "cannot parse request body"}"#
    } else {
        "<error><message>cannot parse request body</message></error>"
    };
    answer::text(StatusCode::BAD_REQUEST, content_type, text.to_owned())
}

fn refused(status: StatusCode, why: String) -> Response<Body> {
    answer::text(status, HeaderValue::from_static("text/plain"), why)
}

fn origin(headers: &HeaderMap) -> Origin {
    if negotiate::is_replication(headers) { Origin::Peer } else { Origin::Client }
}

/// `PUT apps/A/ID`. The answer has no body whatever it says: Java clients choke on one.
pub(super) fn renew(
    node: &Node,
    headers: &HeaderMap,
    query: Option<&str>,
    app: &str,
    id: &str,
    format: Format,
) -> Response<Body> {
    let dirty_ms = match timestamp(query) {
        Ok(dirty_ms) => dirty_ms,
        Err(bad) => return bad.answer(),
    };
    let app = upper(app);
    let origin = origin(headers);
    let status = match node.registry.renew(&app, id, dirty_ms, origin) {
        Renewal::Renewed(_) => StatusCode::OK,
        Renewal::Newer(record) if origin == Origin::Peer => return conflict(node, &record, format),
        Renewal::Newer(_) => StatusCode::OK,
        Renewal::Outdated(_) => {
            if origin == Origin::Peer
                && let Some(status) =
                    route::parameter(query, "overriddenstatus").and_then(|name| Status::parse(&name))
            {
                node.registry.note_override(&app, id, status);
            }
            StatusCode::NOT_FOUND
        }
        Renewal::Unknown => StatusCode::NOT_FOUND,
    };
    answer::empty(status, Some(format))
}

fn conflict(node: &Node, record: &Record, format: Format) -> Response<Body> {
    let mut response =
        answer::document(format, false, fetch::document(node, record, record.renewed_ms, format));
    *response.status_mut() = StatusCode::CONFLICT;
    response
}

fn timestamp(query: Option<&str>) -> Result<Option<u64>, BadTimestamp> {
    let Some(text) = route::parameter(query, "lastDirtyTimestamp").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    // Java's is signed, and "null" is what some clients make of a missing one.
    match text.parse::<i64>() {
        Ok(number) => Ok(Some(number.max(0) as u64)),
        Err(_) if text == "null" => Ok(None),
        Err(_) => Err(BadTimestamp(text.into_owned())),
    }
}

/// A `lastDirtyTimestamp` that is no number.
struct BadTimestamp(String);

impl BadTimestamp {
    fn answer(&self) -> Response<Body> {
        let why = format!("lastDirtyTimestamp must be milliseconds as a number, not {:?}", self.0);
        refused(StatusCode::BAD_REQUEST, why)
    }
}

/// `DELETE apps/A/ID`.
pub(super) fn cancel(
    node: &Node,
    headers: &HeaderMap,
    app: &str,
    id: &str,
    format: Format,
) -> Response<Body> {
    let gone = node.registry.cancel(&upper(app), id, origin(headers));
    answer::empty(ok_if(gone.is_some()), Some(format))
}

/// `PUT apps/A/ID/status`.
pub(super) fn set_status(
    node: &Node,
    headers: &HeaderMap,
    query: Option<&str>,
    (app, id): (&str, &str),
    format: Format,
) -> Response<Body> {
    let value = route::parameter(query, "value");
    let Some(status) = value.as_deref().and_then(Status::parse) else {
        return bad_status(value);
    };
    edit(node, query, (app, id), format, |app, dirty_ms| {
        node.registry.set_override(app, id, status, dirty_ms, origin(headers)).is_some()
    })
}

/// `DELETE apps/A/ID/status`: 200 also when there was no override.
pub(super) fn clear_status(
    node: &Node,
    headers: &HeaderMap,
    query: Option<&str>,
    (app, id): (&str, &str),
    format: Format,
) -> Response<Body> {
    let status = match route::parameter(query, "value").filter(|value| !value.is_empty()) {
        None => None,
        Some(value) => match Status::parse(&value) {
            Some(status) => Some(status),
            None => return bad_status(Some(value)),
        },
    };
    edit(node, query, (app, id), format, |app, dirty_ms| {
        node.registry.clear_override(app, id, status, dirty_ms, origin(headers)).is_some()
    })
}

fn edit(
    node: &Node,
    query: Option<&str>,
    (app, id): (&str, &str),
    format: Format,
    edit: impl FnOnce(&str, Option<u64>) -> bool,
) -> Response<Body> {
    let dirty_ms = match timestamp(query) {
        Ok(dirty_ms) => dirty_ms,
        Err(bad) => return bad.answer(),
    };
    let app = upper(app);
    // An expired lease is invisible here (`eureka.md` 3.3).
    let visible = node.registry.core().find(&app, id, node.registry.now()).is_some();
    answer::empty(ok_if(visible && edit(&app, dirty_ms)), Some(format))
}

fn bad_status(value: Option<Cow<'_, str>>) -> Response<Body> {
    let found = value.map_or_else(|| "it is missing".to_owned(), |value| format!("not {value:?}"));
    let why = format!("value must be UP, DOWN, STARTING, OUT_OF_SERVICE or UNKNOWN; {found}");
    refused(StatusCode::BAD_REQUEST, why)
}

/// `PUT apps/A/ID/metadata`: each parameter is a key; of a repeated one the first value counts.
pub(super) fn set_metadata(
    node: &Node,
    query: Option<&str>,
    app: &str,
    id: &str,
    format: Format,
) -> Response<Body> {
    let mut edits: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    for (key, value) in route::pairs(query) {
        if !edits.iter().any(|(known, _)| *known == key) {
            edits.push((key, value));
        }
    }
    let edits: Vec<_> = edits.iter().map(|(key, value)| (&**key, Some(&**value))).collect();
    let app = upper(app);
    if node.registry.core().find(&app, id, node.registry.now()).is_none() {
        return answer::empty(StatusCode::NOT_FOUND, Some(format));
    }
    match node.registry.set_metadata(&app, id, &edits) {
        Ok(set) => answer::empty(ok_if(set.is_some()), Some(format)),
        Err(refusal) => refused(StatusCode::BAD_REQUEST, refusal.to_string()),
    }
}

fn ok_if(found: bool) -> StatusCode {
    if found { StatusCode::OK } else { StatusCode::NOT_FOUND }
}
