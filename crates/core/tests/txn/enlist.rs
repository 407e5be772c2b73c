//! Enlist: while the transaction is active, once, by mode.

use synod_core::txn::{Begin, Command, Done, End, Enrolment, Mode, Outcome, Refusal, Status, Way};

use super::support::{
    Bench, Made, begin, decide, enlist, nth_step, report, saga, step, steps, stop, time_out,
};

#[track_caller]
fn check(before: Vec<Command>, branch: Enrolment, outcome: Outcome, shown: &str) {
    let mut bench = Bench::new();
    bench.all(before);
    assert_eq!(bench.apply(&enlist(1, branch)), outcome);
    assert_eq!(bench.show(1), shown);
}

fn joined(number: u16) -> Outcome {
    Ok(Done::Enlisted(number))
}

fn tcc(branches: usize) -> Command {
    Begin { branches: steps(branches), ..begin(1, Mode::Tcc) }.made()
}

#[test]
fn a_branch_joins_an_active_transaction() {
    check(vec![tcc(0)], nth_step(0), joined(0), "active --");
    check(vec![tcc(2)], nth_step(2), joined(2), "active -- -- --");
    check(vec![begin(1, Mode::Xa).made()], nth_step(0), joined(0), "active --");
    check(vec![begin(1, Mode::Saga).made()], nth_step(0), joined(0), "active --");
}

#[test]
fn whoever_asks_again_is_told_again_even_when_it_is_decided() {
    for (decision, shown) in [
        (vec![], "active --"),
        (vec![decide(1, Way::Forward)], "committing --"),
        (vec![decide(1, Way::Backward)], "rolling_back --"),
        (vec![time_out(1)], "rolling_back --"),
    ] {
        check([vec![tcc(1)], decision].concat(), nth_step(0), joined(0), shown);
    }
}

#[test]
fn the_same_id_with_other_content_is_a_conflict() {
    let other = [
        step("01", "http://other", "http://p0/backward"),
        step("01", "http://p0/forward", "http://other"),
        step("01", "", "http://p0/backward"),
        Enrolment { payload: "other".into(), ..nth_step(0) },
        Enrolment { after: [0].into_iter().collect(), ..nth_step(0) },
    ];
    for branch in other {
        check(vec![tcc(1)], branch, Err(Refusal::BranchConflict("01".into())), "active --");
    }
}

#[test]
fn no_branch_joins_after_the_decision() {
    for (decision, status) in
        [(decide(1, Way::Forward), Status::Committing), (decide(1, Way::Backward), Status::RollingBack)]
    {
        let shown = format!("{status} --");
        check(vec![tcc(1), decision], nth_step(1), Err(Refusal::Not(status)), &shown);
    }
    let report = report(1, 0, Way::Forward);
    let ended = Err(Refusal::Ended(End::Committed));
    check(vec![tcc(1), decide(1, Way::Forward), report], nth_step(1), ended, "committed d-");
    check(vec![tcc(1), stop(1)], nth_step(0), Err(Refusal::Ended(End::Stopped)), "stopped --");
    check(vec![], nth_step(0), Err(Refusal::Unknown), "unknown");
}

#[test]
fn modes_say_who_may_join() {
    let message = Begin { branches: vec![step("01", "http://a", "")], ..begin(1, Mode::Message) }.made();
    let invalid = |why| Err(Refusal::Invalid(why));
    check(vec![message], nth_step(5), invalid("the receivers of a message are given with it"), "active -d");
    check(
        vec![begin(1, Mode::Xa).made()],
        step("01", "http://a", ""),
        invalid("an XA branch has a commit and a rollback"),
        "active",
    );
    check(
        vec![begin(1, Mode::Workflow).made()],
        nth_step(0),
        invalid("a workflow calls its steps itself"),
        "active",
    );
    let later = Enrolment { after: [1].into_iter().collect(), ..nth_step(1) };
    let saga = || Begin { submit: false, ..saga(1, steps(1)) }.made();
    check(vec![saga()], later, invalid("a step can only wait for those before it"), "active --");
    let before = Enrolment { after: [0].into_iter().collect(), ..nth_step(1) };
    check(vec![saga()], before, joined(1), "active -- --");
    let refused = Enrolment { refused: true, ..step("01", "", "") };
    check(
        vec![begin(1, Mode::Tcc).made()],
        refused.clone(),
        invalid("only a workflow's step has been refused already"),
        "active",
    );
    check(vec![begin(1, Mode::Workflow).made()], refused, joined(0), "active rd");
}

#[test]
fn a_workflow_notes_what_became_of_a_step() {
    let note = |label: &str, refused| Enrolment { label: label.into(), refused, ..step("01", "", "") };
    let workflow = || begin(1, Mode::Workflow).made();
    let first = enlist(1, note("action", false));
    check(vec![workflow(), first.clone()], note("action", false), joined(0), "active dd");
    check(vec![workflow(), first.clone()], note("rollback", false), joined(1), "active dd dd");
    let conflict = Err(Refusal::BranchConflict("01".into()));
    check(vec![workflow(), first], note("action", true), conflict, "active dd");
}
