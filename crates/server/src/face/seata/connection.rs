//! One connection, which is one task: it reads frames, answers pings and registrations at once, polls the requests that are under
//! way, and writes whatever has come together with one call. Nothing it holds grows without limit: at the bound of requests or of
//! unwritten bytes it does not read on, and the client's writes wait.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use futures_util::future::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use synod_wire::seata::{self, Client, ClientVersion, DecodeError, Frame, FrameError, Header, Kind, Message};
use tokio::io::AsyncReadExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::session::Session;
use super::{Front, No, merge};
use crate::call::seata::{Outgoing, destination};
use crate::net;

/// Requests under way; no more are read.
const REQUESTS_MAX: usize = 4_096;
/// Bytes that wait to be written; no more are made.
const OUTPUT_BYTES_MAX: usize = 256 << 10;
/// Room for what is read at once.
const READ_BYTES: usize = 16 << 10;
/// More is made when less than this is left: most frames have a few hundred bytes, and each read goes where the last one ended.
const READ_BYTES_MIN: usize = 4 << 10;
/// A larger buffer is not kept for a connection that has nothing in it.
const KEEP_BYTES: usize = 64 << 10;
/// How often it is looked, while the node stops, whether anything is left to do.
const DRAIN_CHECK: Duration = Duration::from_millis(50);

/// What becomes of a request, or of several that are answered together.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) header: Header,
    pub(super) client: Client,
    /// How many requests it answers.
    pub(super) requests: usize,
    pub(super) message: Result<Message, No>,
}

/// A request that is under way.
pub(super) type Job = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("closed by the client")]
    Gone,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Body(#[from] DecodeError),
    #[error("a request before any registration")]
    Stranger,
    #[error("silent for too long")]
    Idle,
    #[error("a request could not be answered now")]
    Unanswered,
    #[error("the node stops")]
    Stopped,
}

/// Serves one connection to its end.
pub(super) async fn serve(front: Front, connection: net::Connection) {
    let drained = connection.drained();
    let net::Connection { stream, peer, limits, timed_out, .. } = connection;
    let (seat, queue) = front.0.channels.enter(peer);
    let (reader, writer) = stream.into_split();
    let mut line = Line {
        last_read_ms: front.0.clock.now().mono_ms,
        front,
        peer,
        reader,
        writer,
        session: Session::new(peer, seat),
        input: BytesMut::new(),
        output: BytesMut::new(),
        ends: VecDeque::new(),
        jobs: FuturesUnordered::new(),
        requests: 0,
        stops: false,
    };
    let end = line.run(queue, drained, limits.idle_timeout).await;
    match end {
        End::Gone | End::Io(_) | End::Stopped | End::Unanswered => {
            tracing::debug!(%peer, why = %end, "a Seata client's connection ends");
        }
        End::Idle => {
            timed_out.inc();
            tracing::debug!(%peer, why = %end, "a Seata client's connection is closed");
        }
        End::Frame(_) | End::Body(_) | End::Stranger => {
            tracing::warn!(%peer, why = %end, "a Seata client's connection is closed");
        }
    }
}

struct Line {
    front: Front,
    peer: SocketAddr,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    session: Session,
    input: BytesMut,
    output: BytesMut,
    /// Lengths of the frames in `output`, where they are to be written one by one.
    ends: VecDeque<usize>,
    jobs: FuturesUnordered<Job>,
    /// Requests in `jobs`.
    requests: usize,
    last_read_ms: u64,
    /// The node stops: nothing new is begun.
    stops: bool,
}

