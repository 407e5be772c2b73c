//! The physical limit: bare hyper that answers every request with the same recorded bytes. What a server of this kind
//! costs per request when it does nothing at all.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName, HeaderValue, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// The answer that is given to everything.
#[derive(Debug)]
struct Recorded {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Recorded {
    /// From head and body as they came over the wire, less the headers that hyper writes itself.
    fn parse(bytes: &[u8]) -> Result<Self> {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .context("the recorded answer has no head")?;
        let head = std::str::from_utf8(&bytes[..end]).context("the recorded head is not text")?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status line")?;
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').with_context(|| format!("header line {line:?}"))?;
            let name = HeaderName::from_bytes(name.as_bytes())?;
            if ![CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING].contains(&name) {
                headers.append(name, HeaderValue::from_str(value.trim())?);
            }
        }
        Ok(Self { status: status.parse()?, headers, body: Bytes::copy_from_slice(&bytes[end + 4..]) })
    }

    fn response(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body.clone()));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }
}

/// Serves on a free loopback port, prints its address as the first line of stdout, never returns.
///
/// # Errors
/// When the recorded answer cannot be read or nothing can be bound.
pub(crate) fn serve(answer: &std::path::Path) -> Result<()> {
    let recorded = std::fs::read(answer).with_context(|| format!("reading {}", answer.display()))?;
    let recorded = Arc::new(Recorded::parse(&recorded)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
        accept(listener, recorded).await
    })
}

async fn accept(listener: TcpListener, recorded: Arc<Recorded>) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        spawn(serve_connection(stream, Arc::clone(&recorded)));
    }
}

#[expect(clippy::disallowed_methods, reason = "the echo server has no tasks to name")]
fn spawn(connection: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(connection);
}

async fn serve_connection(stream: TcpStream, recorded: Arc<Recorded>) {
    let service = service_fn(|request: Request<Incoming>| {
        let recorded = Arc::clone(&recorded);
        async move {
            let mut body = request.into_body();
            while let Some(Ok(_)) = body.frame().await {}
            Ok::<_, Infallible>(recorded.response())
        }
    });
    // A client that goes away ends its connection; there is nobody to tell.
    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An echo server of this test process that gives this answer until the process ends.
    pub(crate) fn start(answer: &[u8]) -> SocketAddr {
        let recorded = Arc::new(Recorded::parse(answer).unwrap());
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { accept(TcpListener::from_std(listener).unwrap(), recorded).await })
        });
        addr
    }

    #[test]
    fn a_recorded_answer_loses_only_the_framing() {
        let bytes =
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nDate: x\r\n\r\n{}";
        let recorded = Recorded::parse(bytes).unwrap();
        assert_eq!(recorded.status, 200);
        assert_eq!(recorded.headers.len(), 1);
        assert_eq!(recorded.body, "{}");
        assert!(Recorded::parse(b"HTTP/1.1 200 OK\r\n").is_err());
    }
}
