//! What is said, in which order, and when.

use super::*;
use crate::registry::instance::{Action, Instance, Status};

fn at(mono_ms: u64) -> Now {
    Now { wall_ms: 1_000_000 + mono_ms, mono_ms }
}

fn record(id: &str, version: u64, overridden: Status) -> Arc<Record> {
    Arc::new(Record {
        instance: Arc::new(Instance::new("APP", id)),
        status: if overridden == Status::Unknown { Status::Up } else { overridden },
        overridden,
        override_ms: 0,
        action: Action::Added,
        dirty_ms: version,
        updated_ms: 0,
        registered_ms: 0,
        renewed_ms: 0,
        evicted_ms: 0,
        up_ms: 0,
        provisional: false,
        version,
    })
}

fn told(what: char, id: &str, version: u64, now: Now) -> Told {
    let (what, overridden) = match what {
        'R' => (What::Registered, Status::Unknown),
        'H' => (What::Renewed, Status::Unknown),
        'C' => (What::Cancelled, Status::Unknown),
        'S' => (What::StatusSet, Status::OutOfService),
        'A' => (What::Corrected, Status::Unknown),
        _ => (What::OverrideCleared, Status::Unknown),
    };
    Told { what, record: record(id, version, overridden), heard: Heard::now(now) }
}

fn lane(settings: LaneSettings) -> Lane {
    Lane::new(settings, Keyed(1), 7)
}

fn said(items: &[Item]) -> String {
    let word = |item: &Item| match item.kind {
        Kind::Register => 'R',
        Kind::Heartbeat => 'H',
        Kind::Cancel => 'C',
        Kind::StatusUpdate => 'S',
        Kind::DeleteStatusOverride => 'X',
    };
    items.iter().map(word).collect()
}

fn ids(batch: &Batch) -> String {
    batch.items.iter().map(|item| &*item.record.instance.id).collect::<Vec<_>>().join(" ")
}

#[test]
fn of_each_instance_the_latest_state_is_told() {
    for (events, synod, eureka) in [
        ("R", "R", "R"),
        ("H", "H", "H"),
        ("HHH", "H", "H"),
        ("RH", "R", "R"),
        ("HR", "R", "R"),
        ("RRR", "R", "R"),
        ("S", "R", "S"),
        ("X", "R", "X"),
        ("SX", "R", "X"),
        ("XS", "R", "S"),
        ("RS", "R", "XRS"),
        ("SR", "R", "XR"),
        ("RSH", "R", "XR"),
        ("C", "C", "C"),
        ("RC", "C", "C"),
        ("RSHC", "C", "C"),
        ("CR", "R", "CR"),
        ("CRC", "C", "C"),
        ("CRS", "R", "CR"),
        ("SCR", "R", "CR"),
        ("CRCR", "R", "CR"),
        ("CH", "R", "CR"),
        ("A", "R", "XR"),
        ("HA", "R", "XR"),
        ("AH", "R", "XR"),
        ("AC", "C", "C"),
        ("CA", "R", "CR"),
        ("ACR", "R", "CR"),
    ] {
        for (dialect, expect) in [(Dialect::Synod, synod), (Dialect::Eureka, eureka)] {
            let mut lane = lane(LaneSettings::default());
            for (version, event) in (1..).zip(events.chars()) {
                lane.tell(told(event, "a", version, at(0)), at(0));
            }
            let batch = lane.poll(dialect, at(50)).unwrap();
            assert_eq!(said(&batch.items), expect, "{events} to {dialect:?}");
            let newest = batch.items.iter().map(|item| item.record.version).min();
            assert_eq!(newest, Some(events.len() as u64), "{events}: an old record is told");
            assert_eq!(lane.queued(), 0);
        }
    }
}

