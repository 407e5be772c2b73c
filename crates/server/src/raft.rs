//! Consensus: openraft behind [`Replicator`], over our log and state. Also one node alone is a group, of one voter.
//!
//! | part | concern |
//! |---|---|
//! | `store` | openraft's log storage: entries, vote, what is committed and purged |
//! | `writer` | the thread that owns the log and makes things durable in groups |
//! | `window` | the newest entries in memory |
//! | `machine` | applies batches, tells the sink |
//! | `depot` | snapshots on the disk |
//! | `compact` | when one is taken, and how much log is kept |
//! | `network` | the other nodes: none yet |
//! | `codec` | what surrounds a batch in the log |
//! | `inspect` | the log as it lies on the disk, for people |
//!
//! Whatever fails in here, consensus, log or apply, ends the process: a restart reads what is really on the disk. Which
//! version of openraft this is, and what guards against its faults, is told in `docs/adr/0010-openraft.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use openraft::error::{CheckIsLeaderError, ClientWriteError, RaftError};
use openraft::{ServerState, SnapshotPolicy};
use synod_base::hash::stable64;
use synod_core::txn::codec::v1;
use synod_core::txn::{Batch, Limits, Outcome, Refusal};
use synod_log::disk::Disk;
use synod_log::{Log, OpenError};
use synod_replica::{
    Applied, Later, Machine, Metrics, ProposeError, ReadError, Replicator, Role, Room, Sink, Tidings,
};
use tokio::sync::{mpsc, watch};

use crate::config::RaftConfig;
use crate::data_dir::NodeId;
use crate::task::{self, OnFatal, Stop, Stopping};
use compact::Policy;
use depot::Depot;
use machine::StateMachine;
use store::{OpenStoreError, Store};
use types::{Peer, Proposal, Raft, Reply};

pub use synod_log::disk::{Loss, power_cut};

mod codec;
mod compact;
mod depot;
pub mod inspect;
mod machine;
mod network;
mod store;
#[cfg(test)]
mod tests;
mod types;
mod window;
mod writer;

/// How often a leader is heard.
const HEARTBEAT_MS: u64 = 200;
/// After so long without one, at least and at most, another node wants to lead.
const ELECTION_MS: (u64, u64) = (1_000, 2_000);
/// Recent entries in memory.
const WINDOW_BYTES: usize = 16 << 20;
/// Entries sent to a follower at once.
const SEND_BYTES: usize = 1 << 20;

/// Settings of consensus and log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Size of a segment of the log, in whole pages of 4 KiB. 8 MiB, as a batch and its like must fit in a quarter, to 1 GiB.
    pub segment_bytes: u64,
    /// Log since the last snapshot before the next one is taken; or four times its size, if that is more.
    pub snapshot_bytes: u64,
    /// Log that is kept for followers that are behind.
    pub keep_bytes: u64,
}

impl From<&RaftConfig> for Settings {
    fn from(config: &RaftConfig) -> Self {
        let RaftConfig { segment_bytes, snapshot_bytes, keep_bytes, .. } = *config;
        Self { segment_bytes: segment_bytes & !0xfff, snapshot_bytes, keep_bytes }
    }
}

/// What consensus is started with.
#[derive(Debug)]
pub struct Options {
    /// The directory of log and snapshots: `log` in the data directory.
    pub disk: Arc<dyn Disk>,
    /// Who this node is, for ever.
    pub node_id: NodeId,
    /// `host:port` at which other nodes reach it; empty while it listens nowhere.
    pub address: String,
    /// How it behaves.
    pub settings: Settings,
    /// What the state refuses.
    pub limits: Limits,
    /// Told of everything that is applied from the end of [`start`] on.
    pub sink: Arc<dyn Sink>,
    /// What to do when consensus or log fail.
    pub on_fatal: OnFatal,
}

/// Why consensus did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log does not open.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// Log or snapshot hold something that cannot be used.
    #[error(transparent)]
    Unusable(Box<dyn std::error::Error + Send + Sync>),
    /// The log begins behind the newest snapshot.
    #[error("the log begins with entry {first}, but no snapshot holds what was before")]
    NoSnapshot {
        /// Index of its first entry.
        first: u64,
    },
    /// Consensus failed while it started.
    #[error("consensus does not start: {0}")]
    Failed(Box<str>),
}

impl StartError {
    /// The exit code that says so.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Log(OpenError::Settings(_)) | Self::Failed(_) => 1,
            Self::Log(_) | Self::Unusable(_) | Self::NoSnapshot { .. } => 3,
        }
    }
}

