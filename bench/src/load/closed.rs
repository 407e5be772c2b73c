//! Closed loop: so many connections, each with one request (or a few pipelined) outstanding. One thread drives all of
//! them, because the server shares the machine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Outcome;
use super::connection::BUFFER_BYTES;
use crate::clock;
use crate::histogram::Histogram;
use crate::job::Job;
use crate::response::ResponseReader;

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    Elapsed(Duration),
    /// Exactly so many requests.
    Requests(u64),
}

/// The shape of a closed loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed {
    pub(crate) addr: SocketAddr,
    pub(crate) connections: usize,
    /// Requests that one connection sends before it reads their answers.
    pub(crate) depth: u64,
}

impl Closed {
    /// Runs the load on this thread.
    ///
    /// # Errors
    /// With the first answer that is not what the job must get.
    pub(crate) fn run(self, job: &Arc<Job>, until: Until) -> Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.drive(job, until))
    }

    async fn drive(self, job: &Arc<Job>, until: Until) -> Result<Outcome> {
        let mut streams = Vec::new();
        for _ in 0..self.connections {
            streams.push(connect(self.addr).await?);
        }
        let begin = clock::now();
        let plan = Arc::new(match until {
            Until::Elapsed(duration) => Plan::new(u64::MAX, Some(begin + duration)),
            Until::Requests(count) => Plan::new(count, None),
        });
        let mut lanes = JoinSet::new();
        for stream in streams {
            let lane = Lane {
                addr: self.addr,
                stream,
                reader: ResponseReader::default(),
                job: Arc::clone(job),
                latency: Histogram::default(),
            };
            lanes.spawn(lane.run(Arc::clone(&plan), self.depth));
        }
        let mut outcome = Outcome::default();
        while let Some(lane) = lanes.join_next().await {
            outcome.latency.merge(&lane.context("a lane of the load generator panicked")??);
        }
        outcome.elapsed = begin.elapsed();
        outcome.requests = outcome.latency.count();
        outcome.offered = outcome.requests;
        Ok(outcome)
    }
}

/// Which request is next, and whether there is one.
#[derive(Debug)]
struct Plan {
    next: AtomicU64,
    count: u64,
    deadline: Option<Instant>,
}

impl Plan {
    fn new(count: u64, deadline: Option<Instant>) -> Self {
        Self { next: AtomicU64::new(0), count, deadline }
    }

    /// The numbers of the next `depth` requests, fewer at the end.
    fn take(&self, depth: u64, now: Instant) -> std::ops::Range<u64> {
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return 0..0;
        }
        let first = self.next.fetch_add(depth, Ordering::Relaxed);
        first.min(self.count)..(first + depth).min(self.count)
    }
}

struct Lane {
    addr: SocketAddr,
    stream: TcpStream,
    reader: ResponseReader,
    job: Arc<Job>,
    latency: Histogram,
}

impl Lane {
    async fn run(mut self, plan: Arc<Plan>, depth: u64) -> Result<Histogram> {
        let mut request = Vec::new();
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut now = clock::now();
        loop {
            let numbers = plan.take(depth, now);
            if numbers.is_empty() {
                return Ok(self.latency);
            }
            request.clear();
            for number in numbers.clone() {
                self.job.compose(number, &mut request);
            }
            self.reader.keep(self.job.wants_sample(numbers.start));
            let sent = clock::now();
            self.stream.write_all(&request).await.context("sending a request")?;
            let close = self.read_answers(numbers.clone(), sent, &mut buffer).await?;
            if close {
                self.stream = connect(self.addr).await?;
            }
            now = clock::now();
        }
    }

    /// Reads one answer for each number; true when the server closes the connection after the last one.
    async fn read_answers(
        &mut self,
        numbers: std::ops::Range<u64>,
        sent: Instant,
        buffer: &mut [u8],
    ) -> Result<bool> {
        let mut left = numbers.end - numbers.start;
        let mut sampled = self.job.wants_sample(numbers.start);
        loop {
            let got = self.stream.read(buffer).await.context("reading an answer")?;
            ensure!(got > 0, "the server closed the connection in the middle of an answer");
            let mut at = 0;
            while at < got {
                let (used, answer) = self.reader.feed(&buffer[at..got])?;
                at += used;
                let Some(answer) = answer else { break };
                self.latency.record(sent.elapsed());
                self.job.check(answer).with_context(|| format!("request {}", numbers.end - left))?;
                if std::mem::take(&mut sampled) {
                    self.job.keep_sample(self.reader.take_kept().1);
                    self.reader.keep(false);
                }
                left -= 1;
                if left == 0 {
                    return Ok(answer.close);
                }
                ensure!(!answer.close, "the server closed a connection with {left} pipelined requests");
            }
        }
    }
}

async fn connect(addr: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(addr).await.with_context(|| format!("connecting to {addr}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
