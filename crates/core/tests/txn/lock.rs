//! Rows that branches have changed: who gets them, who holds them, and when they are free; `reference/seata.md` 4.3 and 3.6.

use synod_core::txn::{Command, Done, Enrolment, Mode, Outcome, Refusal, Way};

use super::support::{
    Bench, Made, begin, decide, enlist, mixed, nth_at, nth_step, refuse, report, resend, rows, step, stop,
    time_out, withdraw, xid,
};

/// Transaction 1 with these branches.
fn one(branches: impl IntoIterator<Item = Enrolment>) -> Vec<Command> {
    mixed(1, branches)
}

fn two() -> Vec<Command> {
    mixed(2, [])
}

/// Who holds each of the rows `t:1`, `t:2`, `t:3`: the number of the transaction, behind it `<` if it is being rolled back.
fn held(bench: &Bench) -> String {
    let one = |key: u8| match bench.state.conflict(xid(99), &rows(&format!("t:{key}"))) {
        Some((holder, rolling_back)) => format!("{}{}", holder.number(), if rolling_back { "<" } else { "" }),
        None => "-".to_owned(),
    };
    [1, 2, 3].map(one).join(" ")
}

#[track_caller]
fn check_held(commands: impl IntoIterator<Item = Command>, held_by: &str) {
    let mut bench = Bench::new();
    bench.all(commands);
    assert_eq!(held(&bench), held_by);
    assert_eq!(bench.state.locks_len(), held_by.split(' ').filter(|holder| *holder != "-").count());
}

#[track_caller]
fn check_joins(
    before: impl IntoIterator<Item = Command>,
    number: u64,
    keys: &str,
    outcome: Outcome,
    after: &str,
) {
    let mut bench = Bench::new();
    bench.all(before);
    assert_eq!(bench.apply(&enlist(number, nth_at(7, keys))), outcome);
    assert_eq!(held(&bench), after);
}

fn locked(holder: u64, rolling_back: bool) -> Outcome {
    Err(Refusal::Locked { holder: xid(holder), rolling_back })
}

#[test]
fn all_rows_or_none() {
    let before = || [one([nth_at(0, "t:2")]), two()].concat();
    check_joins(before(), 2, "t:1,3", Ok(Done::Enlisted(0)), "2 1 2");
    check_joins(before(), 2, "t:1,2,3", locked(1, false), "- 1 -");
    check_joins(before(), 2, "t:2", locked(1, false), "- 1 -");
    check_joins(before(), 2, "u:2;t:3;t:2", locked(1, false), "- 1 -");
    check_joins(before(), 2, "", Ok(Done::Enlisted(0)), "- 1 -");
    // What cannot be read ends the list, as in Seata.
    check_joins(before(), 2, "t:1;t;t:2", Ok(Done::Enlisted(0)), "2 1 -");
}

#[test]
fn a_row_is_one_of_a_table_of_a_database() {
    for (resource, keys) in [("other", "t:1"), ("db", "u:1"), ("db", "t:11"), ("db", "T:1"), ("d", "bt:1")] {
        let mut bench = Bench::new();
        bench.all([one([nth_at(0, "t:1")]), two()].concat());
        let rows = synod_core::txn::Rows { resource: resource.into(), keys: keys.into() };
        bench.all([enlist(2, Enrolment { rows: Some(Box::new(rows)), ..nth_step(0) })]);
        assert_eq!(bench.state.locks_len(), 2, "{resource} {keys}");
    }
}

#[test]
fn whoever_is_in_the_way_is_named_and_how_it_stands() {
    let before = |decision: Option<Way>| {
        let decision = decision.map(|way| decide(1, way));
        [one([nth_at(0, "t:1"), nth_at(1, "t:2")]), two(), decision.into_iter().collect()].concat()
    };
    check_joins(before(None), 2, "t:2", locked(1, false), "1 1 -");
    check_joins(before(Some(Way::Backward)), 2, "t:2", locked(1, true), "1< 1< -");
    check_joins(before(Some(Way::Forward)), 2, "t:2", Ok(Done::Enlisted(0)), "- 2 -");
}

#[test]
fn a_transaction_is_not_in_its_own_way() {
    check_joins(one([nth_at(0, "t:1,2")]), 1, "t:2,3", Ok(Done::Enlisted(1)), "1 1 1");
    let mut bench = Bench::new();
    bench.all(one([nth_at(0, "t:1")]));
    assert_eq!(bench.state.conflict(xid(1), &rows("t:1,2")), None);
    assert_eq!(bench.state.conflict(xid(2), &rows("t:2,1")), Some((xid(1), false)));
    // Whoever asks again has joined already, and locks nothing more.
    assert_eq!(bench.apply(&enlist(1, nth_at(0, "t:1"))), Ok(Done::Enlisted(0)));
    let other = Err(Refusal::BranchConflict("01".into()));
    assert_eq!(bench.apply(&enlist(1, nth_at(0, "t:1,2"))), other);
    assert_eq!(held(&bench), "1 - -");
}

