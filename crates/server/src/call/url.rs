//! The URLs by which participants are called. Only as much is read as a call needs; the rest is the participant's.

use bytes::Bytes;
use http::Uri;
use http::uri::PathAndQuery;

use super::Trouble;

/// What a URL begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
    Grpc,
}

/// A URL, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    pub(super) scheme: Scheme,
    /// Scheme, host and port as written: what connections are kept by.
    pub(super) origin: &'a str,
    /// Host and port as written.
    pub(super) authority: &'a str,
    /// An IPv6 address without brackets.
    pub(super) host: &'a str,
    pub(super) port: u16,
    /// Path and query; may be empty, and may lack the slash.
    target: &'a str,
}

impl<'a> Url<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Trouble> {
        let wrong = |why: &str| Trouble::ours(format!("\"{text}\" cannot be called: {why}"));
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(wrong("not a URL"));
        };
        let (kind, port) = match scheme {
            "http" => (Scheme::Http, Some(80)),
            "https" => (Scheme::Https, Some(443)),
            "grpc" => (Scheme::Grpc, None),
            _ => return Err(wrong("its scheme is not spoken")),
        };
        let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(wrong("credentials belong in a header"));
        }
        let origin = &text[..scheme.len() + 3 + authority.len()];
        let (host, port) = split(authority, port).ok_or_else(|| wrong("it names no host and port"))?;
        Ok(Self { scheme: kind, origin, authority, host, port, target })
    }

    /// What stands in the first line of a request.
    pub(super) fn target(&self) -> Result<Uri, Trouble> {
        let mut text = Vec::with_capacity(self.target.len() + 1);
        if !self.target.starts_with('/') {
            text.push(b'/');
        }
        text.extend_from_slice(self.target.as_bytes());
        let target = PathAndQuery::from_maybe_shared(Bytes::from(text));
        target.map(Uri::from).map_err(|error| {
            Trouble::ours(format!("\"{}{}\" cannot be called: {error}", self.origin, self.target))
        })
    }
}

/// Host and port of an authority; the port may be left out if there is a usual one.
pub(super) fn split(authority: &str, usual: Option<u16>) -> Option<(&str, u16)> {
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an address in brackets are its own.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port = match port {
        Some("") | None => usual?,
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??,
    };
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match inner {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok().then_some(inner)?,
        None => host,
    };
    let is_odd =
        |byte: u8| !byte.is_ascii_graphic() || (inner.is_none() && b"[]:<>\"\\^`{|}".contains(&byte));
    (!host.is_empty() && !host.bytes().any(is_odd)).then_some((host, port))
}

/// Service and the rest (with its slash or question mark) of `synod://service/path`.
pub(super) fn service(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("synod://")?;
    Some(rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (text, origin, host, port, target) in [
            ("http://a", "http://a", "a", 80, "/"),
            ("https://a.b", "https://a.b", "a.b", 443, "/"),
            ("http://a:81/x/y?q=1#f", "http://a:81", "a", 81, "/x/y?q=1"),
            ("http://a?x=1", "http://a", "a", 80, "/?x=1"),
            ("http://a:/x", "http://a:", "a", 80, "/x"),
            ("http://[::1]:81/x", "http://[::1]:81", "::1", 81, "/x"),
            ("http://[::1]/x", "http://[::1]", "::1", 80, "/x"),
            ("grpc://a:9/p.S/M", "grpc://a:9", "a", 9, "/p.S/M"),
            ("http://ünï.example/ß", "", "", 0, ""),
        ] {
            match Url::parse(text) {
                Ok(url) => {
                    assert_eq!((url.origin, url.host, url.port), (origin, host, port), "{text}");
                    assert_eq!(url.target().unwrap().to_string(), target, "{text}");
                }
                Err(trouble) => assert!(origin.is_empty() && trouble.answered, "{text}: {trouble:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_url_is_said() {
        for bad in [
            "",
            "a:1",
            "ftp://a/",
            "http://",
            "http:///x",
            "http://:80/",
            "http://a:b/",
            "http://a:99999/",
            "http://a:+80/",
            "http://u:p@a/",
            "grpc://a/p.S/M",
            "http://[::1",
            "http://[x]:1/",
            "http://a b/",
            "synod://a/",
            "HTTP://a/",
        ] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
        assert!(Url::parse("http://a/x y").unwrap().target().is_err());
        assert!(Url::parse("http://a/x\r\ny").unwrap().target().is_err());
    }

    #[test]
    fn services() {
        assert_eq!(service("synod://pay/x?y=1"), Some(("pay", "/x?y=1")));
        assert_eq!(service("synod://pay"), Some(("pay", "")));
        assert_eq!(service("http://pay"), None);
    }
}
