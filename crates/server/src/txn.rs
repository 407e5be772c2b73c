//! The shell of global transactions: gathers commands into the log, applies what comes back, drives what is decided, and
//! tells who waits.
//!
//! | module | concern |
//! |---|---|
//! | `proposing` | one batch after the other, from all connections |
//! | `driving` | the leader's driver: calls, retries, time-outs |
//! | [`conflicts`] | who was refused rows of whose |
//! | `waiters` | who waits for what becomes of a transaction |
//! | [`details`] | what ended transactions looked like |
//! | [`ask`] | what the native API asks, over HTTP and over gRPC |
//! | [`settings`] | what the configuration says about all that |
//!
//! Faces use [`Coordinator`] and nothing else.

mod alarm;
pub mod ask;
mod attempts;
pub mod conflicts;
pub mod details;
mod driving;
pub mod metrics;
mod proposing;
pub mod settings;
mod waiters;

use std::io;
use std::path::Path;
use std::sync::Arc;

use http::HeaderMap;
use synod_base::time::Now;
use synod_base::xid::Xid;
use synod_core::txn::drive::{Attempt, Event, Pause};
use synod_core::txn::lock::HeldRow;
use synod_core::txn::mode::{CallResult, Errand};
use synod_core::txn::{Begin, Command, Done, End, Found, Refusal, Rows, State, Status, Txn};
use synod_replica::{Machine, Replicator, Role, Sink};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;

use self::conflicts::{Conflict, Conflicts};
use self::details::{Detail, Details};
use self::driving::{Driving, Ear, Notice};
use self::metrics::TxnMetrics;
use self::proposing::{Proposer, Proposing};
use self::settings::Settings;
use self::waiters::Waiters;
use crate::call::Caller;
use crate::clock::Clock;
use crate::task::{self, Stopping};

pub use self::waiters::{Seen, Wait};

/// Changes that a slow reader of the stream may be behind.
const CHANGES_BACKLOG: usize = 1_024;

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It cannot be, and nothing has changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Not now, and nothing has changed: try again.
    #[error("not now: {0}")]
    Busy(&'static str),
    /// It may have been done, or may yet be. Say nothing: an answer would be a guess.
    #[error("the outcome of the request is not known")]
    Lost,
}

/// What looking up a transaction finds.
#[derive(Debug)]
pub enum Known {
    /// It has not ended.
    Open(Arc<Txn>),
    /// It has ended like this; its details may be gone.
    Ended(Xid, End, Option<Box<Detail>>),
    /// It may have ended in any way; that is forgotten.
    Forgotten,
    /// It has never been begun, and so has not committed.
    Unknown,
}

/// A transaction changed, or a call of it came to nothing.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// Which.
    pub xid: Xid,
    /// How it stands.
    pub status: Status,
}

/// What the driver knows of an open transaction.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// It, with the acknowledgements that are not durable yet.
    pub txn: Option<Arc<Txn>>,
    /// Calls that wait for their next attempt; their times are on the clock of [`Coordinator::now`].
    pub pauses: Vec<Pause>,
    /// What was tried.
    pub attempts: Vec<Attempt>,
    /// Calls under way, and when each left, in milliseconds since 1970.
    pub under_way: Vec<(Errand, u64)>,
}

/// Global transactions, as faces see them.
#[derive(Debug)]
pub struct Coordinator {
    clock: Clock,
    machine: Arc<Machine>,
    replicator: Arc<dyn Replicator>,
    proposer: Proposer,
    waiters: Waiters,
    conflicts: Conflicts,
    details: Details,
    notices: mpsc::Sender<Notice>,
    changes: broadcast::Sender<Change>,
    caller: Caller,
    metrics: TxnMetrics,
}

/// What the coordinator needs before there is a replicator: it hears what is applied from the first entry on.
#[derive(Debug)]
pub struct Prepared {
    sender: mpsc::Sender<Notice>,
    receiver: mpsc::Receiver<Notice>,
}

