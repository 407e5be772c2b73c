//! Asking: which server, how often, how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use synod_wire::seata::{Answer, Request};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::config::Config;
use super::pending::{Ask, Lost};
use super::resources::Resources;
use crate::Xid;
use crate::clock::now;

/// Requests on their way to the task of a connection. That one takes up to [`Config::requests_max`] out of it.
const QUEUE: usize = 256;

/// What the client and the tasks of its connections share.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) resources: Resources,
    servers: Vec<Server>,
    /// Rises when what is known of a server changes.
    changes: watch::Sender<u64>,
    /// Whose turn it is.
    turn: AtomicUsize,
}

struct Server {
    queue: mpsc::Sender<Ask>,
    state: Mutex<State>,
}

/// What is known of a server.
#[derive(Default)]
struct State {
    /// While it can be asked: the version of the resources that it knows.
    known: Option<u64>,
    /// `host:port` of its end of the connection.
    peer: String,
    /// `host:port` in the ids that it gives out, once it has given one.
    advertised: String,
    /// Why it cannot be asked.
    trouble: String,
}

/// Whether a failed request may be sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Twice is as good as once.
    Yes,
    /// Only if it surely was not sent.
    No,
}

impl Shared {
    /// With the queues that lead to the servers.
    pub(super) fn new(config: Config) -> (Arc<Self>, Vec<mpsc::Receiver<Ask>>) {
        let lines = config.servers.iter().map(|_| {
            let (queue, receiver) = mpsc::channel(QUEUE);
            (Server { queue, state: Mutex::default() }, receiver)
        });
        let (servers, queues) = lines.unzip();
        let (resources, changes, turn) = (Resources::new(), watch::Sender::new(0), AtomicUsize::new(0));
        (Arc::new(Self { config, resources, servers, changes, turn }), queues)
    }

    /// A server can be asked, and knows resources up to this version.
    pub(super) fn up(&self, at: usize, known: u64, peer: String) {
        let mut state = self.state(at);
        (state.known, state.peer) = (Some(known), peer);
        drop(state);
        self.changed();
    }

    /// A server cannot be asked.
    pub(super) fn down(&self, at: usize, trouble: String) {
        let mut state = self.state(at);
        (state.known, state.trouble) = (None, trouble);
        drop(state);
        self.changed();
    }

    /// A server has given out an id with this address.
    pub(super) fn learn(&self, at: usize, address: &str) {
        let mut state = self.state(at);
        if state.advertised != address {
            address.clone_into(&mut state.advertised);
        }
    }

    pub(super) fn is_up(&self) -> bool {
        (0..self.servers.len()).any(|at| self.state(at).known.is_some())
    }

    pub(super) async fn someone_up(&self) {
        self.until(|| self.is_up().then_some(())).await;
    }

    /// Until all who can be asked, and one at least, know resources up to this version.
    pub(super) async fn known(&self, version: u64) {
        self.until(|| {
            let mut up = (0..self.servers.len()).filter_map(|at| self.state(at).known).peekable();
            (up.peek().is_some() && up.all(|known| known >= version)).then_some(())
        })
        .await;
    }

    /// Why servers cannot be asked.
    pub(super) fn troubles(&self) -> String {
        let trouble = |(at, address): (usize, &String)| format!("{address}: {}", self.state(at).trouble);
        let troubles: Vec<_> = self.config.servers.iter().enumerate().map(trouble).collect();
        troubles.join("; ")
    }

    /// Asks the server that has given the id out, or else any, until this time. Says who answered.
    pub(super) async fn ask(
        &self,
        xid: Option<&Xid>,
        request: Request,
        until: Instant,
        repeat: Repeat,
    ) -> Result<(usize, Answer), Lost> {
        // Another server may know of the transaction as well, if this one does not come back.
        let patience = now() + until.saturating_duration_since(now()) / 3;
        loop {
            let Ok(at) = timeout_at(until, self.choose(xid, patience)).await else {
                return Err(Lost::TimedOut);
            };
            let (reply, answer) = oneshot::channel();
            let ask = Ask { request: request.clone(), reply };
            let queue = &self.servers[at].queue;
            let asked = async { if queue.send(ask).await.is_ok() { Some(answer.await) } else { None } };
            match timeout_at(until, asked).await {
                Ok(Some(Ok(Ok(answer)))) => return Ok((at, answer)),
                Ok(Some(Ok(Err(Lost::Unsent)))) => {}
                Ok(Some(Ok(Err(lost)))) => return Err(lost),
                Ok(Some(Err(_))) if repeat == Repeat::Yes => {}
                Ok(Some(Err(_)) | None) => return Err(Lost::Broken),
                Err(_) => return Err(Lost::TimedOut),
            }
        }
    }

    /// Waits for a server that can be asked.
    async fn choose(&self, xid: Option<&Xid>, patience: Instant) -> usize {
        let owner = xid.and_then(|xid| self.owner(xid.address()));
        if let Some(owner) = owner {
            let back = self.until(|| self.state(owner).known);
            if timeout_at(patience, back).await.is_ok() {
                return owner;
            }
        }
        self.until(|| self.next()).await
    }

    /// The server whose ids have this address.
    fn owner(&self, address: &str) -> Option<usize> {
        let is_it = |at: &usize| {
            let state = self.state(*at);
            state.advertised == address || self.config.servers[*at] == address || state.peer == address
        };
        (0..self.servers.len()).find(is_it)
    }

    /// The next in turn that can be asked.
    fn next(&self) -> Option<usize> {
        let count = self.servers.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        (0..count).map(|at| turn.wrapping_add(at) % count).find(|at| self.state(*at).known.is_some())
    }

    /// Waits until a look at the servers finds something.
    async fn until<T>(&self, look: impl Fn() -> Option<T>) -> T {
        if let Some(found) = look() {
            return found;
        }
        let mut changes = self.changes.subscribe();
        loop {
            if let Some(found) = look() {
                return found;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn state(&self, at: usize) -> MutexGuard<'_, State> {
        self.servers[at].state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
