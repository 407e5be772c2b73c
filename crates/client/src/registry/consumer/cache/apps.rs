//! All instances that are known, whatever their status. Clones share what neither has changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::Change;
use crate::registry::Instance;

type ById = BTreeMap<Arc<str>, Arc<Instance>>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Apps {
    apps: HashMap<Arc<str>, Arc<ById>>,
    /// Services in which something may have changed since these were last taken.
    touched: BTreeSet<Arc<str>>,
}

impl Apps {
    pub(super) fn len(&self) -> usize {
        self.apps.values().map(|app| app.len()).sum()
    }

    /// All of them, service by service.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Instance>> + Clone {
        self.apps.values().flat_map(|app| app.values())
    }

    /// Those of one service, ordered by id.
    pub(super) fn of(&self, app: &str) -> impl Iterator<Item = &Arc<Instance>> {
        self.apps.get(app).into_iter().flat_map(|app| app.values())
    }

    pub(super) fn find(&self, app: &str, id: &str) -> Option<&Arc<Instance>> {
        self.apps.get(app)?.get(id)
    }

    pub(super) fn take_touched(&mut self) -> BTreeSet<Arc<str>> {
        std::mem::take(&mut self.touched)
    }

    pub(super) fn change(&mut self, change: Change) {
        match change {
            Change::Put(instance) => {
                let app = Arc::clone(&instance.app);
                Arc::make_mut(self.apps.entry(Arc::clone(&app)).or_default())
                    .insert(Arc::clone(&instance.id), instance);
                self.touched.insert(app);
            }
            Change::Remove { app, id } => {
                let Some(ids) = self.apps.get_mut(&app) else { return };
                Arc::make_mut(ids).remove(&id);
                if ids.is_empty() {
                    self.apps.remove(&app);
                }
                self.touched.insert(app);
            }
        }
    }

    /// These, and no others. What is the same as before stays the same in memory.
    pub(super) fn replace(&mut self, instances: Vec<Instance>) {
        let mut apps: HashMap<Arc<str>, ById> = HashMap::new();
        for instance in instances {
            let before = self.find(&instance.app, &instance.id).filter(|before| ***before == instance);
            let instance = before.cloned().unwrap_or_else(|| Arc::new(instance));
            apps.entry(Arc::clone(&instance.app)).or_default().insert(Arc::clone(&instance.id), instance);
        }
        self.touched.extend(self.apps.keys().chain(apps.keys()).cloned());
        self.apps = apps.into_iter().map(|(app, ids)| (app, Arc::new(ids))).collect();
    }
}
