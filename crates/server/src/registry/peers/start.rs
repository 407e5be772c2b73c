//! What the node does about its peers from its start to its end: learns who they are, waits for the first round with
//! each, opens the registry, keeps the list up to date, and at the end sees to it that they hear everything.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use synod_base::rng::Rng;
use synod_core::registry::sync::Start;
use tokio::task::JoinHandle;

use super::client::{Client, Target};
use super::source::Sources;
use super::{End, Handle, Listeners, Peers, carry, link_settings, own};
use crate::node::Node;
use crate::task;

/// How often it is looked whether the file of peers changed.
const FILE_LOOK: Duration = Duration::from_secs(1);

/// Runs until the node stops and its peers heard what they had not yet. `seed` is for the jitter of pauses.
pub async fn run(node: Arc<Node>, listeners: Listeners, seed: u64) {
    let mut stopping = node.stopping.clone();
    let mut keeper = Keeper {
        peers: node.registry.peers().clone(),
        client: Client::new(node.config.registry.peer_timeout, Arc::clone(&node.tls)),
        sources: Sources::new(&node.config.registry),
        rng: Rng::new(seed),
        tasks: Vec::new(),
        node: Arc::clone(&node),
    };
    let registered = OnceLock::new();
    tokio::select! {
        () = stopping.given() => {}
        () = own::keep(&node, listeners, &registered) => {}
        () = keeper.keep() => {}
    }
    own::leave(&node, registered.get().map_or(&[], Vec::as_slice));
    keeper.end().await;
}

struct Keeper {
    node: Arc<Node>,
    peers: Peers,
    client: Client,
    sources: Sources,
    rng: Rng,
    tasks: Vec<JoinHandle<()>>,
}

impl Keeper {
    async fn keep(&mut self) {
        let config = &Arc::clone(&self.node).config.registry;
        let deadline_mono = self.node.clock.now().mono_ms + config.sync_deadline.as_millis() as u64;
        // Names that do not resolve in time do not keep the node closed: they are tried again.
        let first = tokio::time::timeout(config.sync_deadline, self.sources.gather(&self.client)).await;
        self.enlist(first.unwrap_or_default());
        self.open(deadline_mono).await;
        while self.sources.is_dynamic() {
            self.wait_for_change(config.peers_refresh).await;
            let targets = self.sources.gather(&self.client).await;
            self.enlist(targets);
        }
        std::future::pending().await
    }

    async fn wait_for_change(&self, refresh: Duration) {
        let looks = async {
            while !self.sources.file_changed() {
                tokio::time::sleep(FILE_LOOK.min(refresh)).await;
            }
        };
        // Running into the time limit is the regular refresh.
        drop(tokio::time::timeout(refresh, looks).await);
    }

    fn enlist(&mut self, targets: Vec<Target>) {
        let settings = link_settings(&self.node.config.registry);
        let (rng, own_id) = (&mut self.rng, self.node.id.to_string());
        self.tasks.retain(|task| !task.is_finished());
        for peer in self.peers.replace(targets, &own_id, settings, || rng.next_u64()) {
            tracing::info!(peer = peer.target.url, "a peer");
            let carry = carry::run(Arc::clone(&self.node), peer, self.client.clone());
            self.tasks.push(task::spawn("peer", carry));
        }
    }

    /// Waits for the first round with everybody, but not beyond the deadline; then opens the registry.
    async fn open(&self, deadline_mono: u64) {
        let peers = self.peers.0.load_full();
        let started = async {
            for peer in peers.iter() {
                peer.started().await;
            }
        };
        let left = deadline_mono.saturating_sub(self.node.clock.now().mono_ms);
        if tokio::time::timeout(Duration::from_millis(left), started).await.is_err() {
            let silent = peers.iter().filter(|peer| peer.link().start().is_none());
            let silent: Vec<_> = silent.map(|peer| &*peer.target.url).collect();
            tracing::warn!(peers = silent.join(" "), "opening without what these peers know");
        }
        let registry = &self.node.registry;
        if peers.iter().any(|peer| peer.link().start() == Some(Start::Data)) {
            let dropped = registry.core().drop_provisional(self.node.clock.now());
            dropped.iter().for_each(|change| registry.announce(change));
        } else if !peers.is_empty() && !self.node.config.registry.wait_when_empty.is_zero() {
            tokio::time::sleep(self.node.config.registry.wait_when_empty).await;
        }
        registry.open();
        self.node.health.open_registry();
    }

    async fn end(self) {
        for peer in self.peers.0.load().iter() {
            peer.end.send_replace(End::Flush);
        }
        for task in self.tasks {
            // A task that panicked has ended the process.
            drop(task.await);
        }
    }
}

impl Handle {
    async fn started(&self) {
        let mut rounds = self.round.subscribe();
        while self.link().start().is_none() {
            if rounds.changed().await.is_err() {
                return;
            }
        }
    }
}
