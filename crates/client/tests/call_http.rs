//! Calls over HTTP on real sockets: what travels, what is tried again, when it ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

#[path = "support/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::uri::Authority;
use axum::http::{Request, Response, StatusCode};
use axum::routing::{any, get};
use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::rt::TokioExecutor;
use server::{Server, nobody};
use synod_client::Xid;
use synod_client::balance::{self, Balancer, Endpoint, Hashing, Member, Picker, RetryBudget};
use synod_client::call::blocking::Blocking;
use synod_client::call::http::{Client, Config};
use synod_client::call::{ContextLayer, Error, Fixed, HashKey};
use synod_client::context::{self, Context, Trace};
use tokio::sync::Notify;
use tokio::time::timeout;
use tower::{Layer, ServiceExt};

const XID: &str = "10.0.0.1:8091:42";
/// Longer than anything here takes, shorter than a reader's patience.
const LONG: Duration = Duration::from_secs(20);

/// A transaction, a trace, and ten seconds.
fn full() -> Context {
    let context = Context { trace: Some(Trace::start(true)), ..Context::default() };
    context.with_xid(Some(Xid::parse(XID).unwrap())).within(Duration::from_secs(10))
}

fn text(answer: &Response<Bytes>) -> String {
    String::from_utf8(answer.body().to_vec()).unwrap()
}

/// The context as one line: transaction, trace, span, sampled, ms left.
fn line() -> String {
    let here = context::current();
    let xid = here.xid.as_ref().map_or("-", Xid::as_str);
    let trace = here.trace.as_ref().map_or("- - -".to_owned(), |trace| {
        format!("{:x} {:x} {}", trace.trace_id(), trace.span_id(), trace.is_sampled())
    });
    format!("{xid} {trace} {}", here.remaining().map_or(-1, |left| left.as_millis() as i64))
}

/// Says its context, and asks `client` what is next on the way, if there is more.
fn hop(client: Client) -> Router {
    let next = async move |Path(way): Path<String>| {
        let here = line();
        tokio::time::sleep(Duration::from_millis(2)).await;
        let answer = client.get(&format!("synod://{way}")).await.unwrap();
        format!("{here}\n{}", text(&answer))
    };
    Router::new().route("/", get(async || line())).route("/{*way}", get(next))
}

#[tokio::test]
async fn a_context_survives_a_chain_of_three() {
    let c = Server::start(hop(Client::new(Fixed::default())));
    let b = Server::start(hop(Client::new(Fixed::default().with("c", [c.authority()]))));
    let a = Server::start(hop(Client::new(Fixed::default().with("b", [b.authority()]))));
    let client = Client::new(Fixed::default().with("a", [a.authority()]));
    let context = full();
    let answer = context::scope(context.clone(), client.get("synod://a/b/c/")).await.unwrap();
    let answer = text(&answer);
    let hops: Vec<Vec<&str>> = answer.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(hops.len(), 3, "{answer}");
    let trace = context.trace.unwrap();
    let mut spans = BTreeSet::from([format!("{:x}", trace.span_id())]);
    let mut left = 10_000;
    for hop in &hops {
        assert_eq!(hop[0], XID);
        assert_eq!(hop[1], format!("{:x}", trace.trace_id()));
        assert!(spans.insert(hop[2].to_owned()), "a span of its own: {answer}");
        assert_eq!(hop[3], "true");
        let here: i64 = hop[4].parse().unwrap();
        assert!((1..left).contains(&here), "less at each hop: {answer}");
        left = here;
    }
    let outside = text(&client.get("synod://a/").await.unwrap());
    assert!(outside.starts_with("- - - -"), "nothing stays behind: {outside}");
}

#[test]
fn sync_code_calls_in_its_context() {
    let server = Server::start(hop(Client::new(Fixed::default())));
    let client = Client::new(Fixed::default().with("a", [server.authority()]));
    let blocking = Blocking::start().unwrap();
    let answer = context::sync_scope(full(), || blocking.run(async move { client.get("synod://a/").await }));
    assert!(text(&answer.unwrap().unwrap()).starts_with(XID));
}

