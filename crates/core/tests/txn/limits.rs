//! Limits: at them a clear refusal, and nothing accepted is lost. They are part of the state: a log that is read again under
//! another configuration gives the same state.

use synod_core::txn::codec::snapshot;
use synod_core::txn::drive::{Driver, Effect, Settings};
use synod_core::txn::{Begin, Command, Enrolment, Limits, Mode, Refusal, State, Target, Way};

use super::support::{
    BEGIN_MS, Bench, Made, begin, decide, enlist, nth_step, saga, step, steps, with_gid, with_options,
};

const SMALL: Limits = Limits {
    open_max: 2,
    gids_max: 2,
    branches_max: 2,
    payload_bytes_max: 8,
    id_bytes_max: 4,
    text_bytes_max: 20,
    headers_max: 1,
    subscribers_max: 1,
    topics_max: 1,
};

#[track_caller]
fn check(before: Vec<Command>, command: Command, refusal: Refusal) {
    let mut bench = Bench::with(SMALL);
    bench.all(before);
    let open = bench.state.open_len();
    assert_eq!(bench.apply(&command), Err(refusal));
    assert_eq!(bench.state.open_len(), open);
}

#[test]
fn there_are_so_many_at_once() {
    let two = || vec![begin(1, Mode::Tcc).made(), begin(2, Mode::Tcc).made()];
    check(two(), begin(3, Mode::Tcc).made(), Refusal::Busy("open transactions"));
    let mut bench = Bench::with(SMALL);
    bench.all(two());
    bench.all([decide(1, Way::Forward), begin(3, Mode::Tcc).made()]);
}

#[test]
fn outcomes_are_kept_and_begins_refused_instead() {
    let order = |number, gid: &str| with_gid(saga(number, vec![]), gid).made();
    let busy = Refusal::Busy("remembered outcomes");
    check(vec![order(1, "a"), order(2, "b")], order(3, "c"), busy.clone());
    // An open one will want its place.
    check(vec![order(1, "a"), with_gid(begin(2, Mode::Tcc), "b").made()], order(3, "c"), busy);
    let mut bench = Bench::with(SMALL);
    bench.all([order(1, "a"), order(2, "b"), order(3, "a"), saga(4, vec![]).made()]);
}

#[test]
fn nothing_is_longer_than_allowed() {
    let long = "x".repeat(21);
    let large = Refusal::TooLarge;
    let tcc = || begin(1, Mode::Tcc);
    let url = |url: &str| Some(Target { protocol: synod_core::txn::Protocol::Http, url: url.into() });
    for (begin, what) in [
        (with_gid(tcc(), "order"), large("the transaction's id")),
        (Begin { name: long.as_str().into(), ..tcc() }, large("the transaction's name or a header")),
        (
            Begin { headers: vec![("a".into(), long.as_str().into())], ..tcc() },
            large("the transaction's name or a header"),
        ),
        (Begin { headers: vec![("a".into(), "b".into()); 2], ..tcc() }, large("the list of headers")),
        (Begin { note: "123456789".into(), ..tcc() }, large("the transaction's note")),
        (Begin { branches: steps(3), ..tcc() }, Refusal::Busy("branches of a transaction")),
        (Begin { back_check: url(&long), ..tcc() }, large("a URL")),
        (
            with_options(tcc(), synod_core::txn::Options { schedule_ms: vec![1; 101], ..Default::default() }),
            large("the schedule"),
        ),
    ] {
        check(vec![], begin.made(), what);
    }
    for (branch, what) in [
        (step("01234", "", ""), large("a branch's id")),
        (Enrolment { label: "01234".into(), ..nth_step(0) }, large("a branch's id")),
        (Enrolment { payload: "123456789".into(), ..nth_step(0) }, large("a branch's payload")),
        (step("01", &long, ""), large("a URL")),
        (step("01", "", &long), large("a URL")),
        (
            Enrolment { after: [0; 3].into_iter().collect(), ..nth_step(0) },
            large("the list of branches that go first"),
        ),
    ] {
        check(vec![], Begin { branches: vec![branch.clone()], ..tcc() }.made(), what.clone());
        check(vec![tcc().made()], enlist(1, branch), what);
    }
    let two = Begin { branches: vec![step("01", "", ""), step("02", "", "")], ..tcc() }.made();
    check(vec![two], enlist(1, step("03", "", "")), Refusal::Busy("branches of a transaction"));
    let Command::Decide(mut decision) = decide(1, Way::Forward) else { unreachable!() };
    decision.result = "123456789".into();
    check(vec![tcc().made()], Command::Decide(decision), large("the result"));
}

#[test]
fn a_log_read_again_under_another_configuration_gives_the_same_state() {
    let mut log = vec![Command::Limit(Box::new(SMALL))];
    log.extend((1..=4).map(|number| begin(number, Mode::Tcc).made()));
    let states = [SMALL, Limits::default(), Limits { open_max: 1, ..SMALL }].map(|configured| {
        let mut bench = Bench::with(configured);
        log.iter().for_each(|command| drop(bench.apply(command)));
        assert_eq!(bench.state.limits(), &SMALL);
        snapshot::records(&bench.state).collect::<Vec<_>>()
    });
    assert!(states[0] == states[1] && states[1] == states[2]);
}

#[test]
fn a_snapshot_holds_the_limits_and_a_leader_brings_its_own() {
    let bench = Bench::with(SMALL);
    let configured = Limits { open_max: 9, ..SMALL };
    let mut loader = snapshot::Loader::new(configured);
    snapshot::records(&bench.state).for_each(|record| loader.take(&record).unwrap());
    let state: State = loader.finish().unwrap();
    assert_eq!(state.limits(), &SMALL);
    let mut effects = Vec::new();
    let now = synod_base::time::Now { wall_ms: BEGIN_MS, mono_ms: 0 };
    Driver::new(Settings::default(), 1).take_over(&state, now, &mut effects);
    let [Effect::Propose(Command::Limit(limits), _)] = &*effects else { panic!("{effects:?}") };
    assert_eq!(**limits, configured);
}
