//! Branches of any kind in one transaction: who is called when, what nobody waits for, and what waits for a person; the
//! reference of Seata, sections 3.5, 3.6 and 4.3.

use synod_core::txn::drive::{Call, Event, GateSettings, Settings, Urgency};
use synod_core::txn::mode::CallResult;
use synod_core::txn::{Begin, Command, End, Enrolment, Mode, Options, Status, Way};

use super::rig::{Rig, done, done_after, failed, leg, refused, silent};
use super::support::{
    Made, begin, decide, enlist, mixed, nth_at, nth_step, report, resend, rows, show, step, steps, stop,
    time_out, with_options, withdraw, xid,
};

fn join(rig: &mut Rig, options: Options, branches: impl IntoIterator<Item = Enrolment>) {
    rig.apply(&with_options(begin(1, Mode::Mixed), options).made()).unwrap();
    for branch in branches {
        rig.apply(&enlist(1, branch)).unwrap();
    }
}

/// Who holds each of the rows `t:1`, `t:2`, `t:3`.
fn held(rig: &Rig) -> String {
    let one = |key: u8| rig.state.conflict(xid(99), &rows(&format!("t:{key}"))).is_some();
    [1, 2, 3].map(|key| if one(key) { 'x' } else { '-' }).iter().collect()
}

/// How often something was proposed.
fn proposed(rig: &Rig, of: impl Fn(&Command) -> bool) -> usize {
    rig.proposals.iter().filter(|(_, command, _)| of(command)).count()
}

#[track_caller]
fn check_order(options: Options, branches: Vec<Enrolment>, decision: Option<Way>, order: &str, end: End) {
    let mut rig = Rig::plain(|_, _| done_after(10));
    join(&mut rig, options, branches);
    rig.run(100);
    assert_eq!(rig.made, [], "nobody is called before the decision");
    if let Some(way) = decision {
        rig.apply(&decide(1, way)).unwrap();
    }
    rig.run(60_000);
    assert_eq!(rig.order(xid(1)).join(" "), order);
    assert_eq!(rig.end_of(xid(1)).expect("it ends").status, Status::Ended(end));
    assert_eq!(held(&rig), "---");
}

#[test]
fn forward_in_the_order_of_joining_and_back_in_the_reverse() {
    let serial = || Options { timeout_ms: 10_000, ..Options::default() };
    let [forward, backward] = [Some(Way::Forward), Some(Way::Backward)];
    check_order(serial(), steps(3), forward, "+0 +1 +2", End::Committed);
    check_order(serial(), steps(3), backward, "-2 -1 -0", End::RolledBack);
    check_order(serial(), steps(3), None, "-2 -1 -0", End::RolledBack);
    let at = || vec![nth_step(0), nth_at(1, "t:1"), nth_step(2), nth_at(3, "t:2")];
    // Cleaning up keeps no order and holds nobody up.
    check_order(serial(), at(), forward, "+0 +1 +3 +2", End::Committed);
    check_order(serial(), at(), backward, "-3 -2 -1 -0", End::RolledBack);
    check_order(serial(), at(), None, "-3 -2 -1 -0", End::RolledBack);
}

#[test]
fn side_by_side_but_rows_are_restored_one_branch_after_the_other() {
    let concurrent = || Options { concurrent: true, ..Options::default() };
    let at = || vec![nth_step(0), nth_at(1, "t:1"), nth_step(2), nth_at(3, "t:1,2")];
    check_order(concurrent(), at(), Some(Way::Forward), "+0 +2 +1 +3", End::Committed);
    check_order(concurrent(), at(), Some(Way::Backward), "-3 -2 -0 -1", End::RolledBack);
}

#[test]
fn nobody_waits_for_rows_to_be_cleaned_up_after() {
    let mut rig =
        Rig::plain(|call, _| if leg(call) == Some((1, Way::Forward)) { done_after(5_000) } else { done() });
    join(&mut rig, Options::default(), [nth_step(0), nth_at(1, "t:1"), nth_step(2)]);
    rig.apply(&decide(1, Way::Forward)).unwrap();
    rig.run(1_000);
    let calls = [(0, "+0"), (0, "+1"), (1, "+2")].map(|(at, name)| (at, name.to_owned()));
    assert_eq!(rig.calls(xid(1)), calls);
    assert_eq!(rig.through, [(2, xid(1))], "when branch 2 has answered, before that is in the log");
    assert_eq!(show(rig.state.open(xid(1)).unwrap()), "committing d- -- d-");
    rig.run(60_000);
    assert_eq!(show(rig.end_of(xid(1)).unwrap()), "committed d- d- d-");
    assert_eq!(rig.through.len(), 1, "it is said once");
}