impl Line {
    async fn run(
        &mut self,
        queue: mpsc::Receiver<Outgoing>,
        drained: impl Future<Output = ()>,
        idle_timeout: Duration,
    ) -> End {
        match self.go(queue, drained, idle_timeout).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn go(
        &mut self,
        mut queue: mpsc::Receiver<Outgoing>,
        drained: impl Future<Output = ()>,
        idle_timeout: Duration,
    ) -> Result<std::convert::Infallible, End> {
        let (mut drained, mut timer) = (pin!(drained), pin!(sleep(idle_timeout)));
        loop {
            self.gather(&mut queue)?;
            self.flush()?;
            if self.stops && self.is_idle() {
                return Err(End::Stopped);
            }
            let writes = !self.output.is_empty();
            let has_room = self.output.len() < OUTPUT_BYTES_MAX;
            let reads = has_room && self.requests < REQUESTS_MAX;
            self.make_room();
            tokio::select! {
                biased;
                ready = self.writer.writable(), if writes => ready?,
                Some(outgoing) = queue.recv(), if has_room => self.put(outgoing),
                Some(reply) = self.jobs.next(), if has_room => self.reply(reply)?,
                // Of a read that leaves room tokio knows that there is no more: no second one finds that out.
                length = self.reader.read_buf(&mut self.input), if reads => self.read(length?).await?,
                () = &mut drained, if !self.stops => {
                    self.stops = true;
                    timer.set(sleep(DRAIN_CHECK));
                }
                () = &mut timer => {
                    // Whom we do not read from is not to blame for his silence.
                    let left = self.idle_left(idle_timeout, reads)?;
                    timer.set(sleep(if self.stops { DRAIN_CHECK } else { left }));
                }
            }
        }
    }

    /// Whatever else can be written by now.
    fn gather(&mut self, queue: &mut mpsc::Receiver<Outgoing>) -> Result<(), End> {
        while self.output.len() < OUTPUT_BYTES_MAX {
            if let Ok(outgoing) = queue.try_recv() {
                self.put(outgoing);
            } else if let Some(Some(reply)) = self.jobs.next().now_or_never() {
                self.reply(reply)?;
            } else {
                break;
            }
        }
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.output.is_empty() && !self.session.seat().is_awaiting()
    }

    fn idle_left(&mut self, idle_timeout: Duration, reads: bool) -> Result<Duration, End> {
        let now_ms = self.front.0.clock.now().mono_ms;
        if !reads {
            self.last_read_ms = now_ms;
        }
        let silent = Duration::from_millis(now_ms.saturating_sub(self.last_read_ms));
        match idle_timeout.checked_sub(silent) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err(End::Idle),
        }
    }

    /// Sees to it that something can be read.
    fn make_room(&mut self) {
        if self.input.capacity() - self.input.len() < READ_BYTES_MIN {
            self.input.reserve(READ_BYTES);
        }
    }

    /// So many bytes have come.
    async fn read(&mut self, length: usize) -> Result<(), End> {
        if length == 0 {
            return Err(End::Gone);
        }
        self.last_read_ms = self.front.0.clock.now().mono_ms;
        while let Some(frame) = Frame::decode(&mut self.input, self.front.0.frame_bytes_max)? {
            self.take(frame).await?;
        }
        if self.input.is_empty() && self.input.capacity() > KEEP_BYTES {
            self.input = BytesMut::new();
        }
        Ok(())
    }

