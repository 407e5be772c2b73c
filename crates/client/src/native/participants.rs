//! Who is called: this process, as a server for Synod's calls (`docs/protocol/branches.md`).
//!
//! [`Participants::handle`] answers one request, in whatever server there is: `POST {base}/synod/{name}`. [`Participants::serve`] is a
//! server of its own, [`Participants::serve_until`] one that can be stopped without cutting calls off. Nothing is deduplicated here: a call may come twice, and barriers are for that.

mod answer;
mod asked;
mod driven;
mod serve;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};

use crate::http_client::{BadUrl, escaped};
use crate::rm::saga::Step;
use crate::rm::{BoxFuture, EndError, Kind, Resource};

use driven::Driven;

pub use asked::Asked;

/// What the initiator of a message answers when it is asked what has become of its local transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It has committed: the message is delivered.
    Committed,
    /// It has not, and never will: the message is dropped.
    RolledBack,
    /// It is at it: ask again.
    Undecided,
}

type Check = dyn Fn(Asked) -> BoxFuture<'static, Result<Checked, String>> + Send + Sync;
type Receive = dyn Fn(Asked) -> BoxFuture<'static, Result<(), EndError>> + Send + Sync;

/// One name may stand for one of each.
#[derive(Default)]
struct Handlers {
    resources: HashMap<Arc<str>, (Kind, Arc<dyn Resource>)>,
    steps: HashMap<Arc<str>, Arc<dyn Driven>>,
    checks: HashMap<Arc<str>, Arc<Check>>,
    receivers: HashMap<Arc<str>, Arc<Receive>>,
}

/// See the module.
pub struct Participants {
    base: String,
    handlers: RwLock<Handlers>,
}

impl fmt::Debug for Participants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Participants").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Participants {
    /// Nobody yet. `base` is how Synod reaches this process: `http://host:port`, `https://…`, or, if it is registered there,
    /// `synod://service`; a path may follow. With `synod://` any instance of the service is called, so that each of them must have
    /// registered the same resources.
    ///
    /// # Errors
    /// It begins with something else.
    pub fn new(base: &str) -> Result<Arc<Self>, BadUrl> {
        let base = base.trim_end_matches('/').to_owned();
        let known = ["http://", "https://", "synod://"];
        if !known.iter().any(|scheme| base.len() > scheme.len() && base.starts_with(scheme)) {
            return Err(BadUrl {
                url: base,
                why: "it must begin with http://, https:// or synod:// and name a host",
            });
        }
        Ok(Arc::new(Self { base, handlers: RwLock::default() }))
    }

    /// Where the coordinator finds what is registered here as `name`.
    pub fn url(&self, name: &str) -> String {
        format!("{}/synod/{}", self.base, escaped(name))
    }

    /// Registers who ends branches of a resource. (Whoever registers through [`rm::Backend`](crate::rm::Backend) need not.) As with all
    /// of these, the last one of a name counts.
    pub fn resource(&self, name: impl Into<Arc<str>>, kind: Kind, resource: Arc<dyn Resource>) {
        self.change(|handlers| {
            handlers.resources.insert(name.into(), (kind, resource));
        });
    }

    /// Registers a step of sagas that the coordinator drives.
    pub fn step<S: Step>(&self, name: impl Into<Arc<str>>, step: S) {
        self.change(|handlers| {
            handlers.steps.insert(name.into(), Arc::new(step));
        });
    }

    /// Registers who tells what became of a message's local transaction. An error is asked about again.
    pub fn on_check<F>(&self, name: impl Into<Arc<str>>, check: impl Fn(Asked) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<Checked, String>> + Send + 'static,
    {
        let check: Arc<Check> = Arc::new(move |asked| Box::pin(check(asked)));
        self.change(|handlers| {
            handlers.checks.insert(name.into(), check);
        });
    }

    /// Registers who receives messages and notifications. An error is told again.
    pub fn on_message<F>(
        &self,
        name: impl Into<Arc<str>>,
        receive: impl Fn(Asked) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<(), EndError>> + Send + 'static,
    {
        let receive: Arc<Receive> = Arc::new(move |asked| Box::pin(receive(asked)));
        self.change(|handlers| {
            handlers.receivers.insert(name.into(), receive);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Handlers)) {
        change(&mut self.handlers.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn with<T>(&self, read: impl FnOnce(&Handlers) -> T) -> T {
        read(&self.handlers.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn find<T: ?Sized>(&self, find: impl FnOnce(&Handlers) -> Option<&Arc<T>>) -> Option<Arc<T>> {
        self.with(|handlers| find(handlers).map(Arc::clone))
    }
}