#[test]
fn with_nothing_but_rows_the_decision_is_all() {
    let mut rig = Rig::plain(|_, _| silent(1_000));
    join(&mut rig, Options::default(), [nth_at(0, "t:1"), nth_at(1, "t:2")]);
    rig.run(50);
    assert_eq!(rig.through, []);
    rig.apply(&decide(1, Way::Forward)).unwrap();
    assert_eq!((&*rig.through, rig.made.len()), (&[(50, xid(1))][..], 2));
    rig.run(60_000);
    assert_eq!(rig.through.len(), 1);
}

#[test]
fn rows_that_are_to_be_restored_are_waited_for() {
    let mut rig = Rig::plain(|_, _| done_after(100));
    join(&mut rig, Options::default(), [nth_at(0, "t:1"), nth_step(1)]);
    rig.apply(&decide(1, Way::Backward)).unwrap();
    rig.run(60_000);
    assert_eq!(rig.through, [(200, xid(1))]);
}

#[test]
fn of_other_modes_the_end_is_told_and_nothing_before() {
    for mode in Mode::ALL {
        let mut rig = Rig::plain(|_, _| done());
        let undone = matches!(mode, Mode::Xa | Mode::Tcc | Mode::Saga | Mode::Mixed);
        let branch = step("01", "http://a", if undone { "http://a" } else { "" });
        let branches = if mode == Mode::Workflow { vec![] } else { vec![branch] };
        let submit = mode == Mode::Notification;
        rig.apply(&Begin { branches, submit, ..begin(1, mode) }.made()).unwrap();
        rig.apply(&decide(1, Way::Forward)).unwrap();
        rig.run(1_000);
        assert!(rig.end_of(xid(1)).is_some(), "{mode:?}");
        assert_eq!(rig.through.len(), usize::from(mode == Mode::Mixed), "{mode:?}");
    }
}

/// Who waits has been told that it is through: the last acknowledgement may wait for company.
#[test]
fn the_last_acknowledgement_is_in_no_hurry() {
    for (mode, urgency) in [(Mode::Mixed, Urgency::Lazy), (Mode::Tcc, Urgency::Now)] {
        for way in [Way::Forward, Way::Backward] {
            let mut rig = Rig::plain(|_, _| done());
            rig.apply(&Begin { branches: steps(2), ..begin(1, mode) }.made()).unwrap();
            rig.apply(&decide(1, way)).unwrap();
            rig.run(100);
            let urgencies: Vec<_> = rig.proposals.iter().map(|(.., urgency)| *urgency).collect();
            assert_eq!(urgencies, [Urgency::Lazy, urgency], "{mode:?}");
            assert_eq!(rig.ended.len(), 1);
        }
    }
}

#[test]
fn what_is_refused_waits_for_a_person() {
    for way in [Way::Forward, Way::Backward] {
        let mut left = 1;
        let mut rig = Rig::plain(move |call, _| {
            if leg(call).is_some_and(|(branch, _)| branch == 1) && left > 0 {
                left -= 1;
                return refused();
            }
            done()
        });
        join(&mut rig, Options::default(), [nth_step(0), nth_step(1), nth_step(2)]);
        rig.apply(&decide(1, way)).unwrap();
        rig.run(10_000_000);
        let sign = if way == Way::Forward { '+' } else { '-' };
        let [first, last] = if way == Way::Forward { [0, 2] } else { [2, 0] };
        assert_eq!(rig.order(xid(1)).join(""), format!("{sign}{first}{sign}1"), "nobody is called any more");
        assert_eq!(rig.stalled, [(xid(1), CallResult::Refused("no".into()))]);
        assert_eq!(proposed(&rig, |command| matches!(command, Command::Refuse(_))), 1);
        assert!(rig.state.open(xid(1)).unwrap().is_refused() && rig.driver.is_troubled(xid(1)));
        assert_eq!(rig.through, []);
        // Not even in a hurry: what counts is that somebody has looked.
        rig.tell(Event::RetryNow(xid(1)));
        rig.tell(Event::Reachable("p1".into()));
        rig.run(20_000_000);
        assert_eq!(rig.made.len(), 2);
        rig.apply(&resend(1)).unwrap();
        rig.run(20_000_100);
        assert_eq!(rig.order(xid(1))[2..].join(""), format!("{sign}1{sign}{last}"));
        assert_eq!((rig.ended.len(), rig.through.len()), (1, 1));
        assert!(!rig.driver.is_troubled(xid(1)));
    }
}

