//! Who may be called at once: limits, lines, and destinations that do not answer.

use std::collections::BTreeMap;

use synod_base::xid::Xid;
use synod_core::txn::drive::{Event, GateSettings, Settings};
use synod_core::txn::{Begin, Command, Options};

use super::rig::{Rig, done, done_after, leg, silent};
use super::support::{Made, saga, step, steps, stop, with_options, xid};

fn settings(gate: GateSettings) -> Settings {
    Settings { gate, ..Settings::default() }
}

fn one(number: u64, url: &str) -> Command {
    saga(number, vec![step("01", url, "")]).made()
}

fn host_of(call: &synod_core::txn::drive::Call) -> String {
    let (branch, way) = leg(call).expect("a leg");
    let target = call.txn.branches[usize::from(branch)].leg(way).target.as_ref().expect("somebody");
    target.url.trim_start_matches("http://").split('/').next().expect("a host").to_owned()
}

/// The most calls under way at once, from their beginnings and lengths.
fn most(calls: impl IntoIterator<Item = (u64, u64)>) -> usize {
    let mut changes = BTreeMap::new();
    for (from, length) in calls {
        *changes.entry(from).or_insert(0) += 1;
        *changes.entry(from + length).or_insert(0) -= 1;
    }
    let mut now = 0;
    let levels = changes.into_values().map(|change| {
        now += change;
        now
    });
    levels.max().unwrap_or(0) as usize
}

#[test]
fn so_many_to_one_destination_and_the_others_in_their_turn() {
    let gate = GateSettings { per_destination_max: 3, ..GateSettings::default() };
    let mut rig = Rig::new(settings(gate), |_, _| done_after(100));
    for number in 1..=20 {
        rig.apply(&one(number, &format!("http://host/{number}"))).unwrap();
    }
    rig.run(10_000);
    assert_eq!(most(rig.made.iter().map(|made| (made.at, 100))), 3);
    let order: Vec<u64> = rig.made.iter().map(|made| made.xid.number()).collect();
    assert_eq!(order, (1..=20).collect::<Vec<_>>());
    assert_eq!((rig.ended.len(), rig.made.last().unwrap().at), (20, 600));
}

#[test]
fn so_many_in_all_whoever_has_waited_longest_first() {
    let gate = GateSettings { flights_max: 4, ..GateSettings::default() };
    let mut rig = Rig::new(settings(gate), |_, _| done_after(100));
    for number in 1..=40 {
        rig.apply(&one(number, &format!("http://h{}/", number % 7))).unwrap();
    }
    rig.run(10_000);
    assert_eq!(most(rig.made.iter().map(|made| (made.at, 100))), 4);
    let order: Vec<u64> = rig.made.iter().map(|made| made.xid.number()).collect();
    assert_eq!(order, (1..=40).collect::<Vec<_>>());
    assert_eq!(rig.ended.len(), 40);
}

#[test]
fn ten_thousand_with_slow_participants_do_not_delay_a_fast_one() {
    let mut rig = Rig::plain(|call, _| match host_of(call).as_str() {
        "fast" => done(),
        host if host.starts_with("slow") => done_after(60_000),
        _ => silent(30_000),
    });
    for number in 1..=10_000 {
        let host = if number % 2 == 0 { "slow" } else { "dead" };
        rig.apply(&one(number, &format!("http://{host}{}/", number % 6))).unwrap();
    }
    for round in 0..200 {
        let number = 20_000 + round;
        let at = round * 500;
        rig.run(at);
        let two = vec![step("01", "http://fast/a", ""), step("02", "http://fast/b", "")];
        rig.apply(&saga(number, two).made()).unwrap();
        rig.run(at + 10);
        assert!(rig.end_of(xid(number)).is_some(), "at {at}: {:?}", rig.calls(xid(number)));
    }
}

#[test]
fn whoever_leaves_the_line_holds_nobody_up() {
    let gate = GateSettings { per_destination_max: 1, ..GateSettings::default() };
    let mut rig = Rig::new(settings(gate), |_, _| done_after(1_000));
    for number in 1..=6 {
        rig.apply(&one(number, "http://host/")).unwrap();
    }
    rig.run(500);
    for number in [2, 3, 5] {
        rig.apply(&stop(number)).unwrap();
    }
    rig.run(10_000);
    let calls: Vec<_> = rig.made.iter().map(|made| (made.xid.number(), made.at)).collect();
    assert_eq!(calls, [(1, 0), (4, 1_000), (6, 2_000)]);
}

#[test]
fn whoever_turned_while_it_stood_in_line_holds_nobody_up() {
    // Its time is over while it waits to be called; it has nothing to do at that destination then.
    let gate = GateSettings { per_destination_max: 1, ..GateSettings::default() };
    let mut rig =
        Rig::new(settings(gate), |call, _| if host_of(call) == "host" { done_after(10_000) } else { done() });
    rig.apply(&one(1, "http://host/")).unwrap();
    let short = Options { timeout_ms: 2_000, ..Options::default() };
    rig.apply(&with_options(saga(2, vec![step("01", "http://host/", "http://back/")]), short).made())
        .unwrap();
    rig.apply(&one(3, "http://host/")).unwrap();
    rig.run(60_000);
    let calls: Vec<_> = rig.made.iter().map(|made| (made.xid.number(), made.at)).collect();
    assert_eq!(calls, [(1, 0), (2, 2_003), (3, 10_000)]);
}

