//! Workflows: a program that is started again when it is silent, and says itself how it ended (dtm.md 3.5).

use synod_core::txn::{Begin, Command, End, Enrolment, Mode, Options, Status, Way};

use super::rig::{Rig, done, done_after, failed, ongoing, refused};
use super::support::{Made, begin, decide, enlist, step, target, with_options, xid};

fn workflow(back_check: &str) -> Command {
    let begin = Begin { back_check: target(back_check), ..begin(1, Mode::Workflow) };
    with_options(begin, Options { timeout_ms: 10_000, retry_ms: 5_000, ..Options::default() }).made()
}

fn note(id: &str) -> Command {
    enlist(1, Enrolment { label: "action".into(), ..step(id, "", "") })
}

#[test]
fn a_silent_one_is_started_again_at_a_constant_interval() {
    for answer in [done, ongoing] {
        let mut rig = Rig::plain(move |_, _| answer());
        rig.apply(&workflow("http://initiator")).unwrap();
        rig.run(26_000);
        let starts: Vec<_> = rig.made.iter().map(|made| made.at).collect();
        assert_eq!(starts, [10_000, 15_001, 20_002, 25_003]);
        assert_eq!(rig.state.open(xid(1)).unwrap().status, Status::Active);
    }
    for answer in [failed, refused] {
        let mut rig = Rig::plain(move |_, _| answer());
        rig.apply(&workflow("http://initiator")).unwrap();
        rig.run(60_000);
        let starts: Vec<_> = rig.made.iter().map(|made| made.at).collect();
        assert!(starts.len() == 4 && starts[3] - starts[2] > 17_000, "it backs off: {starts:?}");
    }
}

#[test]
fn its_notes_are_signs_of_life() {
    let mut rig = Rig::plain(|_, _| done());
    rig.apply(&workflow("http://initiator")).unwrap();
    for (at, id) in [(8_000, "01"), (16_000, "02"), (24_000, "03")] {
        rig.run(at);
        rig.apply(&note(id)).unwrap();
    }
    rig.run(33_000);
    assert_eq!(rig.made, []);
    rig.run(34_000);
    assert_eq!(rig.made.len(), 1);
}

#[test]
fn it_is_not_started_while_it_runs() {
    let mut rig = Rig::plain(|_, _| done_after(100_000));
    rig.apply(&workflow("http://initiator")).unwrap();
    rig.run(100_000);
    assert_eq!(rig.made.len(), 1);
}

#[test]
fn it_says_itself_how_it_ended() {
    for (way, end) in [(Way::Forward, End::Committed), (Way::Backward, End::RolledBack)] {
        let mut rig = Rig::plain(|_, _| done());
        rig.apply(&workflow("http://initiator")).unwrap();
        rig.apply(&note("01")).unwrap();
        rig.apply(&decide(1, way)).unwrap();
        let txn = rig.end_of(xid(1)).expect("at once");
        assert_eq!((txn.status, txn.branches.len()), (Status::Ended(end), 1));
        rig.run(60_000);
        assert_eq!(rig.made, [], "nobody is called any more");
    }
}

#[test]
fn its_notes_are_found_again() {
    let mut rig = Rig::plain(|_, _| done());
    rig.apply(&workflow("http://initiator")).unwrap();
    rig.apply(&note("01")).unwrap();
    rig.run(20_000);
    let open = rig.state.open(xid(1)).unwrap();
    let notes: Vec<_> = open.branches.iter().map(|branch| (&*branch.id, &*branch.label)).collect();
    assert_eq!(notes, [("01", "action")]);
    rig.apply(&note("01")).unwrap();
    rig.apply(&note("02")).unwrap();
    assert_eq!(rig.state.open(xid(1)).unwrap().branches.len(), 2);
}

#[test]
fn with_nobody_to_start_it_waits() {
    let mut rig = Rig::plain(|_, _| done());
    rig.apply(&workflow("")).unwrap();
    rig.run(1_000_000);
    assert_eq!((rig.made.len(), rig.state.open_len()), (0, 1));
}
