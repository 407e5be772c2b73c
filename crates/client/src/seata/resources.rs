//! The resources whose branches this process ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::rm::Resource;

/// The resources whose branches this process ends.
pub(super) struct Resources {
    by_id: Mutex<HashMap<Arc<str>, Arc<dyn Resource>>>,
    /// Rises with each that is added.
    version: watch::Sender<u64>,
}

impl Resources {
    pub(super) fn new() -> Self {
        Self { by_id: Mutex::default(), version: watch::Sender::new(0) }
    }

    /// Adds one, or replaces the one of the same id. A server that knows of this version knows it.
    pub(super) fn add(&self, id: Arc<str>, resource: Arc<dyn Resource>) -> u64 {
        let mut by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        by_id.insert(id, resource);
        let mut version = 0;
        self.version.send_modify(|now| {
            *now += 1;
            version = *now;
        });
        version
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<dyn Resource>> {
        let by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        by_id.get(id).map(Arc::clone)
    }

    /// All ids, as they are registered, and the version that they make.
    pub(super) fn ids(&self) -> (String, u64) {
        let by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        let ids: Vec<&str> = by_id.keys().map(|id| &**id).collect();
        (ids.join(","), *self.version.borrow())
    }

    pub(super) fn version(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}