/// `eureka.md` 3.1, 3.5: a registration does not change an override that is there, setting one does nothing where it shows.
#[test]
fn a_java_server_is_told_all_where_it_cannot_be_known_what_it_makes_of_less() {
    for (events, status, expect) in [
        ("S", Status::OutOfService, "S"),
        ("S", Status::Down, "XR"),
        ("SR", Status::OutOfService, "XRS"),
        ("SR", Status::Down, "XR"),
        ("A", Status::OutOfService, "XRS"),
        ("A", Status::Down, "XR"),
    ] {
        let mut lane = lane(LaneSettings::default());
        for event in events.chars() {
            let Told { what, .. } = told(event, "a", 1, at(0));
            let record = Record { status, ..Record::clone(&record("a", 1, Status::OutOfService)) };
            lane.tell(Told { what, record: Arc::new(record), heard: Heard::now(at(0)) }, at(0));
        }
        let batch = lane.poll(Dialect::Eureka, at(0)).unwrap();
        assert_eq!(said(&batch.items), expect, "{events} {status}");
        // Nobody to remove an override from, and then the whole record: nothing is missing there.
        let verdicts = vec![Verdict::Unknown; batch.items.len()];
        let unknown = lane.answered(batch.number, &verdicts, at(0)).unwrap().unknown;
        assert_eq!(unknown.len(), usize::from(expect == "S"), "{events} {status}");
    }
}

#[test]
fn news_told_out_of_order_do_not_bring_back_the_past() {
    for (first, second, expect) in [
        (('R', 2), ('R', 1), "R"),
        (('C', 2), ('H', 1), "C"),
        (('C', 2), ('R', 1), "C"),
        (('R', 2), ('C', 1), "CR"),
        (('H', 2), ('R', 1), "R"),
    ] {
        let mut lane = lane(LaneSettings::default());
        for (what, version) in [first, second] {
            lane.tell(told(what, "a", version, at(0)), at(0));
        }
        let batch = lane.poll(Dialect::Eureka, at(50)).unwrap();
        assert_eq!(said(&batch.items), expect, "{first:?} then {second:?}");
        assert_eq!(batch.items[0].record.version, 2);
    }
}

#[test]
fn changes_go_at_once_and_heartbeats_linger_for_company() {
    let mut lane = lane(LaneSettings::default());
    assert_eq!(lane.next_wake(), None);
    lane.tell(told('H', "a", 1, at(0)), at(0));
    assert!(lane.poll(Dialect::Synod, at(49)).is_none());
    assert_eq!(lane.next_wake(), Some(50));
    lane.tell(told('R', "b", 2, at(10)), at(10));
    assert_eq!(lane.next_wake(), Some(0));
    let batch = lane.poll(Dialect::Synod, at(10)).unwrap();
    assert_eq!((said(&batch.items).as_str(), ids(&batch).as_str()), ("RH", "b a"));
    lane.tell(told('R', "c", 3, at(11)), at(11));
    assert!(lane.poll(Dialect::Synod, at(11)).is_none(), "one batch in flight");
    assert_eq!(lane.next_wake(), None);
    assert!(lane.answered(batch.number, &[Verdict::Done; 2], at(12)).is_some());
    assert_eq!(ids(&lane.poll(Dialect::Synod, at(12)).unwrap()), "c");
}

#[test]
fn a_batch_has_its_limit_in_the_order_of_waiting_and_a_share_for_heartbeats() {
    let mut lane = lane(LaneSettings { batch_max: 10, ..LaneSettings::default() });
    for n in 0..30u64 {
        lane.tell(told('H', &format!("h{n:02}"), n, at(0)), at(0));
        lane.tell(told('R', &format!("r{n:02}"), n, at(0)), at(0));
    }
    let batch = lane.poll(Dialect::Synod, at(1)).unwrap();
    assert_eq!(ids(&batch), "r00 r01 r02 r03 r04 r05 r06 r07 h00 h01");
    let batch = {
        lane.answered(batch.number, &[Verdict::Done; 10], at(1)).unwrap();
        lane.tell(told('R', "r29", 99, at(1)), at(1));
        lane.poll(Dialect::Synod, at(1)).unwrap()
    };
    assert_eq!(ids(&batch), "r08 r09 r10 r11 r12 r13 r14 r15 h02 h03");
}

