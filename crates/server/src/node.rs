//! One node: what its parts share, and how it starts and stops. Several can live in one process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use synod_base::rng::Rng;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config::{Address, Config};
use crate::data_dir::{DataDir, DataDirError, NodeId};
use crate::face::eureka::RateLimit;
use crate::health::{Health, Stage};
use crate::lists::OwnInstance;
use crate::metrics::{self, HttpMetrics, NetMetrics};
use crate::net::{self, Limits, body::BodyLimits};
use crate::registry::Registry;
use crate::registry::disk::Disk;
use crate::registry::metrics::RegistryMetrics;
use crate::registry::peers::{self, metrics::PeerMetrics};
use crate::task::{self, Stop, Stopping};
use front::Front;

mod front;
#[cfg(test)]
mod tests;

/// What the parts of one node share.
#[derive(Debug)]
pub struct Node {
    /// As merged at the start; does not change.
    pub config: Config,
    /// The node's time.
    pub clock: Clock,
    /// Who it is.
    pub id: NodeId,
    /// What it is called: `node.name`, or the machine's host name.
    pub name: String,
    /// Whether it serves.
    pub health: Health,
    /// The instances.
    pub registry: Arc<Registry>,
    /// Limits on fetches.
    pub rate_limit: RateLimit,
    /// Everything that is measured.
    pub metrics: metrics::Registry,
    /// Requests answered.
    pub http: HttpMetrics,
    /// Connections of the HTTP listener.
    pub net: NetMetrics,
    /// Bounds on the body of a request.
    pub body_limits: BodyLimits,
    /// Whether the node is stopping.
    pub stopping: Stopping,
}

impl Node {
    /// Makes the shared part; each part that measures registers its metrics here.
    fn new(config: Config, clock: Clock, id: NodeId, http: SocketAddr, stopping: Stopping) -> Self {
        let mut metrics = metrics::registry(clock.now().wall_ms);
        let name = if config.node.name.is_empty() { host_name() } else { config.node.name.clone() };
        let own = own_instance(&config, http.port());
        let registry = Arc::new(Registry::new(&config.registry, clock.clone(), own, seed()));
        metrics.register_collector(Box::new(RegistryMetrics::new(Arc::clone(&registry))));
        metrics.register_collector(Box::new(PeerMetrics::new(Arc::clone(&registry))));
        Self {
            http: HttpMetrics::new(&mut metrics),
            net: NetMetrics::new(&mut metrics),
            registry,
            rate_limit: RateLimit::new(config.registry.rate_limit.clone()),
            body_limits: BodyLimits {
                bytes_max: config.http.body_bytes_max,
                timeout: config.http.request_timeout,
            },
            health: Health::default(),
            config,
            clock,
            id,
            name,
            metrics,
            stopping,
        }
    }

    /// Memory as the status page of the Eureka face shows it.
    pub fn memory(&self) -> Memory {
        let total = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        });
        let used = metrics::resident_bytes().unwrap_or_default() >> 20;
        Memory { total_mb: total.unwrap_or_default() >> 10, used_mb: used }
    }
}

/// Memory of the machine and of this process.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// What the machine has, in MiB.
    pub total_mb: u64,
    /// What this process occupies, in MiB.
    pub used_mb: u64,
}

/// A node that serves. Dropping it does not stop it: [`Running::stop`] does.
#[derive(Debug)]
pub struct Running {
    /// What its parts share.
    pub node: Arc<Node>,
    /// What is bound, by the names of `addresses.json`.
    pub addresses: BTreeMap<&'static str, SocketAddr>,
    data: DataDir,
    stop: Stop,
    http: JoinHandle<()>,
    peers: JoinHandle<()>,
    keeper: JoinHandle<Disk>,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used; exit code 3.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A listener cannot be bound; exit code 1.
    #[error("cannot listen on {address} (\"{key}\")")]
    Bind {
        /// The listener's key.
        key: &'static str,
        /// Where it should have listened.
        address: Address,
        /// Why it could not.
        source: std::io::Error,
    },
}

impl StartError {
    /// The exit code that says so.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::DataDir(_) => 3,
            Self::Bind { .. } => 1,
        }
    }
}

