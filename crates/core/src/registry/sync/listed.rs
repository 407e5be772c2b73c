//! Comparing with the whole list of a Java peer, which knows no versions but `lastDirtyTimestamp` and no tombs.

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_base::time::Now;

use crate::registry::lane::{Told, What};
use crate::registry::lease::Heard;
use crate::registry::listing::Change;
use crate::registry::merge::{Merged, News};
use crate::registry::store::Registry;

/// What came of a comparison.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What changed here.
    pub changes: Vec<Change>,
    /// What the peer has to be told.
    pub told: Vec<Told>,
}

/// Takes from a Java peer's list what is newer there, and finds what it has to be told.
///
/// The peer's list may be a cached one, up to half a minute old. So what it lacks is told as a heartbeat, which is without
/// effect if it is known there after all and makes the peer ask for the record if not; and only for instances that were
/// heard of within their renewal interval, because one that left through that peer must not be brought back.
pub fn compare<C: Default>(registry: &Registry<C>, theirs: Vec<News>, now: Now) -> Outcome {
    let mut outcome = Outcome::default();
    let mut ours: BTreeMap<_, _> = BTreeMap::new();
    for record in registry.snapshot().records().filter(|record| !record.provisional) {
        ours.insert((Arc::clone(&record.instance.app), record.instance.id.clone()), Arc::clone(record));
    }
    for mut news in theirs {
        let (app, id) = (Arc::clone(&news.instance.app), news.instance.id.clone());
        let newer_here = match ours.remove(&(Arc::clone(&app), id.clone())) {
            Some(record) if record.dirty_ms == news.dirty_ms => continue,
            Some(record) => {
                news.override_ms = news.override_ms.max(record.override_ms);
                record.dirty_ms > news.dirty_ms
            }
            None => match registry.tomb_of(&app, &id) {
                Some(tomb) if news.dirty_ms <= tomb.rank.dirty_ms => {
                    if tomb.cancelled && news.dirty_ms == tomb.rank.dirty_ms {
                        let record = Arc::new(news.into_record(&app, now));
                        outcome.told.push(Told { what: What::Cancelled, record, heard: Heard::now(now) });
                    }
                    continue;
                }
                _ => false,
            },
        };
        if newer_here {
            outcome.told.extend(tell(registry, &app, &id, What::Registered, now));
        } else if let Merged::Changed(change) = registry.merge(news, now) {
            outcome.changes.push(change);
        }
    }
    for (app, id) in ours.keys() {
        outcome.told.extend(tell(registry, app, id, What::Renewed, now));
    }
    outcome
}

fn tell<C: Default>(registry: &Registry<C>, app: &str, id: &str, what: What, now: Now) -> Option<Told> {
    let (record, heard) = registry.told(app, id)?;
    let interval_ms = u64::from(record.instance.renewal_interval_s) * 1_000;
    (heard.age_ms(now) < interval_ms).then_some(Told { what, record, heard })
}
