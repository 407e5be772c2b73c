//! The Seata face: unmodified Seata clients over their own protocol. What is on the wire is in `synod_wire::seata`; sections of
//! `docs/protocol/seata.md` are cited as `seata.md`. Phase two goes down the same connections and is in [`crate::call::seata`].
//!
//! | file | concern |
//! |---|---|
//! | `connection` | bytes: reading, writing, pings, silence, back-pressure, the end |
//! | `session` | who the client is: registrations |
//! | `merge` | requests that came in one frame, and how their answers go |
//! | `global` | begin, commit, rollback, status, report |
//! | `branch` | branches and their rows |
//! | `saga` | state machines, which need less |
//! | `undo` | old undo logs |
//! | `map` | transactions, statuses and refusals of the wire and of the core |

mod branch;
mod connection;
mod global;
mod map;
mod merge;
mod metrics;
mod saga;
mod session;
mod undo;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use synod_wire::seata::{Answer, Client, Request};

pub use self::metrics::SeataMetrics;
pub use self::undo::clean_up;

use self::metrics::Result as Counted;
use crate::call::seata::Channels;
use crate::clock::Clock;
use crate::config::SeataConfig;
use crate::net::{Connection, Limits, Serve};
use crate::node::Node;
use crate::txn::{Coordinator, Failure};

/// After a request that cannot be answered now the connection is closed so much later, lest the client tries again at once.
const CLOSE_AFTER: Duration = Duration::from_secs(1);

/// The bounds of the listener.
pub fn limits(config: &SeataConfig) -> Limits {
    Limits {
        connections_max: config.connections_max,
        header_timeout: config.idle_timeout,
        idle_timeout: config.idle_timeout,
    }
}

/// The node as its Seata listener sees it.
#[derive(Clone, Debug)]
pub struct Front(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    coordinator: Arc<Coordinator>,
    channels: Channels,
    metrics: SeataMetrics,
    clock: Clock,
    /// In the text of XIDs.
    address: String,
    frame_bytes_max: usize,
    answer_within: Duration,
}

impl Front {
    /// The face of a node that coordinates. `channels` are those through which calls go.
    pub fn new(node: &Node, coordinator: Arc<Coordinator>, channels: Channels) -> Self {
        let config = &node.config.face.seata;
        Self(Arc::new(Inner {
            coordinator,
            channels,
            metrics: node.seata.clone(),
            clock: node.clock.clone(),
            address: node.xid_address.clone(),
            frame_bytes_max: config.frame_bytes_max,
            answer_within: config.answer_within,
        }))
    }
}

impl Serve for Front {
    // There is no message that says so.
    const REFUSAL: &'static [u8] = b"";

    fn serve(self, connection: Connection) -> impl Future<Output = ()> + Send {
        connection::serve(self, connection)
    }
}

/// What an answer depends on beside the request.
#[derive(Clone, Debug)]
struct Asker {
    /// Its end of the connection.
    peer: SocketAddr,
    application: Arc<str>,
    group: Arc<str>,
    /// What it understands.
    client: Client,
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum No {
    /// Any answer might be wrong.
    Unanswered,
    /// Not now, and nothing has changed. The client is to try again, and does so when its connection is closed.
    Closed,
}

/// Why something cannot be said of a decision.
impl From<Failure> for No {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Busy(_) => Self::Closed,
            Failure::Refused(_) | Failure::Lost => Self::Unanswered,
        }
    }
}

impl Inner {
    async fn answer(&self, asker: &Asker, request: &Request) -> Result<Answer, No> {
        let answer = match request {
            Request::GlobalBegin(begin) => self.begin(asker, begin).await,
            Request::GlobalCommit(end) => self.commit(asker, &end.xid).await,
            Request::GlobalRollback(end) => self.roll_back(&end.xid).await,
            Request::GlobalStatus(end) => self.status(&end.xid).await,
            Request::GlobalReport(report) => self.report(report).await,
            Request::BranchRegister(branch) => self.register(asker, branch).await,
            Request::BranchReport(report) => self.report_branch(report).await,
            Request::GlobalLockQuery(rows) => self.query_lock(rows),
        };
        self.metrics.count(request, Counted::of(&answer));
        if answer == Err(No::Closed) {
            tokio::time::sleep(CLOSE_AFTER).await;
        }
        answer
    }
}