    /// A frame has come.
    async fn take(&mut self, frame: Frame) -> Result<(), End> {
        let header = frame.header;
        match header.kind {
            Kind::Ping => {
                seata::write_heartbeat(header.answer(), &mut self.output);
                self.written();
                return Ok(());
            }
            Kind::Pong => return Ok(()),
            Kind::Request | Kind::Response | Kind::OneWay => {}
        }
        self.session.heard(header);
        let message = match seata::read(&frame, self.session.client()) {
            Ok(message) => message,
            // What a later version may say; nobody waits for an answer that has no form.
            Err(error @ DecodeError::Type(_)) => {
                tracing::debug!(peer = %self.peer, %error, "a Seata client's message is left out");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.understand(header, message).await
    }

    async fn understand(&mut self, header: Header, message: Message) -> Result<(), End> {
        match message {
            Message::RegisterTm(register) => {
                let answer = self.session.register_tm(&register, header.kind);
                self.write(header.answer(), &answer, self.session.client());
            }
            Message::RegisterRm(register) => {
                let registered = self.session.register_rm(&register);
                self.write(header.answer(), &registered.answer, self.session.client());
                for resource in registered.resources {
                    self.front.0.coordinator.reachable(&destination(&resource)).await;
                }
            }
            Message::UnregisterRm(register) => {
                let answer = self.session.unregister_rm(&register);
                self.write(header.answer(), &answer, self.session.client());
            }
            Message::BranchCommitAnswer(answer) | Message::BranchRollbackAnswer(answer) => {
                let (xid, branch_id) = (answer.xid.clone(), answer.branch_id);
                if !self.session.seat().answered(header.id, answer) {
                    tracing::debug!(peer = %self.peer, %xid, branch_id, "an answer for which nobody waits");
                }
            }
            // Whoever asks now asks the next node, or this one after its start.
            Message::Request(_) | Message::MergedWarp(_) if self.stops => {}
            Message::Request(request) => {
                let asker = self.session.asker(&request).ok_or(End::Stranger)?;
                self.requests += 1;
                self.jobs.push(merge::single(&self.front, header, asker, request));
            }
            Message::MergedWarp(merged) => {
                let requests = merged.requests.len();
                let jobs = merge::merged(&self.front, &self.session, header, merged).ok_or(End::Stranger)?;
                self.requests += requests;
                self.jobs.extend(jobs);
            }
            // What only a coordinator says.
            Message::RegisterTmAnswer(_)
            | Message::RegisterRmAnswer(_)
            | Message::UnregisterRmAnswer(_)
            | Message::Answer(_)
            | Message::MergeResult(_)
            | Message::BatchResult(_)
            | Message::BranchCommit(_)
            | Message::BranchRollback(_)
            | Message::UndoLogDelete(_) => {}
        }
        Ok(())
    }

    /// A request has come to its end.
    fn reply(&mut self, reply: Reply) -> Result<(), End> {
        self.requests -= reply.requests;
        match reply.message {
            Ok(message) => self.write(reply.header, &message, reply.client),
            Err(No::Unanswered) => {}
            Err(No::Closed) => return Err(End::Unanswered),
        }
        Ok(())
    }

    /// Something is to be said unasked.
    fn put(&mut self, outgoing: Outgoing) {
        let header = self.session.header(outgoing.kind, outgoing.id);
        let written = seata::write(header, &outgoing.message, self.session.client(), &mut self.output);
        match written {
            Ok(()) => self.written(),
            Err(error) => self.session.seat().unwritable(outgoing.id, &error),
        }
    }

    fn write(&mut self, header: Header, message: &Message, client: Client) {
        match seata::write(header, message, client, &mut self.output) {
            Ok(()) => self.written(),
            Err(error) => {
                tracing::warn!(peer = %self.peer, %error, "an answer to a Seata client cannot be written");
            }
        }
    }

    /// A frame stands at the end of what is to be written. seata-python looks at one frame for each of its reads; it is among
    /// the clients before 1.5.0, and these get each frame by itself.
    fn written(&mut self) {
        if self.session.client().version < ClientVersion::V1_5_0 {
            let before: usize = self.ends.iter().sum();
            self.ends.push_back(self.output.len() - before);
        }
    }

    /// Writes as much as the socket takes.
    fn flush(&mut self) -> Result<(), End> {
        while !self.output.is_empty() {
            let next = self.ends.front().copied().unwrap_or(self.output.len());
            match self.writer.try_write(&self.output[..next]) {
                Ok(length) => {
                    self.output.advance(length);
                    if let Some(first) = self.ends.front_mut() {
                        *first -= length;
                    }
                    if self.ends.front() == Some(&0) {
                        self.ends.pop_front();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
