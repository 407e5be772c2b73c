//! What a client has to be told.

use std::time::Duration;

use synod_wire::seata::FRAME_BYTES_MAX;
use thiserror::Error;

/// What a client has to be told. [`Config::new`] sets what has a default.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// `host:port` of each server.
    pub servers: Vec<String>,
    /// The name of this service. TCC and XA branches are ended by processes of the same name only.
    pub application_id: String,
    /// The transaction service group, as the servers know it; Synod takes any.
    pub group: String,
    /// How long a request about a transaction may take, with all repetitions: 30 s.
    pub tm_timeout: Duration,
    /// How long a request about a branch may take: 15 s.
    pub rm_timeout: Duration,
    /// How long [`Client::connect`](super::Client::connect) waits, and how long a server may take to take a registration: 10 s.
    pub connect_timeout: Duration,
    /// Requests under way with one server; more wait: 1,024.
    pub requests_max: usize,
    /// Branches that are being ended at once for one server; four times as many wait, and what is more is put off: 256.
    pub ends_max: usize,
    /// Longest frame that is taken, in bytes: 8 MiB, as the original's. A server that sends a longer one loses the connection.
    pub frame_bytes_max: usize,
}

/// A configuration that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadConfig {
    /// Nobody to speak with.
    #[error("no server is named")]
    NoServer,
    /// A server that is not `host:port`.
    #[error("{0:?} is not a server: host:port is")]
    Server(String),
    /// A name that cannot be said.
    #[error("{0}: between 1 and 1,024 bytes are needed")]
    Name(&'static str),
    /// A limit that stops everything.
    #[error("{0} must not be 0")]
    Zero(&'static str),
}

const NAME_BYTES_MAX: usize = 1024;

impl Config {
    /// With the defaults.
    pub fn new<S: Into<String>>(
        servers: impl IntoIterator<Item = S>,
        application_id: impl Into<String>,
        group: impl Into<String>,
    ) -> Self {
        Self {
            servers: servers.into_iter().map(Into::into).collect(),
            application_id: application_id.into(),
            group: group.into(),
            tm_timeout: Duration::from_secs(30),
            rm_timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(10),
            requests_max: 1024,
            ends_max: 256,
            frame_bytes_max: FRAME_BYTES_MAX,
        }
    }

    /// With the servers that a registry shows under the name of their cluster, as Java clients look for them: Synod registers its
    /// Seata face in its own registry as `face.seata.cluster` says (`default`). Waits until there is one: put a time limit around
    /// it. Servers that come later are not looked for.
    #[cfg(feature = "registry")]
    pub async fn from_registry(
        consumer: &crate::registry::Consumer,
        cluster: &str,
        application_id: impl Into<String>,
        group: impl Into<String>,
    ) -> Self {
        let found = consumer.wait_for(cluster, 1).await;
        let address = |host: &str, port: u16| match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        let servers = found.iter().filter_map(|instance| Some(address(&instance.ip, instance.port?)));
        Self::new(servers, application_id, group)
    }

    pub(super) fn check(&self) -> Result<(), BadConfig> {
        if self.servers.is_empty() {
            return Err(BadConfig::NoServer);
        }
        if let Some(bad) = self.servers.iter().find(|server| !is_host_and_port(server)) {
            return Err(BadConfig::Server(bad.chars().take(NAME_BYTES_MAX).collect()));
        }
        for (name, text) in [("application_id", &self.application_id), ("group", &self.group)] {
            if !(1..=NAME_BYTES_MAX).contains(&text.len()) {
                return Err(BadConfig::Name(name));
            }
        }
        let limits = [
            ("requests_max", self.requests_max),
            ("ends_max", self.ends_max),
            ("frame_bytes_max", self.frame_bytes_max),
        ];
        match limits.iter().find(|(_, limit)| *limit == 0) {
            Some((name, _)) => Err(BadConfig::Zero(name)),
            None => Ok(()),
        }
    }
}

fn is_host_and_port(server: &str) -> bool {
    let parts = server.rsplit_once(':');
    parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_told() {
        let config = |servers: &[&str]| Config::new(servers.iter().copied(), "shop", "default_tx_group");
        for good in ["localhost:8091", "10.0.0.1:1", "[::1]:8091"] {
            assert_eq!(config(&[good]).check(), Ok(()), "{good}");
        }
        assert_eq!(config(&[]).check(), Err(BadConfig::NoServer));
        for bad in ["", "localhost", ":8091", "localhost:", "localhost:0", "localhost:70000"] {
            assert_eq!(config(&["a:1", bad]).check(), Err(BadConfig::Server(bad.into())), "{bad}");
        }
        assert_eq!(Config::new(["a:1"], "", "g").check(), Err(BadConfig::Name("application_id")));
        assert_eq!(Config::new(["a:1"], "a", "g".repeat(1025)).check(), Err(BadConfig::Name("group")));
        assert_eq!(Config { ends_max: 0, ..config(&["a:1"]) }.check(), Err(BadConfig::Zero("ends_max")));
    }
}
