//! Registering (`eureka.md` 3.1), leaving (3.3) and metadata (1.8).

use synod_core::registry::{Action, ChangeKind, Origin, Refusal, Registry, Settings, Status};

use super::support::*;

#[test]
fn the_first_registration_is_added_and_the_next_is_modified() {
    let registry = registry();
    let first = register(&registry, instance("CART", "a", 10), s(0));
    assert_eq!((first.kind, first.record.action), (ChangeKind::Registered, Action::Added));
    let second = register(&registry, instance("CART", "a", 10), s(1));
    assert_eq!((second.kind, second.record.action), (ChangeKind::Replaced, Action::Modified));
    assert_eq!(second.record.version, first.record.version + 1);
    assert_eq!(second.record.registered_ms, s(1).wall_ms, "the lease starts anew");
    assert_eq!(registry.totals().hash(), "UP_1_");
}

#[test]
fn an_older_description_is_dropped_and_an_equal_or_newer_one_replaces() {
    for (dirty, host) in [(9, "old"), (10, "new"), (11, "new")] {
        let registry = registry();
        let with_host = |host: &str, dirty| {
            let mut instance = instance("CART", "a", dirty);
            instance.host = host.into();
            instance
        };
        register(&registry, with_host("old", 10), s(0));
        register(&registry, with_host("new", dirty), s(50));
        let record = listed(&registry, "CART", "a").unwrap();
        assert_eq!(&*record.instance.host, host, "dirty {dirty}");
        assert_eq!(record.dirty_ms, dirty.max(10));
        let found = registry.find("CART", "a", s(50)).unwrap();
        assert_eq!(found.remaining_ms, 90_000, "even stale data starts the lease anew");
    }
}

#[test]
fn the_time_it_was_first_up_survives_registrations() {
    let registry = registry();
    let with = |status| {
        let mut instance = instance("CART", "a", 1);
        instance.status = status;
        instance
    };
    for (at, status, up) in
        [(0, Status::Starting, 0), (5, Status::Up, 5), (6, Status::Down, 5), (7, Status::Up, 5)]
    {
        let record = register(&registry, with(status), s(at)).record;
        let expected = if up == 0 { 0 } else { s(up).wall_ms };
        assert_eq!(record.up_ms, expected, "at {at}");
    }
}

#[test]
fn an_override_that_comes_along_counts_only_where_none_is_known() {
    let with = |overridden| {
        let mut instance = instance("CART", "a", 1);
        instance.overridden = overridden;
        instance
    };
    let registry = registry();
    let record = register(&registry, with(Status::OutOfService), s(0)).record;
    assert_eq!((record.status, record.overridden), (Status::OutOfService, Status::OutOfService));
    let record = register(&registry, with(Status::Up), s(1)).record;
    assert_eq!((record.status, record.overridden), (Status::OutOfService, Status::OutOfService));
    let record = register(&registry, with(Status::Unknown), s(2)).record;
    assert_eq!((record.status, record.overridden), (Status::OutOfService, Status::OutOfService));
}

#[test]
fn leaving_takes_the_instance_and_its_override_away() {
    let registry = registry();
    assert!(registry.cancel("CART", "a", s(0)).is_none());
    register(&registry, instance("CART", "a", 1), s(0));
    registry.set_override("CART", "a", Status::OutOfService, None, s(1));
    let change = registry.cancel("CART", "a", s(2)).unwrap();
    assert_eq!((change.kind, change.record.action), (ChangeKind::Cancelled, Action::Deleted));
    assert_eq!(change.record.evicted_ms, s(2).wall_ms);
    assert!(registry.find("CART", "a", s(2)).is_none());
    assert!(registry.cancel("CART", "a", s(2)).is_none());
    assert_eq!((registry.totals().hash().as_str(), registry.totals().applications), ("", 0));
    let back = register(&registry, instance("CART", "a", 1), s(3)).record;
    assert_eq!((back.status, back.overridden), (Status::Up, Status::Unknown));
    assert_eq!(back.action, Action::Added);
}

