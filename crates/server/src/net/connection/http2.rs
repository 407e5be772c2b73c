//! One connection of HTTP/2. Its streams are many and may be silent for long, so what is watched is the connection: its
//! first bytes have to come in time, and after that the other side has to answer pings. A request's own slowness is the
//! business of whoever reads its body.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::super::{Handler, Limits, Serve, Unanswered};
use super::{Connection, Link};
use crate::task;

/// What every client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What a client of HTTP/1 is told.
const REFUSAL: &[u8] =
    b"HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-length: 26\r\nconnection: close\r\n\r\nthis address speaks gRPC\r\n";
/// Largest head of a request.
const HEAD_BYTES_MAX: u32 = 16 << 10;
/// Requests under way on one connection; more wait at the client.
const STREAMS_MAX: u32 = 1_000;

/// Speaks HTTP/2 without TLS on the connections of a listener, from the first byte on, as clients of gRPC open them.
#[derive(Clone, Debug)]
pub struct Http2<H>(pub H);

impl<H: Handler> Serve for Http2<H> {
    // It would have to be a frame, and a client of gRPC understands a closed connection too.
    const REFUSAL: &'static [u8] = b"";

    fn serve(self, connection: Connection) -> impl Future<Output = ()> + Send {
        serve(connection, self.0)
    }
}

async fn serve<H: Handler>(connection: Connection, handler: H) {
    let Connection { mut stream, peer, limits, timed_out, link } = connection;
    let (link, timed_out) = (&link, &timed_out);
    match greeting(&mut stream, limits, link, timed_out).await {
        Greeting::Whole => {}
        Greeting::Other => {
            // Best effort, as for all who are at the wrong door.
            drop(stream.try_write(REFUSAL));
            return;
        }
        Greeting::Gone => return,
    }
    let service = service_fn(move |request| {
        let handler = handler.clone();
        async move {
            let response = handler.handle(request, peer).await;
            match response.extensions().get::<Unanswered>() {
                None => Ok(response),
                Some(unanswered) => Err(*unanswered),
            }
        }
    });
    let mut connection = pin!(
        http2::Builder::new(Streams)
            .timer(TokioTimer::new())
            .keep_alive_interval(limits.idle_timeout)
            .keep_alive_timeout(limits.header_timeout)
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(Greeted { stream, preface: PREFACE }), service)
    );
    let mut finishing = false;
    poll_fn(|cx| {
        link.watch(cx.waker());
        if link.is_draining() && !std::mem::replace(&mut finishing, true) {
            connection.as_mut().graceful_shutdown();
        }
        let ended = ready!(connection.as_mut().poll(cx));
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "connection failed");
        }
        Poll::Ready(())
    })
    .await;
}

/// How a connection began.
enum Greeting {
    /// As it should.
    Whole,
    /// With something else.
    Other,
    /// Not at all, or not in time.
    Gone,
}

/// Reads the preface, before which a connection costs a socket and nothing else.
async fn greeting(stream: &mut TcpStream, limits: Limits, link: &Link, timed_out: &Counter) -> Greeting {
    let mut bytes = [0; PREFACE.len()];
    let mut read = ReadBuf::new(&mut bytes);
    let mut patience = pin!(sleep(limits.header_timeout));
    poll_fn(|cx| {
        link.watch(cx.waker());
        if link.is_draining() {
            return Poll::Ready(Greeting::Gone);
        }
        loop {
            let before = read.filled().len();
            match Pin::new(&mut *stream).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if read.filled().len() > before => {}
                Poll::Ready(_) => return Poll::Ready(Greeting::Gone),
                Poll::Pending => break,
            }
            if !PREFACE.starts_with(read.filled()) {
                return Poll::Ready(Greeting::Other);
            }
            if read.remaining() == 0 {
                return Poll::Ready(Greeting::Whole);
            }
        }
        ready!(patience.as_mut().poll(cx));
        timed_out.inc();
        Poll::Ready(Greeting::Gone)
    })
    .await
}

/// Where the streams of a connection run: a panic in one ends that one.
#[derive(Clone, Copy)]
struct Streams;

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, stream: F) {
        drop(task::spawn_connection(stream));
    }
}

/// The socket, with the preface that was read from it put back.
struct Greeted {
    stream: TcpStream,
    preface: &'static [u8],
}

impl AsyncRead for Greeted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.preface.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let (now, later) = self.preface.split_at(self.preface.len().min(buf.remaining()));
        buf.put_slice(now);
        self.preface = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Greeted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
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
