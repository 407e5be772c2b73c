//! Sagas driven to their end: what is called in which order, and the branches as dtm's clients are shown them (dtm.md 3.1).

use synod_core::txn::mode::Errand;
use synod_core::txn::{Begin, Enrolment, Options, Way};

use super::rig::{Answer, Rig, done, done_after, failed, leg, ongoing, refused};
use super::support::{Made, dtm_branches, dtm_status, ordered_steps, saga, step, steps, with_options, xid};

/// How a step answers, forward.
#[derive(Clone, Copy, PartialEq)]
enum Step {
    Done,
    Refused,
    Failing,
    Ongoing,
    Slow,
}

use Step::{Done, Failing, Ongoing, Refused, Slow};

fn options() -> Options {
    Options { timeout_ms: 20_000, retry_ms: 1_000, ..Options::default() }
}

fn answer(step: Step) -> Option<Answer> {
    match step {
        Done => done(),
        Refused => refused(),
        Failing => failed(),
        Ongoing => ongoing(),
        Slow => done_after(500),
    }
}

fn driven(begin: Begin, answers: &[Step]) -> Rig {
    let answers = answers.to_vec();
    let mut rig = Rig::plain(move |call, _| match leg(call) {
        Some((branch, Way::Forward)) => answer(answers[usize::from(branch)]),
        _ => done(),
    });
    rig.apply(&begin.made()).expect("a good saga");
    rig.run(60_000);
    rig
}

/// How it ended, its branches (compensation before action), and the order of all calls, repetitions left out.
#[track_caller]
fn check(begin: Begin, answers: &[Step], status: &str, branches: &[&str], order: &str) {
    let rig = driven(begin, answers);
    let txn = rig.end_of(xid(1)).expect("it ends");
    let mut calls = rig.order(xid(1));
    calls.dedup();
    assert_eq!((dtm_status(txn.status), calls.join(" ").as_str()), (status, order));
    assert_eq!(dtm_branches(txn), branches);
}

const P: &str = "prepared";
const S: &str = "succeed";
const F: &str = "failed";

#[test]
fn in_order() {
    let saga = || with_options(saga(1, steps(2)), options());
    check(saga(), &[Done, Done], S, &[P, S, P, S], "+0 +1");
    check(saga(), &[Done, Refused], F, &[S, S, S, F], "+0 +1 -1 -0");
    check(saga(), &[Refused, Done], F, &[S, F, P, P], "+0 -0");
    // Its time is over while the first step is at it.
    check(saga(), &[Ongoing, Done], F, &[S, P, P, P], "+0 -0");
    check(saga(), &[Done, Ongoing], F, &[S, S, S, P], "+0 +1 -1 -0");
}

#[test]
fn side_by_side() {
    let concurrent = Options { concurrent: true, ..options() };
    let saga = |after: &[&[u16]]| with_options(saga(1, ordered_steps(after)), concurrent.clone());
    check(saga(&[&[], &[]]), &[Done, Done], S, &[P, S, P, S], "+0 +1");
    check(saga(&[&[], &[0]]), &[Refused, Done], F, &[S, F, P, P], "+0 -0");
    check(saga(&[&[], &[0]]), &[Done, Refused], F, &[S, S, S, F], "+0 +1 -1 -0");
    // The other one is under way: it is undone when it is back.
    check(saga(&[&[], &[]]), &[Refused, Slow], F, &[S, F, S, S], "+0 +1 -0 -1");
    check(saga(&[&[], &[], &[0, 1]]), &[Slow, Done, Done], S, &[P, S, P, S, P, S], "+0 +1 +2");
    check(saga(&[&[1], &[]]), &[Done, Done], S, &[P, S, P, S], "+1 +0");
    check(saga(&[&[1], &[]]), &[Refused, Done], F, &[S, F, S, S], "+1 +0 -0 -1");
}

#[test]
fn forward_only() {
    let ahead = Options { forward_only: true, retry_limit: 2, ..options() };
    let saga = with_options(saga(1, steps(2)), ahead);
    let mut refusals = 5;
    let mut rig = Rig::plain(move |call, _| match leg(call) {
        Some((1, Way::Forward)) if refusals > 0 => {
            refusals -= 1;
            if refusals % 2 == 0 { failed() } else { refused() }
        }
        _ => done(),
    });
    rig.apply(&saga.made()).unwrap();
    rig.run(120_000);
    let txn = rig.end_of(xid(1)).expect("it ends");
    assert_eq!((dtm_status(txn.status), rig.order(xid(1)).len()), (S, 7));
}

