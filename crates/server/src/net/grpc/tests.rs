//! HTTP/2 and gRPC against clients that behave and clients that do not, over real sockets on loopback.

use std::net::SocketAddr;
use std::time::Duration;

use http::Version;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic_prost::ProstCodec;

use super::super::{Handler, Http2, Limits, bind, serve};
use super::*;
use crate::config::Address;
use crate::metrics::{self, NetMetrics};
use crate::task::{self, Stop};

/// Longer than any test may take.
const PATIENCE: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(3_600);
const SHORT: Duration = Duration::from_millis(150);
const LIMITS: Limits = Limits { connections_max: 10, header_timeout: LONG, idle_timeout: LONG };

/// Says what it is told to, or nothing at all.
#[derive(Clone)]
struct Echo {
    entered: mpsc::Sender<()>,
}

impl Handler for Echo {
    async fn handle(&self, request: Request<Incoming>, _peer: SocketAddr) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let entered = self.entered.clone();
        let service = tower::service_fn(move |request: Request<Full<Bytes>>| {
            let (path, entered) = (path.clone(), entered.clone());
            async move {
                let method = tower::service_fn(move |request: tonic::Request<String>| {
                    let (path, entered) = (path.clone(), entered.clone());
                    async move {
                        entered.send(()).await.unwrap();
                        match path.as_str() {
                            "/t.Test/Silent" => Err(no_answer()),
                            "/t.Test/Slow" => {
                                tokio::time::sleep(SHORT).await;
                                Ok(tonic::Response::new(request.into_inner()))
                            }
                            "/t.Test/Panic" => panic!("as asked"),
                            _ => Ok(tonic::Response::new(request.into_inner())),
                        }
                    }
                });
                Ok(tonic::server::Grpc::new(ProstCodec::default()).unary(method, request).await)
            }
        });
        answer(service, request, BodyLimits { bytes_max: 1_000, timeout: SHORT }).await
    }
}

struct Server {
    address: SocketAddr,
    entered: mpsc::Receiver<()>,
    metrics: NetMetrics,
    stop: Stop,
    task: tokio::task::JoinHandle<()>,
}

async fn server(limits: Limits) -> Server {
    let listener = bind(&Address { host: "127.0.0.1".into(), port: 0 }).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = Stop::new();
    let (sender, entered) = mpsc::channel(16);
    let metrics = NetMetrics::new(&mut metrics::registry(0), "http");
    let serving = serve(listener, Http2(Echo { entered: sender }), limits, metrics.clone(), stopping);
    Server { address, entered, metrics, stop, task: task::spawn("test", serving) }
}

type Client = legacy::Client<HttpConnector, tonic::body::Body>;

