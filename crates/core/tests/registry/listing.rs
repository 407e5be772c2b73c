//! The list in its chunks: growing, shrinking, the dead, the delta's floor, and the bounds.

use std::collections::BTreeSet;

use synod_base::hash::Keyed;
use synod_core::registry::listing::{Listing, Snapshot};
use synod_core::registry::{ChangeKind, Instance, Registry, Vip};

use super::support::*;

fn chunks(snapshot: &Snapshot<()>) -> (usize, usize) {
    (snapshot.shared.len(), snapshot.own.iter().map(|(_, chunks)| chunks.len()).sum())
}

fn dead(registry: &Registry) -> usize {
    let snapshot = registry.snapshot();
    let own = snapshot.own.iter().flat_map(|(_, chunks)| chunks);
    snapshot.shared.iter().chain(own).map(|chunk| chunk.dead.len()).sum()
}

fn delta(registry: &Registry) -> usize {
    let snapshot = registry.snapshot();
    snapshot.records().filter(|record| record.version > snapshot.floor).count() + dead(registry)
}

#[test]
fn many_small_applications_share_chunks_that_come_and_go_one_at_a_time() {
    let registry = registry();
    let mut last = 1;
    for at in 0..3_000 {
        register(&registry, instance(&format!("APP{at}"), "a", 1), s(0));
        let (shared, own) = chunks(&registry.snapshot());
        assert!(own == 0 && shared - last <= 1, "{shared} after {last}");
        last = shared;
    }
    assert!((3_000 / 64..=3_000 / 64 + 1).contains(&last), "{last}");
    check(&registry.snapshot());
    for at in 0..3_000 {
        registry.cancel(&format!("APP{at}"), "a", s(1));
    }
    assert_eq!((registry.totals().applications, dead(&registry)), (0, 3_000));
    check(&registry.snapshot());
    run(&registry, 1, 200);
    assert_eq!((chunks(&registry.snapshot()), dead(&registry)), ((1, 0), 0));
}

#[test]
fn a_growing_application_moves_to_chunks_of_its_own_and_back_when_it_is_forgotten() {
    let registry = registry();
    let small = Instance { duration_s: 3_000, ..instance("SMALL", "a", 1) };
    register(&registry, small, s(0));
    for at in 0..1_000 {
        register(&registry, instance("BIG", &at.to_string(), 1), s(0));
        let snapshot = registry.snapshot();
        assert_eq!(snapshot.own.len(), usize::from(at >= 32), "with {}", at + 1);
        check(&snapshot);
        assert_eq!(registry.application("BIG").1.len(), at + 1);
    }
    assert_eq!(chunks(&registry.snapshot()), (1, 16));
    for at in 0..1_000 {
        registry.cancel("BIG", &at.to_string(), s(1));
    }
    check(&registry.snapshot());
    assert!(registry.application("BIG").1.is_empty() && registry.service("BIG").is_none());
    run(&registry, 1, 80);
    register(&registry, instance("BIG", "5", 1), s(80));
    assert_eq!(registry.snapshot().own.len(), 1, "its dead are still there");
    registry.cancel("BIG", "5", s(80));
    run(&registry, 80, 278);
    assert_eq!((registry.snapshot().own.len(), dead(&registry)), (0, 0));
    register(&registry, instance("BIG", "5", 1), s(278));
    assert_eq!(registry.application("BIG").1.len(), 1);
    check(&registry.snapshot());
}

#[test]
fn the_dead_are_shown_for_the_retention_and_rise_when_they_come_back() {
    let registry = registry();
    for (at, alive) in [(0, true), (1, false), (2, true), (3, false)] {
        match alive {
            true => drop(register(&registry, instance("CART", "a", 1), s(at))),
            false => drop(registry.cancel("CART", "a", s(at))),
        }
        assert_eq!((dead(&registry), delta(&registry)), (usize::from(!alive), 1));
    }
    run(&registry, 3, 182);
    assert_eq!(dead(&registry), 1);
    run(&registry, 182, 200);
    assert_eq!((dead(&registry), delta(&registry)), (0, 0));
}

#[test]
fn the_floor_follows_the_retention() {
    let registry = registry();
    run(&registry, 0, 1);
    register(&registry, instance("CART", "a", 1), s(1));
    for at in 2..400 {
        registry.renew("CART", "a", None, s(at));
        run(&registry, at - 1, at);
        let expected = if at <= 181 {
            Some(1)
        } else if at >= 198 {
            Some(0)
        } else {
            None
        };
        assert!(expected.is_none_or(|expected| delta(&registry) == expected), "at {at}");
    }
}

