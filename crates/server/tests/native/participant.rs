//! A participant in this process, over HTTP and gRPC: answers as it is told to, and remembers what it was asked.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use synod_server::task;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A call as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

type Script = Arc<Mutex<HashMap<String, VecDeque<(u16, &'static str)>>>>;

/// Serves until it is dropped.
pub(crate) struct Participant {
    base: String,
    script: Script,
    seen: watch::Receiver<Vec<Seen>>,
    serving: JoinHandle<()>,
}

impl Participant {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let script = Script::default();
        let (sender, seen) = watch::channel(Vec::new());
        let (answers, sender) = (Arc::clone(&script), Arc::new(sender));
        let serving = task::spawn("participant", async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answers, sender) = (Arc::clone(&answers), Arc::clone(&sender));
                connections.spawn(async move {
                    let service =
                        service_fn(move |request| answer(request, Arc::clone(&answers), Arc::clone(&sender)));
                    let http = auto::Builder::new(TokioExecutor::new());
                    // How a connection ends is the caller's business.
                    drop(http.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Self { base, script, seen, serving }
    }

    pub(crate) fn port(&self) -> u16 {
        self.base
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok())
            .expect("an address ends with its port")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Answers at a path: one after the other, the last one for ever. Where nothing is said, 200.
    pub(crate) fn say(&self, path: &str, answers: &[(u16, &'static str)]) {
        self.script.lock().unwrap().insert(path.to_owned(), answers.iter().copied().collect());
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.path).collect()
    }

    /// Waits until so many calls have come.
    pub(crate) async fn until(&self, count: usize) -> Vec<Seen> {
        let mut seen = self.seen.clone();
        let enough = seen.wait_for(|seen| seen.len() >= count);
        let enough = tokio::time::timeout(std::time::Duration::from_secs(20), enough).await;
        enough.unwrap_or_else(|_| panic!("only {:?}", self.paths())).unwrap().clone()
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    request: Request<Incoming>,
    script: Script,
    seen: Arc<watch::Sender<Vec<Seen>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let path = head.uri.path().to_owned();
    let is_grpc = head.version == Version::HTTP_2;
    let (status, text) = match script.lock().unwrap().get_mut(&path) {
        None => (200, ""),
        Some(answers) if answers.len() > 1 => answers.pop_front().unwrap(),
        Some(answers) => answers[0],
    };
    seen.send_modify(|all| all.push(Seen { path, headers: head.headers, body }));
    if is_grpc {
        // Nothing but a head.
        let code = if status == 200 { "0" } else { "10" };
        let mut response = Response::new(Full::default());
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        response.headers_mut().insert("grpc-status", HeaderValue::from_static(code));
        return Ok(response);
    }
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    Ok(response)
}