/// A bounded sink, and its end: empty it without waiting for proposals.
pub fn channel(tidings_max: usize) -> (Arc<dyn Sink>, mpsc::Receiver<Tidings>) {
    let (sender, receiver) = mpsc::channel(tidings_max);
    (Arc::new(Channel(sender)), receiver)
}

#[derive(Debug)]
struct Channel(mpsc::Sender<Tidings>);

impl Sink for Channel {
    fn take(&self, tidings: Tidings) -> Later<'_, ()> {
        // Nobody listens any more when the node stops.
        Box::pin(async { drop(self.0.send(tidings).await) })
    }
}

/// Consensus that runs. Clones are the same.
#[derive(Clone)]
pub struct Consensus(Arc<Inner>);

struct Inner {
    raft: Raft,
    machine: Arc<Machine>,
    store: Store,
    depot: Arc<Depot>,
    roles: watch::Receiver<Role>,
    /// Index of the next entry to be applied.
    next: watch::Receiver<u64>,
    stop: Stop,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Opens log and snapshot, and starts consensus. The state is then as it was when the node stopped; whether this node
/// leads shows in its role a moment later.
///
/// # Errors
/// When the directory cannot be used, or belongs to another process.
pub async fn start(options: Options) -> Result<Consensus, StartError> {
    let Options { disk, node_id, address, settings, limits, sink, on_fatal } = options;
    let opened = tokio::task::spawn_blocking({
        let on_fatal = on_fatal.clone();
        move || open(disk, node_id, settings, limits, on_fatal)
    });
    let opened = opened.await.map_err(|error| StartError::Failed(error.to_string().into()))?;
    let Opened { store, thread, depot, machine } = opened?;
    let (live, seen_live) = watch::channel(false);
    let (state_machine, next) = StateMachine::new(Arc::clone(&machine), Arc::clone(&depot), sink, seen_live);
    // Half of the node's id is as good as unique, and never used again.
    let id = node_id.0 as u64;
    let config = Arc::new(config());
    let raft = Raft::new(id, config, network::NoNetwork, store.clone(), state_machine).await;
    let raft = raft.map_err(|fatal| StartError::Failed(fatal.to_string().into()))?;
    live.send_replace(true);
    found(&raft, id, address).await?;

    let (stop, stopping) = Stop::new();
    let (role, roles) = watch::channel(Role::Follower { leader: None });
    let watcher =
        Watcher { raft: raft.clone(), next: next.clone(), role, stopping: stopping.clone(), on_fatal };
    task::spawn("consensus", watcher.run());
    let policy = Policy {
        snapshot_bytes: settings.snapshot_bytes,
        keep_bytes: settings.keep_bytes,
        segment_bytes: settings.segment_bytes,
    };
    let shared = Arc::clone(&store.shared);
    task::spawn("compaction", compact::run(raft.clone(), shared, Arc::clone(&depot), policy, stopping));
    let thread = Mutex::new(Some(thread));
    Ok(Consensus(Arc::new(Inner { raft, machine, store, depot, roles, next, stop, thread })))
}

struct Opened {
    store: Store,
    thread: JoinHandle<()>,
    depot: Arc<Depot>,
    machine: Arc<Machine>,
}

fn open(
    disk: Arc<dyn Disk>,
    node_id: NodeId,
    settings: Settings,
    limits: Limits,
    on_fatal: OnFatal,
) -> Result<Opened, StartError> {
    let id = stable64(&node_id.0.to_le_bytes());
    let log = synod_log::Settings {
        id,
        segment_bytes: u32::try_from(settings.segment_bytes).unwrap_or(u32::MAX),
        // The window does that.
        cache_bytes: 0,
        ..synod_log::Settings::default()
    };
    let log = Log::open(Arc::clone(&disk), log)?;
    for cut in &log.recovery().cut {
        tracing::warn!(file = cut.file, range = ?cut.range, "cut what was never acknowledged from the log");
    }
    let unusable = |error: Box<dyn std::error::Error + Send + Sync>| StartError::Unusable(error);
    let (depot, state) = Depot::open(disk, id, limits).map_err(|error| unusable(error.into()))?;
    let machine = Arc::new(Machine::new(limits));
    let held = depot.newest().map_or(0, |newest| newest.number + 1);
    if let Some(state) = state {
        // Nobody listens yet.
        drop(machine.replace(state, held - 1));
    }
    let range = log.reader().range();
    if range.start > held {
        return Err(StartError::NoSnapshot { first: range.start });
    }
    tracing::info!(snapshot = held, first = range.start, next = range.end, "opened the log");
    let started = Store::start(log, WINDOW_BYTES, SEND_BYTES, on_fatal);
    let (store, thread) = started.map_err(|error: OpenStoreError| unusable(error.into()))?;
    Ok(Opened { store, thread, depot, machine })
}

fn config() -> openraft::Config {
    openraft::Config {
        cluster_name: "synod".into(),
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: ELECTION_MS.0,
        election_timeout_max: ELECTION_MS.1,
        install_snapshot_timeout: 60_000,
        // Both are counted in bytes, by `compact`.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        ..openraft::Config::default()
    }
}

/// Sees to it that there is a group, and that its only voter leads at once.
async fn found(raft: &Raft, id: u64, address: String) -> Result<(), StartError> {
    let failed = |error: &dyn fmt::Display| StartError::Failed(error.to_string().into());
    if !raft.is_initialized().await.map_err(|error| failed(&error))? {
        let members = BTreeMap::from([(id, Peer { address })]);
        return raft.initialize(members).await.map_err(|error| failed(&error));
    }
    let metrics = raft.metrics().borrow().clone();
    if metrics.membership_config.voter_ids().eq([id]) && metrics.state != ServerState::Leader {
        raft.trigger().elect().await.map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// Tells what the node is, and notices the end of consensus.
struct Watcher {
    raft: Raft,
    next: watch::Receiver<u64>,
    role: watch::Sender<Role>,
    stopping: Stopping,
    on_fatal: OnFatal,
}

impl Watcher {
    async fn run(self) {
        /// How long to wait until a leader that hears too few others asks them again.
        const AGAIN: Duration = Duration::from_millis(HEARTBEAT_MS);
        let mut seen = self.raft.server_metrics();
        loop {
            let (state, leader, term) = {
                let metrics = seen.borrow_and_update();
                (metrics.state, metrics.current_leader, metrics.vote.leader_id().term)
            };
            let role = match state {
                ServerState::Leader => match barrier(&self.raft, &self.next).await {
                    Ok(()) => Role::Leader { term },
                    Err(ReadError::NoQuorum) => {
                        tokio::time::sleep(AGAIN).await;
                        continue;
                    }
                    Err(_) => Role::Follower { leader: None },
                },
                ServerState::Learner => Role::Learner { leader },
                ServerState::Follower | ServerState::Candidate => Role::Follower { leader },
                ServerState::Shutdown => break,
            };
            if *self.role.borrow() != role {
                tracing::info!(?role, "consensus");
                self.role.send_replace(role);
            }
            if seen.changed().await.is_err() {
                break;
            }
        }
        self.role.send_replace(Role::Stopped);
        if !self.stopping.is_given() {
            let reason = match &self.raft.metrics().borrow().running_state {
                Ok(()) => "it panicked".to_owned(),
                Err(fatal) => fatal.to_string(),
            };
            self.on_fatal.tell("consensus", &reason);
        }
    }
}

/// Waits until everything is applied that was acknowledged anywhere before.
async fn barrier(raft: &Raft, next: &watch::Receiver<u64>) -> Result<(), ReadError> {
    let (read, _) = raft.get_read_log_id().await.map_err(|error| match error {
        RaftError::APIError(CheckIsLeaderError::ForwardToLeader(forward)) => {
            ReadError::NotLeader { leader: forward.leader_id }
        }
        RaftError::APIError(CheckIsLeaderError::QuorumNotEnough(_)) => ReadError::NoQuorum,
        RaftError::Fatal(fatal) => ReadError::Fatal(fatal.to_string().into()),
    })?;
    let want = read.map_or(0, |read| read.index + 1);
    match next.clone().wait_for(|next| *next >= want).await {
        Ok(_) => Ok(()),
        Err(_) => Err(ReadError::Fatal("nobody applies any more".into())),
    }
}

impl Consensus {
    /// The state.
    pub fn machine(&self) -> &Arc<Machine> {
        &self.0.machine
    }

    /// What the disk has room for.
    pub fn room(&self) -> Room {
        self.0.store.shared.room()
    }

    /// Returns once this node leads; its term. None when it has ended instead.
    pub async fn lead(&self) -> Option<u64> {
        let mut roles = self.0.roles.clone();
        let role = roles.wait_for(|role| role.is_leader() || *role == Role::Stopped).await;
        match role.as_deref() {
            Ok(Role::Leader { term }) => Some(*term),
            _ => None,
        }
    }

    /// Stops: what was proposed and is not in the log yet is lost, everything else is on the disk.
    pub async fn stop(&self) {
        self.0.stop.give();
        self.0.store.shared.stopping.store(true, Ordering::Release);
        if let Err(error) = self.0.raft.shutdown().await {
            tracing::error!(%error, "consensus did not stop cleanly");
        }
        self.0.store.stop();
        let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let joined = tokio::task::spawn_blocking(|| thread.map(JoinHandle::join)).await;
        if !matches!(joined, Ok(None | Some(Ok(())))) {
            tracing::error!("the log did not stop cleanly");
        }
    }

    async fn propose_room(&self, batch: Batch) -> Result<Applied, ProposeError> {
        let is_refused: Vec<bool> = match self.room() {
            Room::Any => return self.propose_all(batch).await,
            Room::Reserve => batch.commands.iter().map(synod_core::txn::Command::is_new_work).collect(),
            Room::Nothing => return Err(ProposeError::Full),
        };
        let Batch { at_ms, mut commands } = batch;
        let mut flags = is_refused.iter();
        commands.retain(|_| flags.next() == Some(&false));
        let applied = self.propose_all(Batch { at_ms, commands }).await?;
        let mut outcomes = applied.outcomes.into_iter();
        let busy = || Some(Outcome::Err(Refusal::Busy("room on the disk")));
        let all = is_refused.iter().filter_map(|refused| if *refused { busy() } else { outcomes.next() });
        Ok(Applied { outcomes: all.collect(), ..applied })
    }

    async fn propose_all(&self, batch: Batch) -> Result<Applied, ProposeError> {
        if batch.commands.is_empty() {
            return Ok(Applied { index: 0, at_ms: batch.at_ms, outcomes: Vec::new() });
        }
        let (proposal, logged) = Proposal::new(v1::encode(&batch));
        match self.0.raft.client_write(proposal).await.map(|written| written.data) {
            Ok(Reply::Applied(applied)) => Ok(applied),
            Ok(Reply::Nothing) => Err(ProposeError::Fatal("a batch was not applied as one".into())),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward)))
                if !logged.load(Ordering::Acquire) =>
            {
                Err(ProposeError::NotLeader { leader: forward.leader_id })
            }
            // It was in this node's log, and may be in that of the next leader.
            Err(RaftError::APIError(_) | RaftError::Fatal(openraft::error::Fatal::Stopped)) => {
                Err(ProposeError::Unknown)
            }
            Err(RaftError::Fatal(fatal)) => Err(ProposeError::Fatal(fatal.to_string().into())),
        }
    }
}

