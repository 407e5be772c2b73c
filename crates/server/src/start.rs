//! Starting and stopping a node: opens its data, binds, and connects the parts. Several can live in one process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use synod_base::rng::Rng;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::call::BadDestination;
use crate::clock::Clock;
use crate::config::{Address, Config};
use crate::data_dir::{DataDir, DataDirError};
use crate::health::Stage;
use crate::net::tls::{TlsError, Trust};
use crate::net::{self, Limits};
use crate::node::{Node, seed};
use crate::raft;
use crate::registry::Registry;
use crate::registry::disk::Disk;
use crate::registry::peers;
use crate::task::{self, Stop};
use front::Front;
use transactions::Transactions;

mod front;
#[cfg(test)]
mod tests;
mod transactions;

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
    transactions: Transactions,
    peers: JoinHandle<()>,
    keeper: JoinHandle<Disk>,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used; exit code 3.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The authorities to be trusted cannot be read; exit code 2.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Who may be called is not said in a way that can be understood; exit code 2.
    #[error("\"call.allow\": {0}")]
    Calls(#[from] BadDestination),
    /// The log of transactions cannot be used, or consensus does not start; the error has the exit code.
    #[error(transparent)]
    Log(#[from] raft::StartError),
    /// A directory for transactions cannot be used; exit code 3.
    #[error("cannot use {what}")]
    Transactions {
        /// Which.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
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
            Self::DataDir(_) | Self::Transactions { .. } => 3,
            Self::Tls(_) | Self::Calls(_) => 2,
            Self::Log(error) => error.exit_code(),
            Self::Bind { .. } => 1,
        }
    }
}

/// Starts a node: data directory, listeners, parts; returns when `/health/ready` says 200.
///
/// # Errors
/// When the data directory or `tls.roots` cannot be used or a listener cannot be bound; nothing is left behind.
pub async fn start(config: Config, clock: Clock) -> Result<Running, StartError> {
    let tls = Trust::new(&config.tls.roots)?;
    let data = DataDir::open(&config.data_dir())?;
    announce(&config);
    let (listener, http_address) = bind("http.listen", &config.http.listen).await?;
    // Where Seata clients find this node is part of the text of all XIDs.
    let seata = bind_if_on("face.seata.listen", config.face.seata.listen.as_ref()).await?;
    let seata_address = seata.as_ref().map(|(_, bound)| *bound);
    let mut addresses = BTreeMap::from([("http", http_address)]);

    let (stop, stopping) = Stop::new();
    let limits = Limits {
        connections_max: config.http.connections_max,
        header_timeout: config.http.header_timeout,
        idle_timeout: config.http.idle_timeout,
    };
    let node = Arc::new(Node::new(
        config,
        clock,
        data.node_id(),
        http_address,
        seata_address.map(|bound| bound.port()),
        tls,
        stopping.clone(),
    ));
    announce_xids(&node, seata_address);
    let disk = Disk::new(data.path());
    let restored = disk.load(&node.registry);
    if restored > 0 {
        tracing::info!(instances = restored, "restored the registry; provisional until renewed");
    }
    task::spawn("registry-tick", tick(Arc::clone(&node)));
    let keeper = task::spawn("registry-disk", keep(Arc::clone(&node), disk));
    let front = Front::new(Arc::clone(&node));
    let serving = net::serve(listener, net::Http1(front), limits, node.net.clone(), stopping.clone());
    let http = task::spawn("http", serving);
    let transactions =
        transactions::start(&node, http_address, seata, &data, limits, &stopping, &mut addresses).await?;

    data.write_addresses(&addresses)?;
    if !peers::are_configured(&node.config.registry) {
        node.registry.open();
        node.health.open_registry();
    }
    let own = peers::Listeners { http: http_address, seata: addresses.get("seata").copied() };
    let peers = task::spawn("peers", peers::run(Arc::clone(&node), own, seed()));
    node.health.reach(Stage::Ready);
    Ok(Running { node, addresses, data, stop, http, transactions, peers, keeper })
}

impl Running {
    /// Stops: no new connections, requests in flight are finished, everything is flushed; takes at most ten seconds.
    pub async fn stop(self) {
        self.node.health.reach(Stage::Stopping);
        self.stop.give();
        if let Err(error) = self.http.await {
            tracing::error!(%error, "the HTTP listener did not stop cleanly");
        }
        self.transactions.stop().await;
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

/// What an XID may have besides its address: a colon and as many digits as an `i64` has. MariaDB and MySQL take 64 bytes for XA.
const XID_ADDRESS_BYTES_MAX: usize = 64 - 20;

/// Says once what an operator must know about the address in XIDs.
fn announce_xids(node: &Node, seata: Option<SocketAddr>) {
    let address = &*node.xid_address;
    if seata.is_some_and(|bound| bound.ip().is_unspecified()) && node.config.face.seata.advertise.is_none() {
        tracing::warn!(
            address,
            "Seata clients cannot reach the address in XIDs: set \"face.seata.advertise\""
        );
    }
    if address.len() > XID_ADDRESS_BYTES_MAX {
        tracing::warn!(address, "XIDs are too long for XA: set a shorter \"face.seata.advertise\"");
    }
}

/// A listener and where it really listens.
type Bound = (TcpListener, SocketAddr);

async fn bind(key: &'static str, address: &Address) -> Result<Bound, StartError> {
    let failed = |source| StartError::Bind { key, address: address.clone(), source };
    let listener = net::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// None when it is off.
async fn bind_if_on(key: &'static str, address: Option<&Address>) -> Result<Option<Bound>, StartError> {
    match address {
        Some(address) => bind(key, address).await.map(Some),
        None => Ok(None),
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

/// Says once what an operator must know about the listeners.
fn announce(config: &Config) {
    const BUILT: [&str; 5] =
        ["http.listen", "face.seata.listen", "face.dtm.http.listen", "face.dtm.grpc.listen", "grpc.listen"];
    let (bound, unbuilt): (Vec<_>, Vec<_>) = config.listeners().partition(|(key, _)| BUILT.contains(key));
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
