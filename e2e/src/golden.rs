//! Transcripts of the real server, replayed: `### title`, the request with its headers, `> body`, `< status headers`, body.
//!
//! Everything is compared byte for byte except what `golden/mask.toml` lists, and that file says why for each entry.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;

use crate::gzip;
use crate::http::{Connection, Reply, Request};

/// One request and the answer recorded.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The line after `###`.
    pub title: String,
    /// What to send.
    pub request: Request,
    /// What the real server answered.
    pub reply: Recorded,
}

/// A recorded answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The status code.
    pub status: u16,
    /// The headers that were recorded.
    pub headers: BTreeMap<String, String>,
    /// The body, inflated.
    pub body: String,
}

/// What is not compared, each with a reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mask {
    header: Vec<HeaderMask>,
    field: Vec<FieldMask>,
    deviation: Vec<Deviation>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderMask {
    name: String,
    /// Only where the recorded body is empty.
    #[serde(default)]
    empty_only: bool,
    #[expect(dead_code, reason = "the reason is for people")]
    why: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldMask {
    name: String,
    /// Only where the path ends so.
    path: Option<String>,
    /// A zero is a value like any other; otherwise it stays visible.
    #[serde(default)]
    zero: bool,
    #[expect(dead_code, reason = "the reason is for people")]
    why: String,
}

/// A place where Synod answers otherwise on purpose: what it answers instead.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deviation {
    file: String,
    title: Vec<String>,
    #[expect(dead_code, reason = "the reason is for people")]
    why: String,
    status: Option<u16>,
    /// Headers that replace the recorded ones; an empty value: the header is absent.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    /// Every occurrence of the first is the second in Synod's body.
    replace: Option<[String; 2]>,
    /// Instances may come in another order.
    #[serde(default)]
    any_order: bool,
    /// The body is not compared.
    #[serde(default)]
    any_body: bool,
}

impl Mask {
    /// Reads `mask.toml`.
    ///
    /// # Panics
    /// It is malformed.
    pub fn read(folder: &Path) -> Self {
        let text = std::fs::read_to_string(folder.join("mask.toml")).expect("mask.toml is there");
        toml::from_str(&text).unwrap_or_else(|error| panic!("mask.toml: {error}"))
    }

    /// Deviations whose exchange does not exist: leftovers.
    pub fn leftovers(&self, file: &str, exchanges: &[Exchange]) -> Vec<String> {
        let titles = self.deviation.iter().filter(|deviation| deviation.file == file).flat_map(|d| &d.title);
        titles.filter(|title| !exchanges.iter().any(|e| e.title == **title)).cloned().collect()
    }

    /// The files that have deviations.
    pub fn files(&self) -> Vec<&str> {
        self.deviation.iter().map(|deviation| deviation.file.as_str()).collect()
    }

    fn is_header(&self, name: &str, empty: bool) -> bool {
        let hides = |mask: &HeaderMask| mask.name.eq_ignore_ascii_case(name) && (empty || !mask.empty_only);
        self.header.iter().any(hides)
    }

    fn deviation(&self, file: &str, title: &str) -> Option<&Deviation> {
        self.deviation
            .iter()
            .find(|deviation| deviation.file == file && deviation.title.iter().any(|t| t == title))
    }

    /// The text in which values that differ from run to run are stars; a zero stays a zero.
    fn body(&self, text: &str, target: &str) -> String {
        let mut text = between_tags(text.trim());
        let path = target.split('?').next().unwrap_or_default().trim_end_matches('/');
        for field in &self.field {
            if field.path.as_ref().is_none_or(|end| path.ends_with(end.as_str())) {
                text = mask_field(&text, field);
            }
        }
        text
    }
}

/// White space between tags has no meaning; the original indents.
fn between_tags(text: &str) -> String {
    if !text.starts_with('<') {
        return text.to_owned();
    }
    let mut packed = String::with_capacity(text.len());
    for (number, part) in text.split('>').enumerate() {
        if number > 0 {
            packed.push('>');
        }
        packed.push_str(if part.trim_start().starts_with('<') { part.trim_start() } else { part });
    }
    packed
}

fn mask_field(text: &str, field: &FieldMask) -> String {
    let FieldMask { name, zero, .. } = field;
    let text = replace_after(text, &format!("\"{name}\":\""), '"', *zero);
    let text = replace_after(&text, &format!("\"{name}\":"), ',', *zero);
    replace_after(&text, &format!("<{name}>"), '<', *zero)
}

/// Replaces what stands between each `start` and the next `end`, unless it begins a string or an object, or is a zero
/// that stays visible.
fn replace_after(text: &str, start: &str, end: char, zero: bool) -> String {
    let mut parts = text.split(start);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked.push_str(start);
        let value = part.split([end, '}']).next().unwrap_or_default();
        let keep = (value == "0" && !zero) || value.is_empty() || value.starts_with(['"', '{', '[']);
        masked.push_str(if keep { value } else { "*" });
        masked.push_str(&part[value.len()..]);
    }
    masked
}

/// Reads a transcript.
///
/// # Panics
/// It is malformed.
pub fn read(path: &Path) -> Vec<Exchange> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let start = text.find("### ").expect("a transcript has exchanges");
    text[start..].split("\n### ").map(|part| exchange(part.trim_start_matches("### "))).collect()
}

