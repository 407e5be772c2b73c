//! The rule chain on registration (`eureka.md` 3.4) and the operations on overrides (3.5).

use synod_core::registry::lane::What;
use synod_core::registry::{Action, Origin, Registry, Settings, Status};

use Status::{Down, OutOfService, Starting, Unknown, Up};

use super::support::*;

/// (what a client says one after the other, whether Java's stickiness is on, what is shown after each)
#[test]
fn clients_own_statuses() {
    let chains: [(bool, &[(Status, Status)]); 5] = [
        (false, &[(Up, Up), (Down, Down), (Up, Up), (OutOfService, OutOfService), (Up, Up)]),
        (false, &[(Starting, Starting), (Up, Up), (Unknown, Unknown), (Up, Up)]),
        (true, &[(OutOfService, OutOfService), (Up, OutOfService), (Down, Down), (Up, Up)]),
        (true, &[(OutOfService, OutOfService), (Starting, Starting), (Up, Up)]),
        (true, &[(Up, Up), (OutOfService, Up), (Unknown, Unknown), (OutOfService, OutOfService)]),
    ];
    for (sticky_out_of_service, chain) in chains {
        let registry: Registry = Registry::new(Settings { sticky_out_of_service, ..unguarded() });
        for (step, (claimed, shown)) in chain.iter().enumerate() {
            let mut instance = instance("CART", "a", step as u64);
            instance.status = *claimed;
            let record = register(&registry, instance, s(step as u64)).record;
            assert_eq!(record.status, *shown, "step {step} of {chain:?}");
        }
    }
}

#[test]
fn a_peer_is_never_stuck() {
    let registry: Registry = Registry::new(Settings { sticky_out_of_service: true, ..unguarded() });
    for (dirty, claimed) in [(1, OutOfService), (2, Up)] {
        let mut instance = instance("CART", "a", dirty);
        instance.status = claimed;
        registry.register(instance, Origin::Peer, s(dirty)).unwrap();
        assert_eq!(status(&registry, "CART", "a"), Some(claimed));
    }
}

#[test]
fn an_override_holds_through_registrations_but_a_sick_instance_is_believed() {
    let registry = registry();
    register(&registry, instance("CART", "a", 1), s(0));
    let record = registry.set_override("CART", "a", OutOfService, None, s(1)).unwrap().change.record;
    assert_eq!(
        (record.status, record.overridden, record.action),
        (OutOfService, OutOfService, Action::Modified)
    );
    for (step, (claimed, shown)) in
        [(Up, OutOfService), (Down, Down), (Starting, Starting), (Up, OutOfService)].iter().enumerate()
    {
        let mut instance = instance("CART", "a", 2 + step as u64);
        instance.status = *claimed;
        let record = register(&registry, instance, s(2)).record;
        assert_eq!((record.status, record.overridden), (*shown, OutOfService));
    }
    // What it claims now is what an override that changes nothing would be: peers must not take the old one for it.
    let mut sick = instance("CART", "a", 9);
    sick.status = Down;
    register(&registry, sick, s(3));
    assert_eq!(
        registry.set_override("CART", "a", Down, None, s(4)).unwrap().told(What::StatusSet),
        What::Renewed
    );
    let edit = registry.clear_override("CART", "a", Some(Up), None, s(9)).unwrap();
    assert_eq!(edit.told(What::OverrideCleared), What::OverrideCleared);
    let record = edit.change.record;
    assert_eq!((record.status, record.overridden), (Up, Unknown));
}

#[test]
fn setting_what_is_shown_already_only_renews() {
    let registry = registry();
    register(&registry, instance("CART", "a", 1), s(0));
    let version = registry.version();
    let edit = registry.set_override("CART", "a", Up, Some(9), s(60)).unwrap();
    assert_eq!(edit.told(What::StatusSet), What::Renewed);
    let record = edit.change.record;
    assert_eq!((record.overridden, record.dirty_ms, registry.version()), (Unknown, 1, version));
    assert_eq!(registry.find("CART", "a", s(60)).unwrap().remaining_ms, 90_000);
    // The instance can still shut itself off.
    let mut own = instance("CART", "a", 2);
    own.status = OutOfService;
    assert_eq!(register(&registry, own, s(61)).record.status, OutOfService);
}

#[test]
fn clearing_where_there_is_none_only_renews() {
    let registry = registry();
    register(&registry, instance("CART", "a", 1), s(0));
    let version = registry.version();
    let edit = registry.clear_override("CART", "a", Some(Down), Some(5), s(60)).unwrap();
    assert_eq!(edit.told(What::OverrideCleared), What::Renewed);
    let record = edit.change.record;
    assert_eq!((record.status, record.dirty_ms, registry.version()), (Up, 1, version));
    assert_eq!(registry.find("CART", "a", s(60)).unwrap().remaining_ms, 90_000);
    assert!(registry.clear_override("CART", "b", None, None, s(60)).is_none());
    assert!(registry.set_override("CART", "b", Up, None, s(60)).is_none());
}

