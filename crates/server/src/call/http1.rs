//! HTTP/1.1 to participants. A call takes a connection that is idle, or makes one, and drives it itself: no task per
//! connection, no hand-over between threads. An idle connection is driven by nobody; what happened to it meanwhile is found
//! out when it is taken, or when it is looked after ([`Http1::look_after`]).

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tower::ServiceExt as _;

use super::Trouble;
use crate::net::tls::{Connector, Stream};

/// Largest head of an answer.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Connections without a call, to all participants together.
const IDLE_MAX: usize = 10_000;

/// What a participant answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// One client for all participants.
pub(super) struct Http1 {
    connector: Connector,
    builder: http1::Builder,
    bytes_max: usize,
    idle_max: usize,
    idle_ms: u64,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// By origin, the latest one last.
    links: HashMap<Box<str>, Vec<Parked>>,
    count: usize,
}

struct Parked {
    link: Link,
    since_mono: u64,
}

/// A connection.
struct Link {
    sender: http1::SendRequest<Full<Bytes>>,
    /// Gone when it has ended.
    wire: Option<Box<http1::Connection<TokioIo<Stream>, Full<Bytes>>>>,
}

/// Why an exchange failed.
enum Fault {
    /// Before the head of an answer was there.
    Early(hyper::Error),
    /// Amid the answer.
    Late(hyper::Error),
    /// The answer is longer than is taken.
    TooLong,
}

impl Http1 {
    pub(super) fn new(
        connector: Connector,
        bytes_max: usize,
        idle_max: usize,
        idle_timeout: Duration,
    ) -> Self {
        let mut builder = http1::Builder::new();
        builder.max_header_size(HEAD_BYTES_MAX);
        Self {
            connector,
            builder,
            bytes_max,
            idle_max,
            idle_ms: idle_timeout.as_millis() as u64,
            idle: Mutex::default(),
        }
    }

    /// Sends what `make` makes and reads the answer whole. A connection that was idle may have been closed by the other side
    /// at the same moment; then it is done once more on a new one, which participants have to bear anyway.
    pub(super) async fn send(
        &self,
        origin: &str,
        make: impl Fn() -> Result<Request<Full<Bytes>>, Trouble>,
        now_mono: impl Fn() -> u64,
    ) -> Result<Answer, Trouble> {
        if let Some(mut link) = self.take(origin, now_mono()) {
            match link.exchange(make()?, self.bytes_max).await {
                Ok(answer) => return Ok(self.keep(origin, link, answer, now_mono()).await),
                Err(Fault::Early(error)) if is_closed(&error) => {}
                Err(fault) => return Err(self.trouble(origin, fault)),
            }
        }
        let request = make()?;
        let mut link = self.connect(origin).await?;
        match link.exchange(request, self.bytes_max).await {
            Ok(answer) => Ok(self.keep(origin, link, answer, now_mono()).await),
            Err(fault) => Err(self.trouble(origin, fault)),
        }
    }

    fn trouble(&self, origin: &str, fault: Fault) -> Trouble {
        match fault {
            Fault::Early(error) => Trouble::silent(format!("no answer from {origin}: {}", reason(&error))),
            Fault::Late(error) => {
                Trouble::silent(format!("the answer of {origin} breaks off: {}", reason(&error)))
            }
            Fault::TooLong => {
                Trouble::ours(format!("the answer of {origin} is longer than {} bytes", self.bytes_max))
            }
        }
    }

    async fn connect(&self, origin: &str) -> Result<Link, Trouble> {
        let uri: Uri = origin
            .parse()
            .map_err(|error| Trouble::ours(format!("\"{origin}\" cannot be called: {error}")))?;
        let stream = self.connector.clone().oneshot(uri).await;
        let stream = stream.map_err(|error| Trouble::unsent(origin, &*error))?;
        let shaken = self.builder.handshake(stream).await;
        let (sender, wire) = shaken.map_err(|error| Trouble::unsent(origin, &error))?;
        Ok(Link { sender, wire: Some(Box::new(wire)) })
    }

    /// An idle connection that is still open.
    fn take(&self, origin: &str, now_mono: u64) -> Option<Link> {
        loop {
            let parked = {
                let mut idle = self.idle();
                let parked = idle.links.get_mut(origin)?.pop();
                match parked {
                    Some(parked) => {
                        idle.count -= 1;
                        parked
                    }
                    None => {
                        idle.links.remove(origin);
                        return None;
                    }
                }
            };
            let Parked { mut link, since_mono } = parked;
            if now_mono.saturating_sub(since_mono) <= self.idle_ms && link.is_idle() {
                return Some(link);
            }
        }
    }

