//! Whole nodes in one process, over loopback, and something in between that can pass for a Java server.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use http::header::HOST;
use http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use synod_core::registry::{Instance, Origin, Renewal};
use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::config::{Config, Sources};
use crate::net::{self, Body, Limits};
use crate::start::{Running, start};
use crate::task::{self, Stop};

mod https;

/// A node, its data, and the file from which it learns its peers.
struct Site {
    running: Running,
    dir: TempDir,
}

impl Site {
    async fn start(set: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = format!("registry.peers_file={}", dir.path().join("peers").display());
        std::fs::write(dir.path().join("peers"), "# none yet").unwrap();
        let fixed = [
            "http.listen=127.0.0.1:0",
            "face.seata.listen=off",
            "face.dtm.http.listen=off",
            "face.dtm.grpc.listen=off",
            "grpc.listen=off",
            "registry.self.register=false",
            "registry.peers_refresh=50ms",
            "registry.anti_entropy_interval=200ms",
            &file,
        ];
        let sources = Sources {
            data: Some(dir.path().join("data")),
            set: fixed.iter().chain(set).map(ToString::to_string).collect(),
            ..Sources::default()
        };
        let running = start(Config::load(&sources).unwrap(), Clock::system()).await.unwrap();
        Self { running, dir }
    }

    fn url(&self) -> String {
        url(self.running.addresses["http"])
    }

    fn meets(&self, urls: &[String]) {
        std::fs::write(self.dir.path().join("peers"), urls.join("\n")).unwrap();
    }

    fn registry(&self) -> &crate::registry::Registry {
        &self.running.node.registry
    }

    fn register(&self, id: &str, dirty_ms: u64) {
        let instance = Instance { dirty_ms, ip: "10.0.0.1".into(), ..Instance::new("APP", id) };
        self.registry().register(instance, Origin::Client).unwrap();
    }

    fn list(&self) -> String {
        let snapshot = self.registry().core().snapshot();
        let mut list: Vec<_> = snapshot
            .records()
            .map(|record| format!("{}@{}={}", record.instance.id, record.dirty_ms, record.status))
            .collect();
        list.sort();
        list.join(" ")
    }

    async fn lists(&self, expect: &str) {
        wait_for(|| self.list() == expect, || format!("\"{}\" becomes \"{expect}\"", self.list())).await;
    }

    fn peer(&self) -> PeerView {
        self.registry().peers().views(self.registry().now()).remove(0)
    }

    async fn sees(&self, kind: &str, state: &str) {
        let seen = || {
            let views = self.registry().peers().views(self.registry().now());
            views.first().is_some_and(|view| (view.kind, view.state) == (kind, state))
        };
        wait_for(seen, || format!("the peer is {kind} and {state}")).await;
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/eureka/")
}

async fn wait_for(mut done: impl FnMut() -> bool, what: impl Fn() -> String) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain until {}", what());
}

async fn two_that_know_each_other() -> (Site, Site) {
    let (a, b) = (Site::start(&[]).await, Site::start(&[]).await);
    a.meets(&[b.url()]);
    b.meets(&[a.url()]);
    a.sees("synod", "idle").await;
    b.sees("synod", "idle").await;
    (a, b)
}

#[tokio::test]
async fn what_a_client_does_on_one_node_shows_on_the_other() {
    let (a, b) = two_that_know_each_other().await;
    a.register("one", 5);
    b.lists("one@5=UP").await;
    b.registry().set_override("APP", "one", Status::OutOfService, None, Origin::Client).unwrap();
    a.lists("one@5=OUT_OF_SERVICE").await;
    a.registry().clear_override("APP", "one", Some(Status::Up), None, Origin::Client).unwrap();
    b.lists("one@5=UP").await;
    b.registry().cancel("APP", "one", Origin::Client).unwrap();
    a.lists("").await;
    assert!(a.peer().sent >= 2 && a.peer().last_error.is_none(), "{:?}", a.peer());
}

#[tokio::test]
async fn a_change_is_on_the_other_node_at_once() {
    let (a, b) = two_that_know_each_other().await;
    let mut slowest = 0;
    for n in 1..=50 {
        let (mut changed, before) = (b.registry().watch(), a.registry().now().mono_ms);
        changed.borrow_and_update();
        a.register("one", n);
        tokio::time::timeout(Duration::from_secs(5), changed.changed()).await.unwrap().unwrap();
        slowest = slowest.max(a.registry().now().mono_ms - before);
    }
    b.lists("one@50=UP").await;
    // The goal is 10 ms; this only shows that no timer is in between, on a busy machine too.
    assert!(slowest < 400, "{slowest} ms");
}

