//! The other nodes: one task each, which carries what [`Link`] decides over HTTP; and who they are.
//!
//! | file | concern |
//! |---|---|
//! | `carry` | the loops of one peer: batches and questions, one of each at a time |
//! | `client` | HTTP with limits, and what its failures mean |
//! | `synod`, `eureka` | the two dialects, between the core's words and the wire's |
//! | `source` | where the list of peers comes from |
//! | `start` | the first round with everybody, opening, changes of the list, the end |
//! | `metrics` | their numbers |
//! | `own` | this node as an instance of its own registry |

mod carry;
mod client;
mod eureka;
pub mod metrics;
mod own;
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
use tokio::sync::{Notify, watch};

use crate::config::RegistryConfig;
use client::Target;

pub use own::Listeners;
pub use start::run;

/// The peers of this node, as everybody who has to tell them something holds them. Clones share the list.
#[derive(Clone, Debug, Default)]
pub struct Peers(Arc<ArcSwap<Vec<Arc<Handle>>>>);

/// One peer: what is known of it, and how its task is woken.
#[derive(Debug)]
struct Handle {
    target: Target,
    inbox: Mutex<Inbox>,
    link: Mutex<Link>,
    /// A batch may be due.
    batch: Notify,
    /// A question may be due.
    ask: Notify,
    /// Whether its task should end.
    end: watch::Sender<End>,
    /// Changes with each question that was settled.
    round: watch::Sender<u64>,
    last_error: Mutex<Option<String>>,
}

/// What was told since the peer's task last looked.
#[derive(Debug, Default)]
struct Inbox {
    told: Vec<Told>,
    /// Something did not fit in.
    lost: bool,
    /// The task sleeps until something is told.
    idle: bool,
}

/// News in an inbox at most: what comes in while a whole registry is compared, at full load.
const INBOX_MAX: usize = 100_000;
/// So many heartbeats are company enough.
const COMPANY: usize = 200;

/// When the task of a peer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It goes on.
    NotYet,
    /// The peer is no longer on the list.
    Now,
    /// The node stops: when the peer heard everything.
    Flush,
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
            peer.tell(Told { what, record: Arc::clone(record), heard: Heard::now(now) });
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
            left.end.send_replace(End::Now);
        }
        self.0.store(Arc::new(list));
        newcomers
    }
}

impl Handle {
    fn new(target: Target, link: Link) -> Self {
        Self {
            target,
            inbox: Mutex::default(),
            link: Mutex::new(link),
            batch: Notify::new(),
            ask: Notify::new(),
            end: watch::Sender::new(End::NotYet),
            round: watch::Sender::new(0),
            last_error: Mutex::new(None),
        }
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts news where the peer's task finds them. The link itself is not touched: its lock is held while it compares whole
    /// registries, and who tells is a client's request.
    fn tell(&self, told: Told) {
        let mut inbox = self.inbox();
        if inbox.told.len() >= INBOX_MAX {
            inbox.lost = true;
            return;
        }
        // Heartbeats wait for company, and a thousand of them a second must not wake the task a thousand times.
        let wakes = inbox.idle || told.what != What::Renewed || inbox.told.len() + 1 == COMPANY;
        inbox.idle = false;
        inbox.told.push(told);
        drop(inbox);
        if wakes {
            self.batch.notify_one();
        }
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the link what was told since the last time.
    fn deliver(&self, now: Now) {
        let (told, lost) = {
            let mut inbox = self.inbox();
            (std::mem::take(&mut inbox.told), std::mem::take(&mut inbox.lost))
        };
        let mut link = self.link();
        told.into_iter().for_each(|told| link.tell(told, now));
        if lost {
            link.lost();
        }
    }

    /// When there may be a batch to send; `None`: when something is told.
    fn next_batch_wake(&self) -> Option<u64> {
        let wake = self.link().next_batch_wake();
        let mut inbox = self.inbox();
        let waits = inbox.told.iter().any(|told| told.what != What::Renewed);
        inbox.idle = wake.is_none() && inbox.told.is_empty();
        if waits || (wake.is_none() && !inbox.told.is_empty()) { Some(0) } else { wake }
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

/// Whether a node with this configuration may have peers: one without opens at once.
pub fn are_configured(config: &RegistryConfig) -> bool {
    let RegistryConfig { peers, peers_file, peers_dns, peers_url, .. } = config;
    !(peers.is_empty() && peers_file.is_empty() && peers_dns.is_empty() && peers_url.is_empty())
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
