//! The participant of all transactions: an HTTP server as cheap as can be, in the load's own thread, that says yes to
//! everything and counts which branch of which transaction was called how often.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::work::{FORWARD, SLOTS};
use crate::clock;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n{\"dtm_result\":\"SUCCESS\"}";
/// A request longer than this is none of ours.
const REQUEST_BYTES_MAX: usize = 64 << 10;
/// So many transactions, at most, are told apart.
const NUMBERS_MAX: usize = 100_000_000;

/// Which branches were called.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    /// By transaction, then by slot.
    calls: Vec<[u8; SLOTS]>,
    finished: usize,
    first: Option<Instant>,
}

/// What the ledger says of the transactions that were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Audit {
    /// Every branch was called forward and none backward.
    pub(super) finished: usize,
    /// Of these: some branch more than once.
    pub(super) repeated: usize,
    /// Some branch was not called, or one was called backward.
    pub(super) wrong: usize,
}

impl Ledger {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, slot: usize, number: usize) {
        let mut counts = self.counts();
        if counts.calls.len() <= number {
            counts.calls.resize(number + 1, [0; SLOTS]);
        }
        counts.first.get_or_insert_with(clock::now);
        let calls = &mut counts.calls[number];
        let done = |calls: &[u8; SLOTS]| FORWARD.iter().all(|slot| calls[*slot] > 0);
        let before = done(calls);
        calls[slot] = calls[slot].saturating_add(1);
        let after = done(calls);
        counts.finished += usize::from(after && !before);
    }

    /// Transactions all of whose branches were called.
    pub(super) fn finished(&self) -> usize {
        self.counts().finished
    }

    /// When the first call came.
    pub(super) fn first(&self) -> Option<Instant> {
        self.counts().first
    }

    /// Looks at the transactions with these numbers.
    pub(super) fn audit(&self, numbers: std::ops::Range<usize>) -> Audit {
        let counts = self.counts();
        let mut audit = Audit { finished: 0, repeated: 0, wrong: 0 };
        for number in numbers {
            let calls = counts.calls.get(number).copied().unwrap_or_default();
            let forward = FORWARD.map(|slot| calls[slot]);
            let total: u32 = calls.iter().copied().map(u32::from).sum();
            let only_forward = total == forward.iter().copied().map(u32::from).sum::<u32>();
            if forward.contains(&0) || !only_forward {
                audit.wrong += 1;
            } else {
                audit.finished += 1;
                audit.repeated += usize::from(forward.iter().any(|calls| *calls > 1));
            }
        }
        audit
    }
}

/// Serves on this listener for as long as it is polled.
///
/// # Errors
/// When nothing can be accepted.
pub(super) async fn serve(listener: TcpListener, ledger: Ledger) -> Result<()> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.context("accepting a participant's connection")?;
                stream.set_nodelay(true)?;
                connections.spawn(connection(stream, ledger.clone()));
            }
            // A caller that goes away, as one that is killed, ends its connection and nothing else.
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A listener on this port of the loopback interface; 0: any.
///
/// # Errors
/// When it is taken.
pub(super) fn listen(port: u16) -> Result<(TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).context("the participant's port")?;
    listener.set_nonblocking(true)?;
    let addr = listener.local_addr()?;
    Ok((TcpListener::from_std(listener)?, addr))
}

async fn connection(mut stream: TcpStream, ledger: Ledger) -> Result<()> {
    let mut buffer = Vec::with_capacity(4 << 10);
    let mut answers = Vec::new();
    while stream.read_buf(&mut buffer).await? > 0 {
        let mut used = 0;
        while let Some(request) = Request::parse(&buffer[used..])? {
            used += request.bytes;
            ledger.note(request.slot, request.number);
            answers.extend_from_slice(ANSWER);
        }
        buffer.drain(..used);
        ensure!(buffer.len() <= REQUEST_BYTES_MAX, "a request is too long");
        if !answers.is_empty() {
            stream.write_all(&answers).await?;
            answers.clear();
        }
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Request {
    slot: usize,
    number: usize,
    bytes: usize,
}

impl Request {
    /// The first request in these bytes; none when it is not there whole.
    fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let head = std::str::from_utf8(&bytes[..end]).context("a head is no text")?;
        let mut lines = head.split("\r\n");
        let path =
            lines.next().and_then(|line| line.split(' ').nth(1)).context("a request without a path")?;
        let length = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
        });
        let length = length.transpose().context("a length")?.unwrap_or(0);
        if bytes.len() < end + 4 + length {
            return Ok(None);
        }
        let path = path.split('?').next().unwrap_or_default();
        let numbers = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        let parsed = numbers.and_then(|(slot, number)| Some((slot.parse().ok()?, number.parse().ok()?)));
        let (slot, number): (usize, usize) = parsed.with_context(|| format!("nobody is at {path}"))?;
        ensure!(slot < SLOTS && number < NUMBERS_MAX, "nobody is at {path}");
        Ok(Some(Self { slot, number, bytes: end + 4 + length }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_whole_or_not_at_all() {
        let text =
            b"POST /1/00000017?gid=a&op=action HTTP/1.1\r\nHost: a\r\ncontent-length: 3\r\n\r\nabcGET /0/1";
        let whole = text.len() - "GET /0/1".len();
        for end in 0..whole {
            assert_eq!(Request::parse(&text[..end]).unwrap(), None, "{end}");
        }
        let request = Request { slot: 1, number: 17, bytes: whole };
        assert_eq!(Request::parse(text).unwrap(), Some(request));
        for odd in [
            "GET /9/1 HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET\r\n\r\n",
            "GET /0/999999999 H\r\n\r\n",
        ] {
            assert!(Request::parse(odd.as_bytes()).is_err(), "{odd}");
        }
    }

    #[test]
    fn finished_is_who_was_called_everywhere() {
        let ledger = Ledger::default();
        for (slot, number) in [(0, 0), (1, 0), (0, 1), (0, 2), (1, 2), (1, 2), (0, 3), (1, 3), (2, 3)] {
            ledger.note(slot, number);
        }
        assert_eq!(ledger.audit(0..5), Audit { finished: 2, repeated: 1, wrong: 3 });
        assert_eq!(ledger.finished(), 3);
        assert!(ledger.first().is_some());
    }
}
