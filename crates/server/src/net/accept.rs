//! The accept loop: takes connections up to a limit, survives a shortage of descriptors, and drains at the end.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::connection::Link;
use super::{Connection, Serve};
use crate::metrics::NetMetrics;
use crate::task::{self, Stopping};

/// How long requests in flight may take to end once the node is stopping; it must be gone after ten seconds, and the
/// parts behind the listener need some of them.
pub(super) const DRAIN: Duration = Duration::from_secs(8);

/// Bounds of one listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections served at once.
    pub connections_max: usize,
    /// How long a connection may be silent at first, and a head may take to arrive.
    pub header_timeout: Duration,
    /// How long a connection may be without a byte otherwise; noticed after one to two times this.
    pub idle_timeout: Duration,
}

/// Serves a listener until the node stops and its last connection is gone, at most [`DRAIN`] after the stop.
pub async fn serve<S: Serve>(
    listener: TcpListener,
    server: S,
    limits: Limits,
    metrics: NetMetrics,
    mut stopping: Stopping,
) {
    let links = Arc::new(Links::default());
    let mut pause = Pause::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.given() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = Pause::default();
                take(stream, peer, &server, limits, &metrics, &links);
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                metrics.accept_errors.inc();
                let length = pause.next(&error);
                tokio::select! {
                    () = tokio::time::sleep(length) => {}
                    () = stopping.given() => break,
                }
            }
        }
    }
    // From here on the kernel turns newcomers away.
    drop(listener);
    links.drain(DRAIN).await;
}

/// Gives a connection its task, or turns it away.
fn take<S: Serve>(
    stream: TcpStream,
    peer: SocketAddr,
    server: &S,
    limits: Limits,
    metrics: &NetMetrics,
    links: &Arc<Links>,
) {
    let Some(ticket) = links.enter(limits.connections_max, metrics) else {
        metrics.refused.inc();
        // Best effort: whoever is above the limit is not worth waiting for.
        drop(stream.try_write(S::REFUSAL));
        return;
    };
    metrics.accepted.inc();
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
    }
    let (link, timed_out) = (Arc::clone(&ticket.link), metrics.timed_out.clone());
    let (server, connection) = (server.clone(), Connection { stream, peer, limits, link, timed_out });
    task::spawn_connection(async move {
        let _ticket = ticket;
        server.serve(connection).await;
    });
}

/// Errors of `accept` that are the would-be connection's own fate and say nothing about the listener.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// The pause after a failed accept: 10 ms at first, doubled up to one second; logged once in a row.
#[derive(Default)]
struct Pause(u32);

impl Pause {
    fn next(&mut self, error: &io::Error) -> Duration {
        if self.0 == 0 {
            tracing::error!(%error, "cannot accept connections; trying on");
        }
        let length = Duration::from_millis(10 << self.0.min(7));
        self.0 += 1;
        length.min(Duration::from_secs(1))
    }
}

/// The connections that are served right now.
#[derive(Debug, Default)]
struct Links {
    open: Mutex<Open>,
    empty: Notify,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    links: HashMap<u64, Arc<Link>>,
}

/// A connection's place among the open ones, given back when it is dropped, also by a panic.
struct Ticket {
    links: Arc<Links>,
    number: u64,
    link: Arc<Link>,
    open: prometheus_client::metrics::gauge::Gauge,
}

impl Links {
    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        // Nothing in here can be left half done by a panic.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, unless `max` are taken.
    fn enter(self: &Arc<Self>, max: usize, metrics: &NetMetrics) -> Option<Ticket> {
        let link = Arc::new(Link::default());
        let mut open = self.open();
        if open.links.len() >= max {
            return None;
        }
        let number = open.next;
        open.next += 1;
        open.links.insert(number, Arc::clone(&link));
        metrics.open.inc();
        Some(Ticket { links: Arc::clone(self), number, link, open: metrics.open.clone() })
    }

    /// Asks every connection to finish, and waits until they have or `limit` has passed.
    async fn drain(&self, limit: Duration) {
        for link in self.open().links.values() {
            link.drain();
        }
        let all_gone = async {
            loop {
                let gone = self.empty.notified();
                if self.open().links.is_empty() {
                    return;
                }
                gone.await;
            }
        };
        if tokio::time::timeout(limit, all_gone).await.is_err() {
            let left = self.open().links.len();
            tracing::warn!(connections = left, "some connections did not end in time and are cut");
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut open = self.links.open();
        open.links.remove(&self.number);
        self.open.dec();
        if open.links.is_empty() {
            self.links.empty.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second_and_stay_there() {
        let none_left = io::Error::from_raw_os_error(24);
        let mut pause = Pause::default();
        let lengths: Vec<_> = (0..10).map(|_| pause.next(&none_left).as_millis()).collect();
        assert_eq!(lengths, [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000, 1_000]);
        for _ in 0..100 {
            assert_eq!(pause.next(&none_left), Duration::from_secs(1));
        }
        assert!(!is_of_the_connection(&none_left));
        assert!(is_of_the_connection(&io::ErrorKind::ConnectionAborted.into()));
    }
}
