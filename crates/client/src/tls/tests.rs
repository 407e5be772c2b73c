//! Clients of this crate with servers that prove who they are, and with others; each over loopback.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, StatusCode};
use rcgen::{BasicConstraints, CertificateParams, IsCa, date_time_ymd};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::connect::secured;
use super::testing::{Authority, Front};
use super::*;
use crate::http_client::test_server::{Reply, TestServer};
use crate::http_client::{Call, Config, HttpError, Repeat, Servers};

const PATIENCE: Duration = Duration::from_secs(10);

async fn plain() -> TestServer {
    TestServer::start(|_| std::future::ready(Reply::ok("here"))).await
}

/// What this crate's own client is answered.
async fn get(trust: &Trust, url: &str) -> Result<StatusCode, HttpError> {
    let servers = Servers::new(Config::default(), [url]).unwrap().trusting(trust.clone());
    let call = Call::new(Method::GET, "apps", Repeat::Yes);
    servers.send(&call).await.map(|answer| answer.status)
}

#[tokio::test]
async fn a_server_with_a_certificate_of_a_trusted_authority_is_spoken_to() {
    let (authority, plain) = (Authority::new("ours"), plain().await);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    let front = Front::start(authority.server(&["localhost", "127.0.0.1"], |_| {}), plain.address).await;
    for trust in [authority.trust(), Trust::system().and_file(file.path()).unwrap()] {
        for host in ["localhost", "127.0.0.1"] {
            let url = format!("https://{host}:{}/eureka", front.port);
            assert_eq!(get(&trust, &url).await.unwrap(), StatusCode::OK, "{host}");
        }
        // The same client speaks plainly where the URL says so.
        assert_eq!(get(&trust, &plain.url()).await.unwrap(), StatusCode::OK);
    }
    let seen = plain.seen().remove(0);
    assert_eq!(seen.path, "/eureka/apps");
}

#[tokio::test]
async fn who_does_not_prove_who_it_is_is_refused_and_named_and_sent_nothing() {
    let (ours, theirs, plain) = (Authority::new("ours"), Authority::new("theirs"), plain().await);
    let expired = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    };
    let future = |params: &mut CertificateParams| params.not_before = date_time_ymd(3000, 1, 1);
    let authoritative =
        |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for (acceptor, reason) in [
        (
            theirs.server(&["localhost"], |_| {}),
            "its certificate is from an authority that is not trusted here (see tls::Trust)",
        ),
        (
            ours.server(&["other.test", "10.0.0.1"], |_| {}),
            "its certificate is not for this name, only for other.test, 10.0.0.1",
        ),
        (ours.server(&[], |_| {}), "its certificate is for no name at all"),
        (ours.server(&["localhost"], expired), "its certificate has expired"),
        (ours.server(&["localhost"], future), "its certificate is not valid yet"),
        (ours.server(&["localhost"], authoritative), "its certificate is refused"),
    ] {
        let front = Front::start(acceptor, plain.address).await;
        let error = get(&ours.trust(), &front.url("/")).await.unwrap_err();
        let words = format!("TLS with localhost:{}: {reason}", front.port);
        assert!(matches!(&error, HttpError::NotSent(why) if why.contains(&words)), "{reason}: {error}");
    }
    let chatty = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", chatty.local_addr().unwrap());
    let greet = async {
        let (mut stream, _) = chatty.accept().await.unwrap();
        stream.write_all(b"220 mail.example ready\r\n").await.unwrap();
        stream
    };
    let trust = ours.trust();
    let (error, _stream) = tokio::join!(get(&trust, &url), greet);
    let error = error.unwrap_err();
    assert!(error.to_string().ends_with("what answers there does not speak TLS"), "{error}");
    let front = Front::start(ours.server(&["localhost"], |_| {}), plain.address).await;
    let error = get(&Trust::nobody(), &front.url("/")).await.unwrap_err();
    assert!(error.to_string().ends_with("no authority is trusted: there is none"), "{error}");
    assert_eq!(plain.seen(), []);
}