impl Default for Prepared {
    fn default() -> Self {
        let (sender, receiver) = driving::notices();
        Self { sender, receiver }
    }
}

impl Prepared {
    /// Where the replicator tells what was applied.
    pub fn sink(&self) -> Arc<dyn Sink> {
        Arc::new(Ear(self.sender.clone()))
    }
}

/// What runs for a coordinator; each ends some time after the node was told to stop.
#[derive(Debug)]
pub struct Tasks {
    /// Empties what waits into the log.
    pub proposing: JoinHandle<()>,
    /// Drives.
    pub driving: JoinHandle<()>,
}

impl Coordinator {
    /// Starts a coordinator over a replicator. `directory` is for details of ended transactions.
    ///
    /// # Errors
    /// When the directory cannot be used.
    #[expect(clippy::too_many_arguments, reason = "each of them is a part of the node")]
    pub fn start(
        settings: &Settings,
        directory: &Path,
        prepared: Prepared,
        replicator: Arc<dyn Replicator>,
        machine: Arc<Machine>,
        caller: Caller,
        clock: Clock,
        seed: u64,
        metrics: TxnMetrics,
        stopping: &Stopping,
    ) -> io::Result<(Arc<Self>, Tasks)> {
        let Prepared { sender: notices, receiver } = prepared;
        machine.none_ending();
        let coordinator = Arc::new(Self {
            clock: clock.clone(),
            machine: Arc::clone(&machine),
            replicator: Arc::clone(&replicator),
            proposer: Proposer::default(),
            waiters: Waiters::default(),
            conflicts: Conflicts::default(),
            details: Details::open(directory, settings.keep_ms, settings.details_bytes)?,
            notices: notices.clone(),
            changes: broadcast::channel(CHANGES_BACKLOG).0,
            caller: caller.clone(),
            metrics,
        });
        let proposer = coordinator.proposer.clone();
        let proposing = Proposing::new(proposer, Arc::clone(&replicator), machine, clock, notices);
        let driving = Driving::new(Arc::clone(&coordinator), replicator, settings.drive, seed, caller);
        let tasks = Tasks {
            proposing: task::spawn("txn-proposing", proposing.run(stopping.clone())),
            driving: task::spawn("txn-driving", driving.run(receiver, stopping.clone())),
        };
        Ok((coordinator, tasks))
    }

    /// Returns once transactions can be begun: this node leads, has taken over what is open, and has ids to give out.
    pub async fn ready(&self) {
        self.proposer.reserved().await;
    }

    /// This moment.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// What of a request's headers travels with all calls of the transaction that it begins: its trace context.
    pub fn trace(&self, headers: &HeaderMap) -> Vec<(Box<str>, Box<str>)> {
        self.caller.trace(headers)
    }

