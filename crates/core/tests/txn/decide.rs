//! Decide and time out: once, and for good.

use synod_core::txn::{Begin, Command, Done, End, Mode, Options, Outcome, Refusal, Status, Way};

use super::support::{
    Bench, Made, begin, decide, report, saga, step, steps, stop, time_out, turn, with_options,
};

#[track_caller]
fn check(before: Vec<Command>, command: Command, outcome: Outcome, shown: &str) {
    let mut bench = Bench::new();
    bench.all(before);
    assert_eq!(bench.apply(&command), outcome);
    assert_eq!(bench.show(1), shown);
}

fn decided(status: Status) -> Outcome {
    Ok(Done::Decided(status))
}

fn with(mode: Mode, branches: usize) -> Command {
    Begin { branches: steps(branches), ..begin(1, mode) }.made()
}

const FORWARD: Way = Way::Forward;
const BACKWARD: Way = Way::Backward;

#[test]
fn the_first_decision_stands() {
    for mode in [Mode::Xa, Mode::Tcc] {
        let [committing, back] = [Status::Committing, Status::RollingBack];
        check(vec![with(mode, 1)], decide(1, FORWARD), decided(committing), "committing --");
        check(vec![with(mode, 1)], decide(1, BACKWARD), decided(back), "rolling_back --");
        let forward = || vec![with(mode, 1), decide(1, FORWARD)];
        check(forward(), decide(1, FORWARD), decided(committing), "committing --");
        check(forward(), decide(1, BACKWARD), Err(Refusal::Not(committing)), "committing --");
        check(forward(), time_out(1), Err(Refusal::Not(committing)), "committing --");
        check(forward(), turn(1, None), Err(Refusal::Invalid("only a saga turns")), "committing --");
        let backward = || vec![with(mode, 1), decide(1, BACKWARD)];
        check(backward(), decide(1, BACKWARD), decided(back), "rolling_back --");
        check(backward(), decide(1, FORWARD), Err(Refusal::Not(back)), "rolling_back --");
        check(backward(), time_out(1), Err(Refusal::Not(back)), "rolling_back --");
    }
}

#[test]
fn a_decision_is_told_when_it_is_over_too() {
    let over = |way| vec![with(Mode::Tcc, 1), decide(1, way), report(1, 0, way)];
    let [committed, rolled_back] = [End::Committed, End::RolledBack];
    check(over(FORWARD), decide(1, FORWARD), decided(Status::Ended(committed)), "committed d-");
    check(over(FORWARD), decide(1, BACKWARD), Err(Refusal::Ended(committed)), "committed d-");
    check(over(FORWARD), time_out(1), Err(Refusal::Ended(committed)), "committed d-");
    check(over(BACKWARD), decide(1, BACKWARD), decided(Status::Ended(rolled_back)), "rolled_back -d");
    check(over(BACKWARD), decide(1, FORWARD), Err(Refusal::Ended(rolled_back)), "rolled_back -d");
    let stopped = || vec![with(Mode::Tcc, 1), decide(1, FORWARD), stop(1)];
    for way in [FORWARD, BACKWARD] {
        check(stopped(), decide(1, way), Err(Refusal::Ended(End::Stopped)), "stopped --");
    }
}

#[test]
fn nobody_decides_what_is_not_there() {
    for command in [decide(1, FORWARD), decide(1, BACKWARD), time_out(1), stop(1), turn(1, None)] {
        check(vec![], command, Err(Refusal::Unknown), "unknown");
    }
}

#[test]
fn with_nobody_to_tell_it_is_over_at_once() {
    let [committed, rolled_back] = [End::Committed, End::RolledBack];
    for mode in [Mode::Xa, Mode::Tcc, Mode::Saga, Mode::Message, Mode::Workflow] {
        check(vec![with(mode, 0)], decide(1, FORWARD), decided(Status::Ended(committed)), "committed");
        check(vec![with(mode, 0)], decide(1, BACKWARD), decided(Status::Ended(rolled_back)), "rolled_back");
    }
    // A branch that has nothing to be told that way.
    let half = Begin { branches: vec![step("01", "", "http://a")], ..begin(1, Mode::Tcc) }.made();
    check(vec![half.clone()], decide(1, FORWARD), decided(Status::Ended(committed)), "committed d-");
    check(vec![half], decide(1, BACKWARD), decided(Status::RollingBack), "rolling_back d-");
}

