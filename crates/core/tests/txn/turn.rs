//! A saga's turn: which steps are undone, and that it is one way.

use synod_core::txn::{Begin, Command, Done, End, Mode, Options, Outcome, Refusal, Status, Way};

use super::support::{
    Bench, Made, begin, decide, ordered_steps, report, saga, step, steps, stop, turn, unsure_turn,
    with_options,
};

#[track_caller]
fn check(before: Vec<Command>, command: Command, outcome: Outcome, shown: &str) {
    let mut bench = Bench::new();
    bench.all(before);
    assert_eq!(bench.apply(&command), outcome);
    assert_eq!(bench.show(1), shown);
}

fn back() -> Outcome {
    Ok(Done::Decided(Status::RollingBack))
}

fn done(branch: u16) -> Command {
    report(1, branch, Way::Forward)
}

fn concurrent(after: &[&[u16]]) -> Command {
    let options = Options { concurrent: true, ..Options::default() };
    with_options(saga(1, ordered_steps(after)), options).made()
}

#[test]
fn a_saga_turns_once() {
    let going = || vec![saga(1, steps(3)).made()];
    check(going(), turn(1, Some(0)), back(), "rolling_back r- -s -s");
    let turned = || [going(), vec![turn(1, Some(0))]].concat();
    check(turned(), turn(1, Some(1)), back(), "rolling_back r- -s -s");
    check(turned(), unsure_turn(1, None), back(), "rolling_back r- -s -s");
    check(turned(), decide(1, Way::Forward), Err(Refusal::Not(Status::RollingBack)), "rolling_back r- -s -s");
    let ended = [turned(), vec![report(1, 0, Way::Backward)]].concat();
    check(ended, turn(1, None), Err(Refusal::Ended(End::RolledBack)), "rolled_back rd -s -s");
    let committed = vec![saga(1, steps(1)).made(), done(0)];
    check(committed, turn(1, None), Err(Refusal::Ended(End::Committed)), "committed d-");
}

#[test]
fn only_a_submitted_saga_turns() {
    let tcc = Begin { branches: steps(1), ..begin(1, Mode::Tcc) }.made();
    check(vec![tcc], turn(1, None), Err(Refusal::Invalid("only a saga turns")), "active --");
    let half = Begin { submit: false, ..saga(1, steps(1)) }.made();
    check(vec![half], turn(1, None), Err(Refusal::Not(Status::Active)), "active --");
    check(vec![saga(1, steps(1)).made()], turn(1, Some(1)), Err(Refusal::NoSuchBranch), "committing --");
    check(
        vec![saga(1, steps(1)).made(), stop(1)],
        turn(1, None),
        Err(Refusal::Ended(End::Stopped)),
        "stopped --",
    );
}

#[test]
fn in_order_what_was_done_and_what_was_next_is_undone() {
    let going = |done: Vec<Command>| [vec![saga(1, steps(3)).made()], done].concat();
    check(going(vec![done(0)]), turn(1, Some(1)), back(), "rolling_back d- r- -s");
    check(going(vec![done(0)]), turn(1, None), back(), "rolling_back d- -- -s");
    check(going(vec![done(0), done(1)]), turn(1, Some(2)), back(), "rolling_back d- d- r-");
    // An acknowledgement got lost, a later one did not.
    check(going(vec![done(1)]), turn(1, None), back(), "rolling_back -- d- -s");
    check(going(vec![done(2)]), turn(1, Some(0)), back(), "rolling_back r- -- d-");
}

#[test]
fn side_by_side_whatever_could_have_been_called_is_undone() {
    check(vec![concurrent(&[&[], &[], &[]])], turn(1, Some(1)), back(), "rolling_back -- r- --");
    check(vec![concurrent(&[&[], &[0], &[1]])], turn(1, Some(0)), back(), "rolling_back r- -s -s");
    check(vec![concurrent(&[&[], &[0], &[1]]), done(0)], turn(1, Some(1)), back(), "rolling_back d- r- -s");
    // Numbered against their order.
    check(vec![concurrent(&[&[1], &[2], &[]]), done(2)], turn(1, Some(1)), back(), "rolling_back -s r- d-");
}

#[test]
fn whoever_does_not_know_what_was_called_undoes_everything() {
    let going = || vec![saga(1, steps(3)).made(), done(0)];
    check(going(), unsure_turn(1, Some(1)), back(), "rolling_back d- r- --");
    check(
        going(),
        Command::TimeOut { xid: super::support::xid(1), unsure: true },
        back(),
        "rolling_back d- -- --",
    );
    check(vec![concurrent(&[&[], &[0], &[1]])], unsure_turn(1, None), back(), "rolling_back -- -- --");
}

#[test]
fn a_step_without_an_action_is_come_to_in_its_turn() {
    let quiet = step("02", "", "http://p1/backward");
    let all = || vec![steps(1).remove(0), quiet.clone(), super::support::nth_step(2)];
    // In order: the second is behind the first.
    let serial = saga(1, all()).made();
    check(vec![serial.clone()], turn(1, Some(0)), back(), "rolling_back r- ds -s");
    check(vec![serial, done(0)], turn(1, Some(2)), back(), "rolling_back d- d- r-");
    // Side by side: the third waits for the second, which waits for the first.
    let mut steps = all();
    steps[1].after = [0].into_iter().collect();
    steps[2].after = [1].into_iter().collect();
    let options = Options { concurrent: true, ..Options::default() };
    let chain = with_options(saga(1, steps), options).made();
    check(vec![chain.clone()], turn(1, Some(0)), back(), "rolling_back r- ds -s");
    check(vec![chain, done(0)], turn(1, Some(2)), back(), "rolling_back d- d- r-");
}

#[test]
fn with_nothing_to_undo_the_turn_is_the_end() {
    let saga = saga(1, vec![step("01", "http://a", ""), step("02", "http://b", "http://c")]).made();
    let over = Ok(Done::Decided(Status::Ended(End::RolledBack)));
    check(vec![saga.clone()], turn(1, Some(0)), over, "rolled_back rd -s");
    check(vec![saga, done(0)], turn(1, Some(1)), back(), "rolling_back dd r-");
}
