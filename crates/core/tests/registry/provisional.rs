//! Restored instances: served at once, believed only when heard of (issue 3, B.5).

use std::sync::Arc;

use synod_core::registry::lease::Heard;
use synod_core::registry::merge::{Merged, News};
use synod_core::registry::{Registry, Settings, Status};

use super::support::*;

/// What is tried, by name.
type Case<'c> = (&'c str, &'c dyn Fn(&Registry));

/// Of `a`, last heard of at `stamp` seconds, `age` seconds ago.
pub(crate) fn news(dirty_ms: u64, stamp: u64, age: u64) -> News {
    let instance = instance("CART", "a", dirty_ms);
    News {
        status: instance.status,
        overridden: instance.overridden,
        override_ms: 0,
        dirty_ms,
        registered_ms: 1_000,
        up_ms: 1_000,
        stamp_ms: s(stamp).wall_ms,
        age_ms: age * 1_000,
        instance: Arc::new(instance),
    }
}

fn restored() -> Registry {
    let registry = registry();
    run(&registry, 0, 100);
    assert!(registry.restore(news(1, 20, 80), s(100)));
    registry
}

#[test]
fn a_restored_instance_has_one_full_lease_and_is_not_expected() {
    let registry = restored();
    let totals = registry.totals();
    assert_eq!((totals.provisional, totals.instances(), totals.renewals_per_megasecond), (1, 1, 0));
    let found = registry.find("CART", "a", s(100)).unwrap();
    assert_eq!(
        (found.remaining_ms, found.stamp_ms),
        (90_000, s(20).wall_ms),
        "a stamp of its last heartbeat"
    );
    assert_eq!(run(&registry, 100, 300), [(191, "a".to_owned())]);
}

#[test]
fn what_is_known_already_stays() {
    let registry = registry();
    register(&registry, instance("CART", "a", 5), s(0));
    assert!(!registry.restore(news(9, 0, 0), s(1)));
    assert_eq!(listed(&registry, "CART", "a").unwrap().dirty_ms, 5);
}

#[test]
fn each_sign_of_life_confirms() {
    let signs: [Case<'_>; 6] = [
        ("renewal", &|registry| drop(registry.renew("CART", "a", None, s(110)))),
        ("registration", &|registry| drop(register(registry, instance("CART", "a", 2), s(110)))),
        ("override", &|registry| drop(registry.set_override("CART", "a", Status::Down, None, s(110)))),
        ("its own status", &|registry| drop(registry.set_override("CART", "a", Status::Up, None, s(110)))),
        ("same news", &|registry| drop(registry.merge(news(1, 110, 0), s(110)))),
        ("later news", &|registry| drop(registry.merge(news(3, 110, 0), s(110)))),
    ];
    for (name, sign) in signs {
        let registry = restored();
        let version = registry.version();
        sign(&registry);
        assert_eq!(registry.totals().provisional, 0, "{name}");
        assert_eq!(registry.version(), version + 1, "{name}: the list shows it");
        assert_eq!(registry.find("CART", "a", s(110)).unwrap().remaining_ms, 90_000, "{name}");
        assert!(registry.drop_provisional(s(111)).is_empty(), "{name}");
        check(&registry.snapshot());
    }
}

#[test]
fn hearsay_puts_its_own_lease_in_the_place_of_the_assumed_one() {
    // Heard of 80 s before: ten are left, not ninety.
    let told: [Case<'_>; 3] = [
        ("same news", &|registry| drop(registry.merge(news(1, 30, 80), s(110)))),
        ("later news", &|registry| drop(registry.merge(news(2, 30, 80), s(110)))),
        ("heartbeat", &|registry| {
            drop(registry.renew_as(
                "CART",
                "a",
                None,
                Heard::elsewhere(s(110), 80_000, s(30).wall_ms),
                s(110),
            ));
        }),
    ];
    for (name, tell) in told {
        let registry = restored();
        run(&registry, 100, 110);
        tell(&registry);
        let found = registry.find("CART", "a", s(110)).unwrap();
        assert_eq!((found.remaining_ms, found.stamp_ms), (10_000, s(30).wall_ms), "{name}");
        assert_eq!(run(&registry, 110, 300), [(121, "a".to_owned())], "{name}");
    }
}

#[test]
fn who_is_not_named_is_dropped_and_may_come_back_with_a_heartbeat_that_was_not_known() {
    let registry = restored();
    register(&registry, instance("CART", "b", 1), s(100));
    let dropped = registry.drop_provisional(s(101));
    assert_eq!(dropped.len(), 1);
    assert!(listed(&registry, "CART", "a").is_none());
    assert!(listed(&registry, "CART", "b").is_some());
    assert!(registry.end_of("CART", "a").is_none(), "nobody took leave");
    assert!(matches!(registry.merge(news(1, 20, 81), s(101)), Merged::Same), "known before");
    assert!(matches!(registry.merge(news(1, 60, 41), s(101)), Merged::Changed(_)));
    assert_eq!(registry.find("CART", "a", s(101)).unwrap().remaining_ms, 49_000);
}

#[test]
fn a_clock_that_just_began_knows_of_time_before() {
    let registry: Registry = Registry::new(Settings::default());
    let young = synod_base::time::Now { wall_ms: s(0).wall_ms, mono_ms: 1_000 };
    assert!(matches!(registry.merge(news(1, 0, 80), young), Merged::Changed(_)));
    let found = registry.find("CART", "a", young).unwrap();
    assert_eq!((found.remaining_ms, found.age_ms), (10_000, 80_000));
}