#[test]
fn one_id_in_two_applications_is_two_instances() {
    let registry = registry();
    register(&registry, instance("CART", "a", 1), s(0));
    register(&registry, instance("ALBUM", "a", 1), s(0));
    assert_eq!(&*registry.find_anywhere("a", s(0)).unwrap().record.instance.app, "ALBUM");
    registry.cancel("ALBUM", "a", s(1));
    assert_eq!(&*registry.find_anywhere("a", s(1)).unwrap().record.instance.app, "CART");
    assert_eq!(registry.totals().instances(), 1);
}

#[test]
fn a_full_registry_refuses_the_new_and_keeps_the_old() {
    let registry: Registry = Registry::new(Settings { instances_max: 2, ..unguarded() });
    for id in ["a", "b"] {
        register(&registry, instance("CART", id, 1), s(0));
    }
    let refused = registry.register(instance("CART", "c", 1), Origin::Client, s(1));
    assert_eq!(refused.unwrap_err(), Refusal::Full(2));
    register(&registry, instance("CART", "a", 2), s(1));
    registry.cancel("CART", "b", s(2));
    register(&registry, instance("CART", "c", 1), s(2));
    assert_eq!(registry.totals().instances(), 2);
}

#[test]
fn metadata_is_set_and_deleted_and_counts_as_a_registration() {
    let registry = registry();
    assert!(registry.set_metadata("CART", "a", &[("k", Some("v"))], s(0)).unwrap().is_none());
    register(&registry, instance("CART", "a", 7), s(0));
    registry.set_override("CART", "a", Status::OutOfService, None, s(1));
    let edits: [&[(&str, Option<&str>)]; 3] =
        [&[("k", Some("v")), ("l", Some("w"))], &[("k", Some("x"))], &[("l", None), ("none", None)]];
    for (at, edits) in (40..).zip(edits) {
        let change = registry.set_metadata("CART", "a", edits, s(at)).unwrap().unwrap();
        assert_eq!((change.kind, change.record.action), (ChangeKind::Replaced, Action::Modified));
        assert_eq!((change.record.dirty_ms, change.record.status), (7, Status::OutOfService));
        assert_eq!(registry.find("CART", "a", s(at)).unwrap().remaining_ms, 90_000);
    }
    let record = listed(&registry, "CART", "a").unwrap();
    assert_eq!(*record.instance.metadata, [("k".into(), "x".into())]);
    let again = register(&registry, instance("CART", "a", 8), s(50)).record;
    assert!(again.instance.metadata.is_empty(), "the client's next registration erases it");
}

#[test]
fn metadata_is_bounded_and_a_refused_edit_changes_nothing() {
    let settings = Settings { metadata_keys_max: 2, metadata_bytes_max: 10, ..unguarded() };
    let registry: Registry = Registry::new(settings);
    register(&registry, instance("CART", "a", 1), s(0));
    let set = |key, value| registry.set_metadata("CART", "a", &[(key, Some(value))], s(1)).map(drop);
    for (key, value, refusal) in [
        ("k", "123", None),
        ("l", "12345", None),
        ("k", "1234", Some(Refusal::MetadataBytes(10))),
        ("m", "", Some(Refusal::MetadataKeys(2))),
        ("l", "", None),
    ] {
        let version = registry.version();
        assert_eq!(set(key, value).err(), refusal, "{key} {value}");
        assert_eq!(registry.version() > version, refusal.is_none());
    }
}

#[test]
fn the_latest_are_remembered_newest_first_and_a_thousand_at_most() {
    let registry = registry();
    for at in 0..1_100 {
        register(&registry, instance("CART", &format!("i{at}"), 1), ms(at));
    }
    registry.cancel("CART", "i5", s(2));
    registry.cancel("CART", "nobody", s(2));
    let [registered, removed] = registry.recent();
    assert_eq!((registered.len(), removed.len()), (1_000, 1));
    assert_eq!(&*registered[0].change.record.instance.id, "i1099");
    assert_eq!((&*removed[0].change.record.instance.id, removed[0].at_ms), ("i5", s(2).wall_ms));
}