#[tokio::test]
async fn a_new_node_knows_everything_before_it_opens() {
    let a = Site::start(&[]).await;
    for n in 0..1_000 {
        a.register(&format!("{n:04}"), 5);
    }
    a.registry().cancel("APP", "0000", Origin::Client).unwrap();
    let b = Site::start(&[&format!("registry.peers={}", a.url())]).await;
    wait_for(|| b.registry().is_open(), || "it opens".into()).await;
    assert_eq!(b.registry().core().totals().instances(), 999);
    assert_eq!(b.registry().core().fingerprint(), a.registry().core().fingerprint());
}

#[tokio::test]
async fn two_new_nodes_with_each_other_as_peer_open_at_once() {
    let slow = "registry.sync_deadline=1h";
    let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap();
    let a = Site::start(&[slow, &format!("registry.peers={}", url(address))]).await;
    drop(reserved);
    let listen = format!("http.listen={address}");
    let b = Site::start(&[slow, &listen, &format!("registry.peers={}", a.url())]).await;
    wait_for(|| a.registry().is_open() && b.registry().is_open(), || "both are open".into()).await;
    a.sees("synod", "idle").await;
}

#[tokio::test]
async fn a_silent_peer_delays_the_opening_up_to_the_deadline_only() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = format!("registry.peers={}", url(silent.local_addr().unwrap()));
    let a = Site::start(&["registry.sync_deadline=300ms", &peer]).await;
    assert!(!a.registry().is_open());
    wait_for(|| a.registry().is_open(), || "it opens".into()).await;
    assert_eq!(a.registry().core().totals().instances(), 0);
}

#[tokio::test]
async fn a_node_recognises_itself() {
    let a = Site::start(&[]).await;
    a.meets(&[a.url().replace("127.0.0.1", "localhost")]);
    a.sees("synod", "self").await;
    a.register("one", 5);
    assert_eq!((a.peer().queued, a.peer().sent), (0, 0));
}

#[tokio::test]
async fn who_leaves_the_list_is_told_nothing_more() {
    let (a, b) = two_that_know_each_other().await;
    let c = Site::start(&[]).await;
    a.meets(&[c.url()]);
    wait_for(|| a.peer().url == c.url(), || "the list changed".into()).await;
    a.meets(&[]);
    a.register("one", 5);
    c.lists("one@5=UP").await;
    assert_eq!(a.peer().url, c.url(), "an empty list keeps the last one");
    b.lists("one@5=UP").await; // b still asks a
}

#[tokio::test]
async fn a_node_that_stops_leaves_and_tells_its_peers_everything() {
    let a = Site::start(&["registry.self.register=true", "registry.self.hostname=me.test"]).await;
    let b = Site::start(&[]).await;
    a.meets(&[b.url()]);
    a.sees("synod", "idle").await;
    wait_for(|| b.list().contains("me.test"), || "the node itself is registered".into()).await;
    a.register("last", 5);
    a.running.stop().await;
    assert_eq!(b.list(), "last@5=UP");
}

/// Stands before a node and lets through what it is told to.
#[derive(Clone)]
struct Mask {
    behind: SocketAddr,
    mode: Arc<AtomicU8>,
    http: legacy::Client<HttpConnector, Incoming>,
}

/// All but Synod's own paths: the node passes for a Java server.
const JAVA: u8 = 0;
/// Everything.
const SYNOD: u8 = 1;
/// Nothing: 503.
const BUSY: u8 = 2;

impl net::Handler for Mask {
    async fn handle(&self, mut request: Request<Incoming>, _: SocketAddr) -> Response<Body> {
        let status = match self.mode.load(Ordering::Relaxed) {
            BUSY => Some(StatusCode::SERVICE_UNAVAILABLE),
            JAVA if request.uri().path().starts_with("/v1") => Some(StatusCode::NOT_FOUND),
            _ => None,
        };
        if let Some(status) = status {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            return response;
        }
        let target = format!("http://{}{}", self.behind, request.uri().path_and_query().unwrap());
        *request.uri_mut() = target.parse::<Uri>().unwrap();
        request.headers_mut().remove(HOST);
        self.http.request(request).await.unwrap().map(Body::stream)
    }
}

