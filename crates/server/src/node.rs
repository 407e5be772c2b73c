//! One node: what its parts share. How they are started and stopped is in [`crate::start`].

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use prometheus_client::metrics::counter::Counter;

use crate::call::CallMetrics;
use crate::clock::Clock;
use crate::config::{Address, Config, SeataConfig};
use crate::data_dir::NodeId;
use crate::face::seata::SeataMetrics;
use crate::health::Health;
use crate::lists::OwnInstance;
use crate::metrics::{self, HttpMetrics, NetMetrics};
use crate::net::body::BodyLimits;
use crate::net::tls::Trust;
use crate::rate_limit::RateLimit;
use crate::registry::Registry;
use crate::registry::metrics::RegistryMetrics;
use crate::registry::peers::metrics::PeerMetrics;
use crate::task::Stopping;
use crate::txn::Coordinator;
use crate::txn::metrics::{LogMetrics, SeataAliases, TxnMetrics};

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
    /// Whom it trusts when it asks over TLS.
    pub tls: Arc<Trust>,
    /// The instances.
    pub registry: Arc<Registry>,
    /// The port of the HTTP listener.
    pub http_port: u16,
    /// Global transactions, once they are coordinated.
    txn: OnceLock<Arc<Coordinator>>,
    /// The `host:port` in the text of this node's XIDs.
    pub xid_address: String,
    /// Limits on fetches.
    pub rate_limit: RateLimit,
    /// Everything that is measured.
    pub metrics: metrics::Registry,
    /// What is measured of transactions, under the names that Seata's dashboards know.
    pub seata_metrics: metrics::Registry,
    /// Requests answered.
    pub http: HttpMetrics,
    /// Changes and heartbeats that peers told.
    pub from_peers: Counter,
    /// Connections of the HTTP listeners.
    pub net: NetMetrics,
    /// What is measured of Seata clients.
    pub seata: SeataMetrics,
    /// Calls to participants.
    pub calls: CallMetrics,
    /// Transactions that ended.
    pub transactions: TxnMetrics,
    /// What is open, and the log.
    pub log_metrics: LogMetrics,
    /// Bounds on the body of a request.
    pub body_limits: BodyLimits,
    /// Whether the node is stopping.
    pub stopping: Stopping,
}

impl Node {
    /// Makes the shared part; each part that measures registers its metrics here.
    pub(crate) fn new(
        config: Config,
        clock: Clock,
        id: NodeId,
        http: SocketAddr,
        seata_port: Option<u16>,
        tls: Trust,
        stopping: Stopping,
    ) -> Self {
        let mut metrics = metrics::registry(clock.now().wall_ms);
        let name = if config.node.name.is_empty() { host_name() } else { config.node.name.clone() };
        let own = own_instance(&config, http.port());
        let from_peers = Counter::default();
        let help = "Changes and heartbeats that peers told";
        metrics.register("peer_items_received", help, from_peers.clone());
        let registry = Arc::new(Registry::new(&config.registry, clock.clone(), own, seed()));
        metrics.register_collector(Box::new(RegistryMetrics::new(Arc::clone(&registry))));
        metrics.register_collector(Box::new(PeerMetrics::new(Arc::clone(&registry))));
        let log_metrics = LogMetrics::default();
        metrics.register_collector(Box::new(log_metrics.clone()));
        let transactions = TxnMetrics::new(&mut metrics);
        let mut seata_metrics = metrics::Registry::default();
        let aliases = SeataAliases::new(&transactions, log_metrics.clone(), clock.clone());
        seata_metrics.register_collector(Box::new(aliases));
        Self {
            calls: CallMetrics::new(&mut metrics),
            transactions,
            seata_metrics,
            http_port: http.port(),
            log_metrics,
            http: HttpMetrics::new(&mut metrics),
            from_peers,
            net: NetMetrics::new(&mut metrics, "http"),
            seata: SeataMetrics::new(&mut metrics),
            tls: Arc::new(tls),
            registry,
            txn: OnceLock::new(),
            xid_address: xid_address(&config.face.seata, seata_port),
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

    /// Global transactions; none before the log has been read.
    pub fn txn(&self) -> Option<&Arc<Coordinator>> {
        self.txn.get()
    }

    /// From now on transactions are coordinated.
    pub(crate) fn coordinate(&self, coordinator: Arc<Coordinator>) {
        assert!(self.txn.set(coordinator).is_ok(), "a node has one coordinator");
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

/// Under which name this node stands in its own registry, and how a Java peer finds it there: by its host (`eureka.md` 4.6).
fn own_instance(config: &Config, port: u16) -> OwnInstance {
    let own = &config.registry.own;
    let host = if own.hostname.is_empty() { host_name() } else { own.hostname.clone() };
    let app = own.app.to_uppercase();
    OwnInstance { id: format!("{host}:{}:{port}", app.to_lowercase()), app }
}

/// Where Seata clients are told that this node is, which is part of the text of an XID, also of those that never meet one.
/// `port` is where it really listens for them.
fn xid_address(config: &SeataConfig, port: Option<u16>) -> String {
    match (&config.advertise, &config.listen) {
        (Some(advertise), _) => advertise.to_string(),
        (None, Some(listen)) => Address { port: port.unwrap_or(listen.port), ..listen.clone() }.to_string(),
        (None, None) => "127.0.0.1:8091".into(),
    }
}

/// A number that nobody can guess.
pub(crate) fn seed() -> u64 {
    std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), ())
}

/// The machine's own name.
pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".into() } else { name.to_owned() }
}