#[test]
fn a_refusal_that_the_log_does_not_take_is_asked_for_again() {
    let mut rig = Rig::plain(|_, now| if now < 5_000 { refused() } else { done() });
    join(&mut rig, Options::default(), steps(1));
    rig.apply(&decide(1, Way::Forward)).unwrap();
    rig.full = true;
    rig.run(4_500);
    assert_eq!(show(rig.state.open(xid(1)).unwrap()), "committing --");
    rig.full = false;
    rig.run(20_000);
    assert_eq!(rig.ended.len(), 1);
    assert!(rig.made.windows(2).all(|pair| pair[1].at - pair[0].at >= 1_000), "{:?}", rig.made);
}

/// Nor is it asked for once more in the hurry in which the refused call was.
#[test]
fn a_hurry_is_over_when_it_has_been_answered() {
    let mut answers = [refused(), failed()].into_iter();
    let mut rig = Rig::plain(move |_, _| {
        let answer = answers.next().unwrap_or_else(done)?;
        Some(super::rig::Answer { after_ms: 100, ..answer })
    });
    join(&mut rig, Options::default(), steps(1));
    rig.apply(&decide(1, Way::Forward)).unwrap();
    rig.full = true;
    rig.run(50);
    rig.tell(Event::RetryNow(xid(1)));
    rig.run(500);
    rig.full = false;
    rig.run(60_000);
    assert_eq!((rig.made.len(), rig.ended.len()), (3, 1));
    assert!(rig.made.windows(2).all(|pair| pair[1].at - pair[0].at >= 1_000), "{:?}", rig.made);
}

#[test]
fn a_branch_is_withdrawn_while_it_is_being_called() {
    let slow = |slow: u16| {
        let is_slow = move |call: &Call| leg(call).is_some_and(|(branch, _)| branch == slow);
        Rig::plain(move |call, _| if is_slow(call) { done_after(1_000) } else { done() })
    };
    let mut rig = slow(1);
    join(&mut rig, Options::default(), [nth_at(0, "t:1"), nth_at(1, "t:2")]);
    rig.apply(&decide(1, Way::Backward)).unwrap();
    rig.run(500);
    assert_eq!((rig.order(xid(1)).join(" "), held(&rig)), ("-1".into(), "xx-".into()));
    rig.apply(&withdraw(1, 1)).unwrap();
    assert_eq!((rig.order(xid(1)).join(" "), held(&rig)), ("-1 -0".into(), "x--".into()));
    rig.run(60_000);
    assert_eq!(show(rig.end_of(xid(1)).unwrap()), "rolled_back -d ss");
    assert_eq!((rig.made.len(), rig.cancelled.len()), (2, 1), "its answer is of no interest any more");

    // The last one: that is the end.
    let mut rig = slow(0);
    join(&mut rig, Options::default(), [nth_at(0, "t:1"), nth_at(1, "t:2")]);
    rig.apply(&decide(1, Way::Backward)).unwrap();
    rig.run(100);
    rig.apply(&withdraw(1, 0)).unwrap();
    assert_eq!((rig.ended.len(), held(&rig)), (1, "---".into()));
    rig.run(60_000);
    assert_eq!(show(rig.end_of(xid(1)).unwrap()), "rolled_back ss -d");
}

#[test]
fn what_was_withdrawn_before_is_not_called_at_all() {
    for way in [Way::Forward, Way::Backward] {
        let mut rig = Rig::plain(|_, _| done());
        join(&mut rig, Options::default(), [nth_at(0, "t:1"), nth_at(1, "t:2"), nth_step(2)]);
        rig.apply(&withdraw(1, 1)).unwrap();
        rig.apply(&decide(1, way)).unwrap();
        rig.run(1_000);
        assert!(rig.made.iter().all(|made| made.errand != synod_core::txn::mode::Errand::Leg(1, way)));
        assert_eq!((rig.made.len(), rig.ended.len()), (2, 1));
    }
}

#[test]
fn who_is_back_is_called_at_once() {
    let gate = GateSettings { break_after: 2, break_ms: 30_000, ..GateSettings::default() };
    let settings = Settings { retry_ms: 20_000, gate, ..Settings::default() };
    let mut rig = Rig::new(settings, |_, now| if now < 100 { silent(1) } else { done() });
    for number in 1..=4 {
        let other = Enrolment { id: "02".into(), ..nth_step(1) };
        for command in mixed(number, [nth_at(0, &format!("t:{number}")), other]) {
            rig.apply(&command).unwrap();
        }
        rig.apply(&decide(number, Way::Backward)).unwrap();
    }
    rig.run(10_000);
    assert!(rig.made.iter().all(|made| made.at < 100) && rig.ended.is_empty());
    let before = rig.made.len();
    rig.tell(Event::Reachable("p7".into()));
    rig.run(10_100);
    assert_eq!(rig.made.len(), before, "somebody else is back");
    rig.tell(Event::Reachable("p1".into()));
    rig.run(10_200);
    // The gate was closed for whoever had not been called at all, too.
    assert_eq!(rig.ended.len(), 4, "{:?}", rig.made);
    assert!(rig.made[before..].iter().all(|made| made.at >= 10_100));
}

