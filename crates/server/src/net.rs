//! Sockets: one accept loop, one watchdog per connection, bodies with limits. HTTP/1.1, HTTP/2 where gRPC is served, and what a
//! face speaks on connections of its own.
//!
//! Ours and not a framework's, because every limit must be on this path and nothing else may be: a request costs hyper's
//! parsing, one call of the [`Handler`] and hyper's writing, without a box, a span or a timer of its own.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

use crate::config::Address;

mod accept;
pub mod body;
mod connection;
pub(crate) mod grpc;
pub mod gzip;
#[cfg(test)]
mod tests;
pub mod tls;

pub use accept::{Limits, serve};
pub use body::Body;
pub use connection::{Connection, Http1, http2::Http2};

/// What a listener does with its connections. Cloned once per connection.
pub trait Serve: Clone + Send + Sync + 'static {
    /// What is written to a connection above the limit before it is closed.
    const REFUSAL: &'static [u8];

    /// Serves a connection to its end, which has to come soon after [`Connection::drained`].
    fn serve(self, connection: Connection) -> impl Future<Output = ()> + Send;
}

/// What answers requests of HTTP. Cloned once per connection, and over HTTP/2 once per request.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers one request of the connection from `peer`.
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// An extension of a response that makes it none: the connection (of HTTP/2: the stream) is closed without an answer,
/// because any answer might be wrong. The client then knows as much as the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request is left unanswered: its outcome is not known")]
pub struct Unanswered;

/// A response that is not sent: see [`Unanswered`].
pub fn unanswered() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Unanswered);
    response
}

/// Connections that may wait to be accepted: what the kernel allows on most machines.
const BACKLOG: u32 = 4_096;

/// Binds a listener. A host name is resolved, and its first address that can be bound is taken.
///
/// # Errors
/// When the name has no address or none can be bound.
pub async fn bind(address: &Address) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for resolved in lookup_host((address.host.as_str(), address.port)).await? {
        match bind_one(resolved) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for the old connections' TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
