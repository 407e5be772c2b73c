//! A server for those who have none.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Participants;

/// Connections at a time. A coordinator keeps a few.
const CONNECTIONS_MAX: usize = 512;
/// How long a connection may be idle, or take to say what it wants.
const IDLE: Duration = Duration::from_secs(75);

impl Participants {
    /// Answers calls on `listener` until this future is dropped, and all its connections with it. Calls that are cut off come
    /// again.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let participants = Arc::clone(&self);
                    connections.spawn(async move {
                        participants.converse(stream).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    // Out of files, or gone before it was accepted.
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn converse(self: Arc<Self>, stream: TcpStream) {
        stream.set_nodelay(true).ok();
        let service = service_fn(move |request| {
            let participants = Arc::clone(&self);
            async move { Ok::<_, Infallible>(participants.handle(request).await) }
        });
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(IDLE);
        // How it ends is the caller's concern: what was not answered is asked again.
        drop(server.serve_connection(TokioIo::new(stream), service).await);
    }
}