    /// Looks at the replicated state. The closure must be short: applying waits for it.
    pub fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        self.machine.read(|view| look(&view.state))
    }

    /// Returns once the state here shows everything that was acknowledged anywhere before the call.
    ///
    /// # Errors
    /// Another node has to be asked, or too few answer.
    pub async fn read_barrier(&self) -> Result<(), Failure> {
        self.replicator.read_barrier().await.map_err(|error| {
            tracing::debug!(%error, "a look at the state is refused");
            Failure::Busy("this node cannot be sure to know everything")
        })
    }

    /// Begins a transaction under a new id, which is put into `begin.xid`.
    ///
    /// # Errors
    /// When it is refused, or not now, or nobody knows.
    pub async fn begin(&self, mut begin: Begin) -> Result<(Xid, Status), Failure> {
        begin.xid = self.proposer.next_xid().await?;
        self.begin_as(begin).await
    }

    /// As [`Self::begin`], and whoever holds the [`Wait`] hears what becomes of it. When the transaction was begun before
    /// under the same id of its initiator's, the wait is for that one.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub async fn begin_and_wait(&self, mut begin: Begin) -> Result<(Xid, Status, Wait), Failure> {
        let own = self.proposer.next_xid().await?;
        begin.xid = own;
        let wait = self.waiters.wait(own);
        let (xid, status) = self.begin_as(begin).await?;
        let wait = if xid == own { wait } else { self.waiters.wait(xid) };
        Ok((xid, status, wait))
    }

    /// Begins a transaction under a new id and does not wait for that to be durable: it is in the log before anything else of it
    /// can be, and a transaction that was lost with nothing done for it is one that has not committed.
    ///
    /// # Errors
    /// When it is refused, or not now.
    pub async fn begin_early(&self, mut begin: Begin) -> Result<Xid, Failure> {
        begin.xid = self.proposer.next_xid().await?;
        let (limits, open) = self.read(|state| (*state.limits(), state.open_len()));
        State::check_begin(&begin, &limits)?;
        if open >= limits.open_max {
            return Err(Refusal::Busy("open transactions").into());
        }
        let xid = begin.xid;
        self.proposer.begin_early(Box::new(begin))?;
        Ok(xid)
    }

    /// Whether a transaction was begun with [`Self::begin_early`], and the state need not show it yet. Ask this first, then look.
    pub fn is_early(&self, xid: Xid) -> bool {
        self.proposer.is_early(xid)
    }

    /// Returns once the state shows the transaction if it was begun with [`Self::begin_early`].
    pub async fn arrived(&self, xid: Xid) {
        if self.is_early(xid) {
            // It changes nothing; what was put in line before it has been applied when it is.
            drop(self.propose(Command::Reserve { below: 0 }).await);
        }
    }

    /// An id that nobody else has or will have, for a branch.
    ///
    /// # Errors
    /// Not now.
    pub async fn next_id(&self) -> Result<u64, Failure> {
        Ok(self.proposer.next_xid().await?.number())
    }

    /// Somebody answers at a destination: what pauses there is called at once.
    pub async fn reachable(&self, destination: &str) {
        drop(self.notices.send(Notice::Event(Event::Reachable(destination.into()))).await);
    }

    async fn begin_as(&self, begin: Begin) -> Result<(Xid, Status), Failure> {
        let limits = self.read(|state| *state.limits());
        State::check_begin(&begin, &limits)?;
        match self.propose(Command::Begin(Box::new(begin))).await? {
            Done::Begun(xid, status) => Ok((xid, status)),
            Done::Enlisted(_) | Done::Decided(_) | Done::Recorded => Err(Failure::Lost),
        }
    }

    /// Proposes a command and returns what it did once that is durable.
    ///
    /// # Errors
    /// When it is refused, or not now, or nobody knows.
    pub async fn propose(&self, command: Command) -> Result<Done, Failure> {
        self.proposer.propose(command).await
    }

    /// Looks up a transaction.
    pub fn find(&self, xid: Xid) -> Known {
        self.known(self.read(|state| state.find(xid)))
    }

    /// Looks up a transaction by the id that its initiator chose.
    pub fn find_gid(&self, gid: &str) -> Known {
        match self.known(self.read(|state| state.find_gid(gid))) {
            // The outcome is forgotten, but the details may still be there.
            Known::Unknown => match self.details.find_gid(gid).and_then(|xid| self.details.get(xid)) {
                Some(detail) => match detail.txn.status {
                    Status::Ended(end) => Known::Ended(detail.txn.xid, end, Some(Box::new(detail))),
                    _ => Known::Unknown,
                },
                None => Known::Unknown,
            },
            known => known,
        }
    }

    fn known(&self, found: Found) -> Known {
        match found {
            Found::Open(txn) => Known::Open(txn),
            Found::Ended(xid, end) => Known::Ended(xid, end, self.detail(xid).map(Box::new)),
            Found::Forgotten => Known::Forgotten,
            Found::Unknown => Known::Unknown,
        }
    }

    /// What an ended transaction looked like. Its end shows in the state before its details are kept: in between, the machine
    /// has them; and they may have moved between the first look and the second.
    fn detail(&self, xid: Xid) -> Option<Detail> {
        let ending = |txn: Arc<Txn>| Detail { txn: Txn::clone(&txn), attempts: Vec::new() };
        let kept = || self.details.get(xid);
        kept().or_else(|| self.machine.ending(xid).map(ending)).or_else(kept)
    }

    /// What ended transactions looked like.
    pub fn details(&self) -> &Details {
        &self.details
    }

    /// Begins to wait for what becomes of a transaction. Look at it *after* that: what happened before is not told.
    pub fn wait(&self, xid: Xid) -> Wait {
        self.waiters.wait(xid)
    }

    /// A transaction was refused rows because another one holds some of them. Cheap: clients that are refused ask again at once.
    pub fn conflict(&self, waiter: Xid, holder: Xid, rows: &Rows) {
        let now_ms = self.now().wall_ms;
        self.conflicts.note(waiter, holder, now_ms, || {
            self.read(|state| state.held_by(holder, rows)).map(HeldRow::owned)
        });
    }

    /// Who was refused rows of whose lately, by this node; the last ones first.
    pub fn conflicts(&self) -> Vec<Conflict> {
        self.conflicts.all()
    }

    /// The term for which this node leads; none when it does not.
    pub fn leads(&self) -> Option<u64> {
        match self.replicator.role() {
            Role::Leader { term } => Some(term),
            Role::Follower { .. } | Role::Learner { .. } | Role::Stopped => None,
        }
    }

    /// Returns once this node leads for another term than this one, or none any more.
    pub async fn leads_otherwise(&self, than: Option<u64>) {
        let mut role = self.replicator.role();
        while self.leads() == than {
            role = self.replicator.role_after(role).await;
        }
    }

    /// Hears of every change from now on.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Makes all calls of a transaction due now.
    pub async fn retry_now(&self, xid: Xid) {
        drop(self.notices.send(Notice::Event(Event::RetryNow(xid))).await);
    }

    /// What the driver knows of an open transaction.
    pub async fn view(&self, xid: Xid) -> View {
        let (sender, view) = oneshot::channel();
        drop(self.notices.send(Notice::View(xid, sender)).await);
        view.await.unwrap_or_default()
    }

    /// Open transactions one of whose calls has failed so often that somebody should look.
    pub async fn troubled(&self) -> Vec<Xid> {
        self.ask_troubled(None).await
    }

    /// Those of them of which [`Self::troubled`] speaks.
    pub async fn troubled_among(&self, xids: Vec<Xid>) -> Vec<Xid> {
        self.ask_troubled(Some(xids)).await
    }

    async fn ask_troubled(&self, among: Option<Vec<Xid>>) -> Vec<Xid> {
        let (sender, troubled) = oneshot::channel();
        drop(self.notices.send(Notice::Troubled(among, sender)).await);
        troubled.await.unwrap_or_default()
    }

    /// A call has to be repeated.
    fn stalled(&self, xid: Xid, result: &CallResult) {
        self.waiters.stalled(xid, result);
        self.touched(&[xid]);
    }

    fn touched(&self, xids: &[Xid]) {
        if self.changes.receiver_count() == 0 {
            return;
        }
        for xid in xids {
            if let Some(status) = self.read(|state| state.open(*xid).map(|txn| txn.status)) {
                // Nobody may listen any more.
                drop(self.changes.send(Change { xid: *xid, status }));
            }
        }
    }

    /// Transactions ended, and the driver has said what it tried.
    fn ended(&self, ended: &[(Arc<Txn>, Vec<Attempt>)], leads: bool) {
        if ended.is_empty() {
            return;
        }
        let details = ended.iter().map(|(txn, attempts)| (&**txn, &**attempts));
        if let Err(error) = self.details.put(details, self.now().wall_ms) {
            tracing::warn!(%error, count = ended.len(), "details of ended transactions are not kept");
        }
        for (txn, _) in ended {
            self.machine.taken_up(txn.xid);
            if leads {
                self.metrics.ended(txn);
            }
            self.waiters.ended(txn);
            drop(self.changes.send(Change { xid: txn.xid, status: txn.status }));
        }
    }
}
