//! Connections: plain, or over TLS where the URL says `https`.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use super::{TlsError, Trust, reason};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Connects to the host of a URL.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    tcp: HttpConnector,
    patience: Duration,
    trust: Trust,
}

impl Connector {
    /// Over connections that `tcp` makes. `patience` is for the handshake.
    pub(crate) fn new(mut tcp: HttpConnector, patience: Duration, trust: Trust) -> Self {
        tcp.enforce_http(false);
        Self { tcp, patience, trust }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let tcp = self.tcp.call(uri.clone());
        let (trust, patience) = (self.trust.clone(), self.patience);
        Box::pin(async move {
            let stream = tcp.await?.into_inner();
            if uri.scheme() != Some(&Scheme::HTTPS) {
                return Ok(TokioIo::new(Stream::Plain(stream)));
            }
            let stream = secured(stream, &uri, &trust, patience).await?;
            Ok(TokioIo::new(Stream::Tls(Box::new(stream))))
        })
    }
}

pub(super) async fn secured(
    stream: TcpStream,
    uri: &Uri,
    trust: &Trust,
    patience: Duration,
) -> Result<TlsStream<TcpStream>, TlsError> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    let failed = |why: String| TlsError::Handshake { authority: authority.clone(), why };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| failed("no certificate can be for a host of this name".to_owned()))?;
    let connector = TlsConnector::from(trust.config().await?);
    match timeout(patience, connector.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(failed(reason::of(&error))),
        Err(_) => Err(failed(format!("no answer within {patience:?}"))),
    }
}

/// A connection, plain or encrypted.
#[derive(Debug)]
pub(crate) enum Stream {
    /// As it comes from the system.
    Plain(TcpStream),
    /// Boxed, for its buffers are large and most connections are plain.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        match self {
            Self::Plain(stream) => stream.connected(),
            Self::Tls(stream) => stream.get_ref().0.connected(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
