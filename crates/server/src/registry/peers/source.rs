//! Where the list of peers comes from: configuration, a file, DNS, and a URL; all that are set, together.
//!
//! A source that changes by itself is asked again and again. One that fails or answers nothing keeps its last answer: a
//! broken inventory must not take a node out of its cluster.

mod dns;

use std::fs;
use std::time::SystemTime;

use http::Method;
use http::header::{self, HeaderMap, HeaderValue};

use super::client::{Client, Target};
use crate::config::RegistryConfig;
use dns::Lookup;

/// Peers taken at most: each is told everything.
const PEERS_MAX: usize = 1_000;

/// The sources that are set, each with what it said last.
#[derive(Debug)]
pub(super) struct Sources {
    fixed: Vec<Target>,
    file: Option<(String, Option<SystemTime>)>,
    from_file: Vec<Target>,
    dns: Option<Lookup>,
    from_dns: Vec<Target>,
    url: Option<Target>,
    from_url: Vec<Target>,
}

impl Sources {
    pub(super) fn new(config: &RegistryConfig) -> Self {
        let set = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let dns = set(&config.peers_dns).and_then(|spec| {
            Lookup::parse(&spec, &config.dns_server)
                .inspect_err(|problem| tracing::error!(key = "registry.peers_dns", spec, problem, "ignored"))
                .ok()
        });
        Self {
            fixed: targets("registry.peers", config.peers.iter().map(String::as_str)),
            file: set(&config.peers_file).map(|path| (path, None)),
            from_file: Vec::new(),
            dns,
            from_dns: Vec::new(),
            url: set(&config.peers_url).and_then(|url| targets("registry.peers_url", [url.as_str()]).pop()),
            from_url: Vec::new(),
        }
    }

    /// Whether there is anything to ask.
    pub(super) fn is_dynamic(&self) -> bool {
        self.file.is_some() || self.dns.is_some() || self.url.is_some()
    }

    /// Whether the file is another than the one last read.
    pub(super) fn file_changed(&self) -> bool {
        self.file.as_ref().is_some_and(|(path, read)| modified(path) != *read)
    }

    /// Asks all sources. Peers in the order of the sources, each once.
    pub(super) async fn gather(&mut self, client: &Client) -> Vec<Target> {
        if let Some((path, read)) = &mut self.file {
            *read = modified(path);
            match fs::read_to_string(&*path) {
                Ok(text) => keep(&mut self.from_file, targets("registry.peers_file", lines(&text))),
                Err(error) => tracing::warn!(path, %error, "cannot read the file of peers"),
            }
        }
        if let Some(lookup) = &self.dns {
            match lookup.urls().await {
                Ok(urls) => {
                    keep(&mut self.from_dns, targets("registry.peers_dns", urls.iter().map(String::as_str)))
                }
                Err(error) => tracing::warn!(error, "cannot look up the peers in DNS"),
            }
        }
        if let Some(url) = &self.url {
            match fetch(client, url).await {
                Ok(urls) => {
                    keep(&mut self.from_url, targets("registry.peers_url", urls.iter().map(String::as_str)))
                }
                Err(error) => tracing::warn!(url = url.url, error, "cannot fetch the list of peers"),
            }
        }
        let mut all: Vec<Target> = Vec::new();
        for target in [&self.fixed, &self.from_file, &self.from_dns, &self.from_url].into_iter().flatten() {
            if all.len() < PEERS_MAX && !all.iter().any(|known| known.url == target.url) {
                all.push(target.clone());
            }
        }
        all
    }
}

fn keep(last: &mut Vec<Target>, new: Vec<Target>) {
    if !new.is_empty() {
        *last = new;
    }
}

fn modified(path: &str) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// Lines that say something; `#` begins a comment.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).filter(|line| !line.is_empty())
}

fn targets<'u>(source: &str, urls: impl IntoIterator<Item = &'u str>) -> Vec<Target> {
    let read = |url: &str| {
        Target::parse(url).inspect_err(|problem| tracing::error!(source, url, problem, "ignored a peer")).ok()
    };
    urls.into_iter().filter_map(read).collect()
}

/// Fetches a JSON list of URLs.
async fn fetch(client: &Client, target: &Target) -> Result<Vec<String>, String> {
    let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("application/json"))]);
    // A target ends with a slash, as a peer does; an inventory was written as it is meant.
    let url = target.url.trim_end_matches('/');
    let answered = client.send(target, Method::GET, url, &headers, Vec::new(), 1).await;
    let answered = answered.map_err(|trouble| trouble.text)?;
    if !answered.status.is_success() {
        return Err(format!("answered {}", answered.status));
    }
    serde_json::from_slice(&answered.body).map_err(|error| format!("not a JSON list of texts: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_peer_a_line() {
        let text = "# all of them\nhttp://a/eureka/\n\n  http://b/eureka/  # the new one\nnonsense\n";
        let targets = targets("test", lines(text));
        assert_eq!(
            targets.iter().map(|target| &*target.url).collect::<Vec<_>>(),
            ["http://a/eureka/", "http://b/eureka/"]
        );
    }

    #[test]
    fn an_empty_answer_keeps_the_last_one() {
        let mut last = targets("test", ["http://a/"]);
        keep(&mut last, Vec::new());
        assert_eq!(last.len(), 1);
        keep(&mut last, targets("test", ["http://b/", "http://c/"]));
        assert_eq!(last.len(), 2);
    }
}
