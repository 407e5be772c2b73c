//! Begin: what is refused whatever the state is, and how a new transaction stands.

use synod_core::txn::{Begin, Done, End, Enrolment, Mode, Options, Outcome, Refusal, Status};

use super::support::{Bench, Made, begin, nth_step, ordered_steps, saga, step, steps, target, xid};

#[track_caller]
fn check(begin: Begin, outcome: Outcome, shown: &str) {
    let number = begin.xid.number();
    let mut bench = Bench::new();
    assert_eq!(bench.apply(&begin.made()), outcome);
    assert_eq!(bench.show(number), shown);
}

#[track_caller]
fn check_refused(begin: Begin, refusal: Refusal) {
    check(begin, Err(refusal), "unknown");
}

fn begun(number: u64, status: Status) -> Outcome {
    Ok(Done::Begun(xid(number), status))
}

fn with(mode: Mode, branches: Vec<Enrolment>, submit: bool) -> Begin {
    Begin { branches, submit, ..begin(1, mode) }
}

#[test]
fn a_new_transaction_stands_as_its_begin_says() {
    use Mode::*;
    for mode in [Xa, Tcc, Saga, Message, Workflow] {
        check(begin(1, mode), begun(1, Status::Active), "active");
    }
    for mode in [Xa, Tcc, Saga] {
        check(with(mode, steps(2), false), begun(1, Status::Active), "active -- --");
        check(with(mode, steps(2), true), begun(1, Status::Committing), "committing -- --");
    }
    let deliveries = || vec![step("01", "http://a", ""), step("02", "http://b", "")];
    check(with(Message, deliveries(), false), begun(1, Status::Active), "active -d -d");
    check(with(Message, deliveries(), true), begun(1, Status::Committing), "committing -d -d");
    let notice = vec![step("01", "http://a", "")];
    check(with(Notification, notice, true), begun(1, Status::Committing), "committing -d");
}

#[test]
fn what_has_nobody_to_call_is_over_at_once() {
    let ended = begun(1, Status::Ended(End::Committed));
    check(with(Mode::Saga, vec![], true), ended.clone(), "committed");
    // dtm: an empty URL is success without a call.
    check(with(Mode::Saga, vec![step("01", "", "http://a")], true), ended.clone(), "committed d-");
    check(with(Mode::Message, vec![step("01", "", "")], true), ended, "committed dd");
}

#[test]
fn each_mode_says_what_makes_no_sense_for_it() {
    let invalid = Refusal::Invalid;
    let refused = Enrolment { refused: true, ..step("01", "", "") };
    for (begin, why) in [
        (with(Mode::Xa, vec![step("01", "http://a", "")], false), "an XA branch has a commit and a rollback"),
        (with(Mode::Xa, vec![step("01", "", "http://a")], false), "an XA branch has a commit and a rollback"),
        (with(Mode::Message, steps(1), true), "a message is not taken back"),
        (
            with(Mode::Notification, vec![step("01", "http://a", "")], false),
            "a notification is submitted at once",
        ),
        (with(Mode::Notification, vec![], true), "a notification has one receiver"),
        (with(Mode::Notification, steps(1), true), "a notification has one receiver"),
        (
            with(Mode::Notification, vec![step("01", "http://a", ""); 2], true),
            "two branches have the same id",
        ),
        (with(Mode::Workflow, steps(1), false), "a workflow calls its steps itself"),
        (with(Mode::Saga, vec![refused.clone()], true), "only a workflow's step has been refused already"),
        (with(Mode::Tcc, vec![refused], false), "only a workflow's step has been refused already"),
    ] {
        check_refused(begin, invalid(why));
    }
}

#[test]
fn the_order_of_a_sagas_steps_has_to_be_one() {
    let circle = "steps wait for each other in a circle";
    for (after, why) in [
        (&[&[0][..]][..], circle),
        (&[&[1], &[0]], circle),
        (&[&[], &[3], &[1], &[2]], circle),
        (&[&[1], &[2], &[1]], circle),
        (&[&[1]], "a step waits for one that is not there"),
        (&[&[], &[0, 7]], "a step waits for one that is not there"),
    ] {
        let concurrent = Options { concurrent: true, ..Options::default() };
        let begin = Begin { options: concurrent, ..saga(1, ordered_steps(after)) };
        check_refused(begin, Refusal::Invalid(why));
    }
    for after in [&[&[][..], &[0], &[0, 1]][..], &[&[2], &[2], &[]], &[&[1, 2, 1], &[2], &[]]] {
        check(saga(1, ordered_steps(after)), begun(1, Status::Committing), "committing -- -- --");
    }
}

#[test]
fn a_long_circle_is_found_soon() {
    // Each waits for all that follow it, numbered the wrong way round; the last for the first.
    let after: Vec<Vec<u16>> = (0..1_000).map(|n| (n + 1..1_000).collect()).collect();
    let mut after: Vec<&[u16]> = after.iter().map(|after| &**after).collect();
    let good = saga(1, ordered_steps(&after));
    after[999] = &[0];
    check_refused(saga(1, ordered_steps(&after)), Refusal::Invalid("steps wait for each other in a circle"));
    assert!(Bench::new().apply(&good.made()).is_ok());
}

#[test]
fn an_id_is_used_once() {
    let mut bench = Bench::new();
    bench.all([begin(1, Mode::Tcc).made(), saga(2, vec![]).made()]);
    for number in [1, 2] {
        let again = bench.apply(&begin(number, Mode::Tcc).made());
        assert_eq!(again, Err(Refusal::Conflict(xid(number))), "{number}");
    }
    assert_eq!((bench.show(1), bench.show(2)), ("active".into(), "committed".into()));
}

#[test]
fn branches_are_told_apart_by_id_and_label() {
    let labelled = |label: &str| Enrolment { label: label.into(), ..step("01", "", "") };
    check(
        with(Mode::Workflow, vec![labelled("action"), labelled("rollback")], false),
        begun(1, Status::Active),
        "active dd dd",
    );
    for branches in [vec![labelled("action"); 2], vec![labelled("a"), labelled("b"), labelled("a")]] {
        check_refused(
            with(Mode::Workflow, branches, false),
            Refusal::Invalid("two branches have the same id"),
        );
    }
    check_refused(
        with(Mode::Tcc, vec![nth_step(0), nth_step(1), nth_step(0)], false),
        Refusal::Invalid("two branches have the same id"),
    );
}

#[test]
fn an_empty_url_is_no_target() {
    let empty = synod_core::txn::Target { url: "".into(), ..target("http://a").unwrap() };
    let mut branch = step("01", "http://a", "");
    branch.backward = Some(empty.clone());
    check_refused(with(Mode::Tcc, vec![branch], false), Refusal::Invalid("a URL is empty"));
    let asked = Begin { back_check: Some(empty), ..begin(1, Mode::Message) };
    check_refused(asked, Refusal::Invalid("a URL is empty"));
    check_refused(
        Begin { gid: Some("".into()), ..begin(1, Mode::Message) },
        Refusal::Invalid("an id of one's own is not empty"),
    );
}
