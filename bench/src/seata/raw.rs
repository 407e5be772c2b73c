//! Clients that are as cheap as can be: each a connection, all of them in this thread.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::{JoinSet, LocalSet};

use super::client::{Client, LOCK_PAUSE};
use super::driver::{Drained, Driver, Window};
use super::ledger::Ledger;
use super::work::Work;
use crate::clock;

/// Servers close a connection that was silent for 15 s.
const PING_PAUSE: Duration = Duration::from_secs(5);
/// Room for what is received at once.
const READ_BYTES: usize = 4 << 10;
/// How often is looked whether all is finished.
const DRAIN_PAUSE: Duration = Duration::from_millis(2);

/// What all clients share.
#[derive(Debug, Default)]
struct Plan {
    is_over: Cell<bool>,
    /// Clients that have nothing under way since it is over.
    settled: Cell<usize>,
}

/// The load.
#[derive(Debug)]
pub(super) struct Raw {
    runtime: Runtime,
    local: LocalSet,
    tasks: JoinSet<Result<()>>,
    clients: usize,
    plan: Rc<Plan>,
    ledger: Rc<RefCell<Ledger>>,
}

impl Raw {
    /// Begins with this many clients.
    ///
    /// # Errors
    /// When the server takes no connections.
    pub(super) fn start(server: SocketAddr, work: Work, clients: usize) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (local, plan, ledger) = (LocalSet::new(), Rc::new(Plan::default()), Rc::default());
        let mut tasks = JoinSet::new();
        for index in 0..clients {
            let client = Client::new(index, work, Rc::clone(&ledger))?;
            let stream = runtime.block_on(TcpStream::connect(server)).context("connecting to the server")?;
            stream.set_nodelay(true)?;
            tasks.spawn_local_on(run(stream, client, Rc::clone(&plan)), &local);
        }
        Ok(Self { runtime, local, tasks, clients, plan, ledger })
    }

    /// Lets the clients go on until `done` is.
    fn drive(&mut self, done: impl Future<Output = ()>) -> Result<()> {
        let tasks = &mut self.tasks;
        self.local.block_on(&self.runtime, async {
            tokio::select! {
                ended = tasks.join_next() => match ended {
                    Some(ended) => ended.context("a client panicked")?,
                    None => bail!("there are no clients"),
                },
                () = done => Ok(()),
            }
        })
    }
}

impl Driver for Raw {
    fn measure(&mut self, time: Duration) -> Result<Window> {
        let before = {
            let mut ledger = self.ledger.borrow_mut();
            ledger.latency = Default::default();
            ledger.is_measuring = true;
            ledger.counts
        };
        let begin = clock::now();
        self.drive(async { tokio::time::sleep(time).await })?;
        let seconds = begin.elapsed().as_secs_f64();
        let mut ledger = self.ledger.borrow_mut();
        ledger.is_measuring = false;
        Ok(Window { before, after: ledger.counts, seconds, latency: ledger.latency.summary() })
    }

    fn drain(&mut self, limit: Duration) -> Result<Drained> {
        self.plan.is_over.set(true);
        let (plan, ledger, clients) = (Rc::clone(&self.plan), Rc::clone(&self.ledger), self.clients);
        let begin = clock::now();
        let is_done = move || plan.settled.get() == clients && ledger.borrow().counts.backlog() == 0;
        self.drive(async move {
            while !is_done() && begin.elapsed() < limit {
                tokio::time::sleep(DRAIN_PAUSE).await;
            }
        })?;
        Ok(Drained { counts: self.ledger.borrow().counts, seconds: begin.elapsed().as_secs_f64() })
    }

    fn pid(&self) -> Option<u32> {
        None
    }
}

/// Plays a client until it fails or is dropped.
async fn run(mut stream: TcpStream, mut client: Client, plan: Rc<Plan>) -> Result<()> {
    let mut input = BytesMut::new();
    let mut alarm = std::pin::pin!(tokio::time::sleep(PING_PAUSE));
    let (mut is_paused, mut is_settled) = (false, false);
    loop {
        if !plan.is_over.get() {
            client.begin()?;
        } else if client.is_idle() && !is_settled {
            is_settled = true;
            plan.settled.set(plan.settled.get() + 1);
        }
        if !client.output.is_empty() {
            stream.write_all(&client.output).await.context("sending")?;
            client.output.clear();
        }
        if client.is_pausing() && !is_paused {
            is_paused = true;
            alarm.set(tokio::time::sleep(LOCK_PAUSE));
        }
        input.reserve(READ_BYTES);
        tokio::select! {
            biased;
            got = stream.read_buf(&mut input) => {
                ensure!(got.context("receiving")? > 0, "the server closed the connection");
                client.take(&mut input)?;
            }
            () = &mut alarm => {
                if is_paused {
                    is_paused = false;
                    client.resume()?;
                } else {
                    client.ping();
                }
                alarm.set(tokio::time::sleep(PING_PAUSE));
            }
        }
    }
}
