//! Taking over what other nodes know: the same facts lead to the same list, in whatever order and however often.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;
use synod_core::registry::instance::Rank;
use synod_core::registry::lease::Heard;
use synod_core::registry::merge::{End, Merged, News, Standing};
use synod_core::registry::survey::Sign;
use synod_core::registry::{Registry, Status};

use super::provisional::news;
use super::support::*;

#[derive(Clone, Debug)]
enum Fact {
    News {
        dirty: u64,
        override_ms: u64,
        status: Status,
        registered: u64,
        age_s: u64,
    },
    /// The end of the version that `News` with these would have.
    End {
        dirty: u64,
        override_ms: u64,
        status: Status,
        registered: u64,
    },
    Heartbeat {
        age_s: u64,
    },
}

fn facts() -> impl Strategy<Value = Fact> {
    let statuses = || proptest::sample::select(&[Status::Up, Status::Down, Status::OutOfService]);
    prop_oneof![
        3 => (1..4u64, 0..3u64, statuses(), 0..2u64, 0..60u64).prop_map(
            |(dirty, override_ms, status, registered, age_s)| Fact::News { dirty, override_ms, status, registered, age_s }
        ),
        2 => (1..4u64, 0..3u64, statuses(), 0..2u64).prop_map(
            |(dirty, override_ms, status, registered)| Fact::End { dirty, override_ms, status, registered }
        ),
        2 => (0..60u64).prop_map(|age_s| Fact::Heartbeat { age_s }),
    ]
}

fn told(dirty: u64, override_ms: u64, status: Status, registered_ms: u64, age_s: u64) -> News {
    let plain = news(dirty, 100 - age_s, age_s);
    let instance = synod_core::registry::Instance { status, ..(*plain.instance).clone() };
    News { status, override_ms, registered_ms, instance: Arc::new(instance), ..plain }
}

fn rank_of(news: News) -> Rank {
    let registry = registry();
    registry.merge(news, s(100));
    listed(&registry, "CART", "a").expect("news to an empty registry").rank()
}

fn feed(registry: &Registry, fact: &Fact) {
    match *fact {
        Fact::News { dirty, override_ms, status, registered, age_s } => {
            registry.merge(told(dirty, override_ms, status, registered, age_s), s(100));
        }
        Fact::End { dirty, override_ms, status, registered } => {
            let rank = rank_of(told(dirty, override_ms, status, registered, 0));
            registry.merge_end("CART", "a", End { rank, stamp_ms: 0, duration_s: 90 }, s(100));
        }
        Fact::Heartbeat { age_s } => {
            let heard = Heard::elsewhere(s(100), age_s * 1_000, s(100 - age_s).wall_ms);
            registry.renew_as("CART", "a", None, heard, s(100));
        }
    }
    check(&registry.snapshot());
}

/// What has to be listed: the greatest version, unless an end is as great.
fn expected(facts: &[Fact]) -> Option<Rank> {
    let of = |fact: &Fact| match *fact {
        Fact::News { dirty, override_ms, status, registered, .. } => {
            Some((true, rank_of(told(dirty, override_ms, status, registered, 0))))
        }
        Fact::End { dirty, override_ms, status, registered } => {
            Some((false, rank_of(told(dirty, override_ms, status, registered, 0))))
        }
        Fact::Heartbeat { .. } => None,
    };
    let greatest =
        |wanted| facts.iter().filter_map(of).filter(|(news, _)| *news == wanted).map(|(_, rank)| rank).max();
    greatest(true).filter(|rank| greatest(false).is_none_or(|end| !end.ends(rank)))
}

proptest! {
    #![proptest_config(Config { cases: 400, failure_persistence: None, ..Config::default() })]

    #[test]
    fn order_and_repetition_do_not_matter(
        (facts, shuffled) in vec(facts(), 1..9).prop_flat_map(|facts| {
            let twice = [facts.clone(), facts.clone()].concat();
            (Just(facts), Just(twice).prop_shuffle())
        })
    ) {
        let rank = expected(&facts);
        for order in [&facts, &shuffled] {
            let registry = registry();
            order.iter().for_each(|fact| feed(&registry, fact));
            let listed = listed(&registry, "CART", "a");
            prop_assert_eq!(listed.as_ref().map(|record| record.rank()), rank, "after {:?}", order);
            if let Some(found) = registry.find("CART", "a", s(100)) {
                let youngest = order.iter().map(|fact| match fact {
                    Fact::News { age_s, .. } | Fact::Heartbeat { age_s } => *age_s,
                    Fact::End { .. } => 60,
                });
                prop_assert!(found.age_ms >= youngest.min().unwrap_or(60) * 1_000, "younger than any sign of life");
            }
        }
    }
}

/// Two nodes that tell each other everything all the time, over a network that takes a second.
#[test]
fn talking_about_someone_does_not_keep_him_alive() {
    let nodes = [registry(), registry()];
    run(&nodes[0], 0, 1);
    run(&nodes[1], 0, 1);
    register(&nodes[0], instance("CART", "a", 1), s(1));
    let mut last = 0;
    for at in 2..400 {
        for (from, to) in [(0, 1), (1, 0)] {
            let told = nodes[from].find("CART", "a", s(at - 1)).map(|found| News {
                age_ms: found.age_ms,
                stamp_ms: found.stamp_ms,
                registered_ms: found.record.registered_ms,
                up_ms: found.record.up_ms,
                ..news(1, 0, 0)
            });
            if let Some(told) = told {
                nodes[to].merge(told, s(at));
            }
        }
        for node in &nodes {
            node.tick(s(at), at);
            if listed(node, "CART", "a").is_some() {
                last = at;
            }
        }
    }
    assert!(last <= 1 + 90 + 2, "listed until {last}");
}

