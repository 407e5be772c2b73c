//! TLS towards others: the one place where this node decides whom it trusts when it asks something over `https`. Peers,
//! lists of peers, and later the calls to branches of transactions go through the [`Connector`] here; plain `http` passes
//! through it too.
//!
//! Trusted are the system's certificate authorities and those of `tls.roots`. They are read with the first connection that
//! needs them, for they cost memory and milliseconds that a node without `https` peers never pays.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::Service;

mod reason;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

/// Why there is no TLS connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The file of authorities cannot be used.
    #[error("\"tls.roots\": {path}: {reason}")]
    Roots {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is nobody to trust.
    #[error(
        "no certificate authority is trusted: the system has none ({reason}), and \"tls.roots\" is not set"
    )]
    NoRoots {
        /// What the system said.
        reason: String,
    },
    /// The other side was not accepted, or did not accept.
    #[error("TLS with {authority}: {reason}")]
    Handshake {
        /// Host and port.
        authority: String,
        /// What went wrong.
        reason: String,
    },
}

/// Whom this node trusts.
pub struct Trust {
    file: Option<PathBuf>,
    loaded: Mutex<Option<Loaded>>,
}

/// What was read, and when the file was written that it was read from.
struct Loaded {
    written: Option<SystemTime>,
    config: Arc<ClientConfig>,
}

impl Trust {
    /// Trusts the system's authorities and those in the PEM file `roots`, if it is not empty.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate: better told at the start than by each peer.
    pub fn new(roots: &str) -> Result<Self, TlsError> {
        let file = Some(PathBuf::from(roots)).filter(|path| !path.as_os_str().is_empty());
        if let Some(path) = &file {
            read(path)?;
        }
        Ok(Self { file, loaded: Mutex::const_new(None) })
    }

    /// What a connection needs. The file is read again when it was written since: authorities change while nodes run.
    async fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let mut loaded = self.loaded.lock().await;
        let file = self.file.clone();
        let known = loaded.as_ref().map(|loaded| loaded.written);
        let work = move || {
            let written = file.as_deref().and_then(written);
            if known == Some(written) {
                return Ok(None);
            }
            let config = load(file.as_deref())?;
            Ok(Some(Loaded { written, config }))
        };
        let read = tokio::task::spawn_blocking(work).await.expect("reading certificates does not panic");
        match (read, &mut *loaded) {
            (Ok(Some(new)), loaded) => Ok(Arc::clone(&loaded.insert(new).config)),
            (Ok(None), Some(known)) => Ok(Arc::clone(&known.config)),
            (Err(error), Some(known)) => {
                tracing::warn!(%error, "the certificate authorities read before are trusted on");
                Ok(Arc::clone(&known.config))
            }
            (Err(error), None) => Err(error),
            (Ok(None), None) => unreachable!("nothing is left as it is when nothing was known"),
        }
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("file", &self.file).finish_non_exhaustive()
    }
}

fn written(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// The certificates of a PEM file, at least one.
fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |reason: String| TlsError::Roots { path: path.display().to_string(), reason };
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| wrong(error.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong("it holds no certificate (-----BEGIN CERTIFICATE-----)".into()));
    }
    Ok(certificates)
}

fn load(file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let system = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems carry certificates of old that rustls does not read; nobody misses them.
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = file {
        for certificate in read(path)? {
            roots.add(certificate).map_err(|error| TlsError::Roots {
                path: path.display().to_string(),
                reason: error.to_string(),
            })?;
        }
    }
    if roots.is_empty() {
        let reason = system.errors.first().map_or("nothing found".into(), ToString::to_string);
        return Err(TlsError::NoRoots { reason });
    }
    tracing::debug!(authorities = roots.len(), "read the certificate authorities");
    // Said here and nowhere else: which code does the cryptography.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Connects to the host of a URL, over TLS if its scheme is `https`.
#[derive(Clone, Debug)]
pub struct Connector {
    tcp: HttpConnector,
    patience: Duration,
    trust: Arc<Trust>,
}

impl Connector {
    /// `patience` is for the connection, and once more for the handshake.
    pub fn new(patience: Duration, trust: Arc<Trust>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(patience));
        Self { tcp, patience, trust }
    }

    /// Connects to the host of a URL.
    ///
    /// # Errors
    /// A [`TlsError`], or what the system says.
    pub async fn connect(&self, uri: Uri) -> Result<TokioIo<Stream>, BoxError> {
        self.clone().call(uri).await
    }
}

/// Why there is no connection: a [`TlsError`], or what the connector below says.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let tcp = self.tcp.call(uri.clone());
        let (trust, patience) = (Arc::clone(&self.trust), self.patience);
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

async fn secured(
    stream: TcpStream,
    uri: &Uri,
    trust: &Trust,
    patience: Duration,
) -> Result<TlsStream<TcpStream>, TlsError> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    let failed = |reason: String| TlsError::Handshake { authority: authority.clone(), reason };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| failed("no certificate can be for a host of this name".into()))?;
    let connector = TlsConnector::from(trust.config().await?);
    match tokio::time::timeout(patience, connector.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(failed(reason::of(&error))),
        Err(_) => Err(failed(format!("no answer within {patience:?}"))),
    }
}

/// A connection, plain or encrypted.
#[derive(Debug)]
pub enum Stream {
    /// As it comes from the kernel.
    Plain(TcpStream),
    /// Encrypted; boxed, since its buffers are large and most connections are plain.
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
