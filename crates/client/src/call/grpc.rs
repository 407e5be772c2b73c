//! Services by name over gRPC: a channel for clients that tonic generates.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as Poller, Poll};
use std::time::Duration;

use ::http::uri::{Authority, PathAndQuery, Scheme};
use ::http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::{Error, HashKey, Resolver};
use crate::balance::RetryBudget;
use crate::context::{self, Carrier};
use crate::http_client::reason;
use crate::task;

/// Longest time to connect to one instance.
const CONNECT: Duration = Duration::from_secs(1);
/// How soon an instance that has gone silent is noticed: pinged after one, given up after the other.
const PING_AFTER: Duration = Duration::from_secs(10);
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Most instances that are tried for one call.
const TRIES: u32 = 3;
/// Most connections, and the port where none is said.
const CONNECTIONS_MAX: usize = 1024;
const PORT: u16 = 80;

/// The instances of one service, for `XyzClient::new(channel)`. Each call goes to one of them, over a connection of HTTP/2 that is kept,
/// in the context of the task that calls. Cheap to clone; the clones share connections.
///
/// A call that was certainly not sent goes to another instance, within a [`RetryBudget`]; one that was sent is never repeated here. Without
/// time left it ends with `DEADLINE_EXCEEDED`, without an instance with `UNAVAILABLE`, and with `UNKNOWN` where it was sent and the
/// connection broke.
#[derive(Clone)]
pub struct Channel(Arc<Inner>);

struct Inner {
    service: String,
    resolver: Arc<dyn Resolver>,
    budget: RetryBudget,
    connections: Mutex<HashMap<Authority, Slot>>,
}

/// The lock is held while it is connected, so that all who wait share the connection.
type Slot = Arc<tokio::sync::Mutex<Option<SendRequest<Body>>>>;

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({:?})", self.0.service)
    }
}

impl Channel {
    /// A channel to a service, by its name: `bank`, or `synod://bank`. Nothing is connected yet.
    pub fn new(service: &str, resolver: Arc<dyn Resolver>) -> Self {
        let service = service.strip_prefix("synod://").unwrap_or(service).trim_end_matches('/').to_owned();
        let (budget, connections) = (RetryBudget::default(), Mutex::default());
        Self(Arc::new(Inner { service, resolver, budget, connections }))
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Poller<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        context::inject(&context::current(), request.headers_mut());
        // The context's, or a shorter one that the caller has set.
        let limit = request.headers().timeout();
        let answer = async move { inner.send(request).await.map_err(status) };
        Box::pin(async move {
            let Some(limit) = limit else { return answer.await };
            if limit.is_zero() {
                return Err(status(Error::DeadlineExceeded));
            }
            timeout(limit, answer).await.unwrap_or_else(|_| Err(status(Error::DeadlineExceeded)))
        })
    }
}

impl Inner {
    async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>, Error> {
        let mut result = Err(Error::NoInstance(self.service.clone()));
        let Some(balancer) = self.resolver.balancer(&self.service) else { return result };
        let key = request.extensions().get::<HashKey>().cloned();
        let key = key.as_ref().map(|key| &*key.0);
        for pick in balancer.attempts(&self.budget, key, TRIES) {
            let one = match pick.address().parse() {
                Ok(address) => self.try_at(&address, request).await,
                Err(_) => Err((request, Error::BadTarget(pick.address().to_owned()))),
            };
            match one {
                Ok(answer) => {
                    match &answer {
                        Ok(answer) if !is_unavailable(answer) => pick.success(),
                        Err(Error::BadTarget(_)) => drop(pick),
                        _ => pick.failure(),
                    }
                    return answer;
                }
                Err((unsent, error)) => (request, result) = (unsent, Err(error)),
            }
            pick.unreachable();
            self.resolver.unreachable(&self.service);
        }
        result
    }

    /// The outer error is for what was not sent, and gives the request back.
    async fn try_at(
        &self,
        address: &Authority,
        mut request: Request<Body>,
    ) -> Result<Result<Response<Incoming>, Error>, (Request<Body>, Error)> {
        let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(address.clone()).path_and_query(path).build();
        match uri {
            Ok(uri) => *request.uri_mut() = uri,
            Err(error) => return Ok(Err(Error::BadTarget(format!("{address}: {error}")))),
        }
        let mut send = match self.connected(address).await {
            Ok(send) => send,
            Err(why) => return Err((request, Error::NotSent(format!("{address}: {why}")))),
        };
        match send.try_send_request(request).await {
            Ok(answer) => Ok(Ok(answer)),
            Err(mut error) => {
                let unsent = error.take_message();
                let why = format!("{address}: {}", reason(&error.into_error()));
                match unsent {
                    Some(request) => Err((request, Error::NotSent(why))),
                    None => Ok(Err(Error::Unknown(why))),
                }
            }
        }
    }

    /// The connection to this address, or a new one where it has broken.
    async fn connected(&self, address: &Authority) -> Result<SendRequest<Body>, String> {
        let slot = self.slot(address);
        let mut connection = slot.lock().await;
        if let Some(open) = connection.as_mut()
            && open.ready().await.is_ok()
        {
            return Ok(open.clone());
        }
        let new = timeout(CONNECT, connect(address)).await;
        let new = new.unwrap_or_else(|_| Err("it took too long to connect".to_owned()))?;
        Ok(connection.insert(new).clone())
    }

    fn slot(&self, address: &Authority) -> Slot {
        let mut slots = self.connections.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if slots.len() >= CONNECTIONS_MAX && !slots.contains_key(address) {
            // Instances come and go: what nobody uses now makes room.
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(address.clone()).or_default())
    }
}

/// Whether the answer is only that there is none.
fn is_unavailable(answer: &Response<Incoming>) -> bool {
    answer.status().is_server_error() || answer.headers().get("grpc-status").is_some_and(|code| code == "14")
}

async fn connect(address: &Authority) -> Result<SendRequest<Body>, String> {
    let host = address.host().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, address.port_u16().unwrap_or(PORT))).await;
    let stream = stream.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut builder = Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(PING_AFTER).keep_alive_timeout(SILENCE_MAX);
    let (send, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| reason(&error))?;
    // It ends when it is neither held here nor used by a stream. Of its end, whoever sends over it is told.
    task::detached(async move {
        connection.await.ok();
    });
    Ok(send)
}

fn status(error: Error) -> Status {
    let text = error.to_string();
    match error {
        Error::DeadlineExceeded => Status::deadline_exceeded(text),
        Error::NoInstance(_) | Error::NotSent(_) => Status::unavailable(text),
        Error::Unknown(_) => Status::unknown(text),
        Error::BadTarget(_) => Status::invalid_argument(text),
    }
}