impl Replicator for Consensus {
    fn propose(&self, batch: Batch) -> Later<'_, Result<Applied, ProposeError>> {
        Box::pin(self.propose_room(batch))
    }

    fn read_barrier(&self) -> Later<'_, Result<(), ReadError>> {
        Box::pin(barrier(&self.0.raft, &self.0.next))
    }

    fn role(&self) -> Role {
        *self.0.roles.borrow()
    }

    fn role_after(&self, seen: Role) -> Later<'_, Role> {
        let mut roles = self.0.roles.clone();
        Box::pin(async move {
            let role = roles.wait_for(|role| *role != seen).await;
            role.map_or(Role::Stopped, |role| *role)
        })
    }

    fn metrics(&self) -> Metrics {
        let (term, last_index, applied_index) = {
            let raft = self.0.raft.metrics();
            let metrics = raft.borrow();
            let applied = metrics.last_applied.map_or(0, |applied| applied.index);
            (metrics.current_term, metrics.last_log_index.unwrap_or(0), applied)
        };
        let newest = self.0.depot.newest();
        let (snapshot_index, snapshot_bytes) =
            newest.as_ref().map_or((0, 0), |newest| (newest.number, newest.bytes));
        let reader = &self.0.store.shared.reader;
        Metrics {
            role: self.role(),
            term,
            last_index,
            applied_index,
            snapshot_index,
            first_index: reader.range().start,
            log_bytes: reader.bytes_from(newest.map_or(0, |newest| newest.number + 1)),
            snapshot_bytes,
            disk_bytes: reader.disk_bytes() + snapshot_bytes,
            room: self.room(),
        }
    }
}

impl fmt::Debug for Consensus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consensus").field("role", &self.role()).finish_non_exhaustive()
    }
}
