//! What every test here needs: moments, plain instances, registries without self-preservation, and the check that a
//! snapshot agrees with itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_base::time::Now;
use synod_core::registry::preserve::Policy;
use synod_core::registry::{Action, Change, Instance, Origin, Record, Registry, Settings, Snapshot, Status};

/// The beginning of all tests, on a whole second; away from 0 on the monotonic clock, as no test may depend on it.
const BEGIN: Now = Now { wall_ms: 1_700_000_000_000, mono_ms: 5_000_000 };

/// The moment `ms` after the beginning.
pub(crate) fn ms(ms: u64) -> Now {
    Now { wall_ms: BEGIN.wall_ms + ms, mono_ms: BEGIN.mono_ms + ms }
}

/// The moment `s` seconds after the beginning.
pub(crate) fn s(s: u64) -> Now {
    ms(s * 1_000)
}

/// No self-preservation, no cap on evictions.
pub(crate) fn unguarded() -> Settings {
    let preservation = Policy { enabled: false, threshold: 0.0, ..Settings::default().preservation };
    Settings { preservation, ..Settings::default() }
}

/// A registry without self-preservation.
pub(crate) fn registry() -> Registry {
    Registry::new(unguarded())
}

/// A native instance of this dirty timestamp.
pub(crate) fn instance(app: &str, id: &str, dirty_ms: u64) -> Instance {
    Instance { dirty_ms, ..Instance::new(app, id) }
}

/// Registers as a client does.
pub(crate) fn register(registry: &Registry, instance: Instance, now: Now) -> Change {
    registry.register(instance, Origin::Client, now).expect("below the limit")
}

/// The listed record.
pub(crate) fn listed(registry: &Registry, app: &str, id: &str) -> Option<Arc<Record>> {
    registry.application(app).1.into_iter().find(|record| *record.instance.id == *id)
}

/// The listed status.
pub(crate) fn status(registry: &Registry, app: &str, id: &str) -> Option<Status> {
    listed(registry, app, id).map(|record| record.status)
}

/// Ticks once a second, from the second after `from` to `to`; returns who was evicted when, in seconds.
pub(crate) fn run(registry: &Registry, from: u64, to: u64) -> Vec<(u64, String)> {
    let tick = |at| {
        let evicted = registry.tick(s(at), at);
        evicted.into_iter().map(move |change| (at, change.record.instance.id.to_string()))
    };
    (from + 1..=to).flat_map(tick).collect()
}

/// The list as sorted text, everything in it that readers see but per-node times.
pub(crate) fn content<C>(snapshot: &Snapshot<C>) -> BTreeMap<(String, String), String> {
    let line = |record: &Arc<Record>| {
        let Record { instance, status, overridden, dirty_ms, .. } = &**record;
        let key = (instance.app.to_string(), instance.id.to_string());
        (key, format!("{status} {overridden} {dirty_ms} {:?}", instance.metadata))
    };
    let lines: Vec<_> = snapshot.records().map(line).collect();
    let count = lines.len();
    let content = BTreeMap::from_iter(lines);
    assert_eq!(content.len(), count, "an instance is listed twice");
    content
}

/// The hash of what is really there.
pub(crate) fn hash_of<'r>(records: impl IntoIterator<Item = &'r Arc<Record>>) -> String {
    let mut counts = BTreeMap::new();
    for record in records {
        *counts.entry(record.status.as_str()).or_insert(0) += 1;
    }
    counts.into_iter().map(|(status, count)| format!("{status}_{count}_")).collect()
}

/// Everything a snapshot has to agree with itself about.
pub(crate) fn check<C>(snapshot: &Snapshot<C>) {
    assert_eq!(snapshot.totals.hash(), hash_of(snapshot.records()), "hash and content");
    let content = content(snapshot);
    let mut applications: Vec<_> = content.keys().map(|(app, _)| app).collect();
    applications.dedup();
    assert_eq!(snapshot.totals.applications, applications.len() as u64);
    let provisional = snapshot.records().filter(|record| record.provisional).count();
    assert_eq!(snapshot.totals.provisional, provisional as u64);
    let rate = snapshot.records().filter(|record| !record.provisional);
    let rate: u64 = rate.map(|record| 1_000_000 / u64::from(record.instance.renewal_interval_s)).sum();
    assert_eq!(snapshot.totals.renewals_per_megasecond, rate);
    let own =
        snapshot.own.iter().flat_map(|(app, chunks)| chunks.iter().map(move |chunk| (Some(app), chunk)));
    for (app, chunk) in snapshot.shared.iter().map(|chunk| (None, chunk)).chain(own) {
        for record in chunk.live.iter().chain(&chunk.dead) {
            assert!(record.version <= chunk.newest && chunk.newest <= snapshot.version);
            assert!(
                app.is_none_or(|app| *app == record.instance.app),
                "a stranger in an application's own chunk"
            );
        }
        assert!(chunk.live.iter().all(|record| record.action != Action::Deleted));
        assert!(chunk.dead.iter().all(|record| record.action == Action::Deleted));
        for list in [&chunk.live, &chunk.dead] {
            let mut seen: Vec<_> = list.iter().map(|record| &record.instance.app).collect();
            seen.dedup();
            let groups = seen.len();
            seen.sort();
            seen.dedup();
            assert_eq!(groups, seen.len(), "records of one application are neighbours");
        }
    }
}