/// Two instances, of which one hangs in `/hang` until it dies. Counts what comes in.
struct Pair {
    hangs: Server,
    other: Server,
    hung: Arc<Notify>,
    hits: Arc<AtomicUsize>,
}

fn pair() -> Pair {
    let (hung, hits) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (tell, count) = (Arc::clone(&hung), Arc::clone(&hits));
    let hang = async move || {
        tell.notify_one();
        std::future::pending::<()>().await;
    };
    let well = async move || {
        count.fetch_add(1, Ordering::SeqCst);
        "well"
    };
    let hangs = Server::start(Router::new().route("/", any(async || "well")).route("/hang", any(hang)));
    let other = Server::start(Router::new().route("/", any(well.clone())).route("/hang", any(well)));
    Pair { hangs, other, hung, hits }
}

/// In the order of their ids, and in no other.
#[derive(Debug)]
struct First;

impl Picker for First {
    fn pick(&self, _: &[&Member], _: &balance::Request<'_>) -> usize {
        0
    }
}

fn in_order(addresses: [Authority; 2]) -> Fixed {
    let balancer = Balancer::with_outliers(First, None);
    let named = ["1", "2"].into_iter().zip(addresses);
    balancer.update(named.map(|(id, address)| Endpoint::new(id, address.as_str())));
    Fixed::default().balanced("bank", balancer)
}

fn post(uri: &str) -> Request<Bytes> {
    Request::post(uri).body(Bytes::from_static(b"1")).unwrap()
}

#[tokio::test]
async fn another_instance_takes_over_where_it_is_safe() {
    for idempotent in [true, false] {
        let pair = pair();
        let client = Client::new(in_order([pair.hangs.authority(), pair.other.authority()]));
        assert_eq!(text(&client.send(post("synod://bank/")).await.unwrap()), "well");
        assert_eq!(pair.hits.load(Ordering::SeqCst), 0);
        let call = async {
            match idempotent {
                true => client.get("synod://bank/hang").await,
                false => client.send(post("synod://bank/hang")).await,
            }
        };
        let (hung, hangs) = (Arc::clone(&pair.hung), pair.hangs);
        let kill = async {
            hung.notified().await;
            hangs.kill();
        };
        let (answer, ()) = timeout(LONG, async { tokio::join!(call, kill) }).await.unwrap();
        if idempotent {
            assert_eq!(text(&answer.unwrap()), "well");
            assert_eq!(pair.hits.load(Ordering::SeqCst), 1);
        } else {
            assert!(matches!(answer, Err(Error::Unknown(_))), "{answer:?}");
            assert_eq!(pair.hits.load(Ordering::SeqCst), 0, "a POST that was sent is not repeated");
        }
        // From now on nothing is sent to the dead one: even a POST goes over.
        let before = pair.hits.load(Ordering::SeqCst);
        for _ in 0..5 {
            assert_eq!(text(&client.send(post("synod://bank/")).await.unwrap()), "well");
        }
        assert_eq!(pair.hits.load(Ordering::SeqCst) - before, 5);
    }
}

#[tokio::test]
async fn a_busy_instance_is_left_for_another_one() {
    let busy = Server::start(Router::new().route("/", any(async || StatusCode::SERVICE_UNAVAILABLE)));
    let well = Server::start(Router::new().route("/", any(async || "well")));
    let client = Client::new(in_order([busy.authority(), well.authority()]));
    assert_eq!(client.get("synod://bank/").await.unwrap().status(), 200);
    assert_eq!(client.send(post("synod://bank/")).await.unwrap().status(), 503);
    let alone = Client::new(in_order([busy.authority(), nobody()]));
    assert_eq!(alone.get("synod://bank/").await.unwrap().status(), 503, "an answer is better than none");
}

