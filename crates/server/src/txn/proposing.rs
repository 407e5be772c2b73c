//! Commands of all connections and of the driver, one batch after the other into the log.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use synod_base::xid::Xid;
use synod_core::txn::drive::{Event, Urgency};
use synod_core::txn::{Begin, Command, Done, Refusal};
use synod_replica::{Applied, Batcher, Cause, Gathered, IdBlocks, Later, Machine, ProposeError, Replicator};
use tokio::sync::{Notify, mpsc, oneshot};

use super::Failure;
use super::alarm::Alarm;
use super::driving::Notice;
use crate::clock::Clock;
use crate::task::Stopping;

/// A batch of so many commands waits for no others.
const COMPANY: usize = 16;
/// How often others go first before a batch goes out.
const TURNS_MAX: usize = 3;
/// Commands of clients that have not even been gathered; one more is refused.
const INBOX_MAX: usize = 65_536;
/// How long a begin waits for ids to be reserved before it is refused.
const ID_WAIT: Duration = Duration::from_secs(2);

/// Who hears what became of a command.
#[derive(Debug)]
enum Ticket {
    Client(oneshot::Sender<Result<Done, Failure>>),
    /// A begin that was answered before it is durable.
    Early(Xid),
    /// The driver, if it wants to know for a transaction.
    Driver(Option<Xid>),
    Ids,
}

#[derive(Debug)]
struct Request {
    command: Command,
    urgency: Urgency,
    ticket: Ticket,
}

#[derive(Debug, Default)]
struct Inbox {
    requests: VecDeque<Request>,
    /// None while this node does not lead.
    ids: Option<IdBlocks>,
    /// Begins that were answered before they are durable, until they are.
    early: HashSet<Xid>,
}

#[derive(Debug, Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    /// Something is in the inbox, or ids are wanted.
    filled: Notify,
    /// Ids have been reserved.
    reserved: Notify,
}

/// Where commands are put.
#[derive(Clone, Debug, Default)]
pub(super) struct Proposer(Arc<Shared>);

impl Proposer {
    fn with<R>(&self, f: impl FnOnce(&mut Inbox) -> R) -> R {
        f(&mut self.0.inbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// This node leads: ids are given out behind those that were reserved before.
    pub(super) fn lead(&self, reserved: u64, wall_ms: u64) {
        self.with(|inbox| inbox.ids = Some(IdBlocks::take_over(0, reserved, wall_ms)));
        self.0.filled.notify_one();
    }

    /// This node does not lead any more.
    pub(super) fn follow(&self) {
        self.with(|inbox| inbox.ids = None);
    }

    /// Whether ids can be given out.
    pub(super) fn has_ids(&self) -> bool {
        self.with(|inbox| inbox.ids.as_ref().is_some_and(|ids| ids.left() > 0))
    }

    /// Returns once ids can be given out.
    pub(super) async fn reserved(&self) {
        loop {
            let reserved = self.0.reserved.notified();
            if self.has_ids() {
                return;
            }
            reserved.await;
        }
    }

    /// A new id.
    pub(super) async fn next_xid(&self) -> Result<Xid, Failure> {
        let take = || self.with(|inbox| inbox.ids.as_mut().and_then(IdBlocks::take));
        if let Some(xid) = take() {
            return Ok(xid);
        }
        self.0.filled.notify_one();
        // Two blocks are never used up between two batches; this is the start, or not the leader.
        match tokio::time::timeout(ID_WAIT, self.reserved()).await {
            Ok(()) => take().ok_or(Failure::Busy("ids are being reserved")),
            Err(_) => Err(Failure::Busy("this node does not lead")),
        }
    }

    pub(super) async fn propose(&self, command: Command) -> Result<Done, Failure> {
        let (ticket, answer) = oneshot::channel();
        self.push(Request { command, urgency: Urgency::Now, ticket: Ticket::Client(ticket) })?;
        answer.await.unwrap_or(Err(Failure::Lost))
    }

    /// Puts a begin in line, ahead of whatever is proposed for the transaction later, and does not wait for it.
    pub(super) fn begin_early(&self, begin: Box<Begin>) -> Result<(), Failure> {
        let ticket = Ticket::Early(begin.xid);
        self.push(Request { command: Command::Begin(begin), urgency: Urgency::Lazy, ticket })
    }

    /// Whether a begin was answered and is not durable yet.
    pub(super) fn is_early(&self, xid: Xid) -> bool {
        self.with(|inbox| inbox.early.contains(&xid))
    }

    fn push(&self, request: Request) -> Result<(), Failure> {
        let taken = self.with(|inbox| {
            let room = inbox.requests.len() < INBOX_MAX;
            if room {
                if let Ticket::Early(xid) = request.ticket {
                    inbox.early.insert(xid);
                }
                inbox.requests.push_back(request);
            }
            room
        });
        if !taken {
            return Err(Failure::Busy("too many requests wait"));
        }
        self.0.filled.notify_one();
        Ok(())
    }

    /// The driver's proposals are always taken: they are as many as the transactions that are open, and finish them.
    pub(super) fn propose_for_driver(&self, command: Command, urgency: Urgency, settled: Option<Xid>) {
        let request = Request { command, urgency, ticket: Ticket::Driver(settled) };
        self.with(|inbox| inbox.requests.push_back(request));
        self.0.filled.notify_one();
    }
}

/// The task that empties the inbox into the log.
pub(super) struct Proposing {
    proposer: Proposer,
    batcher: Batcher<Ticket>,
    /// Of the driver, that had no place yet.
    held: VecDeque<Request>,
    replicator: Arc<dyn Replicator>,
    machine: Arc<Machine>,
    clock: Clock,
    notices: mpsc::Sender<Notice>,
}

impl fmt::Debug for Proposing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proposing").field("batcher", &self.batcher).finish_non_exhaustive()
    }
}

