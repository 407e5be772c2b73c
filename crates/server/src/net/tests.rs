//! The listener's limits against a misbehaving other side, over real sockets on loopback.

use std::convert::Infallible;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::StatusCode;
use hyper::body::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::body::{BodyLimits, read_inflated};
use super::*;
use crate::clock::Clock;
use crate::metrics::{self, NetMetrics};
use crate::task::{self, Stop};

/// Longer than any test may take.
const PATIENCE: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(3_600);
const SHORT: Duration = Duration::from_millis(150);

const LIMITS: Limits = Limits { connections_max: 10, header_timeout: LONG, idle_timeout: LONG };

#[derive(Clone, Default)]
struct TestHandler {
    entered: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Handler for TestHandler {
    async fn handle(&self, request: Request<Incoming>, _peer: SocketAddr) -> Response<Body> {
        match request.uri().path() {
            "/echo" => echo(request).await,
            "/wait" => {
                self.entered.notify_one();
                self.go_on.notified().await;
                Response::new("waited".into())
            }
            "/large" => Response::new(vec![b'x'; 1 << 20].into()),
            "/panic" => panic!("as asked"),
            "/chunks" => {
                let chunks = [Bytes::from("a"), Bytes::new(), Bytes::from("bc")];
                Response::new(Body::chunks(Arc::new(chunks)))
            }
            "/stream" => Response::new(Body::stream(Frames(Some(Bytes::from("streamed"))))),
            _ => Response::new("hello".into()),
        }
    }
}

/// One frame of a length that is told to nobody.
struct Frames(Option<Bytes>);

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}

async fn echo(request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let limits = BodyLimits { bytes_max: 1_000, timeout: SHORT };
    match read_inflated(&head.headers, body, limits).await {
        Ok(bytes) => Response::new(bytes.into()),
        Err(error) => {
            let mut response = Response::new(error.to_string().into());
            *response.status_mut() = error.status();
            response
        }
    }
}

struct Server {
    address: SocketAddr,
    handler: TestHandler,
    metrics: NetMetrics,
    stop: Stop,
    task: JoinHandle<()>,
}

async fn server(limits: Limits) -> Server {
    let listener = bind(&Address { host: "127.0.0.1".into(), port: 0 }).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = Stop::new();
    let (handler, metrics) = (TestHandler::default(), NetMetrics::new(&mut metrics::registry(0), "http"));
    let task =
        task::spawn("test", serve(listener, Http1(handler.clone()), limits, metrics.clone(), stopping));
    Server { address, handler, metrics, stop, task }
}

struct Client(TcpStream);

impl Client {
    async fn connect(server: &Server) -> Self {
        Self(TcpStream::connect(server.address).await.unwrap())
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends a GET.
    async fn get(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
    }

    /// Reads until what came ends with `end`.
    async fn until(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            let byte = timeout(PATIENCE, self.0.read_u8()).await.expect("in time");
            text.push(char::from(byte.unwrap_or_else(|_| panic!("{end:?} is missing after {text:?}"))));
        }
        text
    }

