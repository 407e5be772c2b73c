//! Configuration: one table of keys, four layers, one typed result.
//!
//! Each part declares its own keys (`config/parts.rs`, `config/registry.rs`); the table is their sum, and help,
//! `docs/config.md` and the typed [`Config`] all come from it. Layers, later ones win: defaults, TOML file, environment
//! (`SYNOD_SECTION__KEY`), command line. What is not a key is an error that names the nearest one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

mod call;
mod key;
mod layers;
mod parts;
mod raft;
mod registry;
mod render;
mod seata;
#[cfg(test)]
mod tests;
mod value;

pub use call::{CallConfig, NotifyConfig, Secret};
pub use key::{Key, Kind};
pub use layers::{ConfigError, Layer, Sources};
pub use parts::{
    AuthConfig, ClusterConfig, DataConfig, FaceConfig, GrpcConfig, HttpConfig, LogConfig, NodeConfig,
    TlsConfig, TxnConfig,
};
pub use raft::RaftConfig;
pub use registry::{CompatConfig, RateLimitConfig, RegistryConfig, SelfConfig};
pub use render::{render_json, render_markdown, render_text};
pub use seata::SeataConfig;
pub use value::Address;
pub(crate) use value::parse_duration;

use key::{Part, settings};
use value::{FromValue, Value};

settings! {
    /// Everything that can be set.
    pub struct Config {}
    with {
        /// `http.*`
        http: HttpConfig;
        /// `face.*`
        face: FaceConfig;
        /// `grpc.*`
        grpc: GrpcConfig;
        /// `cluster.*`
        cluster: ClusterConfig;
        /// `auth.*`
        auth: AuthConfig;
        /// `node.*`
        node: NodeConfig;
        /// `tls.*`
        tls: TlsConfig;
        /// `data.*`
        data: DataConfig;
        /// `log.*`
        log: LogConfig;
        /// `registry.*`
        registry: RegistryConfig;
        /// `raft.*`
        raft: RaftConfig;
        /// `txn.*`
        txn: TxnConfig;
        /// `call.*`
        call: CallConfig;
        /// `notify.*`
        notify: NotifyConfig;
    }
}

/// Every key, in the order of their declaration.
pub fn table() -> &'static [Key] {
    static TABLE: LazyLock<Vec<Key>> = LazyLock::new(|| {
        let mut table = Vec::new();
        Config::declare(&mut table);
        for key in &mut table {
            key.doc = key.doc.trim_start();
        }
        table
    });
    &TABLE
}

/// The merged values by key; every key of the table has one.
#[derive(Debug)]
struct Values(BTreeMap<&'static str, Value>);

impl Values {
    fn get<T: FromValue>(&self, name: &str) -> T {
        let value =
            self.0.get(name).expect("each declared key is in the table, and the table is merged whole");
        T::from_value(value).expect("the kind beside each declared field yields the field's type")
    }
}

impl Config {
    /// Merges the layers and checks what only the whole can tell.
    ///
    /// # Errors
    /// The first thing wrong: a file that cannot be read, a key nobody knows, a value that is not of its kind, a listener
    /// that others could reach without `auth.mode = "none"` having been written out, a log that is not flushed.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let values = layers::merge(sources)?;
        let config = Self::read(&values);
        config.check()?;
        Ok(config)
    }

    /// Every listener's key and where it listens, but those that are off.
    pub fn listeners(&self) -> impl Iterator<Item = (&'static str, &Address)> {
        [
            ("http.listen", Some(&self.http.listen)),
            ("face.seata.listen", self.face.seata.listen.as_ref()),
            ("face.dtm.http.listen", self.face.dtm_http_listen.as_ref()),
            ("face.dtm.grpc.listen", self.face.dtm_grpc_listen.as_ref()),
            ("face.nacos.listen", self.face.nacos_listen.as_ref()),
            ("face.zookeeper.listen", self.face.zookeeper_listen.as_ref()),
            ("grpc.listen", self.grpc.listen.as_ref()),
            ("cluster.listen", self.cluster.listen.as_ref()),
        ]
        .into_iter()
        .filter_map(|(key, address)| Some((key, address?)))
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        PathBuf::from(&self.data.dir)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.auth.mode.is_empty()
            && let Some((key, address)) = self.listeners().find(|(_, address)| !address.is_loopback())
        {
            return Err(ConfigError::OpenWithoutAuth { key, address: address.clone() });
        }
        if self.raft.power_cut_skip_sync && self.raft.power_cut_journal.is_empty() {
            let (key, with) = ("raft.power_cut_skip_sync", "raft.power_cut_journal");
            return Err(ConfigError::OnlyForTests { key, with });
        }
        Ok(())
    }
}

impl Default for Config {
    /// What holds when nobody sets anything.
    fn default() -> Self {
        Self::load(&Sources::default()).expect("the defaults are valid: a test loads them")
    }
}
