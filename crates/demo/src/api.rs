//! Synod's native API, as much as a transfer needs of it. (The SDK will take its place.)

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::args::Mode;

/// How long one answer may take; the longest wait that is asked for is shorter.
const TIMEOUT: Duration = Duration::from_secs(40);
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Somebody who is asked over HTTP, by the base URL.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    authority: String,
}

/// A transaction, as much of it as we look at.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Transaction {
    pub(crate) xid: String,
    pub(crate) status: String,
    pub(crate) ended: bool,
    #[serde(default)]
    pub(crate) details: Option<Details>,
}

/// Its branches.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Details {
    pub(crate) branches: Vec<Branch>,
}

/// One of them, with both of its ways.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Branch {
    pub(crate) id: String,
    pub(crate) forward: Leg,
    pub(crate) backward: Leg,
}

/// Somebody who is called.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Leg {
    pub(crate) failures: u32,
    pub(crate) last_error: Option<String>,
}

/// A message that is not to be delivered before it is submitted.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct HalfMessage {
    pub(crate) gid: String,
    pub(crate) subscribers: Vec<String>,
    pub(crate) payload: Value,
    pub(crate) back_check: String,
    pub(crate) timeout: String,
    pub(crate) retry_interval: String,
}

/// An answer that was understood.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Api {
    /// Understands `http://host:port`.
    pub(crate) fn new(url: &str) -> anyhow::Result<Self> {
        let uri = url.parse::<http::Uri>().with_context(|| format!("{url:?} is not a URL"))?;
        match (uri.scheme_str(), uri.authority(), uri.path()) {
            (Some("http"), Some(authority), "/") if authority.port().is_some() => {
                Ok(Self { authority: authority.to_string() })
            }
            _ => bail!("{url:?} is not of the form http://host:port"),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.authority)
    }

    /// One request on a connection of its own, with a few headers more.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let request = request.body(Full::new(Bytes::from(body)))?;
        let answer = tokio::time::timeout(TIMEOUT, self.exchange(request)).await;
        answer.with_context(|| format!("no answer from {} within {TIMEOUT:?}", self.authority))?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let stream = TcpStream::connect(&self.authority).await;
        let stream = stream.with_context(|| format!("cannot reach {}", self.authority))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| anyhow::anyhow!(error).context("the answer broke off"))?;
            anyhow::Ok(Answer { status, body: body.to_bytes() })
        };
        // The connection is driven beside the exchange, and ends with it.
        tokio::select! {
            done = exchange => done,
            Err(error) = connection => Err(error).context("the connection broke"),
        }
    }

    async fn transaction(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Transaction> {
        let answer = self.ask(method, path, &[], body).await?;
        let body: Value = serde_json::from_slice(&answer.body).context("the answer is not JSON")?;
        if !answer.status.is_success() {
            let detail = body["detail"].as_str().or_else(|| body["title"].as_str()).unwrap_or_default();
            bail!("{path}: {} {detail}", answer.status);
        }
        serde_json::from_value(body).context("the answer is no transaction")
    }

    /// Begins a transaction that is decided later.
    pub(crate) async fn begin(&self, mode: Mode, gid: &str) -> anyhow::Result<Transaction> {
        let body = json!({
            "gid": gid, "mode": mode.as_str(), "name": "transfer", "timeout": "30s", "retry_interval": "200ms",
        });
        self.transaction(Method::POST, "/v1/transactions", Some(&body)).await
    }

    /// Begins and submits a saga of these branches.
    pub(crate) async fn submit_saga(&self, gid: &str, branches: &[Value]) -> anyhow::Result<Transaction> {
        let body = json!({
            "gid": gid, "mode": "saga", "name": "transfer", "retry_interval": "200ms", "submit": true,
            "branches": branches,
        });
        self.transaction(Method::POST, "/v1/transactions", Some(&body)).await
    }

    /// Lets a branch join.
    pub(crate) async fn enlist(&self, id: &str, branch: &Value) -> anyhow::Result<()> {
        let path = format!("/v1/transactions/{id}/branches");
        let answer = self.ask(Method::POST, &path, &[], Some(branch)).await?;
        let words = String::from_utf8_lossy(&answer.body);
        if answer.status.is_success() { Ok(()) } else { bail!("{path}: {} {words}", answer.status) }
    }

    /// Decides to go forward.
    pub(crate) async fn commit(&self, id: &str) -> anyhow::Result<Transaction> {
        self.transaction(Method::POST, &format!("/v1/transactions/{id}/commit"), None).await
    }

    /// Decides to go back.
    pub(crate) async fn rollback(&self, id: &str, reason: &str) -> anyhow::Result<Transaction> {
        let body = json!({ "reason": reason });
        self.transaction(Method::POST, &format!("/v1/transactions/{id}/rollback"), Some(&body)).await
    }

    /// Waits for the end; how it stands then, or after a while.
    pub(crate) async fn wait(&self, id: &str) -> anyhow::Result<Transaction> {
        self.transaction(Method::GET, &format!("/v1/transactions/{id}/wait?timeout=30s"), None).await
    }

    /// One transaction, whole.
    pub(crate) async fn look(&self, id: &str) -> anyhow::Result<Transaction> {
        self.transaction(Method::GET, &format!("/v1/transactions/{id}"), None).await
    }

    pub(crate) async fn begin_message(&self, message: &HalfMessage) -> anyhow::Result<Transaction> {
        self.transaction(Method::POST, "/v1/messages", Some(&serde_json::to_value(message)?)).await
    }

    pub(crate) async fn submit_message(&self, gid: &str) -> anyhow::Result<()> {
        self.transaction(Method::POST, &format!("/v1/messages/{gid}/submit"), None).await.map(drop)
    }

    pub(crate) async fn abort_message(&self, gid: &str, reason: &str) -> anyhow::Result<()> {
        let body = json!({ "reason": reason });
        self.transaction(Method::POST, &format!("/v1/messages/{gid}/abort"), Some(&body)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_have_a_host_and_a_port() {
        assert_eq!(Api::new("http://127.0.0.1:8761/").unwrap().url("/v1"), "http://127.0.0.1:8761/v1");
        for bad in ["", "127.0.0.1:8761", "https://a:1", "http://a", "http://a:1/synod"] {
            assert!(Api::new(bad).is_err(), "{bad}");
        }
    }
}
