//! What a call costs this node: makes calls to a participant in another process for some seconds and prints the CPU time of
//! each.
//!
//! `cargo run --release -p synod-server --example call_cost -- [calls at once] [http|grpc]`

#![expect(clippy::print_stdout, reason = "that is what it is for")]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use synod_base::xid::Xid;
use synod_core::txn::drive::{Call, CallId};
use synod_core::txn::mode::{CallResult, Errand};
use synod_core::txn::{Branch, Leg, Mode, Options, Protocol, Status, Target, Txn, Way};
use synod_server::call::{CallMetrics, Caller, Settings};
use synod_server::clock::Clock;
use synod_server::config::Config;
use synod_server::lists::OwnInstance;
use synod_server::net::tls::Trust;
use synod_server::registry::Registry;
use synod_server::{metrics, task};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const SECONDS: u64 = 5;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|argument| argument == "participant") {
        return serve().await;
    }
    let lanes: u64 = arguments.first().map_or(Ok(64), |lanes| lanes.parse()).context("calls at once")?;
    let is_grpc = arguments.get(1).is_some_and(|protocol| protocol == "grpc");
    let (mut child, address) = spawn()?;
    let measured = measure(lanes, is_grpc, address).await;
    child.kill().context("the participant's process")?;
    child.wait()?;
    measured
}

fn spawn() -> Result<(Child, SocketAddr)> {
    let mut child =
        Command::new(std::env::current_exe()?).arg("participant").stdout(Stdio::piped()).spawn()?;
    let out = child.stdout.take().context("its output")?;
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line)?;
    Ok((child, line.trim().parse().context("its address")?))
}

/// HTTP/1.1 by hand, as cheaply as can be; HTTP/2 by hyper.
async fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        task::spawn("connection", connection(stream));
    }
}

async fn connection(mut stream: TcpStream) {
    let mut first = [0; 3];
    if stream.peek(&mut first).await.is_ok() && &first == b"PRI" {
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        drop(builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await);
        return;
    }
    let mut buffer = [0; 4_096];
    while let Ok(1..) = stream.read(&mut buffer).await {
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
            return;
        }
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, hyper::Error>>> {
    request.into_body().collect().await?;
    let trailers = [("grpc-status".parse()?, "0".parse()?)].into_iter().collect();
    let frames = [Frame::data(Bytes::from_static(b"\0\0\0\0\0")), Frame::trailers(trailers)];
    let body = StreamBody::new(futures_util::stream::iter(frames.map(Ok)));
    let response = Response::builder().header("content-type", "application/grpc");
    Ok(response.body(body.boxed())?)
}

async fn measure(lanes: u64, is_grpc: bool, address: SocketAddr) -> Result<()> {
    let (config, clock) = (Config::default(), Clock::system());
    let registry = Registry::new(&config.registry, clock.clone(), OwnInstance::default(), 1);
    let mut metrics = metrics::registry(0);
    let caller = Caller::new(
        Settings::new(&config, "synod.example:8091")?,
        Arc::new(registry),
        Arc::new(Trust::new("")?),
        clock,
        CallMetrics::new(&mut metrics),
    );
    let call = Arc::new(call(is_grpc, address));
    let count = Arc::<AtomicU64>::default();
    let before = cpu_seconds()?;
    for _ in 0..lanes {
        let (caller, call, count) = (caller.clone(), Arc::clone(&call), Arc::clone(&count));
        task::spawn("lane", async move {
            loop {
                // Each in a task of its own, as the driver does.
                let (caller, call) = (caller.clone(), Arc::clone(&call));
                let one = task::spawn("call", async move { caller.deliver(&call).await });
                if one.await.is_ok_and(|delivered| delivered.result == CallResult::Done) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(SECONDS)).await;
    let (done, cpu) = (count.load(Ordering::Relaxed), cpu_seconds()? - before);
    ensure!(done > 0, "no call was answered");
    let per_call_us = cpu * 1e6 / done as f64;
    println!("{lanes} at once: {} calls/s, {per_call_us:.1} µs of CPU each", done / SECONDS);
    Ok(())
}

fn call(is_grpc: bool, address: SocketAddr) -> Call {
    let target = if is_grpc {
        Target { protocol: Protocol::Grpc, url: format!("grpc://{address}/bank.Account/Debit").into() }
    } else {
        Target { protocol: Protocol::Http, url: format!("http://{address}/debit").into() }
    };
    let branch = Branch {
        id: "01".into(),
        label: "".into(),
        forward: Leg::new(Some(target)),
        backward: Leg::new(None),
        payload: Bytes::from_static(br#"{"account":"a-17","amount":30}"#),
        after: [].into_iter().collect(),
        joined_ms: 0,
        rows: None,
    };
    let txn = Txn {
        xid: Xid::new(0, 1).expect("not 0"),
        gid: Some("order-1".into()),
        mode: Mode::Saga,
        name: "".into(),
        status: Status::Committing,
        options: Options::default(),
        headers: Vec::new(),
        back_check: None,
        note: Bytes::new(),
        begun_ms: 0,
        decided_ms: 0,
        touched_ms: 0,
        reason: "".into(),
        result: Bytes::new(),
        branches: vec![branch],
        digest: 0,
    };
    Call { id: CallId(1), errand: Errand::Leg(0, Way::Forward), txn: Arc::new(txn) }
}

/// User and system time of this process (proc(5)), in ticks of a hundredth.
fn cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let mut fields = stat.rsplit_once(')').context("its name")?.1.split_ascii_whitespace().skip(11);
    let mut next = || -> Result<u64> { Ok(fields.next().context("too short")?.parse()?) };
    Ok((next()? + next()?) as f64 / 100.0)
}
