//! A server for those who have none.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Participants;

/// Connections at a time. A coordinator keeps a few.
const CONNECTIONS_MAX: usize = 512;
/// How long a connection may be idle, or take to say what it wants.
const IDLE: Duration = Duration::from_secs(75);
/// Longest time for the calls that are under way when it is stopped.
const DRAIN: Duration = Duration::from_secs(10);

impl Participants {
    /// Answers calls on `listener` until this future is dropped, and all its connections with it. Calls that are cut off come
    /// again.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        self.serve_until(listener, pending()).await;
    }

    /// The same until `stop` has come. Then nobody is accepted any more, calls that are under way are answered, and this returns: after
    /// 10 seconds at the latest, or when it is dropped. Calls that are cut off, or not accepted, come again.
    ///
    /// ```no_run
    /// # use synod_client::native::Participants;
    /// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    /// let participants = Participants::new("http://10.0.0.7:9000")?;
    /// let listener = tokio::net::TcpListener::bind("0.0.0.0:9000").await?;
    /// participants.serve_until(listener, async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await;
    /// # Ok(()) }
    /// ```
    pub async fn serve_until(self: Arc<Self>, listener: TcpListener, stop: impl Future<Output = ()>) {
        self.serve_and_drain(listener, stop, DRAIN).await;
    }

    pub(in crate::native) async fn serve_and_drain(
        self: Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
        drain: Duration,
    ) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        let (stopping, stopped) = watch::channel(());
        let mut stop = pin!(stop);
        loop {
            while connections.try_join_next().is_some() {}
            tokio::select! {
                () = &mut stop => break,
                (stream, permit) = next(&listener, &room) => {
                    let (participants, stopped) = (Arc::clone(&self), stopped.clone());
                    connections.spawn(async move {
                        participants.converse(stream, stopped).await;
                        drop(permit);
                    });
                }
            }
        }
        drop((listener, stopping));
        let all = async { while connections.join_next().await.is_some() {} };
        if timeout(drain, all).await.is_err() {
            tracing::warn!(?drain, "calls were cut off that did not end in time");
        }
    }

    /// Serves a connection to its end; once the sender of `stopped` is gone, no further than the call that is under way.
    async fn converse(self: Arc<Self>, stream: TcpStream, mut stopped: watch::Receiver<()>) {
        stream.set_nodelay(true).ok();
        let service = service_fn(move |request| {
            let participants = Arc::clone(&self);
            async move { Ok::<_, Infallible>(participants.handle(request).await) }
        });
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(IDLE);
        let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
        // How it ends is the caller's concern: what was not answered is asked again.
        tokio::select! {
            _ = &mut connection => return,
            _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
        }
        drop(connection.await);
    }
}

/// The next connection, as soon as there is room for one.
async fn next(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    // Nobody closes it.
    let Ok(permit) = Arc::clone(room).acquire_owned().await else { return pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                // Out of files, or gone before it was accepted.
                tracing::warn!(%error, "a connection was not accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