type Flight<'a> = (Later<'a, Result<Applied, ProposeError>>, Vec<Ticket>);

impl Proposing {
    pub(super) fn new(
        proposer: Proposer,
        replicator: Arc<dyn Replicator>,
        machine: Arc<Machine>,
        clock: Clock,
        notices: mpsc::Sender<Notice>,
    ) -> Self {
        let batcher = Batcher::new(Default::default());
        Self { proposer, batcher, held: VecDeque::new(), replicator, machine, clock, notices }
    }

    /// Proposes until the node stops and nothing is left to propose.
    pub(super) async fn run(mut self, stopping: Stopping) {
        let replicator = Arc::clone(&self.replicator);
        let shared = Arc::clone(&self.proposer.0);
        let mut told = stopping.clone();
        let mut told = pin!(told.given());
        let mut alarm = Alarm::new();
        let mut flight: Option<Flight<'_>> = None;
        loop {
            self.gather();
            if flight.is_none() && self.is_due() {
                self.wait_for_company().await;
                flight = self.next().map(|gathered| (replicator.propose(gathered.batch), gathered.tickets));
            }
            let stops = stopping.is_given();
            if flight.is_none() && stops && self.batcher.is_empty() {
                return;
            }
            alarm.set(self.batcher.next_wake(), self.clock.now().mono_ms);
            tokio::select! {
                biased;
                result = async {
                    match &mut flight {
                        Some((propose, _)) => propose.await,
                        None => std::future::pending().await,
                    }
                } => {
                    let (_, tickets) = flight.take().expect("it has just ended");
                    self.batcher.done();
                    self.settle(result, tickets).await;
                }
                () = shared.filled.notified() => {}
                () = alarm.ring() => {}
                () = &mut told, if !stops => {}
            }
        }
    }

    /// While a batch is small, whoever can run at this moment goes first, and what he proposes goes along: every batch costs a
    /// flush and a dozen hand-overs. Goes on as long as each turn brings something.
    async fn wait_for_company(&mut self) {
        for _ in 0..TURNS_MAX {
            let before = self.batcher.len();
            if before >= COMPANY {
                return;
            }
            tokio::task::yield_now().await;
            self.gather();
            if self.batcher.len() == before {
                return;
            }
        }
    }

    fn is_due(&self) -> bool {
        self.batcher.next_wake().is_some_and(|due| due <= self.clock.now().mono_ms)
    }

    fn next(&mut self) -> Option<Gathered<Ticket>> {
        let applied_ms = self.machine.read(|view| view.state.stamp_ms());
        self.batcher.next(self.clock.now(), applied_ms)
    }

    /// From the inbox into the batcher.
    fn gather(&mut self) {
        let (mut requests, wanted) = self.proposer.with(|inbox| {
            let wanted = inbox.ids.as_mut().and_then(IdBlocks::wanted);
            (std::mem::take(&mut inbox.requests), wanted)
        });
        if let Some(command) = wanted {
            requests.push_front(Request { command, urgency: Urgency::Now, ticket: Ticket::Ids });
        }
        let now = self.clock.now();
        let held = std::mem::take(&mut self.held);
        for Request { command, urgency, ticket } in held.into_iter().chain(requests) {
            let Err(refused) = self.batcher.push(command, ticket, urgency, now) else { continue };
            match refused.ticket {
                Ticket::Client(client) => {
                    let failure = match refused.cause {
                        Cause::Full => Failure::Busy("too much waits for the log"),
                        // There will never be room for it.
                        Cause::TooLarge(_) => Refusal::TooLarge("the request as a whole").into(),
                    };
                    // Nobody may be left there to hear it.
                    drop(client.send(Err(failure)));
                }
                Ticket::Early(xid) => self.no_longer_early(xid),
                ticket => self.held.push_back(Request { command: refused.command, urgency, ticket }),
            }
        }
    }

    async fn settle(&mut self, result: Result<Applied, ProposeError>, tickets: Vec<Ticket>) {
        match result {
            Ok(applied) => {
                for (ticket, outcome) in tickets.into_iter().zip(applied.outcomes) {
                    self.tell(ticket, outcome.map_err(Failure::Refused)).await;
                }
            }
            Err(error) => {
                let failure = match &error {
                    ProposeError::NotLeader { .. } => Failure::Busy("this node does not lead"),
                    ProposeError::Full => Failure::Busy("the disk is full"),
                    ProposeError::Unknown | ProposeError::Fatal(_) => Failure::Lost,
                };
                tracing::warn!(%error, commands = tickets.len(), "a batch was not applied");
                for ticket in tickets {
                    self.tell(ticket, Err(failure.clone())).await;
                }
            }
        }
    }

    fn no_longer_early(&self, xid: Xid) {
        self.proposer.with(|inbox| inbox.early.remove(&xid));
    }

    async fn tell(&self, ticket: Ticket, result: Result<Done, Failure>) {
        match ticket {
            Ticket::Client(client) => drop(client.send(result)),
            Ticket::Early(xid) => self.no_longer_early(xid),
            Ticket::Driver(None) => {}
            Ticket::Driver(Some(xid)) => {
                drop(self.notices.send(Notice::Event(Event::Settled(xid))).await);
            }
            Ticket::Ids => {
                self.proposer.with(|inbox| {
                    let Some(ids) = &mut inbox.ids else { return };
                    if result.is_ok() { ids.granted() } else { ids.failed() }
                });
                self.proposer.0.reserved.notify_waiters();
            }
        }
    }
}
