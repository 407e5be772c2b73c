//! Comparing with the whole list of a Java peer, which knows no versions but `lastDirtyTimestamp` and no tombs.

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_base::time::Now;

use crate::registry::instance::Status;
use crate::registry::lane::{Told, What};
use crate::registry::lease::Heard;
use crate::registry::listing::Change;
use crate::registry::merge::{Merged, News};
use crate::registry::rules::{self, Claim};
use crate::registry::store::Registry;

/// What came of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Whether the list named anybody.
    pub had_data: bool,
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
///
/// In the `first` round everybody gets a whole lease, as Eureka does at its start: an empty registry is worse than a late
/// farewell. Takes milliseconds for ten thousand instances: not to be called where others wait.
pub fn compare<C: Default>(registry: &Registry<C>, theirs: Vec<News>, first: bool, now: Now) -> Outcome {
    let mut outcome = Outcome { had_data: !theirs.is_empty(), ..Outcome::default() };
    let mut ours: BTreeMap<_, _> = BTreeMap::new();
    for record in registry.snapshot().records().filter(|record| !record.provisional) {
        ours.insert((Arc::clone(&record.instance.app), record.instance.id.clone()), Arc::clone(record));
    }
    for mut news in theirs {
        let (app, id) = (Arc::clone(&news.instance.app), news.instance.id.clone());
        news.age_ms = if first { 0 } else { news.age_ms };
        let mut overridden = false;
        let newer_here = match ours.remove(&(Arc::clone(&app), id.clone())) {
            Some(record) if record.dirty_ms == news.dirty_ms => continue,
            Some(record) => {
                news.override_ms = record.override_ms;
                overridden = record.overridden != Status::Unknown && news.overridden == Status::Unknown;
                if overridden {
                    // A newer description does not undo an operator's decision of which the peer has not heard.
                    news.overridden = record.overridden;
                    news.status = shown(news.status, record.overridden);
                }
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
            if overridden {
                outcome.told.extend(tell(registry, &app, &id, What::StatusSet, now));
            }
        }
    }
    for (app, id) in ours.keys() {
        outcome.told.extend(tell(registry, app, id, What::Renewed, now));
    }
    outcome
}

fn shown(claimed: Status, overridden: Status) -> Status {
    rules::effective(Claim { claimed, overridden, existing: None, from_peer: true, sticky: false })
}

fn tell<C: Default>(registry: &Registry<C>, app: &str, id: &str, what: What, now: Now) -> Option<Told> {
    let (record, heard) = registry.told(app, id)?;
    let interval_ms = u64::from(record.instance.renewal_interval_s) * 1_000;
    (heard.age_ms(now) < interval_ms).then_some(Told { what, record, heard })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::change::Origin;
    use crate::registry::instance::Instance;
    use crate::registry::preserve::Policy;
    use crate::registry::store::Settings;

    const START: Now = Now { wall_ms: 1_000_000, mono_ms: 1_000 };

    fn after(ms: u64) -> Now {
        Now { wall_ms: START.wall_ms + ms, mono_ms: START.mono_ms + ms }
    }

    fn described(id: &str, dirty_ms: u64, status: Status) -> Instance {
        Instance { dirty_ms, status, ..Instance::new("APP", id) }
    }

    fn registry() -> Registry {
        let preservation =
            Policy { enabled: false, threshold: 0.85, window_ms: 60_000, limit_ms: 0, fixed: None };
        Registry::new(Settings { preservation, ..Settings::default() })
    }

    fn theirs(id: &str, dirty_ms: u64, status: Status, age_ms: u64) -> News {
        let instance = described(id, dirty_ms, status);
        News {
            status,
            overridden: Status::Unknown,
            override_ms: 0,
            dirty_ms,
            registered_ms: START.wall_ms,
            up_ms: 0,
            stamp_ms: START.wall_ms,
            age_ms,
            instance: instance.into(),
        }
    }

    /// What is listed here after comparing, and what the peer is told.
    fn check(registry: &Registry, list: Vec<News>, first: bool, now: Now, here: &str, told: &str) {
        let outcome = compare(registry, list, first, now);
        let snapshot = registry.snapshot();
        let mut listed: Vec<_> = snapshot
            .records()
            .map(|one| format!("{}@{}={}", one.instance.id, one.dirty_ms, one.status))
            .collect();
        listed.sort();
        assert_eq!(listed.join(" "), here);
        let said: Vec<_> =
            outcome.told.iter().map(|told| format!("{:?} {}", told.what, told.record.instance.id)).collect();
        assert_eq!(said.join(", "), told);
    }

    #[test]
    fn the_greater_dirty_timestamp_wins() {
        for (dirty_ms, here, told) in [(4, "a@5=UP", "Registered a"), (5, "a@5=UP", ""), (6, "a@6=DOWN", "")]
        {
            let registry = registry();
            registry.register(described("a", 5, Status::Up), Origin::Client, START).unwrap();
            let list = vec![theirs("a", dirty_ms, Status::Down, 0)];
            check(&registry, list, false, after(1_000), here, told);
        }
    }

    #[test]
    fn an_override_here_is_not_lost_to_a_newer_description_and_told() {
        let registry = registry();
        registry.register(described("a", 5, Status::Up), Origin::Client, START).unwrap();
        registry.set_override("APP", "a", Status::OutOfService, None, START).unwrap();
        let list = vec![theirs("a", 6, Status::Up, 0)];
        check(&registry, list, false, after(1_000), "a@6=OUT_OF_SERVICE", "StatusSet a");
        let (record, _) = registry.told("APP", "a").unwrap();
        assert_eq!((record.overridden, record.override_ms), (Status::OutOfService, START.wall_ms));
    }

    #[test]
    fn who_was_cancelled_here_is_cancelled_there_unless_it_came_back_there() {
        for (dirty_ms, here, told) in [(4, "", ""), (5, "", "Cancelled a"), (6, "a@6=UP", "")] {
            let registry = registry();
            registry.register(described("a", 5, Status::Up), Origin::Client, START).unwrap();
            registry.cancel("APP", "a", START).unwrap();
            let list = vec![theirs("a", dirty_ms, Status::Up, 0)];
            check(&registry, list, false, after(1_000), here, told);
        }
    }

    #[test]
    fn who_was_evicted_here_needs_a_newer_version() {
        for (dirty_ms, here) in [(4, ""), (5, ""), (6, "a@6=UP")] {
            let registry = registry();
            registry.register(described("a", 5, Status::Up), Origin::Client, START).unwrap();
            for second in 0..100 {
                registry.tick(after(second * 1_000), 1);
            }
            assert_eq!(registry.totals().instances(), 0);
            check(&registry, vec![theirs("a", dirty_ms, Status::Up, 0)], false, after(100_000), here, "");
        }
    }

    #[test]
    fn what_the_peer_lacks_it_is_told_while_it_is_fresh() {
        for (age_ms, told) in [(29_000, "Renewed a"), (31_000, "")] {
            let registry = registry();
            registry.register(described("a", 5, Status::Up), Origin::Client, START).unwrap();
            check(&registry, Vec::new(), false, after(age_ms), "a@5=UP", told);
        }
    }

    #[test]
    fn only_the_first_round_takes_whom_the_peer_itself_has_not_heard_of() {
        for (first, here) in [(true, "old@5=UP young@5=UP"), (false, "young@5=UP")] {
            let registry = registry();
            let list = vec![theirs("young", 5, Status::Up, 80_000), theirs("old", 5, Status::Up, 91_000)];
            check(&registry, list, first, after(100_000), here, "");
            let (_, heard) = registry.told("APP", "young").unwrap();
            assert_eq!(heard.age_ms(after(100_000)), if first { 0 } else { 80_000 });
        }
    }

    #[test]
    fn a_provisional_record_is_neither_told_nor_kept_from_being_confirmed() {
        let registry = registry();
        registry.restore(theirs("a", 5, Status::Up, 0), START);
        registry.restore(theirs("b", 5, Status::Up, 0), START);
        let list = vec![theirs("a", 5, Status::Up, 0)];
        check(&registry, list, true, after(1_000), "a@5=UP b@5=UP", "");
        registry.drop_provisional(after(1_000));
        check(&registry, Vec::new(), false, after(2_000), "a@5=UP", "Renewed a");
    }
}