async fn mask(behind: &Site, mode: u8) -> (String, Mask) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url(listener.local_addr().unwrap());
    let mask = Mask {
        behind: behind.running.addresses["http"],
        mode: Arc::new(AtomicU8::new(mode)),
        http: legacy::Client::builder(TokioExecutor::new()).build_http(),
    };
    let limits = Limits {
        connections_max: 100,
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(10),
    };
    let (stop, stopping) = Stop::new();
    let (handler, metrics) = (mask.clone(), behind.running.node.net.clone());
    task::spawn("mask", async move {
        let _until_the_end = stop;
        net::serve(listener, net::Http1(handler), limits, metrics, stopping).await;
    });
    (url, mask)
}

#[tokio::test]
async fn a_java_peer_is_told_in_batches_and_asked_for_its_list() {
    let (a, b) = (Site::start(&[]).await, Site::start(&[]).await);
    b.register("there", 3);
    let (url, _mask) = mask(&b, JAVA).await;
    a.meets(&[url]);
    a.lists("there@3=UP").await;
    a.sees("eureka", "idle").await;

    a.register("one", 5);
    b.lists("one@5=UP there@3=UP").await;
    a.registry().set_override("APP", "one", Status::OutOfService, None, Origin::Client).unwrap();
    b.lists("one@5=OUT_OF_SERVICE there@3=UP").await;
    a.registry().clear_override("APP", "one", Some(Status::Up), None, Origin::Client).unwrap();
    b.lists("one@5=UP there@3=UP").await;
    a.registry().cancel("APP", "one", Origin::Client).unwrap();
    b.lists("there@3=UP").await;
    b.registry()
        .register(Instance { dirty_ms: 9, ip: "x".into(), ..Instance::new("APP", "later") }, Origin::Peer)
        .unwrap();
    a.lists("later@9=UP there@3=UP").await;
}

#[tokio::test]
async fn a_java_peer_that_forgot_an_instance_gets_it_again_and_one_that_knows_better_is_believed() {
    let (a, b) = (Site::start(&["registry.anti_entropy_interval=1h"]).await, Site::start(&[]).await);
    let (url, _mask) = mask(&b, JAVA).await;
    a.meets(&[url]);
    a.sees("eureka", "idle").await;
    a.register("one", 5);
    b.lists("one@5=UP").await;
    b.registry().cancel("APP", "one", Origin::Peer).unwrap();
    assert!(matches!(a.registry().renew("APP", "one", Some(5), Origin::Client), Renewal::Renewed(_)));
    b.lists("one@5=UP").await;
    let newer = Instance { dirty_ms: 9, status: Status::Down, ip: "x".into(), ..Instance::new("APP", "one") };
    b.registry().register(newer, Origin::Peer).unwrap();
    a.registry().renew("APP", "one", Some(5), Origin::Client);
    a.lists("one@9=DOWN").await;
}

#[tokio::test]
async fn what_a_busy_peer_missed_it_hears_when_it_is_back() {
    let (a, b) = (Site::start(&[]).await, Site::start(&[]).await);
    let (url, mask) = mask(&b, JAVA).await;
    a.meets(&[url]);
    a.sees("eureka", "idle").await;
    mask.mode.store(BUSY, Ordering::Relaxed);
    for n in 0..600 {
        a.register(&format!("{n:03}"), 5);
    }
    wait_for(|| a.peer().state == "backoff" && a.peer().failed > 0, || "it backs off".into()).await;
    assert!(a.peer().last_error.is_some_and(|error| error.contains("503")));
    mask.mode.store(JAVA, Ordering::Relaxed);
    wait_for(|| b.registry().core().totals().instances() == 600, || "all are there".into()).await;
    wait_for(|| a.peer().queued == 0 && a.peer().sent >= 600, || "nothing waits".into()).await;
}

#[tokio::test]
async fn a_server_may_be_replaced_by_another_kind_under_its_url() {
    let (a, b) = (Site::start(&[]).await, Site::start(&[]).await);
    let (url, mask) = mask(&b, JAVA).await;
    a.meets(&[url]);
    for (mode, kind, id) in [(JAVA, "eureka", "1"), (SYNOD, "synod", "2"), (JAVA, "eureka", "3")] {
        mask.mode.store(mode, Ordering::Relaxed);
        a.sees(kind, "idle").await;
        a.register(id, 5);
        wait_for(|| b.list().contains(&format!("{id}@5")), || format!("{id} is there")).await;
    }
}
