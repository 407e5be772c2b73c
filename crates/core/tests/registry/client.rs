//! A Java client as far as lists go (`eureka.md` 3.6, 5.1): it fetches everything once, then applies deltas, and compares
//! hashes after each.

use std::collections::BTreeMap;

use synod_core::registry::{Record, Snapshot};

use super::naive::Key;
use super::support::hash_of;

/// What it holds: applications of instances with their status, dirty timestamp and version.
#[derive(Debug, Default)]
pub(crate) struct Client {
    held: BTreeMap<String, BTreeMap<String, Held>>,
    pub(crate) polled_s: Option<u64>,
}

type Held = (&'static str, u64, u64);

fn held(record: &Record) -> Held {
    (record.status.as_str(), record.dirty_ms, record.version)
}

impl Client {
    /// The first fetch, or, within the retention, a delta.
    pub(crate) fn poll<C>(&mut self, snapshot: &Snapshot<C>, now_s: u64) {
        match self.polled_s {
            Some(_) => self.apply(snapshot),
            None => {
                for record in snapshot.records() {
                    let app = self.held.entry(record.instance.app.to_string()).or_default();
                    app.insert(record.instance.id.to_string(), held(record));
                }
            }
        }
        self.polled_s = Some(now_s);
        assert_eq!(self.hash(), snapshot.totals.hash(), "a mismatch would cost a full fetch");
        assert_eq!(self.content(), server(snapshot), "the hash is a weak check, this is not");
    }

    /// As `DiscoveryClient.updateDelta` does: per application the changed ones, then the deleted ones.
    fn apply<C>(&mut self, snapshot: &Snapshot<C>) {
        let own = snapshot.own.iter().flat_map(|(_, chunks)| chunks);
        for chunk in snapshot.shared.iter().chain(own) {
            let changed = chunk.live.iter().filter(|record| record.version > snapshot.floor);
            for record in changed {
                let app = self.held.entry(record.instance.app.to_string()).or_default();
                app.insert(record.instance.id.to_string(), held(record));
            }
            for record in &chunk.dead {
                let Some(app) = self.held.get_mut(&*record.instance.app) else { continue };
                app.remove(&*record.instance.id);
                if app.is_empty() {
                    self.held.remove(&*record.instance.app);
                }
            }
        }
    }

    fn hash(&self) -> String {
        let mut counts = BTreeMap::new();
        for (status, ..) in self.held.values().flat_map(BTreeMap::values) {
            *counts.entry(*status).or_insert(0) += 1;
        }
        counts.into_iter().map(|(status, count)| format!("{status}_{count}_")).collect()
    }

    fn content(&self) -> BTreeMap<Key, Held> {
        let of_app = |(app, ids): (&String, &BTreeMap<String, Held>)| {
            let app = app.clone();
            let pairs: Vec<_> = ids.iter().map(|(id, held)| ((app.clone(), id.clone()), *held)).collect();
            pairs
        };
        self.held.iter().flat_map(of_app).collect()
    }
}

fn server<C>(snapshot: &Snapshot<C>) -> BTreeMap<Key, Held> {
    assert_eq!(snapshot.totals.hash(), hash_of(snapshot.records()));
    let records = snapshot.records();
    records
        .map(|record| ((record.instance.app.to_string(), record.instance.id.to_string()), held(record)))
        .collect()
}
