//! Modes whose initiator decides: who is told in which order, and until when.

use synod_core::txn::{Begin, Command, End, Mode, Options, Status, Way};

use super::rig::{Rig, done, failed, leg, ongoing, refused};
use super::support::{Made, begin, decide, enlist, nth_step, steps, with_options, xid};

/// The order of the calls after the decision, and the end.
#[track_caller]
fn check(mode: Mode, options: Options, decision: Option<Way>, order: &str, end: End) {
    let mut rig = Rig::plain(|_, _| done());
    rig.apply(&with_options(begin(1, mode), options).made()).unwrap();
    for at in 0..3 {
        rig.apply(&enlist(1, nth_step(at))).unwrap();
    }
    rig.run(100);
    assert_eq!(rig.made, [], "nobody is called before the decision");
    if let Some(way) = decision {
        rig.apply(&decide(1, way)).unwrap();
    }
    rig.run(60_000);
    assert_eq!(rig.order(xid(1)).join(" "), order);
    assert_eq!(rig.end_of(xid(1)).expect("it ends").status, Status::Ended(end));
}

#[test]
fn tcc_goes_in_reverse_and_xa_in_order() {
    let serial = || Options { timeout_ms: 10_000, ..Options::default() };
    let [forward, backward] = [Some(Way::Forward), Some(Way::Backward)];
    check(Mode::Tcc, serial(), forward, "+2 +1 +0", End::Committed);
    check(Mode::Tcc, serial(), backward, "-2 -1 -0", End::RolledBack);
    check(Mode::Tcc, serial(), None, "-2 -1 -0", End::RolledBack);
    check(Mode::Xa, serial(), forward, "+0 +1 +2", End::Committed);
    check(Mode::Xa, serial(), backward, "-0 -1 -2", End::RolledBack);
    check(Mode::Xa, serial(), None, "-0 -1 -2", End::RolledBack);
}

#[test]
fn side_by_side_all_are_told_at_once() {
    for mode in [Mode::Tcc, Mode::Xa] {
        let options = Options { concurrent: true, ..Options::default() };
        let mut rig = Rig::plain(|_, _| done());
        rig.apply(&Begin { branches: steps(3), options, ..begin(1, mode) }.made()).unwrap();
        rig.apply(&decide(1, Way::Forward)).unwrap();
        assert_eq!(rig.made.len(), 3);
        rig.run(100);
        assert!(rig.end_of(xid(1)).is_some());
    }
}

#[test]
fn one_after_the_other_means_behind_the_acknowledgement_not_behind_its_log_entry() {
    let mut rig = Rig::plain(|_, _| done());
    rig.lag_ms = 5_000;
    rig.apply(&Begin { branches: steps(3), ..begin(1, Mode::Xa) }.made()).unwrap();
    rig.apply(&decide(1, Way::Forward)).unwrap();
    rig.run(20_000);
    let expect: Vec<_> = (0..3).map(|at| (at, format!("+{at}"))).collect();
    assert_eq!(rig.calls(xid(1)), expect);
    assert_eq!(rig.ended.len(), 1);
}

#[test]
fn a_participant_has_no_right_to_refuse_any_more() {
    for way in [Way::Forward, Way::Backward] {
        let mut left = 3;
        let mut rig = Rig::plain(move |call, _| {
            if leg(call).is_some_and(|(branch, _)| branch == 1) && left > 0 {
                left -= 1;
                return [ongoing(), failed(), refused()][left].clone();
            }
            done()
        });
        rig.apply(&Begin { branches: steps(2), ..begin(1, Mode::Tcc) }.made()).unwrap();
        rig.apply(&decide(1, way)).unwrap();
        rig.run(60_000);
        let sign = if way == Way::Forward { '+' } else { '-' };
        assert_eq!(rig.order(xid(1)).join(""), format!("{sign}1").repeat(4) + &format!("{sign}0"));
        assert_eq!(rig.ended.len(), 1);
    }
}

#[test]
fn time_is_over_once_and_not_before_its_time() {
    let mut rig = Rig::plain(|_, _| done());
    let options = Options { timeout_ms: 35_000, ..Options::default() };
    rig.apply(&Begin { branches: steps(1), options, ..begin(1, Mode::Tcc) }.made()).unwrap();
    rig.run(34_999);
    assert_eq!(rig.proposals.len(), 0);
    rig.run(60_000);
    let out: Vec<_> = rig.proposals.iter().filter(|(_, c, _)| matches!(c, Command::TimeOut { .. })).collect();
    assert!(matches!(&*out, [(35_000, ..)]), "{out:?}");
    assert_eq!(&*rig.end_of(xid(1)).unwrap().reason, "Timeout after 35 seconds");
}

#[test]
fn without_a_time_it_waits_for_ever() {
    let mut rig = Rig::plain(|_, _| done());
    rig.apply(&Begin { branches: steps(1), ..begin(1, Mode::Tcc) }.made()).unwrap();
    rig.run(100_000_000);
    assert_eq!((rig.proposals.len(), rig.made.len(), rig.state.open_len()), (0, 0, 1));
}