#[test]
fn a_saga_that_was_not_submitted_has_nothing_to_undo() {
    let rolled_back = decided(Status::Ended(End::RolledBack));
    check(vec![with(Mode::Saga, 2)], decide(1, BACKWARD), rolled_back.clone(), "rolled_back -s -s");
    check(vec![with(Mode::Saga, 2)], time_out(1), rolled_back, "rolled_back -s -s");
}

#[test]
fn a_message_is_submitted_or_dropped() {
    let half = || Begin { branches: vec![step("01", "http://a", "")], ..begin(1, Mode::Message) }.made();
    check(vec![half()], decide(1, FORWARD), decided(Status::Committing), "committing -d");
    check(vec![half()], decide(1, BACKWARD), decided(Status::Ended(End::RolledBack)), "rolled_back -d");
    // It is checked back instead.
    check(vec![half()], time_out(1), Err(Refusal::Not(Status::Active)), "active -d");
    let submitted = || vec![half(), decide(1, FORWARD)];
    check(submitted(), decide(1, BACKWARD), Err(Refusal::Not(Status::Committing)), "committing -d");
}

#[test]
fn time_rolls_back_what_waits_for_its_initiator_and_turns_a_saga() {
    for mode in [Mode::Xa, Mode::Tcc] {
        check(vec![with(mode, 1)], time_out(1), decided(Status::RollingBack), "rolling_back --");
        check(vec![with(mode, 0)], time_out(1), decided(Status::Ended(End::RolledBack)), "rolled_back");
    }
    let submitted = saga(1, steps(2)).made();
    check(vec![submitted], time_out(1), decided(Status::RollingBack), "rolling_back -- -s");
    let ahead = Options { forward_only: true, ..Options::default() };
    let ahead = with_options(saga(1, steps(1)), ahead).made();
    check(vec![ahead], time_out(1), Err(Refusal::Not(Status::Committing)), "committing --");
    check(vec![with(Mode::Workflow, 0)], time_out(1), Err(Refusal::Not(Status::Active)), "active");
}

#[test]
fn the_reasons_are_those_that_dtms_clients_know() {
    let mut bench = Bench::new();
    let options = Options { timeout_ms: 35_000, ..Options::default() };
    bench.all([with_options(begin(1, Mode::Tcc), options).made(), time_out(1)]);
    assert_eq!(&*bench.ended[0].reason, "Timeout after 35 seconds");
}

#[test]
fn a_long_reason_is_cut_and_stops_nothing() {
    let mut bench = Bench::new();
    let limit = bench.state.limits().text_bytes_max;
    let long = "\u{20ac}".repeat(limit);
    bench.all([with(Mode::Tcc, 1), begin(2, Mode::Saga).made(), saga(3, steps(1)).made()]);
    let Command::Decide(mut decision) = decide(1, BACKWARD) else { unreachable!() };
    decision.reason = long.clone().into();
    let Command::Turn(mut back) = turn(3, None) else { unreachable!() };
    back.reason = long.clone().into();
    bench.all([
        Command::Decide(decision),
        Command::Stop { xid: super::support::xid(2), reason: long.into() },
        Command::Turn(back),
    ]);
    let reason = |number| match bench.state.find(super::support::xid(number)) {
        synod_core::txn::Found::Open(txn) => txn.reason.len(),
        _ => bench.ended.iter().find(|txn| txn.xid.number() == number).unwrap().reason.len(),
    };
    // Whole characters of three bytes.
    assert_eq!([1, 2, 3].map(reason), [limit / 3 * 3; 3]);
}
