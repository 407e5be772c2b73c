//! What the server sends to a branch.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{form, json, trans_type};

/// One call of a branch, whatever the transport.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Its transaction.
    pub gid: &'a str,
    /// The transaction's type.
    pub trans_type: &'a str,
    /// The transaction's protocol.
    pub protocol: &'a str,
    /// The branch.
    pub branch_id: &'a str,
    /// What it is called for.
    pub op: &'a str,
    /// Where; empty for a branch that has nothing to do.
    pub url: &'a str,
    /// What is sent.
    pub payload: &'a [u8],
    /// Headers that the client asked for.
    pub headers: &'a BTreeMap<String, String>,
}

/// How a branch is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Not at all: it is done.
    Nothing,
    /// HTTP.
    Http,
    /// JSON-RPC over HTTP.
    JsonRpc,
    /// gRPC.
    Grpc,
}

/// A request of HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCall<'a> {
    /// POST; otherwise GET.
    pub is_post: bool,
    /// The whole URL.
    pub url: Cow<'a, str>,
    /// Each name once.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body.
    pub body: Cow<'a, [u8]>,
}

/// A request of gRPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcCall<'a> {
    /// Host and port.
    pub server: &'a str,
    /// Path: `/package.Service/Method`.
    pub method: &'a str,
    /// In small letters, each name once.
    pub metadata: Vec<(Cow<'a, str>, &'a str)>,
    /// The message, encoded.
    pub message: &'a [u8],
}

/// Why a call cannot be made; it counts as an error of the branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCall {
    /// Something must resolve the URL first.
    #[error("the URL has a scheme that gRPC does not know")]
    Scheme,
    /// It cannot be an address.
    #[error("expected host:port/package.Service/Method")]
    Address,
    /// JSON-RPC has named parameters only.
    #[error("the payload of a JSON-RPC branch must be a JSON object")]
    Payload,
}

#[derive(Serialize)]
struct JsonRpc<'a> {
    id: &'a str,
    jsonrpc: &'static str,
    method: &'a str,
    /// Values as they came: a number must not lose digits on its way.
    params: BTreeMap<Cow<'a, str>, Box<RawValue>>,
}

/// What carries the request rather than belongs to it.
const OF_THE_CONNECTION: [&str; 10] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "trailer",
    "upgrade",
    "te",
    "expect",
];

impl<'a> Call<'a> {
    /// How the branch is reached.
    pub fn transport(&self) -> Transport {
        let is_web = self.url.starts_with("http://") || self.url.starts_with("https://");
        if self.url.is_empty() {
            Transport::Nothing
        } else if matches!(self.protocol, "" | "http") {
            Transport::Http
        } else if !is_web {
            Transport::Grpc
        } else if self.protocol == "json-rpc" && self.url.contains("method") {
            Transport::JsonRpc
        } else {
            Transport::Http
        }
    }

    /// The request of HTTP.
    pub fn http(&self) -> HttpCall<'a> {
        let mut url = String::with_capacity(self.url.len() + 96);
        let (base, fragment) = self.url.split_at(self.url.find('#').unwrap_or(self.url.len()));
        url.push_str(base.strip_suffix('?').unwrap_or(base));
        let mut separator = if url.contains('?') { '&' } else { '?' };
        for (name, value) in [
            ("branch_id", self.branch_id),
            ("gid", self.gid),
            ("op", self.op),
            ("trans_type", self.trans_type),
        ] {
            url.push(separator);
            separator = '&';
            url.push_str(name);
            url.push('=');
            form::encode(&mut url, value);
        }
        url.push_str(fragment);
        HttpCall {
            is_post: !self.payload.is_empty() || self.trans_type == trans_type::XA,
            url: url.into(),
            headers: self.http_headers(),
            body: self.payload.into(),
        }
    }

    /// The request of JSON-RPC, with an id of its own.
    ///
    /// # Errors
    /// The payload is no JSON object.
    pub fn json_rpc(&self, id: &str) -> Result<HttpCall<'a>, BadCall> {
        let query = self.url.split_once('?').map_or("", |(_, query)| query);
        let query = query.split('#').next().unwrap_or_default();
        let method = form::pairs(query)
            .find(|(name, _)| name == "method")
            .map_or(Cow::Borrowed(""), |(_, value)| value);
        let body = JsonRpc { id, jsonrpc: "2.0", method: &method, params: self.params()? };
        let body = serde_json::to_vec(&body).expect("texts and JSON");
        Ok(HttpCall { is_post: true, url: self.url.into(), headers: self.http_headers(), body: body.into() })
    }

    /// The payload's members and the four of the call, which win.
    fn params(&self) -> Result<BTreeMap<Cow<'a, str>, Box<RawValue>>, BadCall> {
        let text = std::str::from_utf8(self.payload).map_err(|_| BadCall::Payload)?;
        let members = if text.is_empty() { Ok(Vec::new()) } else { json::members(text) };
        let mut params = BTreeMap::new();
        for (key, value) in members.map_err(|_| BadCall::Payload)? {
            let value = RawValue::from_string(value.raw().to_owned()).map_err(|_| BadCall::Payload)?;
            params.insert(key, value);
        }
        for (name, value) in [
            ("branch_id", self.branch_id),
            ("gid", self.gid),
            ("op", self.op),
            ("trans_type", self.trans_type),
        ] {
            let value = serde_json::value::to_raw_value(value).expect("a text");
            params.insert(Cow::Borrowed(name), value);
        }
        Ok(params)
    }

    /// The client's headers may replace ours, but not what holds the connection together.
    fn http_headers(&self) -> Vec<(&'a str, &'a str)> {
        let own = [("Accept", "application/json"), ("Content-Type", "application/json")];
        let is_replaced = |name: &str| self.headers.keys().any(|other| other.eq_ignore_ascii_case(name));
        let own = own.into_iter().filter(|(name, _)| !is_replaced(name));
        let is_free = |name: &str| !OF_THE_CONNECTION.iter().any(|other| other.eq_ignore_ascii_case(name));
        let theirs = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut headers: Vec<_> = own.chain(theirs.filter(|(name, _)| is_free(name))).collect();
        headers.dedup_by(|a, b| a.0.eq_ignore_ascii_case(b.0));
        headers
    }

    /// The request of gRPC.
    ///
    /// # Errors
    /// The URL is not such an address.
    pub fn grpc(&self) -> Result<GrpcCall<'a>, BadCall> {
        if self.url.contains("://") {
            return Err(BadCall::Scheme);
        }
        let (server, method) = self.url.split_at(self.url.find('/').ok_or(BadCall::Address)?);
        if server.is_empty() || method.len() < 2 || method.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(BadCall::Address);
        }
        let mut metadata = BTreeMap::new();
        for (name, value) in self.headers {
            let name = name.to_ascii_lowercase();
            let is_reserved = name.starts_with("grpc-") || name == "content-type" || name == "user-agent";
            if !is_reserved && !OF_THE_CONNECTION.contains(&name.as_str()) {
                metadata.insert(Cow::Owned(name), value.as_str());
            }
        }
        for (name, value) in [
            ("dtm-gid", self.gid),
            ("dtm-trans_type", self.trans_type),
            ("dtm-branch_id", self.branch_id),
            ("dtm-op", self.op),
            ("dtm-dtm", ""),
        ] {
            metadata.insert(Cow::Borrowed(name), value);
        }
        Ok(GrpcCall { server, method, metadata: metadata.into_iter().collect(), message: self.payload })
    }
}

#[cfg(test)]
mod tests;
