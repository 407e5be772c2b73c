//! One connection: hyper speaks HTTP/1.1, a watchdog beside it ends what is silent or too slow.
//!
//! hyper's own header timeout would cost a boxed timer per request and would also cut idle keep-alive connections. The
//! watchdog has one timer per connection. The hot path only sets two flags; the timer looks at them when it fires.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::{Handler, Limits, Serve, Unanswered};

pub(super) mod http2;

/// Largest head of a request: hyper answers 431 beyond it.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// How long half a head may still take to become a request when the node is stopping.
const DRAIN_HEAD: Duration = Duration::from_secs(1);

/// Where a connection is between two requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Accepted, not a byte yet.
    Silent,
    /// Some bytes of a head, not all.
    Head,
    /// A handler is at work, or the body is arriving.
    Busy,
    /// Answered; the answer may still be on its way out.
    Idle,
}

/// What a connection's task, its socket and the accept loop know of each other.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// A [`Phase`]; `Silent` at first.
    phase: AtomicU8,
    /// Whether a request began or a byte was written since the watchdog looked.
    active: AtomicBool,
    /// Whether the node is stopping.
    draining: AtomicBool,
    /// Wakes the connection's task.
    waker: Mutex<Option<Waker>>,
}

// Everything but the waker is touched by the connection's own task only, and by the accept loop when it drains; the
// waker's lock orders that. Relaxed is enough for the flags.
impl Link {
    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Silent,
            1 => Phase::Head,
            2 => Phase::Busy,
            _ => Phase::Idle,
        }
    }

    fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Notes that bytes came in.
    fn received(&self) {
        if matches!(self.phase(), Phase::Silent | Phase::Idle) {
            self.set(Phase::Head);
        }
    }

    /// Asks the connection to end after the request it is in.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    fn watch(&self, waker: &Waker) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }
}

/// A connection that was accepted.
#[derive(Debug)]
pub struct Connection {
    /// The socket.
    pub stream: TcpStream,
    /// Who is at the other end.
    pub peer: SocketAddr,
    /// The listener's bounds.
    pub limits: Limits,
    /// What closing it for its silence is counted with.
    pub timed_out: Counter,
    pub(super) link: Arc<Link>,
}

impl Connection {
    /// Returns once the node is stopping: what was begun has to be finished, and nothing new begun. Only one task at a time may
    /// wait for it.
    pub fn drained(&self) -> impl Future<Output = ()> + Send + use<> {
        let link = Arc::clone(&self.link);
        poll_fn(move |cx| {
            link.watch(cx.waker());
            if link.is_draining() { Poll::Ready(()) } else { Poll::Pending }
        })
    }
}

/// Speaks HTTP/1.1 on the connections of a listener.
#[derive(Clone, Debug)]
pub struct Http1<H>(pub H);

impl<H: Handler> Serve for Http1<H> {
    const REFUSAL: &'static [u8] =
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n";

    fn serve(self, connection: Connection) -> impl Future<Output = ()> + Send {
        serve(connection, self.0)
    }
}

async fn serve<H: Handler>(connection: Connection, handler: H) {
    let Connection { stream, peer, limits, timed_out, link } = connection;
    let (link, timed_out) = (&link, &timed_out);
    if !speaks(&stream, limits, link, timed_out).await {
        return;
    }
    let service = service_fn(|request| {
        link.active.store(true, Ordering::Relaxed);
        link.set(Phase::Busy);
        let answer = handler.handle(request, peer);
        async move {
            let response = answer.await;
            link.set(Phase::Idle);
            match response.extensions().get::<Unanswered>() {
                None => Ok(response),
                Some(unanswered) => Err(*unanswered),
            }
        }
    });
    let socket = Socket { stream, link: Arc::clone(link) };
    // No `pipeline_flush`: while requests wait in the read buffer it never flushes and keeps every answer in memory.
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    let mut watchdog = Watchdog::new(limits);
    poll_fn(|cx| {
        if watchdog.begin_drain(link, cx) {
            connection.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            if let Err(error) = ended {
                tracing::debug!(%peer, %error, "connection failed");
            }
            return Poll::Ready(());
        }
        loop {
            match ready!(watchdog.poll(link, cx)) {
                Verdict::Close => {
                    timed_out.inc();
                    return Poll::Ready(());
                }
                Verdict::Finish => {
                    connection.as_mut().graceful_shutdown();
                    if connection.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(());
                    }
                }
            }
        }
    })
    .await;
}

