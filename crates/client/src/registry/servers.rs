//! Which servers are asked, and how long.

use std::time::Duration;

use crate::BadUrl;
use crate::http_client::{self, Trust};

/// Servers that are as good as one another, and how patient one is with each.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Servers {
    /// Base URLs such as `http://node-1:8761/eureka`, the preferred first. A user and password in it are sent as basic
    /// authentication. `https` with the feature `tls`.
    pub urls: Vec<String>,
    /// Longest time to connect to one: 2 s unless said.
    pub connect: Duration,
    /// Longest time for a whole answer of one: 8 s unless said.
    pub total: Duration,
    /// Longest answer taken, in bytes, as it travels and again when it is unpacked: 64 MiB unless said. A full list takes about
    /// 1 KiB for each instance, and a tenth of that on its way.
    pub answer_max: usize,
    trust: Trust,
}

impl Servers {
    /// These, with the usual patience.
    pub fn new<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> Self {
        Self {
            urls: urls.into_iter().map(Into::into).collect(),
            connect: Duration::from_secs(2),
            total: Duration::from_secs(8),
            answer_max: 64 << 20,
            trust: Trust::default(),
        }
    }

    /// Whom to trust where a URL says `https`: the system's authorities unless said.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    pub(super) fn client(&self) -> Result<http_client::Servers, BadUrl> {
        Ok(http_client::Servers::new(self.limits(), &self.urls)?.trusting(self.trust.clone()))
    }

    /// The same servers, in the same order, at the root of Synod's own API.
    pub(super) fn native(&self) -> Result<http_client::Servers, BadUrl> {
        let urls = self.urls.iter().map(|url| native_url(url));
        Ok(http_client::Servers::new(self.limits(), urls)?.trusting(self.trust.clone()))
    }

    const fn limits(&self) -> http_client::Config {
        http_client::Config { connect: self.connect, total: self.total, answer_max: self.answer_max }
    }
}

/// Where Synod's own API is, if the server at this base URL is one: what follows the context path is Eureka's.
fn native_url(url: &str) -> &str {
    let url = url.trim().trim_end_matches('/');
    let root = url.strip_suffix("/v2").unwrap_or(url);
    root.strip_suffix("/eureka").unwrap_or(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_native_api_is_beside_eurekas() {
        for (url, native) in [
            ("http://h:8761/eureka/", "http://h:8761"),
            ("http://h:8761/eureka/v2", "http://h:8761"),
            ("http://h/context/eureka", "http://h/context"),
            ("http://h/v2/", "http://h"),
            ("http://h", "http://h"),
        ] {
            assert_eq!(native_url(url), native);
        }
    }
}