#[tokio::test]
async fn a_service_that_fails_costs_its_callers_a_tenth_more() {
    let hits = Arc::new(AtomicUsize::new(0));
    let busy = || {
        let hits = Arc::clone(&hits);
        Server::start(Router::new().route(
            "/",
            any(async move || {
                hits.fetch_add(1, Ordering::SeqCst);
                StatusCode::SERVICE_UNAVAILABLE
            }),
        ))
    };
    let servers = [busy(), busy(), busy()];
    let all = Fixed::default().with("bank", servers.iter().map(Server::authority));
    let client = Client::new(all).budget(RetryBudget::new(0.1, 0));
    for _ in 0..200 {
        assert_eq!(client.get("synod://bank/").await.unwrap().status(), 503);
    }
    assert_eq!(hits.load(Ordering::SeqCst), 200 + 200 / 10);
    let unknown = client.get("synod://shop/").await;
    assert_eq!(unknown.unwrap_err(), Error::NoInstance("shop".to_owned()));
    for bad in ["bank/path", "ftp://bank/", "synod://", "http://a b/"] {
        assert!(matches!(client.get(bad).await, Err(Error::BadTarget(_))), "{bad}");
    }
}

/// Tells when it is dropped.
struct Guard(Arc<Notify>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// A server that never answers, and tells when a request has come and when its handler has ended.
fn silent() -> (Server, Arc<Notify>, Arc<Notify>) {
    let (came, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell_came, tell_ended) = (Arc::clone(&came), Arc::clone(&ended));
    let wait = async move || {
        let _guard = Guard(Arc::clone(&tell_ended));
        tell_came.notify_one();
        std::future::pending::<()>().await;
    };
    (Server::start(Router::new().route("/", any(wait))), came, ended)
}

#[tokio::test]
async fn both_sides_keep_the_deadline() {
    let (server, came, ended) = silent();
    let client = Client::new(Fixed::default().with("bank", [server.authority()]));
    let short = Context::default().within(Duration::from_millis(300));
    let answer = timeout(LONG, context::scope(short, client.get("synod://bank/"))).await.unwrap();
    // Whichever of the two is first.
    match answer {
        Ok(answer) => assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT),
        Err(error) => assert_eq!(error, Error::DeadlineExceeded),
    }
    came.notified().await;
    timeout(LONG, ended.notified()).await.unwrap();

    // The server alone: the caller would wait for ten seconds, and asks for less.
    let request = Request::get("synod://bank/").header("synod-timeout-ms", "150").body(Bytes::new()).unwrap();
    let answer = timeout(LONG, client.send(request)).await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    timeout(LONG, ended.notified()).await.unwrap();

    // No time left: nothing is sent.
    came.notified().await;
    let late = Context::default().within(Duration::ZERO);
    let answer = context::scope(late, client.get("synod://bank/")).await;
    assert_eq!(answer.unwrap_err(), Error::DeadlineExceeded);
    let request = Request::get("synod://bank/").header("synod-timeout-ms", "0").body(Bytes::new()).unwrap();
    assert_eq!(client.send(request).await.unwrap().status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(timeout(Duration::from_millis(50), came.notified()).await.is_err(), "the handler was not called");
}

#[tokio::test]
async fn a_call_that_is_dropped_ends_at_the_server() {
    let (server, came, ended) = silent();
    let client = Client::new(Fixed::default().with("bank", [server.authority()]));
    tokio::select! {
        answer = client.get("synod://bank/") => panic!("{answer:?}"),
        () = came.notified() => {}
    }
    timeout(LONG, ended.notified()).await.unwrap();
}

#[tokio::test]
async fn an_answer_has_a_limit() {
    let server = Server::start(Router::new().route("/", get(async || vec![0; 2000])));
    let fixed = Fixed::default().with("bank", [server.authority()]);
    let config = Config { answer_max: 1000, ..Config::default() };
    let answer = Client::with_config(fixed, config).get("synod://bank/").await;
    assert!(matches!(answer, Err(Error::Unknown(_))), "{answer:?}");
}

#[tokio::test]
async fn the_layer_works_over_another_client() {
    let server = Server::start(hop(Client::new(Fixed::default())));
    let hyper = Hyper::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let layered = ContextLayer.layer(hyper);
    let request = |path: &str| {
        Request::get(format!("http://{}{path}", server.address)).body(Empty::<Bytes>::new()).unwrap()
    };
    let answer = context::scope(full(), layered.clone().oneshot(request("/")));
    let body = http_body_util::BodyExt::collect(answer.await.unwrap().into_body()).await.unwrap().to_bytes();
    assert!(body.starts_with(XID.as_bytes()), "{body:?}");

    // The system takes the connection, and nobody ever reads from it: the limit is the layer's own.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/", silent.local_addr().unwrap());
    let to_silent = Request::get(uri).body(Empty::<Bytes>::new()).unwrap();
    let short = Context::default().within(Duration::from_millis(200));
    let answer = context::scope(short, layered.clone().oneshot(to_silent));
    let error = timeout(LONG, answer).await.unwrap().unwrap_err();
    assert_eq!(error.downcast_ref::<Error>(), Some(&Error::DeadlineExceeded));
}

/// What the server makes of these headers, sent byte for byte.
fn raw(server: &Server, headers: &[u8]) -> String {
    let mut stream = std::net::TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let head = [b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n", headers, b"\r\n"].concat();
    stream.write_all(&head).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn headers_of_strangers_do_no_harm() {
    let server = Server::start(hop(Client::new(Fixed::default())));
    let nothing = "\r\n\r\n- - - - -1";
    let long = format!("TX_XID: {}:1:2\r\n", "h".repeat(4000));
    let zeros = format!("traceparent: 00-{}-{}-01\r\n", "0".repeat(32), "0".repeat(16));
    for headers in [
        b"TX_XID: 42\r\n".as_slice(),
        b"TX_XID: \xff\xfe:1:2\r\n",
        b"TX_XID: h:1:99999999999999999999\r\n",
        b"TX_XID: h:1:2\r\ntx_xid: h:1:3\r\n",
        long.as_bytes(),
        zeros.as_bytes(),
        b"traceparent: 00-x\r\ntracestate: ,,,=\r\n",
        b"synod-timeout-ms: -1\r\ngrpc-timeout: 1x\r\n",
        b"synod-timeout-ms: 99999999999999999999999999\r\n",
    ] {
        let answer = raw(&server, headers);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(nothing), "{answer}");
    }
    let good = raw(&server, b"tX_xiD: h:1:2\r\nsynod-timeout-ms: 5000\r\n");
    assert!(good.contains("\r\n\r\nh:1:2 - - - "), "{good}");
    let for_ever = raw(&server, b"synod-timeout-ms: 18446744073709551615\r\n");
    assert!(for_ever.contains("- - - - 2591"), "thirty days at most: {for_ever}");
}

#[tokio::test]
async fn the_client_alone_keeps_the_deadline_too() {
    // The system takes the connection, and nobody ever reads from it.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string().parse().unwrap();
    let client = Client::new(Fixed::default().with("bank", [address]));
    let short = Context::default().within(Duration::from_millis(300));
    let answer = timeout(Duration::from_secs(5), context::scope(short, client.get("synod://bank/"))).await;
    assert_eq!(answer.unwrap().unwrap_err(), Error::DeadlineExceeded);
}

#[tokio::test]
async fn requests_of_one_key_go_to_one_instance() {
    let name = |name: &'static str| Server::start(Router::new().route("/", any(async move || name)));
    let servers = [name("a"), name("b"), name("c")];
    let balancer = Balancer::new(Hashing::default());
    balancer.update(servers.iter().map(|server| {
        let address = server.authority();
        Endpoint::new(address.as_str(), address.as_str())
    }));
    let client = Client::new(Fixed::default().balanced("bank", balancer));
    let mut seen = BTreeSet::new();
    for key in 0..30 {
        let mut names = BTreeSet::new();
        for _ in 0..3 {
            let mut request = post("synod://bank/");
            request.extensions_mut().insert(HashKey(Bytes::from(format!("account {key}"))));
            names.insert(text(&client.send(request).await.unwrap()).to_owned());
        }
        assert_eq!(names.len(), 1, "{names:?}");
        seen.append(&mut names);
    }
    assert_eq!(seen.len(), 3);
}
