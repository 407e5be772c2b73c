//! Calls over `https`: whom a client trusts, and why it does not speak with somebody.
//!
//! Registry servers, `native::Client` and `call::http::Client` take URLs that begin with `https://` with this feature. A client trusts
//! the authorities of its system unless it is given another [`Trust`]. There is no way to trust everybody.
//!
//! ```
//! use synod_client::tls::Trust;
//!
//! let trust = Trust::system().and_pem("no certificate");
//! assert_eq!(trust.unwrap_err().to_string(), "authorities to trust: there is no certificate (-----BEGIN CERTIFICATE-----)");
//! ```

mod connect;
mod reason;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::sync::OnceCell;

pub(crate) use connect::Connector;

/// Authorities that cannot be trusted, as they cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("authorities to trust: {why}")]
pub struct BadAuthorities {
    why: String,
}

/// Why there is no TLS connection. Callers see its words in the errors of the client that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum TlsError {
    /// There is nobody to trust.
    #[error("no authority is trusted: {0}")]
    NoAuthorities(String),
    /// The other side was not accepted, or did not accept.
    #[error("TLS with {authority}: {why}")]
    Handshake { authority: String, why: String },
}

/// Whose certificates a client takes for good. Cheap to clone; the clones share what was read.
///
/// The system's authorities are those of OpenSSL's usual places, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`; they are read with the first
/// connection that needs them. All of it is read once: authorities that change need a new client.
#[derive(Clone)]
pub struct Trust(Arc<Inner>);

#[derive(Default)]
struct Inner {
    system: bool,
    own: Vec<CertificateDer<'static>>,
    config: OnceCell<Arc<ClientConfig>>,
}

impl Default for Trust {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trust(system: {}, {} more)", self.0.system, self.0.own.len())
    }
}

impl Trust {
    /// The authorities of the system.
    pub fn system() -> Self {
        Self(Arc::new(Inner { system: true, ..Inner::default() }))
    }

    /// None yet: for a client that trusts only what follows.
    pub fn nobody() -> Self {
        Self(Arc::new(Inner::default()))
    }

    /// The same, and the authorities in this PEM text.
    ///
    /// # Errors
    /// There is none in it, or one that cannot be read.
    pub fn and_pem(self, pem: impl AsRef<[u8]>) -> Result<Self, BadAuthorities> {
        let new = certificates(pem.as_ref()).map_err(|why| BadAuthorities { why })?;
        let own = self.0.own.iter().cloned().chain(new).collect();
        Ok(Self(Arc::new(Inner { system: self.0.system, own, config: OnceCell::new() })))
    }

    /// The same, and the authorities in this PEM file.
    ///
    /// # Errors
    /// It cannot be read, or has no authority in it.
    pub fn and_file(self, path: impl AsRef<Path>) -> Result<Self, BadAuthorities> {
        let path = path.as_ref();
        let wrong = |why: String| BadAuthorities { why: format!("{}: {why}", path.display()) };
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        self.and_pem(pem).map_err(|error| wrong(error.why))
    }

    /// What a connection needs.
    async fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let config = self.0.config.get_or_try_init(async || {
            let (system, own) = (self.0.system, self.0.own.clone());
            // Files are read, a hundred and more of them on some systems.
            let made = tokio::task::spawn_blocking(move || config(system, own)).await;
            made.unwrap_or_else(|error| Err(error.to_string())).map_err(TlsError::NoAuthorities)
        });
        config.await.cloned()
    }
}

/// The certificates of a PEM text, each fit to be an authority; at least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| error.to_string())?;
    if all.is_empty() {
        return Err("there is no certificate (-----BEGIN CERTIFICATE-----)".to_owned());
    }
    let mut roots = RootCertStore::empty();
    for certificate in &all {
        roots.add(certificate.clone()).map_err(|error| error.to_string())?;
    }
    Ok(all)
}

fn config(system: bool, own: Vec<CertificateDer<'static>>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let mut problem = "there is none".to_owned();
    if system {
        let found = rustls_native_certs::load_native_certs();
        if let Some(error) = found.errors.first() {
            problem = format!("the system has none ({error})");
        }
        // Systems carry certificates of old that rustls does not read; nobody misses them.
        roots.add_parsable_certificates(found.certs);
    }
    roots.add_parsable_certificates(own);
    if roots.is_empty() {
        return Err(problem);
    }
    tracing::debug!(authorities = roots.len(), "certificate authorities read");
    // Said here and nowhere else: which code does the cryptography. What the process has as its default is not asked.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
