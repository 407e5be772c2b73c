//! Base URLs, and how text becomes part of one.

use std::fmt;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::uri::{Scheme, Uri};

use super::BadUrl;

/// Where a server is: `http://host:port/path`.
pub(super) struct Base {
    scheme: Scheme,
    authority: String,
    /// With a slash at its end.
    path: String,
    /// From the URL's user and password.
    pub(super) authorization: Option<HeaderValue>,
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

impl Base {
    pub(super) fn parse(text: &str) -> Result<Self, BadUrl> {
        let shown = || text.rsplit_once('@').map_or(text, |(_, rest)| rest).to_owned();
        let bad = |why| BadUrl { url: shown(), why };
        let url: Uri = text.trim().parse().map_err(|_| bad("it is none at all"))?;
        let scheme = match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => Scheme::HTTP,
            Some(scheme) if *scheme == Scheme::HTTPS && cfg!(feature = "tls") => Scheme::HTTPS,
            Some(scheme) if *scheme == Scheme::HTTPS => {
                return Err(bad("https needs the feature `tls` of synod-client"));
            }
            _ => return Err(bad("it must begin with http:// or https://")),
        };
        if url.query().is_some() {
            return Err(bad("it must have no query"));
        }
        let authority = url.authority().ok_or_else(|| bad("it names no host"))?.as_str();
        let (user, authority) =
            authority.rsplit_once('@').map_or((None, authority), |(user, rest)| (Some(user), rest));
        let authorization = user.map(|user| {
            let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(unescaped(user))))
                .map_err(|_| bad("its user cannot be used"))?;
            value.set_sensitive(true);
            Ok(value)
        });
        let path = format!("{}/", url.path().trim_end_matches('/'));
        Ok(Self { scheme, authority: authority.to_owned(), path, authorization: authorization.transpose()? })
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}://{}{}{}", self.scheme, self.authority, self.path, path.trim_start_matches('/'))
    }
}

/// Text as one segment of a path, or as a value in a query.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                // Writing to a string cannot fail.
                write!(out, "%{byte:02X}").unwrap_or_default();
            }
        }
    }
    out
}

fn unescaped(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let code = text.get(at + 1..at + 3).and_then(|code| u8::from_str_radix(code, 16).ok());
        match code.filter(|_| byte == b'%') {
            Some(code) => {
                out.push(code);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let base = Base::parse("http://a%40b:p%3Aw@host:8761/eureka/").expect("a URL");
        assert_eq!(base.url("/apps/A"), "http://host:8761/eureka/apps/A");
        let authorization = base.authorization.as_ref().and_then(|value| value.to_str().ok());
        assert_eq!(authorization, Some("Basic YUBiOnA6dw=="));
        assert_eq!(format!("{base:?}"), "http://host:8761/eureka/", "no password is shown");
        assert_eq!(Base::parse("http://[::1]:80").expect("a URL").url("x"), "http://[::1]:80/x");
    }

    #[test]
    fn bad_urls_are_refused_without_their_password() {
        for (url, why) in [
            ("ftp://u:secret@host/", "it must begin with http:// or https://"),
            ("host:8761", "it must begin with http:// or https://"),
            ("http://host/?a=b", "it must have no query"),
            ("", "it is none at all"),
        ] {
            let bad = Base::parse(url).expect_err(url);
            assert_eq!(bad.why, why, "{url}");
            assert!(!bad.to_string().contains("secret"));
        }
        let secure = Base::parse("https://u:p@host/eureka");
        assert_eq!(secure.is_ok(), cfg!(feature = "tls"), "{secure:?}");
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("n7:cart/9 %ü"), "n7%3Acart%2F9%20%25%C3%BC");
    }
}
