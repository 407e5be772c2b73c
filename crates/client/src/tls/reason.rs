//! Why a handshake failed, in words that say what to look at.

use std::io;

use rustls::{CertificateError, Error};

/// The reason, to follow "TLS with HOST: ".
pub(super) fn of(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(wrong)) => certificate(wrong),
        Some(Error::InvalidMessage(_)) => "what answers there does not speak TLS".to_owned(),
        Some(other) => other.to_string(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the connection was closed during the handshake".to_owned()
        }
        None => error.to_string(),
    }
}

fn certificate(wrong: &CertificateError) -> String {
    match wrong {
        CertificateError::UnknownIssuer => {
            "its certificate is from an authority that is not trusted here (see tls::Trust)".to_owned()
        }
        CertificateError::NotValidForName => "its certificate is not for this name".to_owned(),
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "its certificate is for no name at all: the subject's common name does not count".to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<_> = presented.iter().map(|name| bare(name)).collect();
            format!("its certificate is not for this name, only for {}", names.join(", "))
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet, or this machine's clock is wrong".to_owned()
        }
        other => format!("its certificate is refused: {other}"),
    }
}

/// `DnsName("a.example")` and `IpAddress(10.0.0.1)`, as rustls names them, without the wrapping.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}
