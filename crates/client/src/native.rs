//! Transactions over Synod's native API.
//!
//! [`Client`] is a coordinator for [`tm`](crate::tm) and, together with [`Participants`], for [`rm`](crate::rm). It also has what only Synod
//! has: sagas that the coordinator drives ([`Saga`]), messages that are sent if and only if a local transaction commits
//! ([`Message`]), notifications and topics.
//!
//! Whatever begins something carries an id that is chosen here (the *gid*), so that a request whose answer was lost is sent again and
//! nothing happens twice.

mod ask;
mod backend;
mod begin;
mod id;
mod message;
mod participants;
mod payload;
mod saga;
mod terms;
#[cfg(test)]
mod tests;
mod topics;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use crate::http_client::{BadUrl, Config, Servers};
#[cfg(feature = "tls")]
use crate::tls::Trust;

pub use ask::{Error, Problem};
pub use begin::{Begin, Mode, NewBranch};
pub use message::{HalfMessage, Message, Notification};
pub use participants::{Asked, Checked, Participants};
pub use payload::Payload;
pub use saga::{Saga, SagaStep};
pub use topics::{Subscriber, Topic};
pub use transaction::{BranchView, Details, Leg, Standing, Transaction};

/// How long one attempt at one server takes at most.
const CALL: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// A cluster of Synod, or a single node of it. Share it: it holds the connections.
#[derive(Debug)]
pub struct Client {
    servers: Servers,
    patience: Duration,
    retry_interval: Option<Duration>,
    participants: Option<Arc<Participants>>,
}

impl Client {
    /// Nodes by their base URLs, such as `http://node-1:8761`, the preferred first; `https` with the feature `tls`. Nothing is connected
    /// yet.
    ///
    /// # Errors
    /// A URL cannot be used, or there is none.
    pub fn new<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Result<Self, BadUrl> {
        let config = Config { total: CALL, answer_max: ANSWER_BYTES_MAX, ..Config::default() };
        let servers = Servers::new(config, urls)?;
        Ok(Self { servers, patience: Duration::from_secs(10), retry_interval: None, participants: None })
    }

    /// Whom to trust where a URL says `https`: the system's authorities unless said.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.servers = self.servers.trusting(trust);
        self
    }

    /// How long a request is sent again, at growing intervals, when nobody answers or a node says "not now"; 10 seconds unless
    /// said.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The first pause before a participant is called again, in transactions that are begun through [`tm`](crate::tm); the server's
    /// `txn.retry` unless said.
    #[must_use]
    pub const fn retry_interval(mut self, interval: Duration) -> Self {
        self.retry_interval = Some(interval);
        self
    }

    /// Who is called for the branches that join through [`rm::Backend`](crate::rm::Backend): this process, by `participants`.
    #[must_use]
    pub fn participants(mut self, participants: Arc<Participants>) -> Self {
        self.participants = Some(participants);
        self
    }
}
