//! Messages: half until submitted, checked back when their initiator is silent, delivered until acknowledged (dtm.md 3.4).

use synod_core::txn::{Begin, End, Enrolment, Mode, Options, Status, Way};

use super::rig::{Answer, Rig, done, failed, leg, ongoing, refused};
use super::support::{Made, begin, decide, step, target, with_options, xid};

fn receivers(count: usize) -> Vec<Enrolment> {
    (0..count).map(|at| step(&format!("{:02}", at + 1), &format!("http://r{at}"), "")).collect()
}

fn options() -> Options {
    Options { timeout_ms: 35_000, retry_ms: 10_000, ..Options::default() }
}

fn half(count: usize) -> Begin {
    let back_check = target("http://initiator/check");
    let begin = Begin { branches: receivers(count), back_check, ..begin(1, Mode::Message) };
    with_options(begin, options())
}

/// The initiator prepares and is silent. What it answers when asked, in this order; the calls and when; how it stands at last.
#[track_caller]
fn check(begin: Begin, answers: Vec<Option<Answer>>, calls: &[(u64, &str)], status: Status) {
    let mut answers = answers.into_iter();
    let mut rig = Rig::plain(move |call, _| match leg(call) {
        None => answers.next().expect("no further question"),
        Some(_) => done(),
    });
    rig.apply(&begin.made()).unwrap();
    rig.run(100_000);
    let expect: Vec<_> = calls.iter().map(|(at, call)| (*at, (*call).to_owned())).collect();
    assert_eq!(rig.calls(xid(1)), expect);
    let stands = rig.state.open(xid(1)).or_else(|| rig.end_of(xid(1))).expect("it is there");
    assert_eq!(stands.status, status);
}

const COMMITTED: Status = Status::Ended(End::Committed);
const ROLLED_BACK: Status = Status::Ended(End::RolledBack);

#[test]
fn a_silent_initiator_is_asked() {
    check(half(1), vec![done()], &[(35_000, "?"), (35_003, "+0")], COMMITTED);
    check(half(1), vec![refused()], &[(35_000, "?")], ROLLED_BACK);
    // It is at it: again after its interval, without growing.
    let asked = &[(35_000, "?"), (45_001, "?"), (55_002, "?"), (55_005, "+0")];
    check(half(1), vec![ongoing(), ongoing(), done()], asked, COMMITTED);
    // dtm: a message without anybody to ask is delivered after its time.
    check(Begin { back_check: None, ..half(2) }, vec![], &[(35_002, "+0"), (35_003, "+1")], COMMITTED);
}

#[test]
fn the_initiator_is_asked_again_with_growing_pauses_when_it_fails() {
    let mut rig = Rig::plain(|_, _| failed());
    rig.apply(&half(1).made()).unwrap();
    rig.run(200_000);
    let calls = rig.calls(xid(1));
    assert!(calls.iter().all(|(_, call)| call == "?"), "{calls:?}");
    let pauses: Vec<u64> = calls.windows(2).map(|pair| pair[1].0 - pair[0].0 - 1).collect();
    for (pause, full) in pauses.iter().zip([10_000, 20_000, 40_000, 60_000]) {
        assert!((full - full / 10..=full).contains(pause), "{pauses:?}");
    }
    assert_eq!(rig.state.open(xid(1)).unwrap().status, Status::Active);
}

#[test]
fn what_it_says_itself_in_time_counts() {
    for (way, calls, status) in
        [(Way::Forward, &["+0", "+1"][..], COMMITTED), (Way::Backward, &[], ROLLED_BACK)]
    {
        let mut rig = Rig::plain(|_, _| done());
        rig.apply(&half(2).made()).unwrap();
        rig.run(1_000);
        rig.apply(&decide(1, way)).unwrap();
        rig.run(100_000);
        assert_eq!(rig.order(xid(1)), *calls);
        assert_eq!(rig.end_of(xid(1)).unwrap().status, status);
    }
}

#[test]
fn an_answer_that_comes_behind_its_own_word_is_not_heard() {
    // Asked when its time was over, it says no, later than its submit.
    let late = Some(Answer { after_ms: 2_000, ..refused().unwrap() });
    let mut rig = Rig::plain(move |call, _| if leg(call).is_none() { late.clone() } else { done() });
    rig.apply(&half(1).made()).unwrap();
    rig.run(36_000);
    rig.apply(&decide(1, Way::Forward)).unwrap();
    rig.run(100_000);
    assert_eq!(rig.order(xid(1)), ["?", "+0"]);
    assert_eq!(rig.end_of(xid(1)).unwrap().status, COMMITTED);
}

#[test]
fn a_long_refusal_is_a_refusal() {
    let long: Box<str> = "no ".repeat(10_000).into();
    let result = synod_core::txn::mode::CallResult::Refused(long);
    check(half(1), vec![Some(Answer { after_ms: 1, result, answered: true })], &[(35_000, "?")], ROLLED_BACK);
}

/// Delivery: who acknowledges at the how manieth call; the order of the calls.
#[track_caller]
fn check_delivery(options: Options, acknowledged_at: &[u32], order: &str) {
    let mut left: Vec<u32> = acknowledged_at.to_vec();
    let mut rig = Rig::plain(move |call, _| {
        let (branch, _) = leg(call).expect("nobody has to ask");
        let left = &mut left[usize::from(branch)];
        *left -= 1;
        if *left == 0 { done() } else { refused() }
    });
    let submitted = Begin { submit: true, options, ..half(acknowledged_at.len()) };
    rig.apply(&submitted.made()).unwrap();
    rig.run(1_000_000);
    assert_eq!(rig.order(xid(1)).join(" "), order);
    assert_eq!(rig.end_of(xid(1)).unwrap().status, COMMITTED);
}

#[test]
fn it_is_delivered_until_acknowledged() {
    check_delivery(options(), &[1, 1, 1], "+0 +1 +2");
    check_delivery(options(), &[1, 3, 1], "+0 +1 +1 +1 +2");
    let concurrent = Options { concurrent: true, ..options() };
    check_delivery(concurrent.clone(), &[1, 3, 1], "+0 +1 +2 +1 +1");
    check_delivery(concurrent, &[1, 1], "+0 +1");
}

#[test]
fn not_before_its_delay_is_over() {
    let delayed = || Options { delay_ms: 5_000, ..options() };
    let mut rig = Rig::plain(|_, _| done());
    rig.apply(&with_options(Begin { submit: true, ..half(2) }, delayed()).made()).unwrap();
    rig.run(60_000);
    assert_eq!(rig.calls(xid(1)), [(5_000, "+0".into()), (5_001, "+1".into())]);
    // Counted from the begin, also when it is submitted later.
    let mut rig = Rig::plain(|_, _| done());
    rig.apply(&with_options(half(1), delayed()).made()).unwrap();
    rig.run(2_000);
    rig.apply(&decide(1, Way::Forward)).unwrap();
    rig.run(60_000);
    assert_eq!(rig.calls(xid(1)), [(5_000, "+0".into())]);
}
