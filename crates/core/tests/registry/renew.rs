//! Renewing and looking up (`eureka.md` 1.6, 3.2, 3.3).

use synod_core::registry::lease::Heard;
use synod_core::registry::{Registry, Renewal, Settings, Status};

use super::support::*;

#[test]
fn what_a_renewal_answers() {
    for (dirty, word) in
        [(None, "renewed"), (Some(10), "renewed"), (Some(11), "outdated"), (Some(9), "newer")]
    {
        let registry = registry();
        register(&registry, instance("CART", "a", 10), s(0));
        let answer = match registry.renew("CART", "a", dirty, s(30)) {
            Renewal::Renewed(_) => "renewed",
            Renewal::Outdated(_) => "outdated",
            Renewal::Newer(_) => "newer",
            Renewal::Unknown => "unknown",
        };
        assert_eq!(answer, word, "{dirty:?}");
        // Renewed even when the answer tells the client to register again.
        assert_eq!(registry.find("CART", "a", s(30)).unwrap().remaining_ms, 90_000);
    }
    let registry = registry();
    assert!(matches!(registry.renew("CART", "a", None, s(0)), Renewal::Unknown));
}

#[test]
fn whose_status_is_unknown_has_to_register_again() {
    let registry = registry();
    register(&registry, instance("CART", "a", 1), s(0));
    registry.set_override("CART", "a", Status::OutOfService, None, s(1));
    registry.clear_override("CART", "a", None, None, s(2));
    assert_eq!(status(&registry, "CART", "a"), Some(Status::Unknown));
    assert!(matches!(registry.renew("CART", "a", None, s(40)), Renewal::Unknown));
    assert_eq!(registry.find("CART", "a", s(40)).unwrap().remaining_ms, 52_000, "not renewed");
    register(&registry, instance("CART", "a", 2), s(41));
    assert!(matches!(registry.renew("CART", "a", Some(2), s(42)), Renewal::Renewed(_)));
    assert_eq!(status(&registry, "CART", "a"), Some(Status::Up));
}

#[test]
fn a_renewal_changes_no_version_and_no_list() {
    let registry = registry();
    register(&registry, instance("CART", "a", 1), s(0));
    let before = registry.snapshot();
    for at in 1..50 {
        registry.renew("CART", "a", Some(1), s(at));
    }
    let after = registry.snapshot();
    assert_eq!(before.version, after.version);
    let same = before.shared.iter().zip(&after.shared).all(|(a, b)| std::sync::Arc::ptr_eq(a, b));
    assert!(same, "chunks keep their encoded text");
    assert_eq!(registry.find("CART", "a", s(50)).unwrap().renewed_ms, s(49).wall_ms);
}

/// (doubled?, renewed at, the last second at which it is there)
#[test]
fn a_lease_ends_exactly_or_after_javas_double_time() {
    for (double_lease, renewed_at, last) in
        [(false, None, 90), (false, Some(30), 120), (true, None, 90), (true, Some(30), 210)]
    {
        let registry: Registry = Registry::new(Settings { double_lease, ..unguarded() });
        run(&registry, 0, 1);
        register(&registry, instance("CART", "a", 1), s(0));
        if let Some(at) = renewed_at {
            registry.renew("CART", "a", None, s(at));
        }
        assert!(registry.find("CART", "a", s(last)).is_some());
        assert!(registry.find("CART", "a", ms(last * 1_000 + 1)).is_none(), "invisible before it is evicted");
        assert!(listed(&registry, "CART", "a").is_some(), "and still listed");
        assert_eq!(
            run(&registry, 1, last + 2),
            [(last + 1, "a".to_owned())],
            "{double_lease} {renewed_at:?}"
        );
        assert!(listed(&registry, "CART", "a").is_none());
    }
}

#[test]
fn a_heartbeat_from_elsewhere_is_as_old_as_it_says() {
    let registry = registry();
    register(&registry, instance("CART", "a", 1), s(0));
    let heard = |age_ms| Heard::elsewhere(s(60), age_ms, s(60).wall_ms - age_ms);
    registry.renew_as("CART", "a", None, heard(20_000), s(60));
    assert_eq!(registry.find("CART", "a", s(60)).unwrap().remaining_ms, 70_000);
    registry.renew_as("CART", "a", None, heard(50_000), s(60));
    assert_eq!(registry.find("CART", "a", s(60)).unwrap().remaining_ms, 70_000, "older news change nothing");
}

#[test]
fn each_sign_of_life_here_has_a_greater_stamp_whoever_s_clock_is_ahead() {
    let registry = registry();
    register(&registry, instance("CART", "a", 1), s(0));
    let ahead = s(5_000).wall_ms;
    registry.renew_as("CART", "a", None, Heard::elsewhere(s(1), 0, ahead), s(1));
    let mut last = registry.find("CART", "a", s(1)).unwrap().stamp_ms;
    assert_eq!(last, ahead);
    let signs: [&dyn Fn(&Registry); 5] = [
        &|registry| drop(registry.renew("CART", "a", None, s(2))),
        &|registry| drop(register(registry, instance("CART", "a", 2), s(3))),
        &|registry| drop(registry.set_override("CART", "a", Status::Down, None, s(4))),
        &|registry| drop(registry.set_metadata("CART", "a", &[], s(5))),
        &|registry| {
            registry.cancel("CART", "a", s(6));
            register(registry, instance("CART", "a", 3), s(6));
        },
    ];
    for (at, sign) in signs.iter().enumerate() {
        sign(&registry);
        let stamp = registry.find("CART", "a", s(6)).unwrap().stamp_ms;
        assert!(stamp > last, "sign {at}");
        last = stamp;
    }
}
