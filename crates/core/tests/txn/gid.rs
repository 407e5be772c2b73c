//! Ids that clients choose: repeating, conflicts, and ids that begin alike.

use synod_core::txn::{Begin, Command, Done, End, Found, Mode, Options, Outcome, Refusal, Status, Way};

use super::support::{
    Bench, Made, begin, decide, nth_step, report, saga, steps, stop, with_gid, with_options, xid,
};

#[track_caller]
fn check(before: Vec<Command>, begin: Begin, outcome: Outcome) {
    let mut bench = Bench::new();
    bench.all(before);
    let open = bench.state.open_len();
    assert_eq!(bench.apply(&begin.made()), outcome);
    assert_eq!(bench.state.open_len(), open, "nothing new");
}

fn order(number: u64) -> Begin {
    with_gid(Begin { branches: steps(1), ..begin(number, Mode::Tcc) }, "order-1")
}

fn begun(status: Status) -> Outcome {
    Ok(Done::Begun(xid(1), status))
}

#[test]
fn a_repeated_begin_is_answered_with_how_it_stands() {
    let first = || order(1).made();
    check(vec![first()], order(2), begun(Status::Active));
    check(vec![first(), decide(1, Way::Forward)], order(2), begun(Status::Committing));
    check(vec![first(), decide(1, Way::Backward)], order(2), begun(Status::RollingBack));
    let over = vec![first(), decide(1, Way::Forward), report(1, 0, Way::Forward)];
    check(over, order(2), begun(Status::Ended(End::Committed)));
    check(vec![first(), stop(1)], order(2), begun(Status::Ended(End::Stopped)));
    // A branch that joined since is no part of what it was begun with.
    check(vec![first(), super::support::enlist(1, nth_step(1))], order(2), begun(Status::Active));
}

#[test]
fn the_same_id_with_other_content_is_a_conflict() {
    let others = [
        Begin { mode: Mode::Xa, ..order(2) },
        Begin { name: "other".into(), ..order(2) },
        Begin { branches: steps(2), ..order(2) },
        Begin { note: "other".into(), ..order(2) },
        Begin { submit: true, ..order(2) },
        Begin { headers: vec![("tenant".into(), "other".into())], ..order(2) },
        with_options(order(2), Options { timeout_ms: 1, ..Options::default() }),
    ];
    for other in others {
        check(vec![order(1).made()], other.clone(), Err(Refusal::Conflict(xid(1))));
        check(
            vec![order(1).made(), decide(1, Way::Backward), report(1, 0, Way::Backward)],
            other,
            Err(Refusal::Conflict(xid(1))),
        );
    }
}

#[test]
fn each_repetition_has_a_trace_of_its_own() {
    let traced = |number, span: &str| Begin {
        headers: vec![
            ("TraceParent".into(), format!("00-7-{span}-01").into()),
            ("tenant".into(), "a".into()),
            ("tracestate".into(), span.into()),
        ],
        ..order(number)
    };
    check(vec![traced(1, "one").made()], traced(2, "two"), begun(Status::Active));
    let untraced = Begin { headers: vec![("tenant".into(), "a".into())], ..order(2) };
    check(vec![traced(1, "one").made()], untraced, begun(Status::Active));
    let other = Begin { headers: vec![("tenant".into(), "b".into())], ..traced(2, "one") };
    check(vec![traced(1, "one").made()], other, Err(Refusal::Conflict(xid(1))));
}

/// dtm on boltdb takes the branches of one for those of another when one id begins with the other.
#[test]
fn ids_that_begin_alike_have_nothing_in_common() {
    let gids = ["order-1", "order-10", "order-1/01", "order-", "order-11", "o", "order-100"];
    let mut bench = Bench::new();
    for (gid, number) in gids.iter().zip(1..) {
        bench.all([with_gid(saga(number, steps(number as usize)), gid).made()]);
    }
    for (gid, number) in gids.iter().zip(1..) {
        let Found::Open(txn) = bench.state.find_gid(gid) else { panic!("{gid} is open") };
        assert_eq!((txn.xid, txn.branches.len()), (xid(number), number as usize), "{gid}");
    }
    // One of them ends, the others stay.
    bench.all([report(1, 0, Way::Forward)]);
    for (gid, number) in gids.iter().zip(1..) {
        let (found, ended) = match bench.state.find_gid(gid) {
            Found::Open(txn) => (txn.xid, false),
            Found::Ended(xid, End::Committed) => (xid, true),
            other => panic!("{gid}: {other:?}"),
        };
        assert_eq!((found, ended), (xid(number), number == 1), "{gid}");
    }
    for absent in ["order", "order-1 ", "order-12", "rder-1", ""] {
        assert!(matches!(bench.state.find_gid(absent), Found::Unknown), "{absent}");
    }
}

#[test]
fn without_an_id_of_ones_own_each_begin_is_another() {
    let mut bench = Bench::new();
    bench.all([begin(1, Mode::Tcc).made(), begin(2, Mode::Tcc).made()]);
    assert_eq!(bench.state.open_len(), 2);
}

#[test]
fn the_number_of_a_repeated_begin_is_not_used_up() {
    let mut bench = Bench::new();
    bench.all([order(1).made(), order(2).made()]);
    assert!(matches!(bench.state.find(xid(2)), Found::Unknown));
    assert_eq!(bench.apply(&begin(2, Mode::Tcc).made()), Ok(Done::Begun(xid(2), Status::Active)));
}