/// How a concurrent saga's calls go when some steps have nobody to call.
#[track_caller]
fn check_order(branches: Vec<Enrolment>, refusing: Option<u16>, order: &str) {
    let concurrent = Options { concurrent: true, ..options() };
    let mut rig = Rig::plain(move |call, _| match call.errand {
        Errand::Leg(branch, Way::Forward) if Some(branch) == refusing => refused(),
        _ => done(),
    });
    rig.apply(&with_options(saga(1, branches), concurrent).made()).unwrap();
    rig.run(60_000);
    assert_eq!(rig.order(xid(1)).join(" "), order);
    assert!(rig.end_of(xid(1)).is_some());
}

#[test]
fn an_order_goes_through_steps_with_nobody_to_call() {
    let chain = |middle: Enrolment| {
        let mut chain = ordered_steps(&[&[], &[0], &[1]]);
        chain[1] = Enrolment { after: [0].into_iter().collect(), ..middle };
        chain
    };
    let quiet = || step("02", "", "");
    check_order(chain(quiet()), None, "+0 +2");
    check_order(chain(quiet()), Some(2), "+0 +2 -2 -0");
    check_order(chain(quiet()), Some(0), "+0 -0");
    check_order(chain(step("02", "", "http://p1/backward")), Some(2), "+0 +2 -2 -1 -0");
    check_order(chain(step("02", "", "http://p1/backward")), Some(0), "+0 -0");
    check_order(chain(step("02", "http://p1/forward", "")), Some(2), "+0 +1 +2 -2 -0");
}

#[test]
fn a_refusal_has_its_reason() {
    let rig = driven(with_options(saga(1, steps(1)), options()), &[Refused]);
    assert_eq!(&*rig.end_of(xid(1)).unwrap().reason, "no");
    let limit = Options { retry_limit: 3, timeout_ms: 0, ..options() };
    let rig = driven(with_options(saga(1, steps(1)), limit), &[Failing]);
    // dtm's clients know the sentence, and the number of calls.
    let reason = "RetryCount is greater than RetryLimit, RetryLimit: 3";
    assert_eq!(&*rig.end_of(xid(1)).unwrap().reason, reason);
    assert_eq!(rig.order(xid(1)).join(" "), "+0 +0 +0 +0 -0");
    let rig = driven(with_options(saga(1, steps(1)), options()), &[Ongoing]);
    assert_eq!(&*rig.end_of(xid(1)).unwrap().reason, "Timeout after 20 seconds");
}

#[test]
fn a_compensation_is_repeated_until_it_is_done() {
    let mut refusals = 4;
    let mut rig = Rig::plain(move |call, _| match leg(call) {
        Some((1, Way::Forward)) => refused(),
        Some((1, Way::Backward)) if refusals > 0 => {
            refusals -= 1;
            refused()
        }
        _ => done(),
    });
    rig.apply(&with_options(saga(1, steps(2)), options()).made()).unwrap();
    rig.run(60_000);
    assert_eq!(rig.order(xid(1)).join(" "), "+0 +1 -1 -1 -1 -1 -1 -0");
    assert_eq!(dtm_status(rig.end_of(xid(1)).unwrap().status), F);
}

#[test]
fn no_branch_is_undone_while_its_action_is_under_way() {
    // The first action takes longer than the saga has time.
    let mut rig = Rig::plain(|call, _| match leg(call) {
        Some((0, Way::Forward)) => done_after(30_000),
        _ => done(),
    });
    rig.apply(&with_options(saga(1, steps(2)), options()).made()).unwrap();
    rig.run(29_000);
    assert_eq!(rig.calls(xid(1)), [(0, "+0".into())], "turned, and it waits");
    assert_eq!(dtm_status(rig.state.open(xid(1)).unwrap().status), "aborting");
    rig.run(40_000);
    assert_eq!(rig.calls(xid(1)), [(0, "+0".into()), (30_000, "-0".into())]);
    assert_eq!(dtm_branches(rig.end_of(xid(1)).unwrap()), [S, S, P, P]);
}
