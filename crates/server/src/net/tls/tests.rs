//! Handshakes with servers that are what they should be, and with others; each over loopback.

use std::net::SocketAddr;

use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use rcgen::{BasicConstraints, IsCa, date_time_ymd};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::testing::{Authority, front};
use super::*;
use crate::task;

const PATIENCE: Duration = Duration::from_secs(10);

/// A server that answers whatever it is sent with 204.
async fn plain() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    task::spawn("plain", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            drop(stream.read(&mut [0; 1_024]).await);
            drop(stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await);
        }
    });
    address
}

fn trust(authority: &Authority) -> Arc<Trust> {
    Arc::new(Trust::new(authority.file().into_temp_path().keep().unwrap().to_str().unwrap()).unwrap())
}

/// The answer, or the innermost reason that there is none.
async fn get(trust: &Arc<Trust>, url: &str) -> Result<StatusCode, String> {
    let connector = Connector::new(PATIENCE, Arc::clone(trust));
    let client = legacy::Client::builder(TokioExecutor::new()).build(connector);
    let request = Request::get(url).body(Empty::<Bytes>::new()).unwrap();
    client.request(request).await.map(|response| response.status()).map_err(|error| {
        let mut error: &dyn std::error::Error = &error;
        while let Some(source) = error.source() {
            error = source;
        }
        error.to_string()
    })
}

#[tokio::test]
async fn a_server_with_a_certificate_of_a_trusted_authority_is_spoken_to() {
    let authority = Authority::new("ours");
    let trust = trust(&authority);
    let port = front(authority.server(&["localhost", "127.0.0.1"], |_| {}), plain().await).await;
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(
            get(&trust, &format!("https://{host}:{port}/")).await,
            Ok(StatusCode::NO_CONTENT),
            "{host}"
        );
    }
    // The same connector speaks plainly where the URL says so.
    assert_eq!(get(&trust, &format!("http://{}/", plain().await)).await, Ok(StatusCode::NO_CONTENT));
}

#[tokio::test]
async fn who_does_not_prove_who_it_is_is_refused_and_named() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let trust = trust(&ours);
    let plain = plain().await;
    let expired = |params: &mut rcgen::CertificateParams| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    };
    let future = |params: &mut rcgen::CertificateParams| params.not_before = date_time_ymd(3000, 1, 1);
    let authoritative = |params: &mut rcgen::CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    };
    for (acceptor, reason) in [
        (
            theirs.server(&["localhost"], |_| {}),
            "its certificate is from an authority that is not trusted here (\"tls.roots\" adds some)",
        ),
        (
            ours.server(&["other.test", "10.0.0.1"], |_| {}),
            "its certificate is not for this name, only for other.test, 10.0.0.1",
        ),
        (ours.server(&[], |_| {}), "its certificate is for no name at all"),
        (ours.server(&["localhost"], expired), "its certificate has expired"),
        (ours.server(&["localhost"], future), "its certificate is not valid yet"),
        (ours.server(&["localhost"], authoritative), "its certificate is marked as an authority's"),
    ] {
        let port = front(acceptor, plain).await;
        let error = get(&trust, &format!("https://localhost:{port}/")).await.unwrap_err();
        assert!(error.starts_with(&format!("TLS with localhost:{port}: {reason}")), "{reason}: {error}");
    }
    let error = get(&trust, &format!("https://{plain}/")).await.unwrap_err();
    assert_eq!(error, format!("TLS with {plain}: what answers there does not speak TLS"));
}

#[tokio::test]
async fn who_does_not_answer_the_handshake_is_not_waited_for_for_ever() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let uri: Uri = format!("https://{address}/").parse().unwrap();
    let trust = trust(&Authority::new("ours"));
    let stream = TcpStream::connect(address).await.unwrap();
    let error = secured(stream, &uri, &trust, Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("TLS with {address}: no answer within 50ms"));
    let stream = TcpStream::connect(address).await.unwrap();
    drop(silent);
    let error = secured(stream, &uri, &trust, PATIENCE).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("TLS with {address}: ")), "{error}");
}

#[tokio::test]
async fn a_changed_file_of_authorities_is_read_again_and_a_broken_one_is_not_believed() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let file = old.file();
    let trust = Arc::new(Trust::new(file.path().to_str().unwrap()).unwrap());
    let plain = plain().await;
    let before = front(old.server(&["localhost"], |_| {}), plain).await;
    let after = front(new.server(&["localhost"], |_| {}), plain).await;
    let speaks = async |port: u16| get(&trust, &format!("https://localhost:{port}/")).await.is_ok();
    assert_eq!((speaks(before).await, speaks(after).await), (true, false));

    let write = |text: String, second: u64| {
        std::fs::write(file.path(), text).unwrap();
        // A file system may not tell two writes within a moment apart.
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000 + second);
        std::fs::File::options().write(true).open(file.path()).unwrap().set_modified(at).unwrap();
    };
    write(format!("{}{}", old.pem(), new.pem()), 1);
    assert_eq!((speaks(before).await, speaks(after).await), (true, true));
    write("nothing\n".into(), 2);
    assert_eq!((speaks(before).await, speaks(after).await), (true, true));
    write(new.pem(), 3);
    assert_eq!((speaks(before).await, speaks(after).await), (false, true));
}

#[test]
fn a_file_without_certificates_is_refused_at_the_start() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for text in ["", "nonsense", &key] {
        std::fs::write(path, text).unwrap();
        let error = Trust::new(path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("\"tls.roots\": {path}: it holds no certificate")), "{error}");
    }
    std::fs::write(path, "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n").unwrap();
    assert!(Trust::new(path).is_err());
    let error = Trust::new("/no/such/file.pem").unwrap_err().to_string();
    assert_eq!(error, "\"tls.roots\": /no/such/file.pem: No such file or directory (os error 2)");
    assert!(Trust::new("").is_ok(), "no file is no mistake");
}
