//! Finding services: a copy of the servers' list, read without waiting.

mod cache;
mod feed;
mod fetch;
mod file;
mod list;
mod packed;
mod shell;
mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use super::Servers;
use crate::BadUrl;
use crate::task::Task;
use cache::{Cache, Policy};
use shell::Shell;
pub use snapshot::{Instances, Snapshot};

/// How a [`Consumer`] keeps its copy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where it comes from.
    pub servers: Servers,
    /// How often the list is asked for where it does not come by itself: 30 s unless said. While it does, one in ten times is
    /// enough, to be sure.
    pub interval: Duration,
    /// Whether changes are listened for where the server has them to hear (Synod's `/v1/watch`): yes unless said.
    pub watch: bool,
    /// Only these services, by name in any case; all of them when this is empty.
    pub services: Vec<String>,
    /// Whether only instances that are UP are shown: yes unless said.
    pub only_up: bool,
    /// A full list of less than this share of what is known is suspicious, and taken only when it is confirmed: 0.5 unless said,
    /// 0 takes everything. Removals that a server states one by one are always believed.
    pub shrink: f64,
    /// How many more full lists must be as small: 1 unless said. Another server confirms at once, the same one at the next
    /// interval.
    pub confirmations: u32,
    /// Where the copy is kept, for a start without servers. Unless said, nowhere.
    pub file: Option<PathBuf>,
}

impl Config {
    /// All services of these servers.
    pub const fn new(servers: Servers) -> Self {
        Self {
            servers,
            interval: Duration::from_secs(30),
            watch: true,
            services: Vec::new(),
            only_up: true,
            shrink: 0.5,
            confirmations: 1,
            file: None,
        }
    }

    fn policy(&self) -> Policy {
        let services: BTreeSet<Arc<str>> =
            self.services.iter().map(|name| name.to_uppercase().into()).collect();
        Policy {
            services: (!services.is_empty()).then_some(services),
            only_up: self.only_up,
            shrink: self.shrink,
            confirmations: self.confirmations,
        }
    }
}

/// Where the copy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// There has not been any list yet.
    Nothing,
    /// It is from the file.
    File,
    /// It is what a server said last, but none answers now.
    Stale,
    /// It is asked for at each interval.
    Polled,
    /// Changes come by themselves.
    Watched,
}

/// A copy of the servers' list that is kept up to date until this is dropped. It survives the servers: while none answers, it
/// shows what it has.
pub struct Consumer {
    shown: Arc<ArcSwap<Snapshot>>,
    changes: watch::Receiver<u64>,
    source: watch::Receiver<Source>,
    refresh: Arc<Notify>,
    _task: Task,
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.shown.load();
        write!(f, "Consumer({} services, generation {})", shown.services().count(), shown.generation())
    }
}

impl Consumer {
    /// Begins to keep a copy. What is in the file is there when this returns; what servers have comes later, see
    /// [`Consumer::wait_for`]. That no server is there is no error. To be called on a tokio runtime.
    ///
    /// # Errors
    /// A URL of a server cannot be used.
    pub fn start(config: Config) -> Result<Self, BadUrl> {
        let (client, native) = (config.servers.client()?, config.servers.native()?);
        let mut cache = Cache::new(config.policy());
        let mut from = Source::Nothing;
        if let Some(path) = &config.file
            && let Some(list) = file::load(path, config.servers.answer_max)
        {
            cache.restore(list);
            from = Source::File;
        }
        let first = cache.publish().unwrap_or_default();
        let (tell, changes) = watch::channel(first.generation());
        let (tell_source, source) = watch::channel(from);
        let shown = Arc::new(ArcSwap::from_pointee(first));
        let refresh = Arc::new(Notify::new());
        let out = shell::Out { shown: Arc::clone(&shown), changes: tell, source: tell_source };
        let shell = Shell::new(config, client, native, cache, out, Arc::clone(&refresh));
        Ok(Self { shown, changes, source, refresh, _task: Task::spawn(shell.run()) })
    }

    /// The instances of a service, by its name in any case; empty when there is none. Costs a look-up, waits for nothing.
    pub fn instances(&self, service: &str) -> Instances {
        self.shown.load().instances(service)
    }

    /// The instances with a virtual address, of either port. The first look-up of each generation makes an index.
    pub fn by_vip(&self, vip: &str) -> Instances {
        self.shown.load().by_vip(vip)
    }

    /// The whole copy as it is now, for several look-ups in the same.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shown.load_full()
    }

    /// The generation of the copy, which grows with each change that is shown.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// Where the copy stands.
    pub fn source(&self) -> Source {
        *self.source.borrow()
    }

    /// The same, from now on.
    pub fn sources(&self) -> watch::Receiver<Source> {
        self.source.clone()
    }

    /// Waits until a service has that many instances. Put a time limit around it.
    pub async fn wait_for(&self, service: &str, instances: usize) -> Instances {
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            let found = self.instances(service);
            // An error means that the runtime is ending: nothing more will come.
            if found.len() >= instances || changes.changed().await.is_err() {
                return found;
            }
        }
    }

    /// Has the list asked for now: for a caller who finds an instance gone that is still shown.
    pub fn refresh(&self) {
        self.refresh.notify_one();
    }
}
