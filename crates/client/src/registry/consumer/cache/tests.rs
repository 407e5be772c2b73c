//! What the copy makes of answers that are late, wrong, empty or small.

use super::*;
use crate::registry::Instance;

fn policy() -> Policy {
    Policy { services: None, only_up: true, shrink: 0.5, confirmations: 1 }
}

fn one(id: &str) -> Instance {
    Instance { updated_ms: 100, ..Instance::new("A", id, "h", 1) }
}

fn put(id: &str) -> Change {
    Change::Put(Arc::new(one(id)))
}

fn remove(id: &str) -> Change {
    Change::Remove { app: "A".into(), id: id.into() }
}

fn listed(instances: &[Instance]) -> List {
    let entries = instances.iter().map(|instance| Entry { removed: false, instance: instance.clone() });
    List { hash: Some(hash(instances.iter().map(|one| one.status))), entries: entries.collect(), refused: 0 }
}

fn full(server: usize, ids: &[&str]) -> Outcome {
    let list = listed(&ids.iter().map(|id| one(id)).collect::<Vec<_>>());
    Outcome::List { server, kind: Kind::Full, list }
}

fn delta(hash: &str, entries: &[(bool, Instance)]) -> Outcome {
    let entries =
        entries.iter().map(|(removed, instance)| Entry { removed: *removed, instance: instance.clone() });
    let list = List { hash: Some(hash.to_owned()), entries: entries.collect(), refused: 0 };
    Outcome::List { server: 0, kind: Kind::Delta, list }
}

fn asked(cache: &mut Cache, outcome: Outcome) -> Next {
    let number = cache.ask();
    cache.answer(number, outcome)
}

fn with(ids: &[&str]) -> Cache {
    let mut cache = Cache::new(policy());
    assert_eq!(asked(&mut cache, full(0, ids)), Next::Wait);
    cache
}

/// The ids that are shown.
fn shown(cache: &mut Cache) -> String {
    cache.publish();
    cache.shown.get("A").into_iter().flat_map(|found| found.iter()).map(|found| &*found.id).collect()
}

#[test]
fn an_old_answer_never_replaces_a_newer_one() {
    let mut cache = Cache::new(policy());
    let (old, new) = (cache.ask(), cache.ask());
    assert_eq!(cache.answer(new, full(0, &["b", "c"])), Next::Wait);
    assert_eq!(cache.answer(old, full(0, &["a", "b", "c", "d"])), Next::Wait);
    assert_eq!(shown(&mut cache), "bc");
    let (old, new) = (cache.ask(), cache.ask());
    cache.answer(new, Outcome::Nothing);
    cache.answer(old, full(0, &["d", "e"]));
    assert_eq!(shown(&mut cache), "de", "a newer question without an answer says nothing against it");
}

#[test]
fn changes_that_come_while_a_list_is_under_way_are_laid_over_it() {
    let mut cache = with(&["a", "b"]);
    let early = cache.ask();
    cache.change(put("c"));
    let late = cache.ask();
    cache.change(remove("a"));
    cache.answer(early, full(0, &["a", "b"]));
    assert_eq!(shown(&mut cache), "bc", "both are newer than the question");
    cache.answer(late, full(0, &["a", "b"]));
    assert_eq!(shown(&mut cache), "b", "a list that was asked for after c came, and has none, knows better");
    assert!(cache.journal.is_empty(), "nothing is kept for nobody");
    cache.change(put("d"));
    assert!(cache.journal.is_empty());
}

#[test]
fn more_changes_than_are_kept_ask_for_the_list_again() {
    let mut cache = with(&["a"]);
    let number = cache.ask();
    for _ in 0..=JOURNAL_MAX {
        cache.change(put("b"));
    }
    assert_eq!(cache.answer(number, full(0, &["a"])), Next::Full);
    assert_eq!(asked(&mut cache, full(0, &["a"])), Next::Wait);
}

#[test]
fn deltas_are_taken_when_they_add_up() {
    let mut cache = with(&["a", "b"]);
    assert_eq!((cache.wants(0), cache.wants(1)), (Kind::Delta, Kind::Full));
    assert_eq!(asked(&mut cache, delta("UP_2_", &[(false, one("c")), (true, one("a"))])), Next::Wait);
    assert_eq!(shown(&mut cache), "bc");
    assert_eq!(asked(&mut cache, delta("UP_9_", &[(false, one("d"))])), Next::Full);
    assert_eq!(shown(&mut cache), "bc", "what does not add up is not shown");
    let stale = Instance { updated_ms: 99, ..one("b") };
    assert_eq!(asked(&mut cache, delta("UP_2_", &[(true, stale)])), Next::Wait);
    assert_eq!(shown(&mut cache), "bc", "an older delta than what is known");
    assert_eq!(asked(&mut cache, Outcome::Unusable { kind: Kind::Delta }), Next::Full);
    let of_another = Outcome::List { server: 1, kind: Kind::Delta, list: listed(&[]) };
    assert_eq!(asked(&mut cache, of_another), Next::Full);
}