/// Starts a node: data directory, listeners, parts; returns when `/health/ready` says 200.
///
/// # Errors
/// When the data directory cannot be used or a listener cannot be bound; nothing is left behind.
pub async fn start(config: Config, clock: Clock) -> Result<Running, StartError> {
    let data = DataDir::open(&config.data_dir())?;
    announce(&config);
    let address = &config.http.listen;
    let bind_error = |source| StartError::Bind { key: "http.listen", address: address.clone(), source };
    let listener = net::bind(address).await.map_err(bind_error)?;
    let http_address = listener.local_addr().map_err(bind_error)?;
    let addresses = BTreeMap::from([("http", http_address)]);

    let (stop, stopping) = Stop::new();
    let limits = Limits {
        connections_max: config.http.connections_max,
        header_timeout: config.http.header_timeout,
        idle_timeout: config.http.idle_timeout,
    };
    let node = Arc::new(Node::new(config, clock, data.node_id(), http_address, stopping.clone()));
    let disk = Disk::new(data.path());
    let restored = disk.load(&node.registry);
    if restored > 0 {
        tracing::info!(instances = restored, "restored the registry; provisional until renewed");
    }
    task::spawn("registry-tick", tick(Arc::clone(&node)));
    let keeper = task::spawn("registry-disk", keep(Arc::clone(&node), disk));
    let front = Front::new(Arc::clone(&node));
    let http = task::spawn("http", net::serve(listener, front, limits, node.net.clone(), stopping));

    data.write_addresses(&addresses)?;
    if !peers::are_configured(&node.config.registry) {
        node.registry.open();
        node.health.open_registry();
    }
    let peers = task::spawn("peers", peers::run(Arc::clone(&node), http_address, seed()));
    node.health.reach(Stage::Ready);
    Ok(Running { node, addresses, data, stop, http, peers, keeper })
}

impl Running {
    /// Stops: no new connections, requests in flight are finished, everything is flushed; takes at most ten seconds.
    pub async fn stop(self) {
        self.node.health.reach(Stage::Stopping);
        self.stop.give();
        if let Err(error) = self.http.await {
            tracing::error!(%error, "the HTTP listener did not stop cleanly");
        }
        if let Err(error) = self.peers.await {
            tracing::error!(%error, "the peers may not have heard everything");
        }
        match self.keeper.await {
            Ok(_) if self.node.config.registry.snapshot_interval.is_zero() => {}
            Ok(mut disk) => save(&mut disk, &self.node.registry).await,
            Err(error) => tracing::error!(%error, "the registry was not written a last time"),
        }
        if let Err(error) = self.data.remove_addresses() {
            tracing::warn!(%error, "the addresses of this run are left behind");
        }
    }
}

/// Evicts what ran out, for as long as the node runs.
async fn tick(node: Arc<Node>) {
    let mut interval = tokio::time::interval(node.config.registry.eviction_interval);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut rng = Rng::new(seed());
    loop {
        interval.tick().await;
        node.registry.tick(rng.next_u64());
    }
}

/// Writes the registry to disk now and then, until the node stops; the last time is up to who stops it.
async fn keep(node: Arc<Node>, mut disk: Disk) -> Disk {
    let interval = node.config.registry.snapshot_interval;
    let mut stopping = node.stopping.clone();
    if interval.is_zero() {
        stopping.given().await;
        return disk;
    }
    while tokio::time::timeout(interval, stopping.given()).await.is_err() {
        save(&mut disk, &node.registry).await;
    }
    disk
}

async fn save(disk: &mut Disk, registry: &Registry) {
    if let Err(error) = disk.save(registry).await {
        tracing::error!(%error, "the registry could not be written to disk");
    }
}

/// Under which name this node stands in its own registry, and how a Java peer finds it there: by its host (`eureka.md` 4.6).
fn own_instance(config: &Config, port: u16) -> OwnInstance {
    let own = &config.registry.own;
    let host = if own.hostname.is_empty() { host_name() } else { own.hostname.clone() };
    let app = own.app.to_uppercase();
    OwnInstance { id: format!("{host}:{}:{port}", app.to_lowercase()), app }
}

/// A number that nobody can guess.
fn seed() -> u64 {
    std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), ())
}

/// Says once what an operator must know about the listeners.
fn announce(config: &Config) {
    let (bound, unbuilt): (Vec<_>, Vec<_>) = config.listeners().partition(|(key, _)| *key == "http.listen");
    for (key, address) in bound {
        if !address.is_loopback() {
            tracing::warn!(
                key,
                %address,
                "NO AUTHENTICATION: whoever reaches this address controls this node (auth.mode = \"none\")"
            );
        }
    }
    if !unbuilt.is_empty() {
        let keys: Vec<_> = unbuilt.into_iter().map(|(key, _)| key).collect();
        tracing::info!(keys = keys.join(" "), "not built yet, these listen nowhere");
    }
}

/// The machine's own name.
pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".into() } else { name.to_owned() }
}
