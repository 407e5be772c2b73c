//! The few shapes of an answer.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use synod_wire::eureka::Format;

use super::negotiate;
use crate::lists::gzip;
use crate::net::Body;

const VARY: HeaderValue = HeaderValue::from_static("Accept-Encoding");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
/// Deflating a shorter body costs more than it saves: it fits into one packet as it is.
const GZIP_BYTES_MIN: usize = 512;

/// A status and nothing else. It still names the format that was negotiated, as the original does.
pub(super) fn empty(status: StatusCode, format: Option<Format>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Some(format) = format {
        headers.insert(header::CONTENT_TYPE, negotiate::content_type(format));
    }
    headers.insert(header::VARY, VARY);
    response
}

/// A status with a line of text.
pub(super) fn text(status: StatusCode, content_type: HeaderValue, text: String) -> Response<Body> {
    let mut response = empty(status, None);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    *response.body_mut() = Body::from(text);
    response
}

/// A document, deflated when the client likes and it pays.
pub(super) fn document(format: Format, takes_gzip: bool, body: Vec<u8>) -> Response<Body> {
    if takes_gzip && body.len() >= GZIP_BYTES_MIN {
        return deflated(format, gzip::whole(&body));
    }
    let mut response = empty(StatusCode::OK, Some(format));
    *response.body_mut() = Body::from(body);
    response
}

/// A document that is deflated already.
pub(super) fn deflated(format: Format, body: Bytes) -> Response<Body> {
    let mut response = empty(StatusCode::OK, Some(format));
    response.headers_mut().insert(header::CONTENT_ENCODING, GZIP);
    *response.body_mut() = Body::from(body);
    response
}

/// 405 with what is allowed.
pub(super) fn not_allowed(allowed: &'static str) -> Response<Body> {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED, None);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}