#[test]
fn a_small_list_needs_a_confirmation() {
    let mut cache = with(&["a", "b", "c", "d"]);
    assert_eq!(asked(&mut cache, full(0, &["a", "b"])), Next::Wait, "half is not less than half");
    assert_eq!(asked(&mut cache, full(0, &[])), Next::Confirm { server: 0 });
    assert_eq!(shown(&mut cache), "ab");
    assert_eq!(cache.wants(0), Kind::Full);
    assert_eq!(asked(&mut cache, full(1, &["a", "b", "c"])), Next::Wait, "another server knows better");
    assert_eq!((shown(&mut cache), cache.wants(1)), ("abc".to_owned(), Kind::Delta));
    assert_eq!(asked(&mut cache, full(0, &["a"])), Next::Confirm { server: 0 });
    assert_eq!(asked(&mut cache, Outcome::Unusable { kind: Kind::Full }), Next::Wait);
    assert_eq!(asked(&mut cache, Outcome::Nothing), Next::Wait);
    assert_eq!(shown(&mut cache), "abc");
    assert_eq!(asked(&mut cache, full(0, &[])), Next::Wait, "confirmed");
    assert_eq!(shown(&mut cache), "");
}

#[test]
fn how_much_is_believed_is_a_setting() {
    let mut cache = Cache::new(Policy { confirmations: 0, ..policy() });
    asked(&mut cache, full(0, &["a", "b"]));
    assert_eq!(asked(&mut cache, full(0, &[])), Next::Wait);
    assert_eq!(shown(&mut cache), "");
    let mut cache = Cache::new(Policy { shrink: 1.0, confirmations: 2, ..policy() });
    asked(&mut cache, full(0, &["a", "b"]));
    for _ in 0..2 {
        assert_eq!(asked(&mut cache, full(0, &["a"])), Next::Confirm { server: 0 });
    }
    assert_eq!(asked(&mut cache, full(0, &["a"])), Next::Wait);
    assert_eq!(shown(&mut cache), "a");
}

#[test]
fn only_what_is_up_and_wanted_is_shown_and_a_generation_means_a_change() {
    let mut cache = with(&["a"]);
    let first = cache.publish().expect("a list");
    assert_eq!(first.generation(), 1);
    assert!(cache.publish().is_none());
    asked(&mut cache, full(0, &["a"]));
    assert!(cache.publish().is_none(), "the same again is no change");
    let later = listed(&[Instance { updated_ms: 777, ..one("a") }]);
    asked(&mut cache, Outcome::List { server: 0, kind: Kind::Full, list: later });
    assert!(cache.publish().is_none(), "nor is that it was written down at another time");
    cache.change(Change::Put(Arc::new(one("b").with_status(Status::Down))));
    assert!(cache.publish().is_none(), "nor is what is not shown");
    cache.change(Change::Put(Arc::new(one("a").with_status(Status::OutOfService))));
    assert_eq!(cache.publish().expect("a change").services().count(), 0);
    assert_eq!(asked(&mut cache, delta("DOWN_1_OUT_OF_SERVICE_1_", &[])), Next::Wait, "all are known");

    let services = Some(BTreeSet::from(["B".into()]));
    let mut cache = Cache::new(Policy { services, only_up: false, ..policy() });
    let other = Instance::new("B", "b", "h", 1).with_status(Status::Starting);
    let list = listed(&[one("a"), other]);
    asked(&mut cache, Outcome::List { server: 0, kind: Kind::Full, list });
    cache.change(put("c"));
    let snapshot = cache.publish().expect("a list");
    assert_eq!(snapshot.services().map(|name| &**name).collect::<Vec<_>>(), ["B"]);
    assert_eq!(cache.wants(0), Kind::Full, "the hash of a delta is of all services");
}

#[test]
fn what_was_kept_is_shown_until_a_server_says_more() {
    let mut cache = Cache::new(policy());
    cache.restore(listed(&[one("a"), one("b"), one("c")]));
    assert_eq!(shown(&mut cache), "abc");
    assert_eq!(cache.wants(0), Kind::Full);
    assert_eq!(asked(&mut cache, Outcome::Unusable { kind: Kind::Full }), Next::Wait);
    assert_eq!(asked(&mut cache, full(0, &[])), Next::Confirm { server: 0 }, "it counts as known");
    assert_eq!(asked(&mut cache, full(0, &["a", "d"])), Next::Wait);
    assert_eq!(shown(&mut cache), "ad");
}
