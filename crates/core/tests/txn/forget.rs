//! Outcomes: kept for their time, forgotten as a whole, never mistaken for "never begun".

use synod_core::txn::codec::snapshot;
use synod_core::txn::{Begin, Command, Done, Found, Limits, Mode, Outcome, Refusal, State, Status, Way};

use super::support::{BEGIN_MS, Bench, Made, begin, decide, enlist, nth_step, saga, stop, time_out, xid};

/// Ids in one page of outcomes.
const PAGE: u64 = 4_096;

fn forget(before_ms: u64) -> Command {
    Command::Forget { before_ms }
}

/// Begun and over.
fn over(number: u64) -> Command {
    saga(number, vec![]).made()
}

fn through_a_snapshot(state: &State) -> State {
    let mut loader = snapshot::Loader::new(Limits::default());
    snapshot::records(state).for_each(|record| loader.take(&record).expect("our own record"));
    loader.finish().expect("our own records")
}

/// After `before`, everything that ended is forgotten; what is known then of each of these.
#[track_caller]
fn check(before: Vec<Command>, expect: &[(u64, &str)]) {
    let mut bench = Bench::new();
    bench.all(before);
    // The same holds for a node that has the state from a snapshot.
    let mut other = Bench { state: through_a_snapshot(&bench.state), at_ms: bench.at_ms, ended: vec![] };
    for bench in [&mut bench, &mut other] {
        bench.all([forget(u64::MAX)]);
        bench.ended.clear();
        for (number, shown) in expect {
            assert_eq!(bench.show(*number), *shown, "{number}");
        }
    }
}

#[test]
fn a_page_is_forgotten_when_all_of_it_is_over_and_later_ids_have_begun() {
    let p = PAGE;
    check(vec![over(1), over(2)], &[(1, "committed"), (2, "committed"), (3, "unknown")]);
    check(
        vec![over(1), over(p)],
        &[(1, "forgotten"), (3, "forgotten"), (p, "committed"), (p + 1, "unknown")],
    );
    let open = begin(2, Mode::Tcc).made();
    check(vec![over(1), open, over(p)], &[(1, "committed"), (2, "active"), (3, "unknown")]);
    let far = begin(9 * p, Mode::Tcc).made();
    check(vec![over(1), far], &[(1, "forgotten"), (p + 1, "unknown"), (9 * p, "active")]);
}

#[test]
fn ids_that_are_reserved_but_not_used_can_still_be_begun() {
    // Blocks of ids are longer than pages: this one lasts for years where little happens.
    let mut bench = Bench::new();
    bench.all([Command::Reserve { below: 16 * PAGE }, over(1), over(2), forget(u64::MAX)]);
    assert_eq!(bench.apply(&begin(3, Mode::Tcc).made()), Ok(Done::Begun(xid(3), Status::Active)));
}

#[test]
fn what_ended_later_than_asked_for_is_kept() {
    let mut bench = Bench::new();
    bench.all([over(1), over(2 * PAGE), over(4 * PAGE)]);
    let second_ms = BEGIN_MS + 20;
    bench.all([forget(second_ms)]);
    bench.ended.clear();
    let shown = [1, 2 * PAGE, 4 * PAGE].map(|number| bench.show(number));
    assert_eq!(shown, ["forgotten", "committed", "committed"]);
}

#[test]
fn nothing_is_done_with_what_is_forgotten() {
    let mut bench = Bench::new();
    bench.all([over(1), over(PAGE), forget(u64::MAX)]);
    for command in [
        enlist(1, nth_step(0)),
        decide(1, Way::Forward),
        decide(1, Way::Backward),
        time_out(1),
        stop(1),
        super::support::report(1, 0, Way::Forward),
    ] {
        assert_eq!(bench.apply(&command), Err(Refusal::Forgotten), "{command:?}");
    }
    assert_eq!(bench.apply(&over(1)), Err(Refusal::Conflict(xid(1))), "an id that ended is never open again");
}

#[test]
fn a_clients_own_id_is_free_again_when_it_is_forgotten() {
    let tcc = |number, name: &str| {
        let begin = Begin { gid: Some("order".into()), name: name.into(), ..begin(number, Mode::Tcc) };
        begin.made()
    };
    let mut bench = Bench::new();
    bench.all([tcc(1, "one"), decide(1, Way::Backward)]);
    assert_eq!(bench.apply(&tcc(2, "two")), Err(Refusal::Conflict(xid(1))));
    bench.at_ms += 60_000;
    bench.all([forget(bench.at_ms)]);
    assert!(matches!(bench.state.find_gid("order"), Found::Unknown));
    let begun: Outcome = Ok(Done::Begun(xid(2), Status::Active));
    assert_eq!(bench.apply(&tcc(2, "two")), begun);
    assert_eq!(bench.apply(&tcc(3, "two")), begun, "repeated");
    bench.all([decide(2, Way::Backward)]);
    // What is left of its first life does not take the second along.
    bench.all([forget(bench.at_ms - 50)]);
    assert!(matches!(bench.state.find_gid("order"), Found::Ended(two, _) if two == xid(2)));
    assert_eq!(bench.state.outcomes().gids(), 1);
}
