//! Evicting (`eureka.md` 3.9): who, when, how many at a time, and what a node remembers of it.

use synod_core::registry::preserve::Policy;
use synod_core::registry::{Action, ChangeKind, Instance, Registry, Settings};

use super::support::*;

/// No self-preservation, but Java's cap of 15 % a minute.
fn capped() -> Registry {
    let preservation = Policy { enabled: false, ..Settings::default().preservation };
    Registry::new(Settings { preservation, ..Settings::default() })
}

fn fill(registry: &Registry, count: usize) {
    for at in 0..count {
        register(registry, instance("CART", &format!("i{at}"), 1), s(0));
    }
}

#[test]
fn leases_end_each_in_its_own_time() {
    let registry = registry();
    run(&registry, 0, 1);
    for (id, duration_s) in [("a", 10), ("b", 20), ("c", 300), ("d", 1)] {
        register(&registry, Instance { duration_s, ..instance("CART", id, 1) }, s(1));
    }
    let evicted = run(&registry, 1, 400);
    let expected = [(3, "d"), (12, "a"), (22, "b"), (302, "c")];
    assert_eq!(evicted, expected.map(|(at, id)| (at, id.to_owned())));
    let [_, removed] = registry.recent();
    assert!(removed.iter().all(|recent| recent.change.kind == ChangeKind::Expired));
    assert!(removed.iter().all(|recent| recent.change.record.action == Action::Deleted));
}

#[test]
fn a_registration_with_a_shorter_lease_is_heeded_at_once_and_a_longer_one_too() {
    for (first, second, end) in [(300, 10, 16), (10, 300, 306)] {
        let registry = registry();
        run(&registry, 0, 1);
        register(&registry, Instance { duration_s: first, ..instance("CART", "a", 1) }, s(1));
        run(&registry, 1, 5);
        register(&registry, Instance { duration_s: second, ..instance("CART", "a", 2) }, s(5));
        assert_eq!(run(&registry, 5, 400), [(end, "a".to_owned())]);
    }
}

#[test]
fn who_renews_stays_for_ever_and_who_stops_goes_one_lease_later() {
    let registry = registry();
    fill(&registry, 40);
    let mut gone = Vec::new();
    for at in 1..2_000 {
        gone.extend(run(&registry, at - 1, at));
        for instance in
            (0..40).filter(|instance| at % 30 == instance % 30 && (at < 1_000 || instance % 2 == 0))
        {
            registry.renew("CART", &format!("i{instance}"), None, s(at));
        }
    }
    assert_eq!(gone.len(), 20);
    assert!(
        gone.iter().all(|(at, id)| *at > 1_060 && *at <= 1_091 && id[1..].parse::<u64>().unwrap() % 2 == 1)
    );
}

/// (instances, how many of them may go in the first minute)
#[test]
fn a_minute_takes_no_more_than_javas_share() {
    for (count, share) in [(1, 1), (6, 1), (7, 2), (20, 3), (100, 15), (1_000, 150)] {
        let registry = capped();
        run(&registry, 0, 1);
        fill(&registry, count);
        let first_minute = run(&registry, 1, 150).len();
        assert_eq!(first_minute, share, "of {count}");
        // The rest goes in ever smaller shares, and to the last one.
        let mut live = count - first_minute;
        let mut at = 150;
        while live > 0 {
            let gone = run(&registry, at, at + 60).len();
            assert!(gone >= 1 && gone <= live - (live as f64 * 0.85) as usize + 1, "{gone} of {live}");
            live -= gone;
            at += 60;
        }
    }
}

#[test]
fn a_capped_eviction_hits_at_random_and_the_same_seed_hits_the_same() {
    let victims = |seed: u64| {
        let registry = capped();
        fill(&registry, 100);
        (1..=91).for_each(|at| drop(registry.tick(s(at), seed)));
        let [_, removed] = registry.recent();
        let mut ids: Vec<_> = removed.iter().map(|one| one.change.record.instance.id.to_string()).collect();
        ids.sort();
        ids
    };
    assert_eq!(victims(1), victims(1));
    assert_ne!(victims(1), victims(2));
    assert_eq!(victims(1).len(), 15);
}

#[test]
fn spread_over_applications() {
    let registry = capped();
    for app in 0..10 {
        for id in 0..20 {
            register(&registry, instance(&format!("APP{app}"), &format!("i{id}"), 1), s(0));
        }
    }
    run(&registry, 0, 91);
    let worst = (0..10).map(|app| 20 - registry.application(&format!("APP{app}")).1.len()).max();
    assert!(worst <= Some(9), "{worst:?} of 30 evictions in one application of 20");
}

#[test]
fn a_spared_one_that_is_heard_of_again_stays() {
    let registry = capped();
    fill(&registry, 20);
    run(&registry, 0, 91);
    let (view, overdue) = registry.preservation_view();
    assert_eq!((view.active, overdue), (false, 17));
    for record in registry.application("CART").1 {
        registry.renew("CART", &record.instance.id, None, s(91));
    }
    assert!(run(&registry, 91, 181).is_empty());
    assert_eq!(registry.preservation_view().1, 0);
    assert_eq!(registry.totals().instances(), 17);
}

#[test]
fn a_process_that_stood_still_gives_everybody_the_time_it_was_deaf() {
    let registry = registry();
    run(&registry, 0, 1);
    register(&registry, instance("CART", "a", 1), s(1));
    // Deaf from 60 to 200: the lease would have ended at 91.
    run(&registry, 1, 60);
    assert!(registry.tick(s(200), 0).is_empty());
    assert!(registry.find("CART", "a", s(200)).is_some());
    assert!(run(&registry, 200, 220).is_empty());
    registry.renew("CART", "a", None, s(220));
    // What is heard after the pause gets no more than its lease, but for the second in which it is found.
    let evicted = run(&registry, 220, 400);
    assert_eq!(evicted.len(), 1);
    assert!((311..=316).contains(&evicted[0].0), "{evicted:?}");
}

#[test]
fn what_ended_is_remembered_for_two_leases_and_then_forgotten() {
    let registry = registry();
    run(&registry, 0, 1);
    register(&registry, instance("CART", "a", 1), s(1));
    registry.cancel("CART", "a", s(2));
    assert!(registry.end_of("CART", "a").is_some());
    run(&registry, 2, 182);
    assert!(registry.end_of("CART", "a").is_some());
    run(&registry, 182, 184);
    assert!(registry.end_of("CART", "a").is_none());
    assert!(registry.end_of("CART", "nobody").is_none());
}

#[test]
fn where_the_clock_began_does_not_matter() {
    let registry: Registry = Registry::new(Settings::default());
    register(&registry, instance("CART", "a", 1), s(0));
    run(&registry, 0, 10);
    let (view, _) = registry.preservation_view();
    assert!(view.warming_up, "ten seconds are no minute");
    assert_eq!(registry.find("CART", "a", s(10)).unwrap().remaining_ms, 80_000, "nobody stood still");
}
