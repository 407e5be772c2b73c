//! Which rows a transaction holds, branch by branch, and who holds one of them.

use synod_core::txn::lock::HeldRow;
use synod_core::txn::{Enrolment, Mode, Rows, Way};

use super::support::{Bench, Made, begin, decide, enlist, nth_step, report, xid};

fn rows(keys: &str) -> Rows {
    Rows { resource: "db".into(), keys: keys.into() }
}

fn at(number: usize, keys: &str) -> Enrolment {
    Enrolment { rows: Some(Box::new(rows(keys))), ..nth_step(number) }
}

/// `branch:table/key` of each row that transaction 1 holds.
fn held(bench: &Bench) -> String {
    let Some(txn) = bench.state.open(xid(1)) else { return "ended".into() };
    let row = |(branch, HeldRow { resource, table, key })| {
        assert_eq!(resource, "db");
        format!("{branch}:{table}/{key}")
    };
    txn.held_rows().map(row).collect::<Vec<_>>().join(" ")
}

/// Three branches, of which the second locks nothing.
fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.all([
        begin(1, Mode::Mixed).made(),
        enlist(1, at(0, "t:1,2;u:3")),
        enlist(1, nth_step(1)),
        enlist(1, at(2, "t:2")),
    ]);
    bench
}

#[test]
fn rows_are_told_with_each_branch_that_changed_them() {
    assert_eq!(held(&bench()), "0:t/1 0:t/2 0:u/3 2:t/2");
}

#[test]
fn nothing_is_held_from_the_decision_to_commit_on() {
    let mut bench = bench();
    bench.all([decide(1, Way::Forward)]);
    assert_eq!(held(&bench), "");
}

#[test]
fn a_rollback_gives_back_branch_by_branch() {
    let mut bench = bench();
    bench.all([decide(1, Way::Backward)]);
    assert_eq!(held(&bench), "0:t/1 0:t/2 0:u/3 2:t/2");
    bench.all([report(1, 2, Way::Backward)]);
    assert_eq!(held(&bench), "0:t/1 0:t/2 0:u/3");
}

#[test]
fn whoever_is_refused_can_be_told_for_which_row() {
    let mut bench = bench();
    bench.all([begin(2, Mode::Mixed).made(), enlist(2, at(0, "t:9"))]);
    let holds = |bench: &Bench, holder: u64, keys: &str| -> Option<String> {
        let rows = rows(keys);
        let row = bench.state.held_by(xid(holder), &rows)?;
        Some(format!("{}/{}", row.table, row.key))
    };
    assert_eq!(holds(&bench, 1, "t:9,7,2,1"), Some("t/2".into()));
    assert_eq!(holds(&bench, 2, "t:9,7,2,1"), Some("t/9".into()));
    assert_eq!(holds(&bench, 2, "t:2"), None);
    assert_eq!(bench.state.holder(&rows("t:7,9,2")), Some(xid(2)));
    assert_eq!(bench.state.holder(&rows("t:7")), None);
    bench.all([decide(1, Way::Forward)]);
    assert_eq!(holds(&bench, 1, "t:2"), None);
}
