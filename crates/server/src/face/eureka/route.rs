//! Paths of the Eureka API, recognised without allocating.
//!
//! The same resources stand under `/eureka/v2` (Netflix), `/eureka` (Spring), `/v2`, and at the root (hand-made clients);
//! under `/eureka` any one segment may stand in place of the version, as the original has it (`eureka.md` 1.1). Repeated and
//! trailing slashes do not count.

use std::borrow::Cow;

/// A resource of the API. Names are still percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'p> {
    Apps,
    Delta,
    App(&'p str),
    Instance(&'p str, &'p str),
    Status(&'p str, &'p str),
    Metadata(&'p str, &'p str),
    InstanceById(&'p str),
    Vip(&'p str),
    SecureVip(&'p str),
    Asg(&'p str),
    Batch,
    Server,
    Overrides,
}

/// The longest path has this many segments: context, `eureka`, version, and four of the resource.
const SEGMENTS_MAX: usize = 12;

/// The resource that `path` names.
pub(super) fn route<'p>(path: &'p str, context_path: &str) -> Option<Route<'p>> {
    let mut segments = [""; SEGMENTS_MAX];
    let mut count = 0;
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        *segments.get_mut(count)? = segment;
        count += 1;
    }
    let mut rest = &segments[..count];
    for prefix in context_path.split('/').filter(|segment| !segment.is_empty()) {
        rest = match rest {
            [first, below @ ..] if *first == prefix => below,
            _ => rest,
        };
    }
    match rest {
        ["eureka", below @ ..] => resource(below).or_else(|| resource(below.get(1..)?)),
        ["v2", below @ ..] => resource(below),
        _ => resource(rest),
    }
}

fn resource<'p>(segments: &[&'p str]) -> Option<Route<'p>> {
    Some(match *segments {
        ["apps"] => Route::Apps,
        ["apps", "delta"] => Route::Delta,
        ["apps", app] => Route::App(app),
        ["apps", app, id] => Route::Instance(app, id),
        ["apps", app, id, "status"] => Route::Status(app, id),
        ["apps", app, id, "metadata"] => Route::Metadata(app, id),
        ["instances", id] => Route::InstanceById(id),
        ["vips", vip] => Route::Vip(vip),
        ["svips", vip] => Route::SecureVip(vip),
        ["asg", name, "status"] => Route::Asg(name),
        ["peerreplication", "batch"] => Route::Batch,
        ["status"] => Route::Server,
        ["serverinfo", "statusoverrides"] => Route::Overrides,
        _ => return None,
    })
}

impl Route<'_> {
    /// The methods a resource knows, as the `Allow` header lists them.
    pub(super) fn allowed(&self) -> &'static str {
        match self {
            Self::Apps | Self::Delta | Self::InstanceById(_) | Self::Vip(_) | Self::SecureVip(_) => {
                "HEAD,GET,OPTIONS"
            }
            Self::Server | Self::Overrides => "HEAD,GET,OPTIONS",
            Self::App(_) => "HEAD,POST,GET,OPTIONS",
            Self::Instance(..) => "HEAD,DELETE,GET,OPTIONS,PUT",
            Self::Status(..) => "DELETE,OPTIONS,PUT",
            Self::Metadata(..) | Self::Asg(_) => "OPTIONS,PUT",
            Self::Batch => "POST,OPTIONS",
        }
    }
}

/// Resolves percent escapes; `None` when they are broken or not UTF-8.
pub(super) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(if byte == b'%' { hex(bytes.next()?)? << 4 | hex(bytes.next()?)? } else { byte });
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}

/// The pairs of a query in order, decoded (`+` is a space); broken escapes leave a pair out.
pub(super) fn pairs(query: Option<&str>) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let split = |pair| match str::split_once(pair, '=') {
        Some((key, value)) => (key, value),
        None => (pair, ""),
    };
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(split);
    pairs.filter_map(|(key, value)| Some((form(key)?, form(value)?)))
}

fn form(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return decode(text);
    }
    decode(&text.replace('+', " ")).map(|text| Cow::Owned(text.into_owned()))
}

/// The first value of one parameter.
pub(super) fn parameter<'q>(query: Option<&'q str>, name: &str) -> Option<Cow<'q, str>> {
    pairs(query).find(|(key, _)| key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_root_leads_to_the_same_resources() {
        for root in ["/eureka/v2", "/eureka", "/eureka/zz", "/v2", "", "/disco/very/eureka", "/disco/very"] {
            let check = |path: &str, expected| {
                assert_eq!(route(&format!("{root}{path}"), "/disco/very"), expected, "{root}{path}")
            };
            check("/apps", Some(Route::Apps));
            check("/apps/", Some(Route::Apps));
            check("//apps//delta", Some(Route::Delta));
            check("/apps/A/b:1", Some(Route::Instance("A", "b:1")));
            check("/apps/A/b/status", Some(Route::Status("A", "b")));
            check("/peerreplication/batch/", Some(Route::Batch));
            check("/apps/A/b/c/d", None);
            check("/apps/A/b/c/d/e/f/g/h/i/j/k/l/m/n", None);
        }
        assert_eq!(route("/eureka", ""), None);
        assert_eq!(route("/eureka/serverinfo/statusoverrides", ""), Some(Route::Overrides));
    }

    #[test]
    fn escapes() {
        for (text, decoded) in [
            ("a", Some("a")),
            ("a%3Ab", Some("a:b")),
            ("%2f%2F", Some("//")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%ff", None),
            ("%C3%A9", Some("é")),
        ] {
            assert_eq!(decode(text).as_deref(), decoded, "{text}");
        }
        let query = Some("a=1&b&a=2&c%20d=x+y%2B&%=1&&=");
        let all: Vec<_> = pairs(query).map(|(key, value)| format!("{key}:{value}")).collect();
        assert_eq!(all, ["a:1", "b:", "a:2", "c d:x y+", ":"]);
        assert_eq!(parameter(query, "a").as_deref(), Some("1"));
    }
}