    /// Reads to the end of the connection; one that is reset has ended too.
    async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        drop(timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await.expect("the connection ends"));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Waits until `condition` holds.
async fn eventually(condition: impl Fn() -> bool) {
    let all = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, all).await.expect("the condition comes true");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = server(LIMITS).await;
    let mut client = Client::connect(&server).await;
    client.send("GET /chunks HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let first = client.until("\r\n\r\nabc").await;
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n") && first.contains("content-length: 3\r\n"), "{first}");
    assert!(client.until("hello").await.contains("content-length: 5\r\n"));
    client.get("/stream").await;
    assert!(client.until("0\r\n\r\n").await.contains("8\r\nstreamed\r\n"));
}

#[tokio::test]
async fn who_says_nothing_is_cut() {
    let server = server(Limits { header_timeout: SHORT, ..LIMITS }).await;
    let mut client = Client::connect(&server).await;
    assert_eq!(client.rest().await, "");
    assert_eq!(server.metrics.timed_out.get(), 1);
}

#[tokio::test]
async fn a_head_that_drips_is_cut_on_any_request() {
    let server = server(Limits { header_timeout: SHORT, ..LIMITS }).await;
    for answered_before in [false, true] {
        let mut client = Client::connect(&server).await;
        if answered_before {
            client.get("/").await;
            client.until("hello").await;
        }
        client.send("GET / HTTP/1.1\r\n").await;
        let drip = async {
            while client.0.write_all(b"x-drip: 1\r\n").await.is_ok() {
                tokio::time::sleep(SHORT / 10).await
            }
        };
        timeout(PATIENCE, drip).await.expect("the connection is cut");
    }
    assert_eq!(server.metrics.timed_out.get(), 2);
}

#[tokio::test]
async fn a_quiet_connection_outlives_the_header_timeout_but_not_the_idle_one() {
    let idle_timeout = SHORT * 4;
    let server = server(Limits { header_timeout: SHORT, idle_timeout, ..LIMITS }).await;
    let mut client = Client::connect(&server).await;
    client.get("/").await;
    client.until("hello").await;
    let clock = Clock::system();
    assert_eq!(client.rest().await, "");
    let quiet_ms = u128::from(clock.now().mono_ms);
    assert!(quiet_ms >= idle_timeout.as_millis() - SHORT.as_millis(), "cut after {quiet_ms} ms");
    eventually(|| server.metrics.open.get() == 0).await;
}

#[tokio::test]
async fn whoever_does_not_take_the_answer_is_cut() {
    let server = server(Limits { header_timeout: SHORT, idle_timeout: SHORT, ..LIMITS }).await;
    let mut client = Client::connect(&server).await;
    // Answers that nobody reads, until both sockets' buffers are full and the server no longer reads either.
    let request = "GET /large HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1_000);
    let flood = async { while client.0.write_all(request.as_bytes()).await.is_ok() {} };
    timeout(PATIENCE, flood).await.expect("the connection is cut");
    assert_eq!(server.metrics.timed_out.get(), 1);
}

#[tokio::test]
async fn a_handler_may_take_longer_than_every_timeout() {
    let server = server(Limits { header_timeout: SHORT, idle_timeout: SHORT, ..LIMITS }).await;
    let mut client = Client::connect(&server).await;
    client.get("/wait").await;
    tokio::time::sleep(SHORT * 4).await;
    server.handler.go_on.notify_one();
    client.until("waited").await;
}

#[tokio::test]
async fn bodies_have_limits() {
    let server = server(LIMITS).await;
    let check = async |head: &str, body: &[u8], expected: &str| {
        let mut client = Client::connect(&server).await;
        client.send(format!("POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}\r\n\r\n")).await;
        client.send(body).await;
        let answer = client.rest().await;
        assert!(answer.contains(expected), "{head}: {expected:?} is missing in {answer:?}");
    };
    let too_large = StatusCode::PAYLOAD_TOO_LARGE.to_string();
    check("content-length: 4", b"body", "\r\n\r\nbody").await;
    check("content-length: 1000", &[b'x'; 1_000], " 200 OK").await;
    // Not a byte of it needs to arrive.
    check("content-length: 1001", b"", &too_large).await;
    let chunk = [b"3e9\r\n".as_slice(), &[b'x'; 1_001], b"\r\n"].concat();
    check("transfer-encoding: chunked", &chunk, &too_large).await;
    check("transfer-encoding: chunked", b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "\r\n\r\nabc").await;
    check("content-length: 4", b"bod", " 408 ").await;
    // Nothing that follows could be told apart from the body: hyper closes without an answer.
    check("transfer-encoding: chunked", b"nonsense\r\n", "").await;
}

#[tokio::test]
async fn compressed_bodies_are_inflated_within_limits() {
    let server = server(LIMITS).await;
    let check = async |encoding: &str, body: &[u8], expected: &str| {
        let mut client = Client::connect(&server).await;
        let length = body.len();
        let head = format!("content-encoding: {encoding}\r\ncontent-length: {length}\r\nconnection: close");
        client.send(format!("POST /echo HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n")).await;
        client.send(body).await;
        let answer = client.rest().await;
        assert!(answer.contains(expected), "{answer}");
    };
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    check("gzip", &gzip(b"inflated"), "\r\n\r\ninflated").await;
    check("GZIP", &gzip(&[0; 100_000]), " 413 ").await;
    check("gzip", b"plain", " 400 ").await;
    check("br", b"plain", " 415 ").await;
    check("identity", b"plain", "\r\n\r\nplain").await;
}

#[tokio::test]
async fn connections_above_the_limit_are_refused() {
    let server = server(Limits { connections_max: 1, ..LIMITS }).await;
    let mut first = Client::connect(&server).await;
    first.get("/").await;
    first.until("hello").await;
    let refused = Client::connect(&server).await.rest().await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("connection: close"), "{refused}");
    assert_eq!((server.metrics.refused.get(), server.metrics.open.get()), (1, 1));
    drop(first);
    eventually(|| server.metrics.open.get() == 0).await;
    let mut next = Client::connect(&server).await;
    next.get("/").await;
    next.until("hello").await;
}

#[tokio::test]
async fn a_panic_ends_its_connection_only() {
    let server = server(LIMITS).await;
    let mut other = Client::connect(&server).await;
    let mut panicking = Client::connect(&server).await;
    panicking.get("/panic").await;
    assert_eq!(panicking.rest().await, "");
    other.get("/").await;
    other.until("hello").await;
    eventually(|| server.metrics.open.get() == 1).await;
}

#[tokio::test]
async fn a_stop_finishes_requests_and_closes_the_rest() {
    let server = server(LIMITS).await;
    let (mut busy, mut idle, mut silent) =
        (Client::connect(&server).await, Client::connect(&server).await, Client::connect(&server).await);
    idle.get("/").await;
    idle.until("hello").await;
    busy.get("/wait").await;
    server.handler.entered.notified().await;
    eventually(|| server.metrics.open.get() == 3).await;

    server.stop.give();
    assert_eq!((idle.rest().await, silent.rest().await), (String::new(), String::new()));
    assert!(TcpStream::connect(server.address).await.is_err(), "nothing listens any more");
    assert!(!server.task.is_finished(), "a request is in flight");
    server.handler.go_on.notify_one();
    assert!(busy.rest().await.ends_with("waited"));
    timeout(PATIENCE, server.task).await.expect("in time").unwrap();
    assert_eq!(server.metrics.open.get(), 0);
}

#[tokio::test]
async fn half_a_head_holds_up_a_stop_for_a_moment_only() {
    let server = server(LIMITS).await;
    let mut client = Client::connect(&server).await;
    client.send("GET / HT").await;
    eventually(|| server.metrics.open.get() == 1).await;
    server.stop.give();
    timeout(PATIENCE / 2, server.task).await.expect("in time").unwrap();
    assert_eq!(client.rest().await, "");
}
