//! Serves the console: the files built from `console/`, embedded in the binary, at `/` and `/ui/…` and nowhere else.
//!
//! The console is one page that reads its own address, so each `/ui/…` path that is no file answers with that page.
//! What is under `/ui/assets/` carries a hash of its content in its name: it never changes, and one that is not
//! there is a 404 rather than the page, which a cache would keep under the wrong name.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};
use std::borrow::Cow;

/// Release builds carry the files; debug builds read them from the source tree at each request.
#[derive(RustEmbed)]
#[folder = "../../console/dist/"]
struct Files;

/// The page; what it may load is said here and tested in Chromium against this very text.
const PAGE: &str = "index.html";
const POLICY: &str = include_str!("../../../../console/csp.txt").trim_ascii();

/// The answer for `path`, or `None` where the console has nothing to say and another face answers.
///
/// `path` is the path of the request as it came, percent-encoded. The answer is the one for GET: a HEAD is answered
/// by leaving the body out, for which `Content-Length` is set here. Never fails; a file that is not there is a 404.
#[must_use]
pub fn respond(path: &str, headers: &HeaderMap) -> Option<Response<Bytes>> {
    let file = match path.strip_prefix("/ui") {
        None if path == "/" => PAGE,
        None => return None,
        Some(inside) => match inside.strip_prefix('/') {
            Some(file) if file.starts_with("assets/") => file,
            Some(_) => PAGE,
            None if inside.is_empty() => PAGE,
            None => return None,
        },
    };
    Some(answer(file, headers))
}

fn answer(file: &str, headers: &HeaderMap) -> Response<Bytes> {
    let Some(content_type) = content_type(file) else { return absent() };
    let packed = accepts_gzip(headers).then(|| Files::get(&format!("{file}.gz"))).flatten();
    let encoding = packed.is_some().then_some(HeaderValue::from_static("gzip"));
    let Some(found) = packed.or_else(|| Files::get(file)) else { return absent() };

    let etag = etag(&found, encoding.is_some());
    let fresh = headers.get_all(header::IF_NONE_MATCH).iter().any(|held| matches_etag(held, &etag));
    let body = if fresh { Bytes::new() } else { bytes(found) };
    let mut response = Response::new(body);
    let length = response.body().len();
    let out = response.headers_mut();
    out.insert(header::ETAG, etag);
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching(file)));
    protect(out);
    if fresh {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    out.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(encoding) = encoding {
        out.insert(header::CONTENT_ENCODING, encoding);
    }
    response
}

fn absent() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"no such file of the console\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    protect(out);
    response
}

/// The types of what a build can hold; anything else (`BUILD.json`, the `.gz` twins) is not for browsers.
fn content_type(file: &str) -> Option<&'static str> {
    match file.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

fn caching(file: &str) -> &'static str {
    if file == PAGE { "no-cache" } else { "public, max-age=31536000, immutable" }
}

fn protect(out: &mut HeaderMap) {
    out.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    out.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    out.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    out.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
}

/// A strong tag names bytes, so the packed twin has one of its own (RFC 9110 section 8.8.3.3).
fn etag(file: &EmbeddedFile, packed: bool) -> HeaderValue {
    let mut tag = String::from("\"");
    for byte in &file.metadata.sha256_hash()[..16] {
        tag.push_str(&format!("{byte:02x}"));
    }
    tag.push_str(if packed { "-gz\"" } else { "\"" });
    HeaderValue::try_from(tag).expect("hexadecimal digits and quotes are a header value")
}

/// `If-None-Match` compares weakly (RFC 9110 section 13.1.2): a `W/` that a cache put in front does not matter.
fn matches_etag(held: &HeaderValue, etag: &HeaderValue) -> bool {
    let Ok(held) = held.to_str() else { return false };
    held.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
}

/// True when `Accept-Encoding` names gzip, or everything, without refusing it by a weight of zero.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(header::ACCEPT_ENCODING);
    let weighed = codings.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let mut any = false;
    for coding in weighed {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let wanted =
            parts.filter_map(|part| part.strip_prefix("q=")).all(|q| q.parse::<f32>().is_ok_and(|q| q > 0.0));
        match name {
            _ if name.eq_ignore_ascii_case("gzip") => return wanted,
            "*" => any = wanted,
            _ => {}
        }
    }
    any
}

fn bytes(file: EmbeddedFile) -> Bytes {
    match file.data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => Bytes::from(data),
    }
}

#[cfg(test)]
mod tests;