/// (stored, supplied, stored afterwards)
#[test]
fn a_dirty_timestamp_only_rises() {
    for (stored, supplied, after) in [(5, None, 5), (5, Some(4), 5), (5, Some(6), 6)] {
        let registry = registry();
        register(&registry, instance("CART", "a", stored), s(0));
        let set = registry.set_override("CART", "a", Down, supplied, s(1)).unwrap();
        assert_eq!(set.change.record.dirty_ms, after);
        let cleared = registry.clear_override("CART", "a", Some(Up), supplied, s(2)).unwrap();
        assert_eq!(cleared.change.record.dirty_ms, after);
    }
}

#[test]
fn overriding_to_up_notes_when_it_was_first_up() {
    let registry = registry();
    let mut starting = instance("CART", "a", 1);
    starting.status = Starting;
    register(&registry, starting, s(0));
    assert_eq!(registry.set_override("CART", "a", Up, None, s(7)).unwrap().change.record.up_ms, s(7).wall_ms);
}

#[test]
fn an_override_told_by_a_heartbeat_waits_for_the_next_registration() {
    let registry = registry();
    register(&registry, instance("CART", "a", 1), s(0));
    registry.note_override("CART", "a", OutOfService, s(1));
    registry.note_override("CART", "nobody", OutOfService, s(1));
    let record = listed(&registry, "CART", "a").unwrap();
    assert_eq!((record.status, record.overridden), (Up, OutOfService));
    let record = register(&registry, instance("CART", "a", 2), s(2)).record;
    assert_eq!((record.status, record.overridden), (OutOfService, OutOfService));
    let version = registry.version();
    registry.note_override("CART", "a", OutOfService, s(3));
    registry.note_override("CART", "a", Unknown, s(3));
    assert_eq!(registry.version(), version, "nothing new in that");
}

#[test]
fn each_change_of_an_override_outranks_the_one_before_even_within_a_millisecond() {
    let registry = registry();
    let mut last = register(&registry, instance("CART", "a", 1), s(0)).record.rank();
    for step in 0..6 {
        let edit = match step % 2 {
            0 => registry.set_override("CART", "a", Down, None, s(1)),
            _ => registry.clear_override("CART", "a", Some(Up), None, s(1)),
        };
        let rank = edit.unwrap().change.record.rank();
        assert!(rank > last, "step {step}");
        last = rank;
    }
}

/// A Java peer tells each node of a cluster; their clocks differ, and what they hold must not.
#[test]
fn what_a_java_peer_did_to_an_override_is_of_one_version_on_all_nodes() {
    let hear = |clock_s: u64| {
        let registry = registry();
        register(&registry, instance("CART", "a", 1), s(0));
        let set = registry.hear_override("CART", "a", Down, None, s(clock_s)).unwrap().change.record;
        let cleared = registry.hear_cleared("CART", "a", Some(Up), None, s(clock_s)).unwrap().change.record;
        registry.note_override("CART", "a", OutOfService, s(clock_s));
        assert!(set.rank() < cleared.rank());
        // An operator here has the last word.
        let ours = registry.set_override("CART", "a", Down, None, s(clock_s)).unwrap().change.record;
        assert_eq!(ours.override_ms, s(clock_s).wall_ms);
        [set.rank(), cleared.rank()]
    };
    assert_eq!(hear(1), hear(200));
}

/// A Java peer's description shows the override of its time.
#[test]
fn an_override_that_was_removed_does_not_come_back_with_the_description_it_came_with() {
    let peer = |override_status| {
        let registry = registry();
        let mut shown = instance("CART", "a", 5);
        (shown.status, shown.overridden) = (override_status, override_status);
        registry.register(shown, Origin::Peer, s(0)).unwrap();
        registry.clear_override("CART", "a", Some(Up), None, s(1)).unwrap();
        registry
    };
    for status in [Down, OutOfService] {
        let registry = peer(status);
        registry.set_metadata("CART", "a", &[("key", Some("value"))], s(2)).unwrap();
        let record = listed(&registry, "CART", "a").unwrap();
        assert_eq!((record.status, record.overridden), (Up, Unknown), "metadata, {status}");
        let registry = peer(status);
        let record = register(&registry, instance("CART", "a", 4), s(2)).record;
        assert_eq!((record.status, record.overridden, record.dirty_ms), (Up, Unknown, 5), "stale, {status}");
    }
}
