//! What the node does about its peers, from its start to its end: learns who they are, waits for the first round with
//! each, opens the registry, keeps the list of peers up to date, and is an instance of its own registry.

use std::sync::Arc;
use std::time::Duration;

use synod_base::rng::Rng;
use synod_core::registry::instance::{Instance, Port};
use synod_core::registry::sync::Start;
use synod_core::registry::{Origin, Renewal, Status};

use super::client::{Client, Target};
use super::source::Sources;
use super::{Peers, carry, link_settings};
use crate::node::Node;
use crate::task;

/// How often this node's own lease is renewed: what it says of itself, and all that Eureka's defaults expect.
const OWN_INTERVAL_S: u32 = 30;

/// Runs until the node stops. `seed` is for the jitter of pauses; `port` where the node is reached.
pub async fn run(node: Arc<Node>, port: u16, seed: u64) {
    let mut stopping = node.stopping.clone();
    let mut keeper = Keeper {
        peers: node.registry.peers().clone(),
        client: Client::new(node.config.registry.peer_timeout),
        sources: Sources::new(&node.config.registry),
        rng: Rng::new(seed),
        node: Arc::clone(&node),
    };
    tokio::select! {
        () = stopping.given() => {}
        () = keeper.keep(port) => {}
    }
    node.registry.leave_own();
}

struct Keeper {
    node: Arc<Node>,
    peers: Peers,
    client: Client,
    sources: Sources,
    rng: Rng,
}

impl Keeper {
    async fn keep(&mut self, port: u16) {
        let config = &Arc::clone(&self.node).config.registry;
        let deadline = self.node.clock.now().mono_ms + config.sync_deadline.as_millis() as u64;
        // Names that do not resolve in time do not keep the node closed: they are tried again later.
        let first = tokio::time::timeout(config.sync_deadline, self.sources.gather(&self.client)).await;
        self.enlist(first.unwrap_or_default());
        self.open(deadline).await;
        let own = config.own.register.then(|| self.node.registry.own_instance(port));
        let refresh = config.peers_refresh.as_millis() as u64;
        let (mut renew_at, mut refresh_at) = (0, self.node.clock.now().mono_ms + refresh);
        loop {
            let now = self.node.clock.now().mono_ms;
            if now >= renew_at {
                own.iter().for_each(|own| self.node.registry.renew_own(own));
                renew_at = now + u64::from(OWN_INTERVAL_S) * 1_000;
            }
            if now >= refresh_at {
                let targets = self.sources.gather(&self.client).await;
                self.enlist(targets);
                refresh_at = self.node.clock.now().mono_ms + refresh;
            } else if self.sources.file_changed() {
                refresh_at = 0;
                continue;
            }
            let next = renew_at.min(refresh_at).saturating_sub(now).clamp(1, 1_000);
            tokio::time::sleep(Duration::from_millis(next)).await;
        }
    }
}
