//! An operator stops a transaction, whatever its branches know; a notification is given up and sent again.

use synod_core::txn::{Begin, Command, Done, End, Mode, Outcome, Refusal, Status, Way};

use super::support::{Bench, Made, attempted, begin, decide, report, saga, step, steps, stop, turn, xid};

#[track_caller]
fn check(before: Vec<Command>, command: Command, outcome: Outcome, shown: &str) {
    let mut bench = Bench::new();
    bench.all(before);
    assert_eq!(bench.apply(&command), outcome);
    assert_eq!(bench.show(1), shown);
}

fn notification() -> Command {
    Begin { branches: vec![step("01", "http://a", "")], submit: true, ..begin(1, Mode::Notification) }.made()
}

fn give_up() -> Command {
    Command::GiveUp { xid: xid(1) }
}

fn resend() -> Command {
    Command::Resend { xid: xid(1) }
}

#[test]
fn anything_that_has_not_ended_can_be_stopped_once() {
    let stopped = || Ok(Done::Decided(Status::Ended(End::Stopped)));
    let tcc = || Begin { branches: steps(1), ..begin(1, Mode::Tcc) }.made();
    for (before, shown) in [
        (vec![tcc()], "stopped --"),
        (vec![tcc(), decide(1, Way::Forward)], "stopped --"),
        (vec![tcc(), decide(1, Way::Backward)], "stopped --"),
        (vec![saga(1, steps(2)).made(), turn(1, Some(0))], "stopped r- -s"),
        (vec![notification(), give_up()], "stopped -d"),
        (vec![begin(1, Mode::Workflow).made()], "stopped"),
        (vec![tcc(), stop(1)], "stopped --"),
    ] {
        check(before, stop(1), stopped(), shown);
    }
    let committed = vec![tcc(), decide(1, Way::Forward), report(1, 0, Way::Forward)];
    check(committed, stop(1), Err(Refusal::Ended(End::Committed)), "committed d-");
    check(vec![], stop(1), Err(Refusal::Unknown), "unknown");
}

#[test]
fn a_notification_is_given_up_and_sent_again() {
    let decided = |status| Ok(Done::Decided(status));
    let [sending, given_up] = [Status::Committing, Status::GivenUp];
    check(vec![notification()], give_up(), decided(given_up), "given_up -d");
    check(vec![notification(), give_up()], resend(), decided(sending), "committing -d");
    check(vec![notification(), give_up(), resend()], give_up(), decided(given_up), "given_up -d");
    check(vec![notification(), give_up()], give_up(), Err(Refusal::Not(given_up)), "given_up -d");
    check(vec![notification()], resend(), Err(Refusal::Not(sending)), "committing -d");
    let acknowledged = report(1, 0, Way::Forward);
    check(vec![notification(), give_up()], acknowledged.clone(), Err(Refusal::Not(given_up)), "given_up -d");
    check(
        vec![notification(), give_up(), resend()],
        acknowledged.clone(),
        Ok(Done::Recorded),
        "committed dd",
    );
    check(vec![notification(), acknowledged], resend(), Err(Refusal::Ended(End::Committed)), "committed dd");
    let only = Err(Refusal::Invalid("only a notification is given up and sent again"));
    for command in [give_up(), resend()] {
        check(vec![saga(1, steps(1)).made()], command.clone(), only.clone(), "committing --");
        check(vec![], command, Err(Refusal::Unknown), "unknown");
    }
}

#[test]
fn sent_again_its_schedule_starts_over() {
    let mut bench = Bench::new();
    bench.all([notification(), attempted(1, 0, Way::Forward), give_up()]);
    let open = |bench: &Bench| bench.state.open(xid(1)).map(|txn| (**txn).clone()).unwrap();
    let given_up = open(&bench);
    assert_eq!((given_up.branches[0].forward.attempts, given_up.reason.is_empty()), (1, false));
    bench.all([resend()]);
    let again = open(&bench);
    assert_eq!((again.branches[0].forward.attempts, &*again.reason), (0, ""));
}