#[tokio::test]
async fn who_does_not_answer_the_handshake_is_not_waited_for_for_ever() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let uri = format!("https://{address}/").parse().unwrap();
    let trust = Authority::new("ours").trust();
    let stream = TcpStream::connect(address).await.unwrap();
    let error = secured(stream, &uri, &trust, Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("TLS with {address}: no answer within 50ms"));
    let stream = TcpStream::connect(address).await.unwrap();
    drop(silent);
    let error = secured(stream, &uri, &trust, PATIENCE).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("TLS with {address}: ")), "{error}");
}

#[test]
fn what_holds_no_authority_is_refused_at_once() {
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for text in ["", "nonsense", &key, "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n"] {
        let error = Trust::nobody().and_pem(text).unwrap_err().to_string();
        assert!(error.starts_with("authorities to trust: "), "{text}: {error}");
    }
    let error = Trust::system().and_file("/no/such/file.pem").unwrap_err().to_string();
    assert!(error.starts_with("authorities to trust: /no/such/file.pem: "), "{error}");
    let both = Authority::new("a").pem() + &Authority::new("b").pem();
    assert_eq!(format!("{:?}", Trust::system().and_pem(both).unwrap()), "Trust(system: true, 2 more)");
}

/// A front before `behind`, and who is to be trusted with it.
async fn secure(behind: SocketAddr) -> (Front, Trust) {
    let authority = Authority::new("ours");
    (Front::start(authority.server(&["localhost"], |_| {}), behind).await, authority.trust())
}

#[cfg(feature = "registry")]
#[tokio::test]
async fn registries_are_asked_over_tls() {
    use crate::registry::{Config, Consumer, Instance, Provider, Servers, State};

    let registry = TestServer::start(|seen| {
        let list = r#"{"applications":{"versions__delta":"1","apps__hashcode":"UP_1_","application":[
            {"name":"A","instance":[{"app":"A","instanceId":"1","status":"UP"}]}]}}"#;
        let reply = match (&*seen.method, &*seen.path) {
            ("GET", "/eureka/apps/") => Reply::ok(list),
            ("GET", _) => Reply::Whole(404, String::new()),
            _ => Reply::Whole(204, String::new()),
        };
        std::future::ready(reply)
    });
    let registry = registry.await;
    let (front, trust) = secure(registry.address).await;
    let servers = Servers::new([front.url("/eureka/")]).trust(trust);
    let provider = Provider::register(&servers, Instance::new("A", "1", "h", 1)).unwrap();
    let mut state = provider.state();
    let registered = tokio::time::timeout(PATIENCE, state.wait_for(|state| *state == State::Registered));
    registered.await.unwrap().unwrap();
    let consumer = Consumer::start(Config::new(servers)).unwrap();
    let found = tokio::time::timeout(PATIENCE, consumer.wait_for("a", 1)).await.unwrap();
    assert_eq!(&*found[0].id, "1");
    let asked = |path: &str| registry.seen().iter().any(|seen| seen.path.starts_with(path));
    assert!(asked("/eureka/apps/A") && asked("/v1/watch"), "changes are listened for there too");
    provider.leave().await;
}

#[cfg(feature = "native")]
#[tokio::test]
async fn synod_is_asked_over_tls() {
    use crate::native::{Client, Error};

    let (front, trust) = secure(plain().await.address).await;
    let ask = async |client: Client| client.patience(Duration::ZERO).look("g").await.unwrap_err();
    let trusting = Client::new([front.url("/")]).unwrap().trust(trust);
    assert!(matches!(ask(trusting).await, Error::NotSent(_) | Error::Unknown(_)));
    let strange = Client::new([front.url("/")]).unwrap();
    let error = ask(strange).await;
    assert!(matches!(&error, Error::NotSent(why) if why.contains("not trusted here")), "{error}");
}

#[cfg(feature = "http")]
#[tokio::test]
async fn services_are_called_over_tls_where_the_url_says_so() {
    use crate::call::http::Client;
    use crate::call::{Error, Fixed};

    let plain = plain().await;
    let (front, trust) = secure(plain.address).await;
    let client = Client::new(Fixed::default());
    let error = client.get(&front.url("/a?b")).await.unwrap_err();
    assert!(matches!(&error, Error::NotSent(why) if why.contains("not trusted here")), "{error}");
    let client = client.trust(trust);
    assert_eq!(client.get(&front.url("/a?b")).await.unwrap().body(), "here");
    assert_eq!(plain.seen()[0].path, "/a?b");
}
