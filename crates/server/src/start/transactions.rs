//! The transactional half of a node: consensus over the log, the coordinator on top, the faces that have a port of their own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use synod_log::disk::{RealDisk, Recording};
use synod_replica::Replicator;
use tokio::task::JoinHandle;

use super::{Bound, StartError, bind_if_on};
use crate::call::{self, Caller};
use crate::config::RaftConfig;
use crate::data_dir::DataDir;
use crate::face::{dtm, native, seata};
use crate::metrics::NetMetrics;
use crate::net::{self, Http1, Http2, Limits, Serve};
use crate::node::{Node, seed};
use crate::raft::{self, Consensus};
use crate::task::{self, OnFatal, Stop, Stopping};
use crate::txn::settings::Settings;
use crate::txn::{Coordinator, Prepared, Tasks};

/// What runs.
#[derive(Debug)]
pub(super) struct Transactions {
    consensus: Consensus,
    tasks: Tasks,
    /// Listeners, which end by themselves when the node stops.
    faces: Vec<JoinHandle<()>>,
    /// For what the listeners need until they have ended.
    stop: Stop,
}

/// Opens the log, takes over what is open, and binds the faces; adds what is bound to `addresses`. `http` is the listener of
/// the console, `seata` that of Seata clients.
pub(super) async fn start(
    node: &Arc<Node>,
    http: SocketAddr,
    seata: Option<Bound>,
    data: &DataDir,
    limits: Limits,
    stopping: &Stopping,
    addresses: &mut BTreeMap<&'static str, SocketAddr>,
) -> Result<Transactions, StartError> {
    let config = &node.config;
    // Whatever can fail for want of an address fails before anything runs. Who connects early waits.
    let dtm_http = bind_if_on("face.dtm.http.listen", config.face.dtm_http_listen.as_ref()).await?;
    let dtm_grpc = bind_if_on("face.dtm.grpc.listen", config.face.dtm_grpc_listen.as_ref()).await?;
    let grpc = bind_if_on("grpc.listen", config.grpc.listen.as_ref()).await?;
    let settings = Settings::from(&config.txn);
    let unusable = |source| StartError::Transactions { what: "the directory of the log", source };
    let prepared = Prepared::default();
    let consensus = raft::start(raft::Options {
        disk: Arc::new(disk(&config.raft, &data.path().join("log")).map_err(unusable)?),
        node_id: data.node_id(),
        address: String::new(),
        settings: raft::Settings::from(&config.raft),
        limits: settings.limits,
        sink: prepared.sink(),
        on_fatal: OnFatal::end_process(),
    })
    .await?;
    let calls = call::Settings::new(config, &node.xid_address)?;
    let caller = Caller::new(
        calls,
        Arc::clone(&node.registry),
        Arc::clone(&node.tls),
        node.clock.clone(),
        node.calls.clone(),
    );
    let channels = caller.channels().clone();
    let (stop, stopping_later) = Stop::new();
    let replicator: Arc<dyn Replicator> = Arc::new(consensus.clone());
    let machine = Arc::clone(consensus.machine());
    node.log_metrics.watch(Arc::clone(&machine), Arc::clone(&replicator));
    let (coordinator, tasks) = Coordinator::start(
        &settings,
        &data.path().join("details"),
        prepared,
        replicator,
        machine,
        caller,
        node.clock.clone(),
        seed(),
        node.transactions.clone(),
        &stopping_later,
    )
    .map_err(|source| StartError::Transactions { what: "the directory of details", source })?;
    coordinator.ready().await;
    node.coordinate(Arc::clone(&coordinator));
    if seata.is_some() {
        let cleaning = seata::clean_up(channels.clone(), config.face.seata.clone(), stopping.clone());
        task::spawn("seata-undo", cleaning);
    }
    let mut faces = Faces { stopping, addresses, serving: Vec::new() };
    let dtm_front = || Http1(dtm::Front::new(Arc::clone(node), Arc::clone(&coordinator), http.port()));
    faces.serve("dtm_http", dtm_http, limits, &node.net, dtm_front);
    let dtm_front = || Http2(dtm::GrpcFront::new(node, Arc::clone(&coordinator)));
    faces.serve("dtm_grpc", dtm_grpc, limits, &node.net, dtm_front);
    faces.serve("grpc", grpc, limits, &node.net, || Http2(native::GrpcFront::new(Arc::clone(node))));
    let seata_front = || seata::Front::new(node, Arc::clone(&coordinator), channels);
    faces.serve("seata", seata, seata::limits(&config.face.seata), &node.seata.net, seata_front);
    Ok(Transactions { consensus, tasks, faces: faces.serving, stop })
}

/// Where the log lies.
fn disk(config: &RaftConfig, dir: &Path) -> std::io::Result<RealDisk> {
    if config.power_cut_journal.is_empty() {
        return RealDisk::new(dir);
    }
    let recording = Recording {
        journal: config.power_cut_journal.clone().into(),
        skip_sync: config.power_cut_skip_sync,
        slow_names: config.power_cut_slow_names,
    };
    tracing::warn!(
        journal = config.power_cut_journal,
        skip_sync = recording.skip_sync,
        "FOR TESTS ONLY: the log writes down what is not durable"
    );
    RealDisk::recording(dir, &recording)
}

/// The faces that have a port of their own.
struct Faces<'a> {
    stopping: &'a Stopping,
    addresses: &'a mut BTreeMap<&'static str, SocketAddr>,
    serving: Vec<JoinHandle<()>>,
}

impl Faces<'_> {
    /// Serves what was bound, under its name in `addresses.json`.
    fn serve<S: Serve>(
        &mut self,
        name: &'static str,
        bound: Option<Bound>,
        limits: Limits,
        metrics: &NetMetrics,
        front: impl FnOnce() -> S,
    ) {
        let Some((listener, bound)) = bound else { return };
        self.addresses.insert(name, bound);
        let serving = net::serve(listener, front(), limits, metrics.clone(), self.stopping.clone());
        self.serving.push(task::spawn(name, serving));
    }
}

impl Transactions {
    /// Waits for the listeners, which have been told; then nothing is proposed any more, and the log is closed.
    pub(super) async fn stop(self) {
        for face in self.faces {
            if let Err(error) = face.await {
                tracing::error!(%error, "a listener did not stop cleanly");
            }
        }
        self.stop.give();
        for task in [self.tasks.proposing, self.tasks.driving] {
            if let Err(error) = task.await {
                tracing::error!(%error, "the coordinator did not stop cleanly");
            }
        }
        self.consensus.stop().await;
    }
}