/// Where calls have failed is remembered for as long as somebody could be called there again.
#[test]
fn who_is_over_is_not_looked_for_any_more() {
    let kept = |rig: &Rig| !format!("{:?}", rig.driver).contains("failed: Failed({})");
    let mut rig = Rig::plain(|_, now| if now < 5_000 { failed() } else { done() });
    for number in 1..=3 {
        for command in mixed(number, [nth_step(0), nth_step(1)]) {
            rig.apply(&command).unwrap();
        }
        rig.apply(&decide(number, Way::Forward)).unwrap();
    }
    rig.run(2_000);
    assert!(kept(&rig));
    rig.apply(&stop(1)).unwrap();
    rig.run(60_000);
    assert_eq!((rig.ended.len(), kept(&rig)), (3, false));
}

#[test]
fn an_overdue_transaction_frees_its_rows_one_branch_after_the_other() {
    let mut rig = Rig::plain(|_, _| done_after(1_000));
    let options = Options { timeout_ms: 5_000, ..Options::default() };
    join(&mut rig, options, [nth_at(0, "t:1"), nth_at(1, "t:2"), nth_at(2, "t:3")]);
    for (until, rows) in [(4_900, "xxx"), (5_900, "xxx"), (6_900, "xx-"), (7_900, "x--"), (8_900, "---")] {
        rig.run(until);
        assert_eq!(held(&rig), rows, "after {until} ms");
    }
    assert_eq!(rig.order(xid(1)).join(" "), "-2 -1 -0");
}

#[test]
fn whoever_stops_it_frees_all() {
    let mut rig = Rig::plain(|_, _| done_after(1_000));
    join(&mut rig, Options::default(), [nth_at(0, "t:1"), nth_at(1, "t:2")]);
    rig.apply(&decide(1, Way::Backward)).unwrap();
    rig.run(500);
    rig.apply(&stop(1)).unwrap();
    assert_eq!((held(&rig), rig.cancelled.len()), ("---".into(), 1));
    rig.run(60_000);
    assert_eq!((rig.made.len(), rig.through.len()), (1, 0));
}

/// A state after these commands is taken over; the calls from then on, whether anybody is told that it is through, and the end.
#[track_caller]
fn check_taken_over(commands: Vec<Command>, order: &str, through: usize, end: Option<End>) {
    let mut rig = Rig::plain(|_, _| done());
    let three = mixed(1, [nth_step(0), nth_at(1, "t:1"), nth_step(2)]);
    for command in three.iter().chain(&commands) {
        rig.apply(command).unwrap();
    }
    let before = held(&rig);
    rig.made.clear();
    rig.through.clear();
    rig.take_over(Settings::default());
    assert_eq!(held(&rig), before);
    rig.run(60_000);
    assert_eq!(rig.order(xid(1)).join(" "), order);
    assert_eq!(
        (rig.through.len(), rig.end_of(xid(1)).map(|txn| txn.status)),
        (through, end.map(Status::Ended))
    );
}

#[test]
fn another_driver_goes_on_where_the_log_ends() {
    let [committed, rolled_back] = [Some(End::Committed), Some(End::RolledBack)];
    let [forward, backward] = [decide(1, Way::Forward), decide(1, Way::Backward)];
    let ahead = |branch| report(1, branch, Way::Forward);
    let back = |branch| report(1, branch, Way::Backward);
    check_taken_over(vec![], "", 0, None);
    check_taken_over(vec![forward.clone()], "+0 +1 +2", 1, committed);
    check_taken_over(vec![forward.clone(), ahead(0)], "+2 +1", 1, committed);
    check_taken_over(vec![forward, ahead(0), ahead(2)], "+1", 1, committed);
    check_taken_over(vec![backward.clone()], "-2 -1 -0", 1, rolled_back);
    check_taken_over(vec![time_out(1), back(2)], "-1 -0", 1, rolled_back);
    check_taken_over(vec![backward.clone(), withdraw(1, 1)], "-2 -0", 1, rolled_back);
    let no = super::support::refuse(1, 1, Way::Backward);
    check_taken_over(vec![backward.clone(), back(2), no.clone()], "", 0, None);
    check_taken_over(vec![backward, back(2), no, resend(1)], "-1 -0", 1, rolled_back);
}
