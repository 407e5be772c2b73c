//! The other nodes: one task each, which carries what [`Link`] decides over HTTP; and who they are.
//!
//! | file | concern |
//! |---|---|
//! | `carry` | the loops of one peer: batches and questions, one of each at a time |
//! | `client` | HTTP with limits, and what its failures mean |
//! | `synod`, `eureka` | the two dialects, between the core's words and the wire's |
//! | `source` | where the list of peers comes from |
//! | `start` | the first round with everybody, then opening; this node as its own instance |

mod carry;
mod client;
mod eureka;
mod source;
mod start;
pub mod synod;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use synod_base::hash::Keyed;
use synod_base::time::Now;
use synod_core::registry::lane::{LaneSettings, Told, What};
use synod_core::registry::lease::Heard;
use synod_core::registry::link::{Link, LinkSettings, Peer};
use synod_core::registry::sync::SyncSettings;
use synod_core::registry::{Record, Status};
use tokio::sync::Notify;

use crate::config::RegistryConfig;
use client::Target;

pub use start::run;

/// The peers of this node, as everybody who has to tell them something holds them. Clones share the list.
#[derive(Clone, Debug, Default)]
pub struct Peers(Arc<ArcSwap<Vec<Arc<Handle>>>>);

/// One peer: what is known of it, and how its task is woken.
#[derive(Debug)]
struct Handle {
    target: Target,
    link: Mutex<Link>,
    /// A batch may be due.
    batch: Notify,
    /// A question may be due.
    ask: Notify,
    /// The peer is no longer on the list.
    gone: tokio::sync::watch::Sender<bool>,
    last_error: Mutex<Option<String>>,
}

/// A peer as an operator is shown it.
#[derive(Clone, Debug)]
pub struct PeerView {
    /// As configured, without credentials.
    pub url: String,
    /// What a Synod node calls itself.
    pub name: Option<String>,
    /// `synod`, `eureka`, or `unknown`.
    pub kind: &'static str,
    /// `idle`, `sending`, `backoff`, or `self` when this is this very node.
    pub state: &'static str,
    /// Whether it answered the last time.
    pub reachable: bool,
    /// How long the oldest change has been waiting for it.
    pub lag_ms: u64,
    /// Instances that it has to be told of.
    pub queued: usize,
    /// Items that it took.
    pub sent: u64,
    /// Items refused and batches that came to nothing.
    pub failed: u64,
    /// Wall time of its last answer.
    pub last_success_ms: Option<u64>,
    /// What went wrong last, until something succeeds.
    pub last_error: Option<String>,
}

impl Peers {
    /// A client did this here: every peer has to hear of it. Costs nothing when there are none.
    pub fn tell(&self, what: What, record: &Arc<Record>, now: Now) {
        for peer in self.0.load().iter() {
            peer.tell(Told { what, record: Arc::clone(record), heard: Heard::now(now) }, now);
        }
    }

    /// All peers, in the order of their URLs.
    pub fn views(&self, now: Now) -> Vec<PeerView> {
        self.0.load().iter().map(|peer| peer.view(now)).collect()
    }

    /// Makes the list consist of these: who stays is not disturbed. Returns the newcomers.
    fn replace(
        &self,
        targets: Vec<Target>,
        own_id: &str,
        settings: LinkSettings,
        mut seed: impl FnMut() -> u64,
    ) -> Vec<Arc<Handle>> {
        let old = self.0.load_full();
        let mut newcomers = Vec::new();
        let mut list: Vec<Arc<Handle>> = Vec::new();
        for target in targets {
            if let Some(known) = old.iter().find(|peer| peer.target == target) {
                list.push(Arc::clone(known));
            } else {
                let link = Link::new(own_id, settings, Keyed(seed()), seed());
                let peer = Arc::new(Handle::new(target, link));
                newcomers.push(Arc::clone(&peer));
                list.push(peer);
            }
        }
        list.sort_by(|a, b| a.target.url.cmp(&b.target.url));
        for left in old.iter().filter(|peer| !list.iter().any(|kept| Arc::ptr_eq(kept, peer))) {
            left.gone.send_replace(true);
        }
        self.0.store(Arc::new(list));
        newcomers
    }
}

impl Handle {
    fn new(target: Target, link: Link) -> Self {
        Self {
            target,
            link: Mutex::new(link),
            batch: Notify::new(),
            ask: Notify::new(),
            gone: tokio::sync::watch::Sender::new(false),
            last_error: Mutex::new(None),
        }
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, told: Told, now: Now) {
        let mut link = self.link();
        let before = link.next_batch_wake();
        link.tell(told, now);
        let after = link.next_batch_wake();
        drop(link);
        // Its task sleeps until `before`: a thousand heartbeats a second must not wake it a thousand times.
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            self.batch.notify_one();
        }
    }

    fn note_error(&self, error: Option<String>) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    fn view(&self, now: Now) -> PeerView {
        let view = self.link().view(now);
        let last_error = self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        PeerView {
            url: self.target.url.clone(),
            kind: match view.peer {
                Peer::Unknown => "unknown",
                Peer::Synod(_) | Peer::Itself => "synod",
                Peer::Eureka => "eureka",
            },
            state: match view.peer {
                Peer::Itself => "self",
                _ if view.sending => "sending",
                Peer::Unknown => "backoff",
                _ if view.pausing => "backoff",
                Peer::Synod(_) | Peer::Eureka => "idle",
            },
            name: match view.peer {
                Peer::Synod(name) => Some(name.into()),
                Peer::Unknown | Peer::Eureka | Peer::Itself => None,
            },
            reachable: view.reachable,
            lag_ms: view.lag_ms,
            queued: view.queued,
            sent: view.sent,
            failed: view.failed,
            last_success_ms: view.last_success_ms,
            last_error,
        }
    }
}

fn link_settings(config: &RegistryConfig) -> LinkSettings {
    LinkSettings {
        lane: LaneSettings { batch_max: config.peer_batch_max, ..LaneSettings::default() },
        sync: SyncSettings {
            interval_ms: config.anti_entropy_interval.as_millis() as u64,
            ..SyncSettings::default()
        },
    }
}

/// A core status by its wire name, for messages that carry it as text.
fn status_text(status: Status) -> std::borrow::Cow<'static, str> {
    status.as_str().into()
}