#[test]
fn changes_are_contiguous_and_too_old_is_said() {
    let mut listing: Listing<()> = Listing::new(Keyed::default(), 180_000);
    let one = register(&registry(), instance("CART", "a", 1), s(0)).record;
    assert!(listing.changes(0, 9).is_some_and(|changes| changes.is_empty()));
    assert!(listing.changes(1, 9).is_none(), "a version of the future");
    let mut last = listing.put(None, (*one).clone(), ChangeKind::Registered, s(0));
    for _ in 1..20_000 {
        last = listing.put(Some(&last), (*one).clone(), ChangeKind::Replaced, s(0));
    }
    let oldest = 20_000 - 16_384;
    assert!(listing.changes(oldest - 1, 9).is_none());
    for (since, limit, expected) in [
        (oldest, 3, vec![oldest + 1, oldest + 2, oldest + 3]),
        (19_998, 9, vec![19_999, 20_000]),
        (20_000, 9, vec![]),
    ] {
        let changes = listing.changes(since, limit).unwrap();
        assert_eq!(changes.iter().map(|change| change.record.version).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn the_dead_are_bounded() {
    let mut listing: Listing<()> = Listing::new(Keyed::default(), 180_000);
    let plain = register(&registry(), instance("CART", "a", 1), s(0)).record;
    let count = 66_000;
    for at in 0..count {
        let mut record = (*plain).clone();
        record.instance = std::sync::Arc::new(instance(&format!("APP{}", at % 500), &at.to_string(), 1));
        let record = listing.put(None, record, ChangeKind::Registered, s(0));
        listing.remove(&record, (*record).clone(), ChangeKind::Cancelled, s(0));
    }
    let snapshot = listing.snapshot();
    let own = snapshot.own.iter().flat_map(|(_, chunks)| chunks);
    let dead: BTreeSet<_> = snapshot
        .shared
        .iter()
        .chain(own)
        .flat_map(|chunk| &chunk.dead)
        .map(|record| record.instance.id.parse::<usize>().unwrap())
        .collect();
    assert_eq!(dead.len(), 65_536);
    assert_eq!(dead.first(), Some(&(count - 65_536)), "the oldest went");
}

#[test]
fn virtual_addresses_are_counted_per_application() {
    let registry = registry();
    let with = |app: &str, id: &str, vip: &str| {
        let mut own = instance(app, id, 1);
        own.vip = Some(vip.into());
        register(&registry, own, s(0));
    };
    let ask = |vip: &str| {
        let found = registry.vip(Vip::Plain, vip);
        assert!(found.iter().all(|records| !records.is_empty()));
        found.iter().map(|records| (records[0].instance.app.to_string(), records.len())).collect::<Vec<_>>()
    };
    let pairs = |pairs: &[(&str, usize)]| {
        pairs.iter().map(|(app, count)| ((*app).to_owned(), *count)).collect::<Vec<_>>()
    };
    with("A", "1", "x,y,x");
    with("A", "2", "x");
    with("B", "1", "x, y");
    assert_eq!(ask("x"), pairs(&[("A", 2), ("B", 1)]));
    assert_eq!((ask("y"), ask(" y")), (pairs(&[("A", 1)]), pairs(&[("B", 1)])));
    assert_eq!((ask("x,y,x"), ask("X"), ask("")), (vec![], vec![], vec![]));
    assert!(registry.vip(Vip::Secure, "x").is_empty());
    with("A", "1", "z");
    assert_eq!((ask("x"), ask("y"), ask("z")), (pairs(&[("A", 1), ("B", 1)]), vec![], pairs(&[("A", 1)])));
    for (app, id) in [("A", "1"), ("A", "2"), ("B", "1")] {
        registry.cancel(app, id, s(1));
    }
    assert_eq!((ask("x"), ask("z"), ask(" y")), (vec![], vec![], vec![]));
}

#[test]
fn services_come_in_pages_by_name_and_only_with_somebody_in_them() {
    let registry = registry();
    for at in 0..25 {
        register(&registry, instance(&format!("APP{at:02}"), "a", 1), s(0));
    }
    registry.cancel("APP03", "a", s(1));
    let mut after: Option<String> = None;
    let mut seen = Vec::new();
    loop {
        let page = registry.services(after.as_deref(), 7, |name| name != "APP05");
        assert!(page.len() <= 7);
        let Some(last) = page.last() else { break };
        after = Some(last.app.to_string());
        seen.extend(page.iter().map(|one| one.app.to_string()));
    }
    let expected: Vec<_> =
        (0..25).filter(|at| ![3, 5].contains(at)).map(|at| format!("APP{at:02}")).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_snapshot_stays_as_it_was() {
    let registry = registry();
    for at in 0..200 {
        register(&registry, instance(["A", "B"][at % 2], &at.to_string(), 1), s(0));
    }
    let snapshot = registry.snapshot();
    let before = format!("{snapshot:?}");
    for at in 0..200 {
        registry.cancel(["A", "B"][at % 2], &at.to_string(), s(1));
        register(&registry, instance("C", &at.to_string(), 1), s(1));
    }
    run(&registry, 1, 300);
    assert_eq!(format!("{snapshot:?}"), before);
    assert_eq!(snapshot.totals.hash(), "UP_200_");
}