#[test]
fn an_instance_is_never_torn_between_two_batches() {
    let mut lane = lane(LaneSettings { batch_max: 5, ..LaneSettings::default() });
    for (version, id) in (1..).zip(["a", "b"]) {
        for what in ['R', 'S'] {
            lane.tell(told(what, id, version, at(0)), at(0));
        }
    }
    let batch = lane.poll(Dialect::Eureka, at(0)).unwrap();
    assert_eq!((ids(&batch).as_str(), said(&batch.items).as_str()), ("a a a", "XRS"));
    lane.answered(batch.number, &[Verdict::Done; 3], at(0)).unwrap();
    assert_eq!(ids(&lane.poll(Dialect::Eureka, at(0)).unwrap()), "b b b");
}

#[test]
fn a_failed_batch_goes_back_to_its_places_united_with_what_came_since() {
    let mut lane = lane(LaneSettings { batch_max: 2, ..LaneSettings::default() });
    for (version, (what, id)) in (1..).zip([('R', "a"), ('R', "b"), ('R', "c")]) {
        lane.tell(told(what, id, version, at(0)), at(0));
    }
    let batch = lane.poll(Dialect::Synod, at(0)).unwrap();
    lane.tell(told('H', "a", 5, at(1)), at(1));
    lane.tell(told('C', "b", 6, at(1)), at(1));
    assert_eq!(lane.failed(batch.number, Failure::Unreachable, at(2)), 0);
    assert!(lane.is_pausing(at(2)) && lane.poll(Dialect::Synod, at(2)).is_none());
    let wake = lane.next_wake().unwrap();
    let again = lane.poll(Dialect::Synod, at(wake)).unwrap();
    assert_eq!((ids(&again).as_str(), said(&again.items).as_str()), ("a b", "RC"));
    assert_eq!(again.items[0].record.version, 5);
    // Neither a late answer to the first batch nor a second answer to the second does anything.
    assert!(lane.answered(batch.number, &[Verdict::Done; 2], at(wake)).is_none());
    assert!(lane.answered(again.number, &[Verdict::Done; 2], at(wake)).is_some());
    assert!(lane.answered(again.number, &[Verdict::Done; 2], at(wake)).is_none());
    assert_eq!(ids(&lane.poll(Dialect::Synod, at(wake)).unwrap()), "c");
}

#[test]
fn pauses_double_up_to_their_limit_and_end_with_a_success() {
    let settings = LaneSettings { backoff_ms: 100, backoff_max_ms: 1_000, ..LaneSettings::default() };
    let mut lane = lane(settings);
    lane.tell(told('R', "a", 1, at(0)), at(0));
    let mut now = 0;
    for (failure, expect) in [
        (Failure::Unreachable, 50..100),
        (Failure::Unreachable, 100..200),
        (Failure::Congested, 500..1_000),
        (Failure::Unreachable, 400..800),
        (Failure::Unreachable, 500..1_000),
        (Failure::Unreachable, 500..1_000),
    ] {
        let batch = lane.poll(Dialect::Synod, at(now)).unwrap();
        lane.failed(batch.number, failure, at(now));
        let pause = lane.next_wake().unwrap() - now;
        assert!(expect.contains(&pause), "{pause} is not in {expect:?}");
        now += pause;
    }
    let batch = lane.poll(Dialect::Synod, at(now)).unwrap();
    lane.answered(batch.number, &[Verdict::Done], at(now)).unwrap();
    lane.tell(told('R', "b", 2, at(now)), at(now));
    assert!(lane.poll(Dialect::Synod, at(now)).is_some());
}

