//! One request to a node's native API.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use serde_json::Value;
use synod_server::net::tls::{Connector, Trust};

/// How long connecting and one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer taken: a page of the API is far smaller.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A node, by its base URL.
pub(crate) struct Client {
    connector: Connector,
    /// Scheme, host and port.
    origin: http::Uri,
    authority: String,
    /// What comes before `/v1`, without a slash at its end.
    prefix: String,
}

impl Client {
    /// Understands `http://host[:port][/prefix]`, and `https` likewise; `roots` is a file as `tls.roots` names one, or empty.
    pub(crate) fn new(url: &str, roots: &str) -> anyhow::Result<Self> {
        let url = url.parse::<http::Uri>().with_context(|| format!("\"{url}\" is not a URL"))?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (url.scheme_str(), url.authority()) else {
            bail!("\"{url}\" is not a URL of the form http://host:port");
        };
        let port = authority.port_u16().unwrap_or(if scheme == "http" { 80 } else { 443 });
        let authority = format!("{}:{port}", authority.host());
        let origin = format!("{scheme}://{authority}/").parse()?;
        let connector = Connector::new(TIMEOUT, Arc::new(Trust::new(roots)?));
        Ok(Self { connector, origin, authority, prefix: url.path().trim_end_matches('/').to_owned() })
    }

    /// Sends one request and reads the JSON of its answer; an empty answer is `null`.
    ///
    /// # Errors
    /// When the node cannot be reached, is too slow, or refuses; the text carries its own words.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let answer = tokio::time::timeout(TIMEOUT, self.exchange(method, path, body)).await;
        answer.with_context(|| format!("no answer from {} within {} s", self.authority, TIMEOUT.as_secs()))?
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let unreachable = || format!("cannot reach {}; is a node running there?", self.authority);
        let connected = self.connector.connect(self.origin.clone()).await;
        let stream = connected.map_err(anyhow::Error::from_boxed).with_context(unreachable)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
        let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.prefix))
            .header(header::HOST, &self.authority)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body =
                body.map_err(|error| anyhow::anyhow!(error).context("the answer broke off or is too large"))?;
            anyhow::Ok((status, body.to_bytes()))
        };
        // The connection is driven beside the exchange, and ends with it.
        let (status, body) = tokio::select! {
            done = exchange => done?,
            Err(error) = connection => return Err(error).context("the connection broke"),
        };
        let answer = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body) };
        if !status.is_success() {
            bail!("{path}: {}", refusal(status, answer.as_ref().unwrap_or(&Value::Null)));
        }
        answer
            .with_context(|| format!("the answer to {path} is not JSON; is {} a Synod node?", self.authority))
    }
}

/// The words of a problem document, or at least the status.
fn refusal(status: http::StatusCode, problem: &Value) -> String {
    let text = |name: &str| problem.get(name).and_then(Value::as_str);
    match (text("detail").or_else(|| text("title")), text("code")) {
        (Some(words), Some(code)) => format!("{words} ({code})"),
        (Some(words), None) => words.to_owned(),
        (None, _) => status.to_string(),
    }
}

/// Writes one segment of a path or one value of a query: everything but the unreserved characters is escaped.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        let parts = |url| Client::new(url, "").map(|client| (client.authority, client.prefix)).ok();
        assert_eq!(parts("http://a:1/"), Some(("a:1".into(), "".into())));
        assert_eq!(parts("http://[::1]/synod/"), Some(("[::1]:80".into(), "/synod".into())));
        assert_eq!(parts("https://a"), Some(("a:443".into(), "".into())));
        for bad in ["", "a", "ftp://a", "/v1", "http://"] {
            assert_eq!(parts(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn segments_are_escaped() {
        assert_eq!(escape("host:cart/1 ü"), "host%3Acart%2F1%20%C3%BC");
    }
}
