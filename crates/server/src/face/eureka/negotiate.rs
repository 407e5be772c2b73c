//! Which format, form and coding an answer has (`eureka.md` 1.2).

use http::{HeaderMap, HeaderName, HeaderValue, header};
use synod_wire::eureka::{Form, Format};

static COMPACT: HeaderName = HeaderName::from_static("x-eureka-accept");
static REPLICATION: HeaderName = HeaderName::from_static("x-netflix-discovery-replication");

/// The format to answer in: XML unless JSON is preferred; `None` when neither is acceptable (406).
pub(super) fn format(headers: &HeaderMap) -> Option<Format> {
    if !headers.contains_key(header::ACCEPT) {
        return Some(Format::Xml);
    }
    let (json, xml) = wishes(headers);
    match (json.counts(), xml.counts()) {
        (false, false) => None,
        (true, false) => Some(Format::Json),
        (false, true) => Some(Format::Xml),
        (true, true) if (json.q, json.exactness) > (xml.q, xml.exactness) => Some(Format::Json),
        (true, true) => Some(Format::Xml),
    }
}

/// Whether JSON will do, for what there is in nothing else.
pub(super) fn takes_json(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::ACCEPT) || wishes(headers).0.counts()
}

/// How much JSON and XML are wanted.
fn wishes(headers: &HeaderMap) -> (Wish, Wish) {
    let values = headers.get_all(header::ACCEPT).iter();
    let (mut json, mut xml) = (Wish::NONE, Wish::NONE);
    for range in values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
        let mut parts = range.split(';');
        let media = parts.next().unwrap_or_default().trim();
        let q = parts
            .find_map(|part| part.trim().strip_prefix("q="))
            .map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
        let (for_json, for_xml) = match media {
            "*/*" | "*" => (1, 1),
            "application/*" => (2, 2),
            "application/json" => (3, 0),
            "application/xml" => (0, 3),
            other if other.eq_ignore_ascii_case("application/json") || other == "application/*+json" => {
                (3, 0)
            }
            other if other.eq_ignore_ascii_case("application/xml") => (0, 3),
            _ => (0, 0),
        };
        json.hear(for_json, q);
        xml.hear(for_xml, q);
    }
    (json, xml)
}

/// How much a format is wanted: the most exact range that matches it decides.
#[derive(Clone, Copy)]
struct Wish {
    exactness: u8,
    q: f32,
}

impl Wish {
    const NONE: Self = Self { exactness: 0, q: 0.0 };

    fn hear(&mut self, exactness: u8, q: f32) {
        if exactness > self.exactness {
            *self = Self { exactness, q };
        }
    }

    fn counts(self) -> bool {
        self.exactness > 0 && self.q > 0.0
    }
}

/// The form of a list.
pub(super) fn form(headers: &HeaderMap) -> Form {
    match headers.get(&COMPACT) {
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"compact") => Form::Compact,
        _ => Form::Full,
    }
}

/// Whether the client takes gzip.
pub(super) fn gzip(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';');
        let name = parts.next().unwrap_or_default().trim();
        let refused = parts.any(|part| matches!(part.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        name.eq_ignore_ascii_case("gzip") && !refused
    })
}

/// Whether a write comes from a peer: only the literal `true` says so.
pub(super) fn is_replication(headers: &HeaderMap) -> bool {
    headers.get(&REPLICATION).is_some_and(|value| value == "true")
}

/// What a format is called.
pub(super) fn content_type(format: Format) -> HeaderValue {
    HeaderValue::from_static(match format {
        Format::Json => "application/json",
        Format::Xml => "application/xml",
    })
}

/// How a request's body is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Utf8,
    Latin1,
}

/// Format and charset of a registration; `None` when it is none that the original takes (415).
pub(super) fn body(headers: &HeaderMap) -> Option<(Format, Charset)> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let mut parts = value.split(';');
    let media = parts.next().unwrap_or_default().trim();
    let format = if media.eq_ignore_ascii_case("application/json") {
        Format::Json
    } else if media.eq_ignore_ascii_case("application/xml") {
        Format::Xml
    } else {
        return None;
    };
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    match charset {
        None => Some((format, Charset::Utf8)),
        Some(name) if name.eq_ignore_ascii_case("utf-8") => Some((format, Charset::Utf8)),
        Some(name) if name.eq_ignore_ascii_case("us-ascii") => Some((format, Charset::Utf8)),
        Some(name) if name.eq_ignore_ascii_case("iso-8859-1") => Some((format, Charset::Latin1)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: Option<&str>) -> HeaderMap {
        value.map(|value| (name, HeaderValue::from_str(value).unwrap())).into_iter().collect()
    }

    #[test]
    fn xml_unless_json_is_preferred() {
        let (json, xml) = (Some(Format::Json), Some(Format::Xml));
        for (accept, expected) in [
            (None, xml),
            (Some("*/*"), xml),
            (Some("application/json"), json),
            (Some("application/json, application/*+json"), json),
            (Some("Application/JSON"), json),
            (Some("application/json, */*"), json),
            (Some("application/json;q=0.5, application/xml"), xml),
            (Some("application/xml;q=0.5, application/json"), json),
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), xml),
            (Some("application/json;q=0, */*"), xml),
            (Some("text/html"), None),
            (Some(""), None),
        ] {
            assert_eq!(format(&headers(header::ACCEPT, accept)), expected, "{accept:?}");
        }
        for (accept, expected) in
            [(None, true), (Some("*/*"), true), (Some("application/xml"), false), (Some("text/html"), false)]
        {
            assert_eq!(takes_json(&headers(header::ACCEPT, accept)), expected, "{accept:?}");
        }
    }

    #[test]
    fn codings_and_charsets() {
        for (value, expected) in
            [("gzip", true), ("deflate, GZIP;q=0.5", true), ("gzip;q=0", false), ("identity", false)]
        {
            assert_eq!(gzip(&headers(header::ACCEPT_ENCODING, Some(value))), expected, "{value}");
        }
        for (value, expected) in [
            ("application/json", Some((Format::Json, Charset::Utf8))),
            ("application/json;charset=UTF-8", Some((Format::Json, Charset::Utf8))),
            ("application/xml; charset=\"iso-8859-1\"", Some((Format::Xml, Charset::Latin1))),
            ("application/json;charset=utf-16", None),
            ("text/plain", None),
            ("application/vnd.x+json", None),
        ] {
            assert_eq!(body(&headers(header::CONTENT_TYPE, Some(value))), expected, "{value}");
        }
    }
}