fn exchange(text: &str) -> Exchange {
    let mut lines = text.lines();
    let title = lines.next().expect("an exchange has a title").to_owned();
    let line = lines.next().unwrap_or_else(|| panic!("no request: {title}"));
    let (request_line, headers) = line.split_once("  hdr=").unwrap_or_else(|| panic!("no headers: {title}"));
    let (method, target) = request_line.split_once(' ').unwrap_or_else(|| panic!("no method: {title}"));
    let mut request = Request::new(method, target);
    request.headers = pairs(headers);
    let mut answer = lines.next().unwrap_or_else(|| panic!("no answer: {title}"));
    if let Some(body) = answer.strip_prefix("> ") {
        request.body = Some(body.as_bytes().to_vec());
        answer = lines.next().unwrap_or_else(|| panic!("no answer: {title}"));
    }
    let answer = answer.strip_prefix("< ").unwrap_or_else(|| panic!("not an answer: {title}"));
    let (status, headers) = answer.split_once(' ').unwrap_or_else(|| panic!("no status: {title}"));
    let reply = Recorded {
        status: status.parse().unwrap_or_else(|_| panic!("no status: {title}")),
        headers: pairs(headers).into_iter().collect(),
        body: lines.collect::<Vec<_>>().join("\n").trim().to_owned(),
    };
    Exchange { title, request, reply }
}

/// `{'name': 'value', …}`
fn pairs(text: &str) -> Vec<(String, String)> {
    let strings: Vec<&str> = text.split('\'').skip(1).step_by(2).collect();
    strings.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
}

/// Sends every request in order and says what differs, one sentence each.
///
/// # Panics
/// The server does not answer.
pub fn replay(address: SocketAddr, file: &str, exchanges: &[Exchange], mask: &Mask) -> Vec<String> {
    let mut connection = Connection::open(address).expect("the server listens");
    let mut differences = Vec::new();
    for exchange in exchanges {
        let reply = connection.send(&exchange.request).or_else(|_| {
            connection = Connection::open(address)?;
            connection.send(&exchange.request)
        });
        let reply = reply.unwrap_or_else(|error| panic!("{file}, {}: no answer: {error}", exchange.title));
        for difference in compare(file, exchange, &reply, mask) {
            differences.push(format!("{file}, {}: {difference}", exchange.title));
        }
    }
    differences
}

fn compare(file: &str, exchange: &Exchange, reply: &Reply, mask: &Mask) -> Vec<String> {
    let mut expected = exchange.reply.clone();
    let deviation = mask.deviation(file, &exchange.title);
    if let Some(deviation) = deviation {
        expected.status = deviation.status.unwrap_or(expected.status);
        expected.headers.extend(deviation.headers.clone());
        expected.headers.retain(|_, value| !value.is_empty());
        expected.body = deviation.body.clone().unwrap_or(expected.body);
    }
    let mut differences = Vec::new();
    if reply.status != expected.status {
        differences.push(format!("status {} instead of {}", reply.status, expected.status));
    }
    differences.extend(compare_headers(&expected, reply, mask));
    let zipped = reply.header("Content-Encoding") == Some("gzip");
    let body = if zipped { gzip::inflate(&reply.body) } else { reply.body.clone() };
    let mut found = mask.body(&String::from_utf8_lossy(&body), &exchange.request.target);
    let mut wanted = mask.body(&expected.body, &exchange.request.target);
    if let Some([from, to]) = deviation.and_then(|deviation| deviation.replace.as_ref()) {
        wanted = wanted.replace(from, to);
    }
    if deviation.is_some_and(|deviation| deviation.any_order) {
        (found, wanted) = (in_order(&found), in_order(&wanted));
    }
    if found != wanted && !deviation.is_some_and(|deviation| deviation.any_body) {
        differences.push(format!(
            "body\n  found  {}\n  wanted {}",
            around(&found, &wanted),
            around(&wanted, &found)
        ));
    }
    differences
}

/// The text with its instances sorted.
fn in_order(text: &str) -> String {
    let mut parts: Vec<&str> =
        text.split("{\"instanceId\"").map(|part| part.trim_end_matches([',', ']', '}'])).collect();
    parts[1..].sort_unstable();
    parts.join("{\"instanceId\"")
}

fn compare_headers(expected: &Recorded, reply: &Reply, mask: &Mask) -> Vec<String> {
    let mut differences = Vec::new();
    let empty = expected.body.is_empty();
    for (name, wanted) in expected.headers.iter().filter(|(name, _)| !mask.is_header(name, empty)) {
        match reply.header(name) {
            Some(found) if found == wanted => {}
            found => differences.push(format!("header {name}: {found:?} instead of {wanted:?}")),
        }
    }
    for (name, found) in reply.headers.iter().filter(|(name, _)| !mask.is_header(name, empty)) {
        if !expected.headers.keys().any(|wanted| wanted.eq_ignore_ascii_case(name)) {
            differences.push(format!("header {name}: {found:?}, which was not recorded"));
        }
    }
    differences
}

/// The part of `text` around the first place where it differs from `other`.
fn around(text: &str, other: &str) -> String {
    let same = text.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let mut from = same.saturating_sub(80);
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    let shown: String = text[from..].chars().take(240).collect();
    if from > 0 { format!("…{shown}") } else { shown }
}
