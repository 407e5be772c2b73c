//! One server: connects, serves the connection, and comes back.

use std::convert::Infallible;
use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::pin::pin;
use std::sync::Arc;

use bytes::{Buf as _, BytesMut};
use synod_base::rng::Rng;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Duration, sleep, sleep_until, timeout};

use super::ask::Shared;
use super::ends::{Answer, Ends};
use super::pending::{Ask, Lost};
use super::session::{End, Session};
use crate::backoff::Backoff;
use crate::clock::now;

/// Bytes that wait to be written; no more are made.
const OUTPUT_BYTES_MAX: usize = 256 << 10;
/// What is read at once.
const READ_BYTES: usize = 16 << 10;
/// A larger buffer is not kept when there is nothing in it.
const KEEP_BYTES: usize = 64 << 10;
/// Before another try.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// Keeps a connection to the server with this number, until it is cancelled.
pub(super) async fn run(shared: Arc<Shared>, at: usize, mut queue: mpsc::Receiver<Ask>) {
    let mut ends = Ends::new(shared.config.ends_max);
    let mut random = Rng::new(RandomState::new().hash_one(at));
    let mut failures = 0;
    for connection in 0.. {
        let line = Line { shared: &shared, at, connection, queue: &mut queue, ends: &mut ends };
        let began = now();
        let (end, was_up) = line.serve().await;
        let address = &shared.config.servers[at];
        if was_up {
            tracing::warn!(server = %address, why = %end, "the connection to a Seata server has ended");
            // Only one that has stayed for longer than the pause before: one that takes registrations and hangs up is not to be
            // flooded with them.
            if now() - began > BACKOFF.after(failures) {
                failures = 0;
            }
        } else {
            tracing::debug!(server = %address, why = %end, "no connection to a Seata server");
        }
        shared.down(at, end.to_string());
        failures = u32::saturating_add(failures, 1);
        let pause = BACKOFF.after(failures);
        // Between half and the whole of it, so that clients of a server that was away do not come back as one.
        let half = u64::try_from(pause.as_millis() / 2).unwrap_or(u64::MAX);
        refusing(&mut queue, sleep(pause / 2 + Duration::from_millis(random.below(half + 1)))).await;
    }
}

/// Waits for something while there is nobody who could be asked.
async fn refusing<T>(queue: &mut mpsc::Receiver<Ask>, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        tokio::select! {
            done = &mut future => return done,
            // Whoever has gone away does not mind.
            Some(ask) = queue.recv() => drop(ask.reply.send(Err(Lost::Unsent))),
        }
    }
}

/// One connection.
struct Line<'a> {
    shared: &'a Shared,
    at: usize,
    connection: u64,
    queue: &'a mut mpsc::Receiver<Ask>,
    ends: &'a mut Ends,
}

impl Line<'_> {
    /// Why it has ended, and whether the server could be asked before.
    async fn serve(mut self) -> (End, bool) {
        let stream = match self.connect().await {
            Ok(stream) => stream,
            Err(error) => return (error.into(), false),
        };
        let own_ip = stream.local_addr().map(|address| address.ip().to_string()).unwrap_or_default();
        let session = match Session::new(self.shared.config.clone(), own_ip, now()) {
            Ok(session) => session,
            Err(end) => return (end, false),
        };
        let mut talk = Talk { line: self, stream, session, input: BytesMut::new(), told: None };
        let Err(end) = talk.go().await;
        (end, talk.told.is_some())
    }

    async fn connect(&mut self) -> io::Result<TcpStream> {
        let address = &self.shared.config.servers[self.at];
        let connecting = timeout(self.shared.config.connect_timeout, TcpStream::connect(address));
        let stream = refusing(self.queue, connecting).await;
        let stream = stream.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// A connection that is open.
struct Talk<'a> {
    line: Line<'a>,
    stream: TcpStream,
    session: Session,
    input: BytesMut,
    /// What was last told of the server: the version of the resources that it knows.
    told: Option<u64>,
}

impl Talk<'_> {
    async fn go(&mut self) -> Result<Infallible, End> {
        let mut changed = self.line.shared.resources.version();
        let mut timer = pin!(sleep_until(self.session.due()));
        loop {
            self.gather();
            self.flush()?;
            let (writes, has_room) =
                (!self.session.output.is_empty(), self.session.output.len() < OUTPUT_BYTES_MAX);
            let asks = has_room && self.session.has_room();
            tokio::select! {
                biased;
                ready = self.stream.writable(), if writes => ready?,
                ready = self.stream.readable(), if has_room => {
                    ready?;
                    self.read()?;
                }
                answer = self.line.ends.next(), if has_room => self.answer(answer),
                Some(ask) = self.line.queue.recv(), if asks => self.session.ask(ask),
                Ok(()) = changed.changed() => self.register()?,
                () = &mut timer => {
                    self.session.tick(now())?;
                    timer.set(sleep_until(self.session.due()));
                }
            }
        }
    }

    /// Whatever else can be said by now, so that it goes out with one write.
    fn gather(&mut self) {
        while self.session.output.len() < OUTPUT_BYTES_MAX {
            if let Some(answer) = self.line.ends.try_next() {
                self.answer(answer);
            } else if !self.session.has_room() {
                break;
            } else if let Ok(ask) = self.line.queue.try_recv() {
                self.session.ask(ask);
            } else {
                break;
            }
        }
    }

    fn answer(&mut self, (asker, message): Answer) {
        if asker.connection == self.line.connection {
            self.session.answer(asker.header, &message);
        }
    }

    fn register(&mut self) -> Result<(), End> {
        let (ids, version) = self.line.shared.resources.ids();
        self.session.register(ids, version)
    }

    fn read(&mut self) -> Result<(), End> {
        self.input.reserve(READ_BYTES);
        match self.stream.try_read_buf(&mut self.input) {
            Ok(0) => return Err(End::Gone),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        self.session.receive(&mut self.input, now())?;
        if self.input.is_empty() && self.input.capacity() > KEEP_BYTES {
            self.input = BytesMut::new();
        }
        for call in std::mem::take(&mut self.session.calls) {
            let line = &mut self.line;
            if let Some(answer) = line.ends.take(call, line.connection, &line.shared.resources) {
                self.answer(answer);
            }
        }
        // After each answer to a registration there may be more to register.
        self.register()?;
        let known = self.session.known();
        if let Some(version) = known.filter(|_| known != self.told) {
            self.told = known;
            let peer = self.stream.peer_addr().map(|peer| peer.to_string()).unwrap_or_default();
            self.line.shared.up(self.line.at, version, peer);
        }
        Ok(())
    }

    /// Writes as much as the socket takes.
    fn flush(&mut self) -> Result<(), End> {
        while !self.session.output.is_empty() {
            match self.stream.try_write(&self.session.output) {
                Ok(length) => {
                    self.session.output.advance(length);
                    self.session.wrote(now());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
