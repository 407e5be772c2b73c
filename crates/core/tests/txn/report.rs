//! What came of calls: once, and only where it is wanted.

use synod_core::txn::{Begin, Command, Done, End, Mode, Outcome, Refusal, Status, Way};

use super::support::{Bench, Made, attempted, begin, decide, report, saga, step, steps, stop, turn};

#[track_caller]
fn check(before: Vec<Command>, command: Command, outcome: Outcome, shown: &str) {
    let mut bench = Bench::new();
    bench.all(before);
    assert_eq!(bench.apply(&command), outcome);
    assert_eq!(bench.show(1), shown);
}

const RECORDED: Outcome = Ok(Done::Recorded);
const FORWARD: Way = Way::Forward;
const BACKWARD: Way = Way::Backward;

fn tcc(branches: usize) -> Command {
    Begin { branches: steps(branches), ..begin(1, Mode::Tcc) }.made()
}

#[test]
fn the_last_acknowledgement_ends_it() {
    for (way, one, all) in [
        (FORWARD, "committing d- --", "committed d- d-"),
        (BACKWARD, "rolling_back -d --", "rolled_back -d -d"),
    ] {
        let decided = || vec![tcc(2), decide(1, way)];
        check(decided(), report(1, 0, way), RECORDED, one);
        check([decided(), vec![report(1, 0, way)]].concat(), report(1, 1, way), RECORDED, all);
    }
}

#[test]
fn a_repeated_acknowledgement_changes_nothing() {
    let once = || vec![tcc(2), decide(1, FORWARD), report(1, 1, FORWARD)];
    check(once(), report(1, 1, FORWARD), RECORDED, "committing -- d-");
    check(once(), attempted(1, 1, FORWARD), RECORDED, "committing -- d-");
    let over = [once(), vec![report(1, 0, FORWARD)]].concat();
    check(over, report(1, 0, FORWARD), Err(Refusal::Ended(End::Committed)), "committed d- d-");
}

#[test]
fn nobody_acknowledges_what_was_not_asked() {
    for way in [FORWARD, BACKWARD] {
        check(vec![tcc(1)], report(1, 0, way), Err(Refusal::Not(Status::Active)), "active --");
    }
    let committing = || vec![tcc(1), decide(1, FORWARD)];
    let wrong_way = Err(Refusal::Not(Status::Committing));
    check(committing(), report(1, 0, BACKWARD), wrong_way, "committing --");
    check(committing(), report(1, 1, FORWARD), Err(Refusal::NoSuchBranch), "committing --");
    check(committing(), attempted(1, 7, FORWARD), Err(Refusal::NoSuchBranch), "committing --");
    check(vec![], report(1, 0, FORWARD), Err(Refusal::Unknown), "unknown");
    check(vec![tcc(1), stop(1)], report(1, 0, FORWARD), Err(Refusal::Ended(End::Stopped)), "stopped --");
}

#[test]
fn an_action_that_was_under_way_when_its_saga_turned_is_recorded() {
    let turned = || vec![saga(1, steps(2)).made(), turn(1, None)];
    check(turned(), report(1, 0, FORWARD), RECORDED, "rolling_back d- -s");
    check(turned(), report(1, 0, BACKWARD), RECORDED, "rolled_back -d -s");
    // Its compensation was skipped, and nobody asks for it.
    check(turned(), report(1, 1, BACKWARD), RECORDED, "rolling_back -- -s");
}

#[test]
fn failed_attempts_are_counted_per_leg() {
    let mut bench = Bench::new();
    bench.all([saga(1, steps(2)).made()]);
    bench.all([attempted(1, 0, FORWARD), attempted(1, 0, FORWARD), attempted(1, 1, BACKWARD)]);
    let txn = bench.state.open(super::support::xid(1)).unwrap();
    let count =
        |branch: usize| (txn.branches[branch].forward.attempts, txn.branches[branch].backward.attempts);
    assert_eq!([count(0), count(1)], [(2, 0), (0, 1)]);
}

#[test]
fn what_nobody_is_called_for_is_done_from_the_beginning() {
    let half = saga(1, vec![step("01", "http://a", ""), step("02", "", "http://b")]).made();
    check(vec![half.clone()], report(1, 1, FORWARD), RECORDED, "committing -d d-");
    check(vec![half], report(1, 0, FORWARD), RECORDED, "committed dd d-");
}