/// Waits for the first byte: who never says anything costs a socket, but none of hyper's buffers.
async fn speaks(stream: &TcpStream, limits: Limits, link: &Link, timed_out: &Counter) -> bool {
    let mut patience = pin!(sleep(limits.header_timeout));
    poll_fn(|cx| {
        link.watch(cx.waker());
        if link.is_draining() {
            return Poll::Ready(false);
        }
        if stream.poll_read_ready(cx).is_ready() {
            return Poll::Ready(true);
        }
        ready!(patience.as_mut().poll(cx));
        timed_out.inc();
        Poll::Ready(false)
    })
    .await
}

/// What the watchdog found.
enum Verdict {
    /// Cut the connection.
    Close,
    /// End it as soon as the answer under way is out.
    Finish,
}

/// The timer of one connection, and what it is set for.
struct Watchdog {
    limits: Limits,
    timer: Pin<Box<Sleep>>,
    /// Whether the timer is set for the head that is arriving.
    on_head: bool,
    /// Whether the task's waker was left with the accept loop.
    watched: bool,
    /// Whether the connection was asked to end; the next time the timer fires it is cut.
    finishing: bool,
}

impl Watchdog {
    fn new(limits: Limits) -> Self {
        let timer = Box::pin(sleep(limits.header_timeout));
        Self { limits, timer, on_head: false, watched: false, finishing: false }
    }

    /// True once, when the node has begun to stop.
    fn begin_drain(&mut self, link: &Link, cx: &mut Context<'_>) -> bool {
        if !self.watched {
            // A task's waker stays good for the task's life.
            link.watch(cx.waker());
            self.watched = true;
        }
        if self.finishing || !link.is_draining() {
            return false;
        }
        self.finishing = true;
        let patience = match link.phase() {
            Phase::Silent => Duration::ZERO,
            Phase::Head => DRAIN_HEAD,
            // The accept loop's own limit comes first.
            Phase::Busy | Phase::Idle => super::accept::DRAIN,
        };
        self.set(patience);
        true
    }

    fn set(&mut self, length: Duration) {
        self.timer.set(sleep(length));
    }

    /// Ready when the connection has to end.
    fn poll(&mut self, link: &Link, cx: &mut Context<'_>) -> Poll<Verdict> {
        let on_head = link.phase() == Phase::Head;
        if on_head && !self.on_head && !self.finishing {
            // Rare: nearly every head arrives in one piece and is past this phase by now.
            link.active.store(false, Ordering::Relaxed);
            self.set(self.limits.header_timeout);
        }
        self.on_head = on_head;
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if self.finishing {
                return Poll::Ready(Verdict::Close);
            }
            let active = link.active.swap(false, Ordering::Relaxed);
            match link.phase() {
                Phase::Silent => return Poll::Ready(Verdict::Close),
                // Bytes still going out are those of an earlier answer: not the head's fault.
                Phase::Head if !active => return Poll::Ready(Verdict::Close),
                Phase::Head => self.set(self.limits.header_timeout),
                Phase::Busy => self.set(self.limits.idle_timeout),
                Phase::Idle if active => self.set(self.limits.idle_timeout),
                Phase::Idle => {
                    self.finishing = true;
                    self.set(self.limits.header_timeout);
                    return Poll::Ready(Verdict::Finish);
                }
            }
        }
    }
}

/// The socket, telling the watchdog what passes through it.
struct Socket {
    stream: TcpStream,
    link: Arc<Link>,
}

impl Socket {
    fn sent(&self, written: &Poll<io::Result<usize>>) {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.link.active.store(true, Ordering::Relaxed);
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.link.received();
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.sent(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.sent(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