#[test]
fn what_was_evicted_is_taken_again_with_a_heartbeat_or_a_newer_version_only() {
    for (case, told, taken) in [
        ("the same", news(1, 0, 89), false),
        ("a later heartbeat", news(1, 60, 40), true),
        ("a newer version", news(2, 0, 60), true),
        ("a newer version whose lease ran out", news(2, 0, 90), false),
    ] {
        let registry = registry();
        run(&registry, 0, 1);
        registry.merge(news(1, 0, 1), s(1));
        assert_eq!(run(&registry, 1, 100).len(), 1);
        let merged = registry.merge(told, s(100));
        assert_eq!(matches!(merged, Merged::Changed(_)), taken, "{case}");
        assert!(
            taken || matches!(merged, Merged::Same),
            "{case}: an eviction is no end that could be told on"
        );
        assert_eq!(listed(&registry, "CART", "a").is_some(), taken, "{case}");
    }
}

#[test]
fn an_end_that_comes_before_a_version_it_covers_keeps_that_out() {
    let registry = registry();
    registry.merge(news(1, 100, 0), s(100));
    let rank = rank_of(news(5, 100, 0));
    registry.merge_end("CART", "a", End { rank, stamp_ms: 0, duration_s: 90 }, s(100));
    assert!(matches!(registry.merge(news(3, 101, 0), s(101)), Merged::Ended(end) if end.rank == rank));
    assert!(matches!(registry.merge(news(6, 101, 0), s(101)), Merged::Changed(_)));
    assert!(matches!(
        registry.merge_end("CART", "a", End { rank, stamp_ms: 0, duration_s: 90 }, s(102)),
        Merged::Outranked(_)
    ));
}

/// Two nodes that a Java peer told of one registration hold it with their own times. A leave at either ends both.
#[test]
fn a_leave_ends_the_same_version_whatever_else_is_shown_of_it() {
    for (first, second) in [(1, 2), (2, 1)] {
        let registry = registry();
        registry.merge(told(3, 7, Status::Up, first, 0), s(100));
        let rank = rank_of(told(3, 7, Status::Up, second, 0));
        let end = End { rank, stamp_ms: 0, duration_s: 90 };
        assert!(matches!(registry.merge_end("CART", "a", end, s(101)), Merged::Changed(_)));
        assert!(matches!(registry.merge(told(3, 7, Status::Up, first, 0), s(102)), Merged::Ended(_)));
        let sign = registry.merge(told(3, 8, Status::Up, first, 0), s(103));
        assert!(matches!(sign, Merged::Changed(_)), "the next version is none of it");
    }
}

#[test]
fn who_comes_back_in_person_outranks_his_own_end() {
    for dirty in [4, 5, 6] {
        let registry = registry();
        register(&registry, instance("CART", "a", 5), s(0));
        let before = registry.cancel("CART", "a", s(1)).unwrap().record.rank();
        let end = registry.end_of("CART", "a").unwrap();
        let back = register(&registry, instance("CART", "a", dirty), s(1)).record.rank();
        assert!(back > end.rank && back > before, "dirty {dirty}");
        assert!(matches!(registry.merge_end("CART", "a", end, s(2)), Merged::Outranked(_)));
        assert!(listed(&registry, "CART", "a").is_some());
    }
}

/// A node whose clock is far ahead heard of the instance first; then it renews where the clock is right.
#[test]
fn a_heartbeat_passed_on_counts_whatever_its_stamp_and_teaches_the_later_one() {
    let registry = registry();
    run(&registry, 0, 1);
    registry.merge(news(1, 5_000, 0), s(1));
    let Merged::Same = registry.merge(news(1, 1, 0), s(1)) else { panic!("the same version") };
    run(&registry, 1, 60);
    let sign = Sign { stamp_ms: s(60).wall_ms, ..sign() };
    assert!(
        matches!(registry.renew_by(&sign, s(60)), Standing::Newer(told) if told.stamp_ms == s(5_000).wall_ms)
    );
    assert_eq!(registry.find("CART", "a", s(60)).unwrap().remaining_ms, 90_000);
    let caught_up = Sign { stamp_ms: s(5_000).wall_ms + 1, ..sign };
    assert!(matches!(registry.renew_by(&caught_up, s(60)), Standing::Same));
    // Evicted, it comes back with a heartbeat given after that, although its stamp is an earlier one.
    assert_eq!(run(&registry, 60, 160).len(), 1);
    let late = |age_ms| Sign { stamp_ms: s(160).wall_ms, age_ms, ..self::sign() };
    assert!(matches!(registry.renew_by(&late(9_500), s(160)), Standing::Void));
    assert!(matches!(registry.renew_by(&late(100), s(160)), Standing::Wanted));
    assert!(matches!(registry.merge(news(1, 160, 0), s(160)), Merged::Changed(_)));
}

fn sign() -> Sign {
    let instance = instance("CART", "a", 1);
    Sign {
        app: Arc::clone(&instance.app),
        id: "a".into(),
        rank: rank_of(news(1, 1, 0)),
        stamp_ms: 0,
        age_ms: 0,
    }
}
