//! Clients in a closed loop: each has one transaction under way and begins the next when it has ended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::work::{Place, Work};
use crate::clock;
use crate::histogram::Histogram;
use crate::load::connection::BUFFER_BYTES;
use crate::response::ResponseReader;

/// Where the load goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) work: Work,
    pub(super) server: SocketAddr,
    pub(super) participant: SocketAddr,
    pub(super) clients: usize,
}

/// When a run ends: clients finish what they began.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    Elapsed(Duration),
    /// Transactions with numbers below this.
    Number(usize),
}

/// What a run did.
#[derive(Debug)]
pub(super) struct Driven {
    pub(super) numbers: std::ops::Range<usize>,
    pub(super) elapsed: Duration,
    pub(super) latency: Histogram,
}

#[derive(Debug)]
struct Plan {
    next: AtomicUsize,
    below: usize,
    deadline: Option<Instant>,
}

impl Plan {
    fn take(&self) -> Option<usize> {
        if self.deadline.is_some_and(|deadline| clock::now() >= deadline) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.below).then_some(number)
    }
}

impl Load {
    /// Runs transactions with numbers from `first` on.
    ///
    /// # Errors
    /// With the first answer that is not as it must be.
    pub(super) async fn run(self, first: usize, until: Until) -> Result<Driven> {
        let mut streams = Vec::new();
        for _ in 0..self.clients {
            let stream = TcpStream::connect(self.server).await.context("connecting to the server")?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        let begin = clock::now();
        let plan = Arc::new(match until {
            Until::Elapsed(time) => {
                Plan { next: first.into(), below: usize::MAX, deadline: Some(begin + time) }
            }
            Until::Number(below) => Plan { next: first.into(), below, deadline: None },
        });
        let mut clients = JoinSet::new();
        for stream in streams {
            clients.spawn(self.client(stream, Arc::clone(&plan)));
        }
        let mut latency = Histogram::default();
        while let Some(client) = clients.join_next().await {
            latency.merge(&client.context("a client panicked")??);
        }
        let end = plan.next.load(Ordering::Relaxed).min(plan.below);
        Ok(Driven { numbers: first..end, elapsed: begin.elapsed(), latency })
    }

    async fn client(self, mut stream: TcpStream, plan: Arc<Plan>) -> Result<Histogram> {
        let mut latency = Histogram::default();
        let mut reader = ResponseReader::default();
        let mut buffer = vec![0; BUFFER_BYTES];
        while let Some(number) = plan.take() {
            let requests = self.work.requests(Place { participant: self.participant, number });
            let begin = clock::now();
            let last = requests.len() - 1;
            for (at, request) in requests.iter().enumerate() {
                stream.write_all(request).await.context("sending a request")?;
                let (status, body) = read(&mut stream, &mut reader, &mut buffer).await?;
                if at == last || status != 200 {
                    self.work.check(status, &body).with_context(|| format!("transaction {number}"))?;
                }
            }
            latency.record(begin.elapsed());
        }
        Ok(latency)
    }
}

async fn read(
    stream: &mut TcpStream,
    reader: &mut ResponseReader,
    buffer: &mut [u8],
) -> Result<(u16, Vec<u8>)> {
    reader.keep(true);
    loop {
        let got = stream.read(buffer).await.context("reading an answer")?;
        ensure!(got > 0, "the server closed the connection in the middle of an answer");
        let (used, answer) = reader.feed(&buffer[..got])?;
        if let Some(answer) = answer {
            ensure!(used == got, "{} bytes follow the answer", got - used);
            return Ok((answer.status, reader.take_kept().1));
        }
    }
}