#[test]
fn expired_work_is_dropped_and_does_not_hold_up_the_rest() {
    let mut lane = lane(LaneSettings::default());
    for (version, (what, id)) in (1..).zip([('R', "r"), ('H', "h"), ('C', "c")]) {
        lane.tell(told(what, id, version, at(0)), at(0));
    }
    lane.tell(told('R', "z", 9, at(95_000)), at(95_000));
    assert_eq!(ids(&lane.poll(Dialect::Synod, at(95_000)).unwrap()), "c z");

    let mut lane = self::lane(LaneSettings::default());
    lane.tell(told('H', "h", 1, at(0)), at(0));
    assert!(lane.poll(Dialect::Eureka, at(30_000)).is_none(), "it would start a whole lease there");
    lane.tell(told('H', "h", 1, at(0)), at(0));
    assert!(lane.poll(Dialect::Synod, at(30_000)).is_some());
}

#[test]
fn a_full_queue_says_so_and_still_takes_news_of_who_is_in_it() {
    let mut lane = lane(LaneSettings { queue_max: 2, ..LaneSettings::default() });
    for (version, id) in (1..).zip(["a", "b", "a"]) {
        lane.tell(told('R', id, version, at(0)), at(0));
    }
    assert!(!lane.overflowed());
    lane.tell(told('R', "c", 4, at(0)), at(0));
    assert!(lane.overflowed());
    assert!(!lane.overflowed(), "said once");
    assert_eq!(lane.queued(), 2);

    let mut lane = self::lane(LaneSettings { queue_max: 2, ..LaneSettings::default() });
    for (version, (what, id)) in (1..).zip([('H', "a"), ('H', "b"), ('H', "c"), ('R', "d")]) {
        lane.tell(told(what, id, version, at(0)), at(0));
    }
    assert!(lane.overflowed());
    let batch = lane.poll(Dialect::Synod, at(0)).unwrap();
    assert_eq!(ids(&batch), "d a", "a change takes the place of the last heartbeat");
}

#[test]
fn who_is_unknown_there_is_reported_unless_the_record_was_just_told() {
    let mut lane = lane(LaneSettings::default());
    for (version, (what, id)) in (1..).zip([('C', "c"), ('R', "r"), ('S', "s"), ('H', "h")]) {
        lane.tell(told(what, id, version, at(0)), at(0));
    }
    let batch = lane.poll(Dialect::Eureka, at(50)).unwrap();
    assert_eq!(said(&batch.items), "CRSH");
    let outcome = lane.answered(batch.number, &[Verdict::Unknown; 4], at(50)).unwrap();
    let unknown: Vec<_> = outcome.unknown.iter().map(|record| &*record.instance.id).collect();
    assert_eq!(unknown, ["s", "h"]);
    assert_eq!(outcome.records.len(), 4);
}

#[test]
fn a_refused_batch_is_halved_until_the_culprit_is_alone() {
    let mut lane = lane(LaneSettings { backoff_max_ms: 10, ..LaneSettings::default() });
    for n in 0..100u64 {
        lane.tell(told('R', &format!("{n:02}"), n, at(0)), at(0));
    }
    let (mut now, mut dropped, mut taken) = (0, 0, 0);
    while let Some(wake) = lane.next_wake() {
        now = wake.max(now);
        let batch = lane.poll(Dialect::Synod, at(now)).unwrap();
        if batch.items.iter().any(|item| &*item.record.instance.id == "42") {
            dropped += lane.failed(batch.number, Failure::Refused, at(now));
        } else {
            taken += batch.items.len();
            lane.answered(batch.number, &vec![Verdict::Done; batch.items.len()], at(now)).unwrap();
        }
    }
    assert_eq!((dropped, taken), (1, 99));
}

#[test]
fn an_answer_of_the_wrong_length_is_a_refusal() {
    let mut lane = lane(LaneSettings::default());
    lane.tell(told('R', "a", 1, at(0)), at(0));
    lane.tell(told('R', "b", 2, at(0)), at(0));
    let batch = lane.poll(Dialect::Synod, at(0)).unwrap();
    assert!(lane.answered(batch.number, &[Verdict::Done], at(0)).is_none());
    let again = lane.poll(Dialect::Synod, at(lane.next_wake().unwrap())).unwrap();
    assert_eq!(ids(&again), "a");
}