#[test]
fn many_branches_for_one_destination_stand_in_line_once() {
    let gate = GateSettings { per_destination_max: 2, ..GateSettings::default() };
    let mut rig = Rig::new(settings(gate), |_, _| done_after(10));
    let branches = (0..900).map(|at| step(&format!("{at}"), &format!("http://host/{at}"), "")).collect();
    let concurrent = Options { concurrent: true, ..Options::default() };
    rig.apply(&with_options(saga(1, branches), concurrent).made()).unwrap();
    rig.apply(&one(2, "http://host/")).unwrap();
    rig.run(10_000);
    assert_eq!((rig.made.len(), rig.ended.len()), (901, 2));
    let second = rig.calls(xid(2))[0].0;
    assert!(second <= 20, "its turn comes although another one has much to do: {second}");
}

fn breaking() -> GateSettings {
    GateSettings { break_after: 3, break_ms: 10_000, break_max_ms: 40_000, ..GateSettings::default() }
}

#[test]
fn a_destination_that_does_not_answer_is_tried_by_one_now_and_then() {
    let mut rig = Rig::new(settings(breaking()), |_, now| if now < 200_000 { silent(50) } else { done() });
    for number in 1..=30 {
        rig.apply(&one(number, "http://host/")).unwrap();
    }
    rig.run(190_000);
    let times: Vec<u64> = rig.made.iter().map(|made| made.at).collect();
    // All of them once; then one at a time, at 10, 20, 40 and 40 s.
    let (burst, probes) = times.split_at(30);
    assert!(burst.iter().all(|at| *at == 0), "{times:?}");
    let expect = [10_050, 30_100, 70_150, 110_200, 150_250];
    assert_eq!(probes, expect, "{times:?}");
    rig.run(400_000);
    assert_eq!(rig.ended.len(), 30, "it answers again");
}

#[test]
fn an_answer_of_any_kind_is_an_answer() {
    let mut rig =
        Rig::new(settings(breaking()), |_, now| if now < 5_000 { super::rig::failed() } else { done() });
    for number in 1..=30 {
        rig.apply(&one(number, "http://host/")).unwrap();
    }
    rig.run(20_000);
    assert_eq!(rig.ended.len(), 30);
}

#[test]
fn other_destinations_go_on() {
    let mut rig =
        Rig::new(settings(breaking()), |call, _| if host_of(call) == "dead" { silent(50) } else { done() });
    for number in 1..=30 {
        rig.apply(&one(number, if number % 2 == 0 { "http://dead/" } else { "http://live/" })).unwrap();
    }
    rig.run(1_000);
    assert_eq!(rig.ended.len(), 15);
}

#[test]
fn a_call_that_was_given_up_says_nothing_about_its_destination() {
    let mut rig = Rig::new(settings(breaking()), |call, now| match call.txn.xid.number() {
        1..=3 if now < 1_000 => silent(50),
        _ => done_after(5_000),
    });
    rig.apply(&one(9, "http://host/")).unwrap();
    for number in 1..=3 {
        rig.apply(&one(number, "http://host/")).unwrap();
    }
    rig.run(1_000);
    // The destination is left alone; the ninth is stopped while it is being called.
    rig.apply(&stop(9)).unwrap();
    rig.apply(&one(10, "http://host/")).unwrap();
    rig.run(9_000);
    assert_eq!(rig.calls(xid(10)), []);
    rig.run(30_000);
    assert_eq!(rig.calls(xid(10)).len(), 1);
}

#[test]
fn an_operator_has_a_silent_destination_tried_at_once() {
    let mut rig = Rig::new(settings(breaking()), |_, now| if now < 100 { silent(50) } else { done() });
    for number in 1..=3 {
        rig.apply(&one(number, "http://host/")).unwrap();
    }
    rig.run(2_000);
    assert_eq!(rig.made.len(), 3);
    rig.tell(Event::RetryNow(xid(2)));
    rig.run(2_100);
    assert_eq!(rig.ended.iter().map(|txn| txn.xid).collect::<Vec<Xid>>()[0], xid(2));
    rig.run(5_000);
    assert_eq!(rig.ended.len(), 3);
}

#[test]
fn no_room_at_all_is_room_for_one() {
    let gate =
        GateSettings { flights_max: 0, per_destination_max: 0, break_after: 0, ..GateSettings::default() };
    let mut rig = Rig::new(settings(gate), |_, _| done());
    rig.apply(&Begin { branches: steps(3), ..saga(1, vec![]) }.made()).unwrap();
    rig.run(1_000);
    assert_eq!((rig.ended.len(), rig.calls(xid(1)).len()), (1, 3));
}
