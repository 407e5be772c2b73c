//! Peers and lists of peers over TLS.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::net::tls::testing::{Authority, front};

/// A node's URL behind something that ends TLS, with a certificate for `localhost`.
async fn secured(site: &Site, authority: &Authority) -> String {
    let acceptor = authority.server(&["localhost"], |_| {});
    let port = front(acceptor, site.running.addresses["http"]).await;
    format!("https://localhost:{port}/eureka/")
}

#[tokio::test]
async fn peers_speak_over_tls_with_an_authority_of_their_own() {
    let authority = Authority::new("ours");
    let file = authority.file();
    let roots = format!("tls.roots={}", file.path().display());
    let (a, b) = (Site::start(&[&roots]).await, Site::start(&[&roots]).await);
    a.meets(&[secured(&b, &authority).await]);
    b.meets(&[secured(&a, &authority).await]);
    a.sees("synod", "idle").await;
    b.sees("synod", "idle").await;
    a.register("one", 5);
    b.lists("one@5=UP").await;
    b.registry().cancel("APP", "one", Origin::Client).unwrap();
    a.lists("").await;
    assert!(a.peer().url.starts_with("https://localhost:") && a.peer().last_error.is_none());
}

#[tokio::test]
async fn a_peer_that_does_not_prove_who_it_is_hears_nothing_and_is_named() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let file = ours.file();
    let a = Site::start(&[&format!("tls.roots={}", file.path().display())]).await;
    let b = Site::start(&[]).await;
    let told = |reason: &'static str| {
        let a = &a;
        async move {
            let has = || a.peer().last_error.is_some_and(|error| error.contains(reason));
            wait_for(has, || format!("{:?} tells {reason}", a.peer().last_error)).await;
        }
    };
    let unknown = secured(&b, &theirs).await;
    a.meets(std::slice::from_ref(&unknown));
    wait_for(|| !a.registry().peers().0.load().is_empty(), || "the peer is listed".into()).await;
    told("is from an authority that is not trusted here").await;
    assert!(a.peer().last_error.unwrap().contains(unknown.trim_end_matches("/eureka/")), "the peer is named");

    a.meets(&[secured(&b, &ours).await.replace("localhost", "127.0.0.1")]);
    told("TLS with 127.0.0.1:").await;
    told("not for this name, only for localhost").await;
    a.register("one", 5);
    assert_eq!((b.list(), a.peer().reachable), (String::new(), false));

    a.meets(&[secured(&b, &ours).await]);
    b.lists("one@5=UP").await;
}

#[tokio::test]
async fn the_list_of_peers_may_come_over_tls() {
    let authority = Authority::new("ours");
    let file = authority.file();
    let b = Site::start(&[]).await;
    let inventory = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = inventory.local_addr().unwrap();
    let body = format!("[\"{}\"]", b.url());
    task::spawn("inventory", async move {
        while let Ok((mut stream, _)) = inventory.accept().await {
            let mut request = [0; 4_096];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /peers HTTP/1.1\r\n"));
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let port = front(authority.server(&["localhost"], |_| {}), plain).await;
    let a = Site::start(&[
        &format!("tls.roots={}", file.path().display()),
        &format!("registry.peers_url=https://localhost:{port}/peers"),
    ])
    .await;
    wait_for(|| !a.registry().peers().0.load().is_empty(), || "the list arrived".into()).await;
    a.sees("synod", "idle").await;
    assert_eq!(a.peer().url, b.url());
}

#[tokio::test]
async fn authorities_that_cannot_be_read_are_told_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let sources = Sources {
        data: Some(dir.path().join("data")),
        set: vec!["http.listen=127.0.0.1:0".into(), "tls.roots=/no/such/file.pem".into()],
        ..Sources::default()
    };
    let error = start(Config::load(&sources).unwrap(), Clock::system()).await.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().starts_with("\"tls.roots\": /no/such/file.pem: "), "{error}");
    assert!(!dir.path().join("data").exists(), "nothing is left behind");
}
