//! What the console answers, header by header, with the files as they are committed.

use super::{Files, respond};
use bytes::Bytes;
use flate2::bufread::GzDecoder;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use std::io::Read;

fn ask(path: &str, headers: &[(HeaderName, &str)]) -> Response<Bytes> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, HeaderValue::from_str(value).unwrap());
    }
    respond(path, &map).unwrap_or_else(|| panic!("{path} is the console's"))
}

fn text<'a>(response: &'a Response<Bytes>, name: &HeaderName) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn script() -> String {
    let file = Files::iter().find(|file| file.ends_with(".js")).expect("a build has a script");
    format!("/ui/{file}")
}

#[test]
fn other_faces_are_left_alone() {
    let others = "/eureka /eureka/apps /eureka/css/a.css /v1/registry /v2/apps /health/live /metrics \
        /actuator/health /uix /ui-old/x /index.html /favicon.ico //";
    for path in others.split_whitespace().chain([""]) {
        assert!(respond(path, &HeaderMap::new()).is_none(), "{path}");
    }
}

#[test]
fn every_address_of_the_console_is_the_page() {
    for path in
        ["/", "/ui", "/ui/", "/ui/services/CART/host%3Acart%3A80", "/ui/peers", "/ui/a.js", "/ui/../v1"]
    {
        let page = ask(path, &[]);
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        assert_eq!(text(&page, &header::CONTENT_TYPE), "text/html; charset=utf-8", "{path}");
        assert_eq!(text(&page, &header::CACHE_CONTROL), "no-cache", "{path}");
        assert!(page.body().starts_with(b"<!doctype html>"), "{path}");
        assert_eq!(text(&page, &header::CONTENT_LENGTH), page.body().len().to_string());
    }
}

#[test]
fn what_the_page_names_is_served() {
    let page = ask("/", &[]);
    let html = std::str::from_utf8(page.body()).unwrap();
    let named: Vec<&str> = html.split('"').filter(|part| part.starts_with("/ui/assets/")).collect();
    assert!(named.len() >= 3, "script, style and icon: {named:?}");
    for path in named {
        let file = ask(path, &[]);
        assert_eq!(file.status(), StatusCode::OK, "{path}");
        assert_eq!(text(&file, &header::CACHE_CONTROL), "public, max-age=31536000, immutable");
    }
}

#[test]
fn an_asset_that_is_not_there_is_a_404_and_not_the_page() {
    for path in
        ["/ui/assets/gone.js", "/ui/assets/", "/ui/assets/../BUILD.json", "/ui/assets/../../src/main.tsx"]
    {
        let gone = ask(path, &[]);
        assert_eq!(gone.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(text(&gone, &header::CACHE_CONTROL), "no-store", "{path}");
    }
}

#[test]
fn the_policy_allows_nothing_inline() {
    for path in ["/", "/ui/assets/gone.js"] {
        let page = ask(path, &[]);
        let policy = text(&page, &header::CONTENT_SECURITY_POLICY);
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(text(&page, &header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(text(&page, &header::REFERRER_POLICY), "no-referrer");
    }
}

#[test]
fn gzip_is_sent_when_it_may_be_and_holds_the_same() {
    let path = script();
    let plain = ask(&path, &[]);
    assert_eq!(text(&plain, &header::CONTENT_ENCODING), "");
    for accepted in ["gzip", "br, gzip;q=0.5", "deflate, *", "GZIP"] {
        let packed = ask(&path, &[(header::ACCEPT_ENCODING, accepted)]);
        assert_eq!(text(&packed, &header::CONTENT_ENCODING), "gzip", "{accepted}");
        assert_eq!(text(&packed, &header::VARY), "accept-encoding");
        assert_eq!(text(&packed, &header::CONTENT_TYPE), "text/javascript; charset=utf-8");
        assert_ne!(text(&packed, &header::ETAG), text(&plain, &header::ETAG));
        let mut unpacked = Vec::new();
        GzDecoder::new(&packed.body()[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(&unpacked[..], &plain.body()[..]);
    }
    for refused in ["br", "gzip;q=0", "*, gzip;q=0.0", "gzip;q=nonsense", ""] {
        let answer = ask(&path, &[(header::ACCEPT_ENCODING, refused)]);
        assert_eq!(text(&answer, &header::CONTENT_ENCODING), "", "{refused}");
    }
}

#[test]
fn what_is_held_already_is_not_sent_again() {
    for path in ["/".to_owned(), script()] {
        let first = ask(&path, &[]);
        let etag = text(&first, &header::ETAG);
        for held in [etag.to_owned(), format!("\"other\", {etag}"), format!("W/{etag}"), "*".to_owned()] {
            let again = ask(&path, &[(header::IF_NONE_MATCH, held.as_str())]);
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{held}");
            assert!(again.body().is_empty());
            assert_eq!(text(&again, &header::ETAG), etag);
        }
        let changed = ask(&path, &[(header::IF_NONE_MATCH, "\"other\"")]);
        assert_eq!(changed.status(), StatusCode::OK);
        let packed = ask(&path, &[(header::IF_NONE_MATCH, etag), (header::ACCEPT_ENCODING, "gzip")]);
        assert_eq!(packed.status(), StatusCode::OK, "the packed twin is another representation");
    }
}
