//! A server for tests that answers what it is told, byte by byte if need be.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::task::Task;

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    /// The lines of the headers, in lower case.
    pub(crate) headers: String,
    pub(crate) body: String,
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A status and a body; the connection stays.
    Whole(u16, String),
    /// These bytes, then the connection is closed.
    Raw(Vec<u8>),
    /// These bytes, and the last of them again and again.
    Endless(Vec<u8>),
    /// These bytes, and the connection stays open without any more.
    Stalled(Vec<u8>),
}

impl Reply {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::Whole(200, body.into())
    }
}

type Answers = dyn Fn(Seen) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Send + Sync;

/// A listening server. It is gone when this is dropped, with all its connections.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    accepted: Arc<AtomicUsize>,
    _task: Task,
}

impl TestServer {
    /// Starts a server that answers each request with what the future gives.
    pub(crate) async fn start<F>(answer: impl Fn(Seen) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answers: Arc<Answers> = Arc::new(move |seen| Box::pin(answer(seen)));
        let (log, accepted) = (Arc::clone(&seen), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&accepted);
        let task = Task::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                connections.spawn(serve(stream, Arc::clone(&answers), Arc::clone(&log)));
            }
        });
        Self { address, seen, accepted, _task: task }
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/eureka/", self.address)
    }

    /// The connections so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("not poisoned").clone()
    }
}

/// The URL of a server that refuses connections.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    format!("http://{}/eureka", listener.local_addr().expect("an address"))
}

async fn serve(mut stream: TcpStream, answers: Arc<Answers>, log: Arc<Mutex<Vec<Seen>>>) {
    let mut buffer = Vec::new();
    while let Some(seen) = next(&mut stream, &mut buffer).await {
        log.lock().expect("not poisoned").push(seen.clone());
        let sent = match answers(seen).await {
            Reply::Whole(status, body) => {
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
                let body = if status == 204 { String::new() } else { body };
                stream.write_all((head + &body).as_bytes()).await
            }
            Reply::Raw(bytes) => {
                stream.write_all(&bytes).await.ok();
                return;
            }
            Reply::Endless(bytes) => {
                let mut sent = stream.write_all(&bytes).await;
                let more = [bytes.last().copied().unwrap_or(b' '); 4096];
                while sent.is_ok() {
                    sent = stream.write_all(&more).await;
                }
                sent
            }
            Reply::Stalled(bytes) => {
                stream.write_all(&bytes).await.ok();
                std::future::pending().await
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

/// The next request of a connection.
async fn next(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let head = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(buffer[..head].to_vec()).ok()?;
    let (line, headers) = text.split_once("\r\n")?;
    let headers = headers.to_lowercase();
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length: "));
    let end = head + 4 + length.map_or(Some(0), |length| length.parse().ok())?;
    while buffer.len() < end {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(buffer[head + 4..end].to_vec()).ok()?;
    buffer.drain(..end);
    let mut words = line.split(' ');
    Some(Seen { method: words.next()?.to_owned(), path: words.next()?.to_owned(), headers, body })
}