#[test]
fn asked_again_a_joined_branch_gets_no_rows_back() {
    let given_back = [one([nth_at(0, "t:1")]), vec![withdraw(1, 0)], mixed(2, [nth_at(0, "t:1")])].concat();
    let again = enlist(1, nth_at(0, "t:1"));
    check_held([given_back, vec![again]].concat(), "2 - -");
}

#[test]
fn rows_are_free_at_the_decision_to_commit() {
    let three = || one([nth_at(0, "t:1"), nth_step(1), nth_at(2, "t:2,3")]);
    check_held(three(), "1 1 1");
    check_held([three(), vec![decide(1, Way::Forward)]].concat(), "- - -");
    let next = [three(), vec![decide(1, Way::Forward)], mixed(2, [nth_at(0, "t:1,2,3")])].concat();
    check_held(next.clone(), "2 2 2");
    // What the first does from then on is not about the rows of the second.
    let done = (0..3).map(|branch| report(1, branch, Way::Forward));
    check_held(next.into_iter().chain(done), "2 2 2");
}

#[test]
fn rolled_back_rows_are_free_branch_by_branch() {
    let three = || one([nth_at(0, "t:1"), nth_step(1), nth_at(2, "t:2,3")]);
    for decision in [decide(1, Way::Backward), time_out(1)] {
        let back = |count: usize| {
            let done = [2, 1, 0].map(|branch| report(1, branch, Way::Backward));
            [three(), vec![decision.clone()], done[..count].to_vec()].concat()
        };
        check_held(back(0), "1< 1< 1<");
        check_held(back(1), "1< - -");
        check_held(back(2), "1< - -");
        check_held(back(3), "- - -");
    }
}

#[test]
fn a_row_of_two_branches_is_free_when_both_have_let_go() {
    let both = || one([nth_at(0, "t:1,2"), nth_at(1, "t:2,3")]);
    let back = decide(1, Way::Backward);
    let undone = |branch| report(1, branch, Way::Backward);
    check_held([both(), vec![back.clone(), undone(1)]].concat(), "1< 1< -");
    check_held([both(), vec![back.clone(), undone(0)]].concat(), "- 1< 1<");
    check_held([both(), vec![back.clone(), undone(1), undone(0)]].concat(), "- - -");
    check_held([both(), vec![withdraw(1, 0)]].concat(), "- 1 1");
    check_held([both(), vec![withdraw(1, 1)]].concat(), "1 1 -");
    check_held([both(), vec![withdraw(1, 0), withdraw(1, 1)]].concat(), "- - -");
    check_held([both(), vec![withdraw(1, 0), back.clone()]].concat(), "- 1< 1<");
    check_held([both(), vec![withdraw(1, 0), back, undone(1)]].concat(), "- - -");
}

#[test]
fn what_is_refused_keeps_its_rows_until_it_is_done() {
    let refused = || {
        let back = [decide(1, Way::Backward), refuse(1, 1, Way::Backward)];
        [one([nth_at(0, "t:1"), nth_at(1, "t:2")]), back.to_vec()].concat()
    };
    check_held(refused(), "1< 1< -");
    // A report that comes behind the refusal changes nothing.
    check_held([refused(), vec![report(1, 1, Way::Backward)]].concat(), "1< 1< -");
    check_held([refused(), vec![resend(1)]].concat(), "1< 1< -");
    check_held([refused(), vec![resend(1), report(1, 1, Way::Backward)]].concat(), "1< - -");
    check_held([refused(), vec![stop(1)]].concat(), "- - -");
}

#[test]
fn whoever_stops_a_transaction_frees_its_rows() {
    let two = || one([nth_at(0, "t:1"), nth_at(1, "t:2")]);
    check_held([two(), vec![stop(1)]].concat(), "- - -");
    check_held([two(), vec![decide(1, Way::Backward), stop(1)]].concat(), "- - -");
}

#[test]
fn only_branches_that_can_be_rolled_back_lock_rows_and_only_in_mixed_transactions() {
    let only = Err(Refusal::Invalid("only branches of mixed transactions lock rows"));
    for mode in [Mode::Xa, Mode::Tcc, Mode::Saga, Mode::Workflow] {
        check_joins([begin(1, mode).made()], 1, "t:1", only.clone(), "- - -");
    }
    let mut bench = Bench::new();
    bench.all(one([]));
    let endless = Enrolment { rows: Some(Box::new(rows("t:1"))), ..step("01", "http://a", "") };
    let no = Err(Refusal::Invalid("a branch that locks rows can be rolled back"));
    assert_eq!(bench.apply(&enlist(1, endless)), no);
    assert_eq!(bench.state.locks_len(), 0);
}
