//! Comparing with what a Java peer lists, which knows no versions but `lastDirtyTimestamp` and no tombs.
//!
//! That alone leaves differences standing for ever: an override or a status that got lost, or was told in another order
//! than it happened, has no `lastDirtyTimestamp` of its own (`eureka.md` 4.5). Whom both sides hold in the same version and
//! show differently is *doubtful*: the peer is asked again, for him alone, because single look-ups are not cached there.
//! If neither side changed him just now, the later change stands ([`settle`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_base::time::Now;

use crate::registry::instance::{Record, Status};
use crate::registry::lane::{Told, What};
use crate::registry::lease::Heard;
use crate::registry::listing::Change;
use crate::registry::merge::{Merged, News};
use crate::registry::rules::{self, Claim};
use crate::registry::store::Registry;

/// Doubtful instances looked at in one round at most.
const DOUBTS_MAX: usize = 100;
/// So long after a change on either side it may still be on its way to the other: Java's half second for a batch, some
/// retries, and a round through a slow network.
const SETTLED_MS: u64 = 5_000;
/// What Java changed is heard of here about so much later; a change here that is this much younger may be that one.
const HEARSAY_MS: u64 = 2_000;

/// An instance as a Java peer shows it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What it shows.
    pub news: News,
    /// `lastUpdatedTimestamp`: wall time there of the last change, of whatever kind.
    pub updated_ms: u64,
    /// Whether that change was one of status or override (`actionType` MODIFIED).
    pub edited: bool,
}

/// Application and id.
pub type Key = (Arc<str>, Arc<str>);

/// What came of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Whether the list named anybody.
    pub had_data: bool,
    /// What changed here.
    pub changes: Vec<Change>,
    /// What the peer has to be told.
    pub told: Vec<Told>,
    /// Who has to be looked at, alone.
    pub doubtful: Vec<Key>,
}