fn client() -> Client {
    legacy::Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

async fn call(
    client: &Client,
    address: SocketAddr,
    method: &'static str,
    text: &str,
) -> Result<String, Status> {
    let origin = format!("http://{address}").parse().unwrap();
    let mut grpc = tonic::client::Grpc::with_origin(client.clone(), origin);
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = http::uri::PathAndQuery::from_static(method);
    let request = tonic::Request::new(text.to_owned());
    let answered = grpc.unary(request, path, ProstCodec::<String, String>::default());
    timeout(PATIENCE, answered).await.unwrap().map(tonic::Response::into_inner)
}

#[tokio::test]
async fn calls_share_a_connection_and_one_that_must_not_be_answered_is_cut_alone() {
    let server = server(LIMITS).await;
    let client = client();
    let echo = call(&client, server.address, "/t.Test/Slow", "a");
    let (echo, silent) = tokio::join!(echo, call(&client, server.address, "/t.Test/Silent", "b"));
    assert_eq!(echo.unwrap(), "a");
    // Made by the client, out of the reset of the stream; ours would have had this text.
    let silent = silent.unwrap_err();
    assert!(silent.source().is_some() && silent.message() != Unanswered.to_string(), "{silent:?}");
    assert!(call(&client, server.address, "/t.Test/Panic", "c").await.is_err());
    assert_eq!(call(&client, server.address, "/t.Test/Echo", "d").await.unwrap(), "d");
    assert_eq!(server.metrics.accepted.get(), 1);
    server.stop.give();
    timeout(PATIENCE, server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_under_way_at_the_stop_is_finished() {
    let mut server = server(LIMITS).await;
    let (client, address) = (client(), server.address);
    let slow = task::spawn("test", async move { call(&client, address, "/t.Test/Slow", "late").await });
    server.entered.recv().await.unwrap();
    server.stop.give();
    assert_eq!(timeout(PATIENCE, slow).await.unwrap().unwrap().unwrap(), "late");
    timeout(PATIENCE, server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn too_much_is_refused_and_what_is_no_message_too() {
    let server = server(LIMITS).await;
    let client = client();
    let long = call(&client, server.address, "/t.Test/Echo", &"x".repeat(2_000)).await.unwrap_err();
    assert_eq!(
        (long.code(), long.message()),
        (Code::ResourceExhausted, "the body is larger than 1000 bytes")
    );
    for (what, body, content_type, status, code) in [
        ("a field of another type", &b"\0\0\0\0\x02\x08\x01"[..], "application/grpc+proto", 200, "13"),
        ("half a frame", b"\0\0\0\0\x09\x0a", "application/grpc", 200, "13"),
        ("a compressed message", b"\x01\0\0\0\x03\x0a\x01a", "application/grpc", 200, "13"),
        ("no frame", b"", "application/grpc", 200, "13"),
        ("JSON", b"{}", "application/json", 415, ""),
        ("a relative of gRPC", b"", "application/grpc-web", 415, ""),
    ] {
        let request = Request::post(format!("http://{}/t.Test/Echo", server.address))
            .header("content-type", content_type)
            .body(tonic::body::Body::new(Full::from(body)))
            .unwrap();
        let mut answer = timeout(PATIENCE, client.request(request)).await.unwrap().unwrap();
        assert_eq!(
            (answer.version(), answer.status()),
            (Version::HTTP_2, StatusCode::from_u16(status).unwrap()),
            "{what}"
        );
        let told = answer.headers().get("grpc-status").map_or("", |code| code.to_str().unwrap());
        assert_eq!(told, code, "{what}");
        assert!(answer.body_mut().collect().await.unwrap().to_bytes().is_empty());
    }
}

#[tokio::test]
async fn half_a_request_is_waited_for_as_long_as_any() {
    let server = server(LIMITS).await;
    let half = http_body_util::StreamBody::new(futures_util::stream::pending::<
        Result<hyper::body::Frame<Bytes>, Status>,
    >());
    let request = Request::post(format!("http://{}/t.Test/Echo", server.address))
        .header("content-type", "application/grpc")
        .body(tonic::body::Body::new(half))
        .unwrap();
    let answer = timeout(PATIENCE, client().request(request)).await.unwrap().unwrap();
    assert_eq!(answer.headers()["grpc-status"], "4");
}

/// What is sent back to these first bytes until the server closes.
async fn said(address: SocketAddr, first: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(first).await.unwrap();
    let mut bytes = Vec::new();
    // Bytes that the server did not read may turn its close into a reset.
    drop(timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn who_says_nothing_or_something_else_is_let_go() {
    let server = server(Limits { header_timeout: SHORT, ..LIMITS }).await;
    assert_eq!(said(server.address, b"").await, "");
    assert_eq!(said(server.address, b"PRI * HTTP/2.0\r\n").await, "");
    assert_eq!(server.metrics.timed_out.get(), 2);
    let web = said(server.address, b"GET / HTTP/1.1\r\n\r\n").await;
    assert!(web.starts_with("HTTP/1.1 505 ") && web.ends_with("this address speaks gRPC\r\n"), "{web}");
    // A preface, and then nothing that a client has to say.
    let cut = said(server.address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense, nonsense, nonsense").await;
    assert!(!cut.is_empty(), "settings, and why it ends");
}

#[tokio::test]
async fn who_does_not_answer_pings_is_let_go() {
    let server = server(Limits { idle_timeout: SHORT, header_timeout: SHORT, ..LIMITS }).await;
    let settings = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    said(server.address, &settings).await;
    // One that does answer stays.
    let client = client();
    assert_eq!(call(&client, server.address, "/t.Test/Echo", "a").await.unwrap(), "a");
    tokio::time::sleep(4 * SHORT).await;
    assert_eq!(call(&client, server.address, "/t.Test/Echo", "b").await.unwrap(), "b");
    assert_eq!(server.metrics.accepted.get(), 2);
}
