//! Writers of the same instances on several threads, while readers check every list they take.

use std::sync::atomic::{AtomicBool, Ordering};

use synod_base::rng::Rng;
use synod_core::registry::{Registry, Status};

use super::support::*;

const WRITERS: u64 = 4;
const STEPS: u64 = 4_000;

fn write(registry: &Registry, seed: u64) {
    let mut rng = Rng::new(seed);
    for step in 0..STEPS {
        let app = ["A", "B", "C"][rng.below(3) as usize];
        let id = format!("i{}", rng.below(60));
        let now = ms(step * 5);
        match rng.below(100) {
            0..40 => drop(register(registry, instance(app, &id, rng.below(1_000)), now)),
            40..60 => drop(registry.renew(app, &id, None, now)),
            60..75 => drop(registry.cancel(app, &id, now)),
            75..85 => drop(registry.set_override(app, &id, Status::OutOfService, None, now)),
            85..90 => drop(registry.clear_override(app, &id, Some(Status::Up), None, now)),
            90..95 => drop(registry.set_metadata(app, &id, &[("k", Some("v"))], now)),
            _ => drop(registry.tick(now, step)),
        }
    }
}

/// Returns how many different versions it saw.
fn read(registry: &Registry, done: &AtomicBool) -> usize {
    let (mut last, mut seen) = (0, 0);
    let mut finished = false;
    while !finished {
        finished = done.load(Ordering::Acquire);
        let before = registry.version();
        let snapshot = registry.snapshot();
        assert!(snapshot.version >= before, "a read shows what was written before it");
        assert!(snapshot.version >= last, "and never goes back");
        assert!(snapshot.records().all(|record| record.version <= snapshot.version));
        check(&snapshot);
        seen += usize::from(snapshot.version != last);
        if let Some(changes) = registry.changes(last, 50) {
            assert!(changes.iter().zip(last + 1..).all(|(change, version)| change.record.version == version));
        }
        last = snapshot.version;
    }
    seen
}

#[test]
fn every_list_is_of_one_version() {
    let registry = registry();
    let done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| read(&registry, &done))).collect();
        let writers: Vec<_> = (0..WRITERS)
            .map(|seed| {
                scope.spawn({
                    let registry = &registry;
                    move || write(registry, seed)
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().expect("a writer panicked"));
        done.store(true, Ordering::Release);
        readers.into_iter().map(|reader| reader.join().expect("a reader panicked")).min()
    });
    assert!(seen >= Some(2), "the readers saw the list change");
    // At the end nothing is left over: everybody who is listed can be found and taken off, and then nobody is there.
    let all: Vec<_> = registry.snapshot().records().cloned().collect();
    for record in all {
        assert!(registry.cancel(&record.instance.app, &record.instance.id, s(60)).is_some());
    }
    assert_eq!((registry.totals().instances(), registry.totals().applications), (0, 0));
    assert_eq!(registry.totals().renewals_per_megasecond, 0);
}

#[test]
fn renewals_on_several_threads_are_all_counted_and_the_latest_stays() {
    let registry = registry();
    register(&registry, instance("A", "a", 1), s(0));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let registry = &registry;
            scope.spawn(move || {
                (0..1_000).for_each(|step| drop(registry.renew("A", "a", None, ms(step * 4 + thread))))
            });
        }
    });
    assert_eq!(registry.find("A", "a", ms(3_999)).unwrap().age_ms, 0);
    registry.tick(s(5), 0);
    registry.tick(s(65), 0);
    assert!(registry.preservation_view().0.received_per_minute >= 0.0);
}