/// Takes from a Java peer's list what is newer there, and finds what it has to be told.
///
/// The peer's list may be a cached one, up to half a minute old. So what it lacks is told as a heartbeat, which is without
/// effect if it is known there after all and makes the peer ask for the record if not; and only for instances that were
/// heard of within their renewal interval, because one that left through that peer must not be brought back.
///
/// In the `first` round everybody gets a whole lease, as Eureka does at its start: an empty registry is worse than a late
/// farewell. Takes milliseconds for ten thousand instances: not to be called where others wait.
pub fn compare<C: Default>(registry: &Registry<C>, theirs: Vec<Shown>, first: bool, now: Now) -> Outcome {
    let mut outcome = Outcome { had_data: !theirs.is_empty(), ..Outcome::default() };
    let mut ours: BTreeMap<_, _> = BTreeMap::new();
    for record in registry.snapshot().records().filter(|record| !record.provisional) {
        ours.insert((Arc::clone(&record.instance.app), record.instance.id.clone()), Arc::clone(record));
    }
    for Shown { mut news, .. } in theirs {
        let (app, id) = (Arc::clone(&news.instance.app), news.instance.id.clone());
        news.age_ms = if first { 0 } else { news.age_ms };
        let mut overridden = false;
        let newer_here = match ours.remove(&(Arc::clone(&app), id.clone())) {
            Some(record) if record.dirty_ms == news.dirty_ms => {
                if differ(&record, &news) && is_settled(record.updated_ms, now) {
                    outcome.doubtful.push((app, id));
                }
                continue;
            }
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
            outcome.told.extend(tell(registry, &app, &id, What::Corrected, now));
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
    some_of(&mut outcome.doubtful, now);
    outcome
}

/// Leaves [`DOUBTS_MAX`] of them, others each time.
fn some_of(doubtful: &mut Vec<Key>, now: Now) {
    let count = doubtful.len() as u64;
    if count > DOUBTS_MAX as u64 {
        doubtful.rotate_left((now.mono_ms % count) as usize);
        doubtful.truncate(DOUBTS_MAX);
    }
}

/// Settles what [`compare`] found doubtful, by what the peer shows at this moment.
///
/// Every node of a cluster comes to the same verdict, because it looks at nothing but what all nodes hold of the record,
/// and at the peer's answer. What is taken from the peer is stamped so that it outranks what the nodes held, and is later
/// than anything that another Java peer may still show instead: that one is then told.
pub fn settle<C: Default>(registry: &Registry<C>, theirs: Vec<Shown>, now: Now) -> Outcome {
    let mut outcome = Outcome::default();
    for Shown { news: theirs, updated_ms, edited } in theirs {
        let (app, id) = (Arc::clone(&theirs.instance.app), theirs.instance.id.clone());
        let Some((record, heard)) = registry.told(&app, &id) else { continue };
        let settled = is_settled(record.updated_ms, now) && is_settled(updated_ms, now);
        if record.dirty_ms != theirs.dirty_ms || !differ(&record, &theirs) || !settled {
            continue;
        }
        if is_later(&theirs, updated_ms, edited, &record) {
            let stamp_ms = now.wall_ms.max(updated_ms + HEARSAY_MS + 1).max(record.override_ms + 1);
            let news = News {
                status: theirs.status,
                overridden: theirs.overridden,
                override_ms: stamp_ms,
                up_ms: if record.up_ms == 0 { theirs.up_ms } else { record.up_ms },
                ..News::of(&record, heard, now)
            };
            if let Merged::Changed(change) = registry.merge(news, now) {
                outcome.changes.push(change);
            }
        } else {
            outcome.told.extend(tell(registry, &app, &id, What::Corrected, now));
        }
    }
    outcome
}

fn differ(ours: &Record, theirs: &News) -> bool {
    // What an autoscaling group does to a status only an AWS-aware Java server knows.
    ours.instance.rare.asg.is_none() && (ours.status, ours.overridden) != (theirs.status, theirs.overridden)
}

fn is_settled(changed_ms: u64, now: Now) -> bool {
    // A time to come is another clock's.
    now.wall_ms.abs_diff(changed_ms) > SETTLED_MS
}

/// Whether the Java peer's state of an instance is later than ours. In doubt it is: what is here may be hearsay of it, told
/// in another order than it happened.
fn is_later(theirs: &News, updated_ms: u64, edited: bool, ours: &Record) -> bool {
    let since = |ours_ms: u64| updated_ms + HEARSAY_MS >= ours_ms;
    let touched_ms = ours.override_ms.max(ours.registered_ms);
    match (ours.overridden, theirs.overridden) {
        (ours, theirs) if ours == theirs => since(touched_ms),
        // Removed there, or never heard of there: a registration says as little as a restart does.
        (_, Status::Unknown) => edited && since(ours.override_ms),
        _ => since(ours.override_ms),
    }
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
    use std::collections::BTreeSet;

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

    fn theirs(id: &str, dirty_ms: u64, status: Status, age_ms: u64) -> Shown {
        Shown { news: news(id, dirty_ms, status, age_ms), updated_ms: START.wall_ms, edited: false }
    }

    fn news(id: &str, dirty_ms: u64, status: Status, age_ms: u64) -> News {
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
    fn check(registry: &Registry, list: Vec<Shown>, first: bool, now: Now, here: &str, told: &str) {
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
        for (dirty_ms, here, told) in [(4, "a@5=UP", "Corrected a"), (5, "a@5=UP", ""), (6, "a@6=DOWN", "")] {
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
    fn whoever_is_shown_otherwise_in_the_same_version_is_looked_at_once_nothing_is_under_way() {
        let different = |id: &str| theirs(id, 5, Status::Down, 0);
        for (list, first, after_ms, doubtful) in [
            (vec![different("a")], false, 5_001, "a"),
            (vec![different("a")], false, 5_000, ""),
            (vec![different("a"), different("b")], true, 5_001, "a b"),
            (vec![different("a"), theirs("b", 5, Status::Up, 0)], false, 5_001, "a"),
            (vec![theirs("a", 6, Status::Down, 0)], false, 5_001, ""),
        ] {
            let registry = registry();
            for id in ["a", "b"] {
                registry.register(described(id, 5, Status::Up), Origin::Client, START).unwrap();
            }
            let outcome = compare(&registry, list, first, after(after_ms));
            let ids: Vec<_> = outcome.doubtful.iter().map(|(_, id)| &**id).collect();
            assert_eq!(ids.join(" "), doubtful);
        }
        let registry = registry();
        let ids: Vec<_> = (0..DOUBTS_MAX + 9).map(|number| number.to_string()).collect();
        for id in &ids {
            registry.register(described(id, 5, Status::Up), Origin::Client, START).unwrap();
        }
        let mut seen = BTreeSet::new();
        for second in 9..200 {
            let list = ids.iter().map(|id| different(id)).collect();
            let doubtful = compare(&registry, list, false, after(second * 1_001)).doubtful;
            assert_eq!(doubtful.len(), DOUBTS_MAX);
            seen.extend(doubtful);
        }
        assert_eq!(seen.len(), ids.len(), "some are never looked at");
    }

    /// Registered at 0 s, the override here touched at 20 s, compared at 60 s.
    #[test]
    fn of_two_states_of_one_version_the_later_stands() {
        use Status::{Down, OutOfService as Oos, Unknown as None, Up};
        let s = |second: u64| after(second * 1_000);
        for (here, there, updated_s, edited, stands) in [
            // Both set one.
            ((Oos, Oos), (Down, Down), 30, true, "there"),
            ((Oos, Oos), (Down, Down), 10, true, "here"),
            ((Oos, Oos), (Down, Down), 66, true, "open"),
            // What Java did two seconds ago may be what came here last.
            ((Oos, Oos), (Down, Down), 19, true, "there"),
            // One is overridden and the other not.
            ((Oos, Oos), (Up, None), 30, true, "there"),
            ((Oos, Oos), (Up, None), 30, false, "here"),
            ((Oos, Oos), (Up, None), 10, true, "here"),
            ((Up, None), (Oos, Oos), 30, false, "there"),
            ((Up, None), (Oos, Oos), 10, true, "here"),
            // A clock that is ahead.
            ((Oos, Oos), (Down, Down), 600, true, "there"),
            ((Oos, Oos), (Oos, Oos), 30, true, "open"),
        ] {
            let registry = registry();
            registry.register(described("a", 5, Up), Origin::Client, s(0)).unwrap();
            registry.set_override("APP", "a", Oos, Option::None, s(20)).unwrap();
            if here.1 == None {
                registry.clear_override("APP", "a", Some(here.0), Option::None, s(20)).unwrap();
            }
            let before = registry.told("APP", "a").unwrap();
            let mut shown = theirs("a", 5, there.0, 0);
            (shown.news.overridden, shown.edited) = (there.1, edited);
            shown.updated_ms = s(updated_s).wall_ms;
            let age_s = if stands == "here" { 40 } else { 50 };
            let outcome = settle(&registry, vec![shown.clone()], s(20 + age_s));
            let (record, heard) = registry.told("APP", "a").unwrap();
            let found = (record.status, record.overridden);
            assert_eq!(heard, before.1, "a lease was prolonged");
            let said: Vec<_> = outcome.told.iter().map(|told| told.what).collect();
            let case = format!("{here:?} {there:?} at {updated_s}: {found:?} {said:?}");
            match stands {
                "there" => {
                    assert_eq!((found, outcome.changes.len(), said.len()), (there, 1, 0), "{case}");
                    assert!(record.rank() > before.0.rank(), "other nodes would not take it: {case}");
                    // Another Java server, which shows what was here before, is told.
                    (shown.news.status, shown.news.overridden) = here;
                    registry.renew("APP", "a", Option::None, s(90));
                    let outcome = settle(&registry, vec![shown], s(90));
                    assert!(outcome.changes.is_empty(), "{case}");
                }
                "here" => {
                    assert_eq!((found, outcome.changes.len(), said.len()), (here, 0, 0), "{case}");
                    // Told only while it is fresh, as everything that gives it a new lease there.
                    registry.renew("APP", "a", Option::None, s(61));
                    let told = settle(&registry, vec![shown], s(62)).told;
                    assert!(matches!(&*told, [Told { what: What::Corrected, .. }]), "{case}");
                }
                _ => assert_eq!((found, outcome.changes.len(), said.len()), (here, 0, 0), "{case}"),
            }
        }
    }

    /// A claim that has no override on either side.
    #[test]
    fn of_two_claims_of_one_version_the_later_stands() {
        for (updated_s, here) in [(0, Status::Down), (30, Status::Down), (1, Status::Down)] {
            let registry = registry();
            registry.register(described("a", 5, Status::Up), Origin::Client, START).unwrap();
            let shown =
                Shown { updated_ms: after(updated_s * 1_000).wall_ms, ..theirs("a", 5, Status::Down, 0) };
            settle(&registry, vec![shown], after(60_000));
            assert_eq!(registry.told("APP", "a").unwrap().0.status, here, "{updated_s}");
        }
        let registry = registry();
        registry.register(described("a", 5, Status::Up), Origin::Client, after(10_000)).unwrap();
        let outcome = settle(&registry, vec![theirs("a", 5, Status::Down, 0)], after(20_000));
        assert_eq!((outcome.told.len(), outcome.changes.len()), (1, 0));
        // Nobody here, or another version: the list has to say so first.
        for (id, dirty_ms) in [("b", 5), ("a", 4), ("a", 6)] {
            let outcome = settle(&registry, vec![theirs(id, dirty_ms, Status::Down, 0)], after(20_000));
            assert!(outcome.told.is_empty() && outcome.changes.is_empty());
        }
    }

    #[test]
    fn a_provisional_record_is_neither_told_nor_kept_from_being_confirmed() {
        let registry = registry();
        registry.restore(news("a", 5, Status::Up, 0), START);
        registry.restore(news("b", 5, Status::Up, 0), START);
        let list = vec![theirs("a", 5, Status::Up, 0)];
        check(&registry, list, true, after(1_000), "a@5=UP b@5=UP", "");
        registry.drop_provisional(after(1_000));
        check(&registry, Vec::new(), false, after(2_000), "a@5=UP", "Renewed a");
    }
}
