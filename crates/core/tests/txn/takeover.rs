//! Another driver takes over: it knows the state and nothing else.

use synod_core::txn::drive::Settings;
use synod_core::txn::{Begin, Command, End, Mode, Options, Status, Way};

use super::rig::{Rig, done, done_after, leg, refused};
use super::support::{
    Made, begin, decide, report, saga, show, step, steps, target, time_out, turn, unsure_turn, with_options,
    xid,
};

/// A state after these commands is taken over; the calls from then on, and the end.
#[track_caller]
fn check(commands: Vec<Command>, order: &str, end: Option<End>) {
    let mut rig = Rig::plain(|_, _| done());
    // What the driver of before called is of no interest: all of it was lost.
    for command in &commands {
        rig.apply(command).unwrap();
    }
    rig.made.clear();
    rig.take_over(Settings::default());
    rig.run(60_000);
    assert_eq!(rig.order(xid(1)).join(" "), order);
    assert_eq!(rig.end_of(xid(1)).map(|txn| txn.status), end.map(Status::Ended));
}

#[test]
fn whatever_is_open_goes_on() {
    let tcc = || Begin { branches: steps(2), ..begin(1, Mode::Tcc) }.made();
    let [committed, rolled_back] = [Some(End::Committed), Some(End::RolledBack)];
    check(vec![tcc()], "", None);
    check(vec![tcc(), decide(1, Way::Forward)], "+1 +0", committed);
    check(vec![tcc(), decide(1, Way::Forward), report(1, 1, Way::Forward)], "+0", committed);
    check(vec![tcc(), time_out(1)], "-1 -0", rolled_back);
    let going = || saga(1, steps(3)).made();
    check(vec![going()], "+0 +1 +2", committed);
    check(vec![going(), report(1, 0, Way::Forward)], "+1 +2", committed);
    check(vec![going(), report(1, 0, Way::Forward), turn(1, Some(1))], "-1 -0", rolled_back);
    check(vec![going(), report(1, 0, Way::Forward), unsure_turn(1, Some(1))], "-2 -1 -0", rolled_back);
    let message = Begin {
        branches: vec![step("01", "http://a", "")],
        back_check: target("http://b"),
        ..begin(1, Mode::Message)
    };
    check(vec![message.clone().made()], "? +0", committed);
    check(vec![message.made(), decide(1, Way::Forward)], "+0", committed);
    let notice =
        Begin { branches: vec![step("01", "http://a", "")], submit: true, ..begin(1, Mode::Notification) };
    check(vec![notice.clone().made()], "+0", committed);
    check(vec![notice.made(), Command::GiveUp { xid: xid(1) }], "", None);
}

/// Of a saga of three steps the first `before` are called and done before the crash, and none of that is in the log. Then
/// step `refusing` refuses, or time is over while it is at it.
fn after_lost_acknowledgements(before: u64, refusing: Option<u16>) -> Rig {
    let mut rig = Rig::plain(move |call, now| match leg(call) {
        Some((branch, Way::Forward)) if now > 1_000 && Some(branch) == refusing => refused(),
        Some((branch, Way::Forward)) if now > 1_000 && refusing.is_none() && branch == 0 => {
            super::rig::ongoing()
        }
        _ => done(),
    });
    rig.lag_ms = 1_000_000;
    let options = Options { timeout_ms: 10_000, ..Options::default() };
    rig.apply(&with_options(saga(1, steps(3)), options).made()).unwrap();
    rig.run(before - 1);
    assert_eq!(rig.made.len() as u64, before);
    rig.run(5_000);
    rig.lag_ms = 2;
    rig.take_over(Settings::default());
    rig.run(60_000);
    rig
}

#[test]
fn a_saga_whose_acknowledgements_were_lost_is_undone_whole() {
    for before in 1..=3 {
        let rig = after_lost_acknowledgements(before, Some(0));
        assert_eq!(rig.order(xid(1)).join(" "), "+0 +1 +2 +0 -2 -1 -0", "{before}");
        let rig = after_lost_acknowledgements(before, None);
        let order = rig.order(xid(1)).join(" ");
        assert!(order.ends_with("+0 -2 -1 -0"), "{order}");
        assert_eq!(show(rig.end_of(xid(1)).unwrap()), "rolled_back -d -d -d");
    }
}

#[test]
fn a_saga_of_ones_own_is_undone_as_far_as_it_came() {
    let mut rig = Rig::plain(|call, _| match leg(call) {
        Some((1, Way::Forward)) => refused(),
        _ => done(),
    });
    rig.take_over(Settings::default());
    rig.apply(&saga(1, steps(3)).made()).unwrap();
    rig.run(1_000);
    assert_eq!(rig.order(xid(1)).join(" "), "+0 +1 -1 -0");
}

#[test]
fn a_turn_that_was_lost_is_found_again() {
    let mut rig = Rig::plain(|_, _| refused());
    rig.lag_ms = 1_000_000;
    rig.apply(&saga(1, steps(1)).made()).unwrap();
    rig.run(1_000);
    assert!(rig.proposals.iter().any(|(_, command, _)| matches!(command, Command::Turn(_))));
    rig.lag_ms = 2;
    rig.take_over(Settings::default());
    rig.run(1_500);
    assert_eq!(show(rig.state.open(xid(1)).unwrap()), "rolling_back r-");
}

#[test]
fn answers_to_a_driver_of_before_are_nobodys() {
    let mut rig = Rig::plain(|_, _| done_after(1_000));
    rig.apply(&saga(1, steps(1)).made()).unwrap();
    rig.run(500);
    rig.take_over(Settings::default());
    rig.run(1_400);
    assert!(rig.ended.is_empty(), "the second call is under way");
    rig.run(2_000);
    assert_eq!((rig.ended.len(), rig.made.len()), (1, 2));
}

#[test]
fn many_are_taken_over_at_once() {
    let mut rig = Rig::plain(|_, _| done());
    for number in 1..=5_000 {
        rig.apply(&Begin { branches: steps(1), ..begin(number, Mode::Tcc) }.made()).unwrap();
        rig.apply(&decide(number, Way::Forward)).unwrap();
    }
    rig.take_over(Settings::default());
    rig.run(60_000);
    assert_eq!(rig.ended.len(), 5_000);
}