    /// Parks a connection that can be used again.
    async fn keep(&self, origin: &str, mut link: Link, answer: Answer, now_mono: u64) -> Answer {
        if poll_fn(|cx| Poll::Ready(link.is_free(cx))).await {
            let mut idle = self.idle();
            let Idle { links, count } = &mut *idle;
            if *count < IDLE_MAX && self.idle_max > 0 {
                let parked = match links.get_mut(origin) {
                    Some(parked) => parked,
                    None => links.entry(origin.into()).or_default(),
                };
                if parked.len() < self.idle_max {
                    parked.push(Parked { link, since_mono: now_mono });
                    *count += 1;
                }
            }
        }
        answer
    }

    /// Closes connections that were idle for too long, or were closed by the other side.
    pub(super) fn look_after(&self, now_mono: u64) {
        let origins: Vec<Box<str>> = self.idle().links.keys().cloned().collect();
        for origin in origins {
            // Locked for one participant at a time: some hundred connections, which are only looked at.
            let mut idle = self.idle();
            let Idle { links, count } = &mut *idle;
            let Some(parked) = links.get_mut(&origin) else { continue };
            let before = parked.len();
            parked.retain_mut(|parked| {
                now_mono.saturating_sub(parked.since_mono) <= self.idle_ms && parked.link.is_idle()
            });
            *count -= before - parked.len();
            if parked.is_empty() {
                links.remove(&origin);
            }
        }
    }

    /// Connections without a call.
    pub(super) fn idle_len(&self) -> usize {
        self.idle().count
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// Lets the connection do what it can.
    fn work(&mut self, cx: &mut Context<'_>) {
        if let Some(wire) = &mut self.wire
            && Pin::new(&mut **wire).poll(cx).is_ready()
        {
            // Whoever waits for an answer is told by the drop, if not before.
            self.wire = None;
        }
    }

    /// Whether another request can be sent.
    fn is_free(&mut self, cx: &mut Context<'_>) -> bool {
        self.work(cx);
        self.wire.is_some() && matches!(self.sender.poll_ready(cx), Poll::Ready(Ok(())))
    }

    /// As [`Self::is_free`]; nobody is woken by it.
    fn is_idle(&mut self) -> bool {
        self.is_free(&mut Context::from_waker(Waker::noop()))
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>, bytes_max: usize) -> Result<Answer, Fault> {
        let mut head = pin!(self.sender.send_request(request));
        let head = poll_fn(|cx| {
            if let Some(wire) = &mut self.wire
                && Pin::new(&mut **wire).poll(cx).is_ready()
            {
                self.wire = None;
            }
            head.as_mut().poll(cx)
        });
        let (head, mut body) = head.await.map_err(Fault::Early)?.into_parts();
        if body.size_hint().lower() > bytes_max as u64 {
            return Err(Fault::TooLong);
        }
        let mut read = Read { bytes_max, first: Bytes::new(), whole: BytesMut::new() };
        poll_fn(|cx| read.poll(self, &mut body, cx)).await?;
        Ok(Answer { status: head.status, body: read.finish() })
    }
}

/// A body as it comes. One that comes in one piece is not copied.
struct Read {
    bytes_max: usize,
    first: Bytes,
    whole: BytesMut,
}

impl Read {
    fn poll(
        &mut self,
        link: &mut Link,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        let mut worked = false;
        loop {
            if body.is_end_stream() {
                return Poll::Ready(Ok(()));
            }
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(Fault::Late(error))),
                Poll::Ready(Some(Ok(frame))) => {
                    worked = false;
                    // Trailers are no concern of anybody here.
                    let Ok(data) = frame.into_data() else { continue };
                    if self.first.len() + self.whole.len() + data.len() > self.bytes_max {
                        return Poll::Ready(Err(Fault::TooLong));
                    }
                    self.add(data);
                }
                Poll::Pending if worked => return Poll::Pending,
                Poll::Pending => {
                    link.work(cx);
                    worked = true;
                }
            }
        }
    }

    fn add(&mut self, data: Bytes) {
        if self.first.is_empty() && self.whole.is_empty() {
            self.first = data;
            return;
        }
        self.whole.extend_from_slice(&std::mem::take(&mut self.first));
        self.whole.extend_from_slice(&data);
    }

    fn finish(self) -> Bytes {
        if self.whole.is_empty() { self.first } else { self.whole.freeze() }
    }
}

/// Whether the other side closed the connection, as opposed to answering something that is no HTTP.
fn is_closed(error: &hyper::Error) -> bool {
    let is_io = std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>());
    error.is_canceled() || error.is_closed() || error.is_incomplete_message() || is_io
}

/// What is at the bottom of an error: "connection refused", not "client error (Connect)".
pub(super) fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

impl fmt::Debug for Http1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1").field("idle", &self.idle_len()).finish_non_exhaustive()
    }
}
