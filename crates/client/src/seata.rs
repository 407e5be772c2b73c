//! Seata's protocol: transactions with Synod, or with a Seata server (1.4.2 to 2.x), beside clients in Java, Go and Python.
//!
//! A [`Client`] is transaction manager ([`tm::Backend`](crate::tm::Backend)) and resource manager
//! ([`rm::Backend`](crate::rm::Backend)) at once. It keeps *one* connection to each server, on which both roles register, TM first, as
//! seata-go does: a Java client has two, because its two halves are two libraries. One is half the sockets and half the pings, and
//! what both roles have to say goes out with one write. A connection is one task; it comes back by itself, with pauses that grow and
//! vary, and registers the resources again.
//!
//! What is about a transaction goes to the server that has given its id out, as long as that one can be reached; the rest goes
//! round.
//!
//! # What an answer is worth
//!
//! Servers answer a decision with the transaction's status, and sometimes with one that is not true: with `Committing` and a failure
//! when nothing may have been written, with `TimeoutRollbacking` when a commit is repeated late. Such answers are not believed, but the
//! status is asked for. A request that can be repeated (all but the begin of a transaction and the joining of a branch) is repeated when
//! its connection breaks. A transaction that has ended is forgotten by Seata's servers, which then say `Finished`: if that is the answer
//! to a repeated commit, nobody can say how it ended, and the client says so
//! ([`Status::Unknown`](crate::tm::Status::Unknown)). Synod remembers.

mod ask;
mod config;
mod ends;
mod meaning;
mod pending;
mod resources;
mod rm;
mod server;
mod session;
#[cfg(test)]
mod tests;
mod tm;

use std::fmt;
use std::sync::Arc;

use thiserror::Error;
use tokio::time::timeout;

pub use config::{BadConfig, Config};

use crate::task::Task;
use ask::Shared;

/// A client of Seata's protocol. Cheap to clone; the connections end with the last clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    /// One for each server.
    _tasks: Vec<Task>,
}

/// Why there is no client.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// What cannot work.
    #[error(transparent)]
    Config(#[from] BadConfig),
    /// No server has taken the registration in time: the last reasons, by server.
    #[error("no server can be reached: {0}")]
    Unreachable(String),
}

impl Client {
    /// Starts one, and waits until a server knows it.
    ///
    /// # Errors
    /// The configuration cannot work, or no server has taken the registration within [`Config::connect_timeout`].
    pub async fn connect(config: Config) -> Result<Self, ConnectError> {
        let patience = config.connect_timeout;
        let client = Self::start(config)?;
        let shared = &client.0.shared;
        match timeout(patience, shared.someone_up()).await {
            Ok(()) => Ok(client),
            Err(_) => Err(ConnectError::Unreachable(shared.troubles())),
        }
    }

    /// Starts one that connects in the background; requests wait for that as long as they wait for answers. For a service that
    /// shall start while its coordinator is away. To be called on a runtime of tokio.
    ///
    /// # Errors
    /// The configuration cannot work.
    pub fn start(config: Config) -> Result<Self, BadConfig> {
        config.check()?;
        let (shared, queues) = Shared::new(config);
        let run = |(at, queue)| Task::spawn(server::run(Arc::clone(&shared), at, queue));
        let tasks = queues.into_iter().enumerate().map(run).collect();
        Ok(Self(Arc::new(Inner { shared, _tasks: tasks })))
    }

    /// Whether a server can be asked now.
    pub fn is_up(&self) -> bool {
        self.0.shared.is_up()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("servers", &self.0.shared.config.servers).finish_non_exhaustive()
    }
}
