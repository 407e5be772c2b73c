//! Notifications: on a schedule until acknowledged, then given up; sent again by an operator.

use synod_core::txn::drive::{Event, Settings};
use synod_core::txn::{Begin, Command, End, Mode, Options, Status};

use super::rig::{Answer, Rig, done, failed, ongoing, refused, silent};
use super::support::{Made, begin, step, with_options, xid};

fn notification(schedule_ms: &[u64]) -> Command {
    let options = Options { schedule_ms: schedule_ms.to_vec(), ..Options::default() };
    let branches = vec![step("01", "http://receiver", "")];
    with_options(Begin { branches, submit: true, ..begin(1, Mode::Notification) }, options).made()
}

/// How the receiver answers, in this order, `done` at last; when it is called.
#[track_caller]
fn check(schedule_ms: &[u64], answers: Vec<Option<Answer>>, calls: &[u64], status: Status) {
    let mut answers = answers.into_iter();
    let mut rig = Rig::plain(move |_, _| answers.next().unwrap_or_else(done));
    rig.apply(&notification(schedule_ms)).unwrap();
    rig.run(80_000_000);
    assert_eq!(rig.made.iter().map(|made| made.at).collect::<Vec<_>>(), calls);
    let stands = rig.state.open(xid(1)).or_else(|| rig.end_of(xid(1))).expect("it is there");
    assert_eq!(stands.status, status);
}

const ACKNOWLEDGED: Status = Status::Ended(End::Committed);

#[test]
fn it_follows_its_schedule() {
    let schedule = [15_000, 15_000, 30_000, 180_000];
    check(&schedule, vec![], &[0], ACKNOWLEDGED);
    check(&schedule, vec![failed(); 2], &[0, 15_001, 30_002], ACKNOWLEDGED);
    let all = [0, 15_001, 30_002, 60_003, 240_004];
    check(&schedule, vec![failed(); 4], &all, ACKNOWLEDGED);
    check(&schedule, vec![failed(); 5], &all, Status::GivenUp);
    check(&[], vec![failed()], &[0], Status::GivenUp);
}

#[test]
fn whatever_is_not_an_acknowledgement_uses_the_schedule_up() {
    let all = [0, 101, 302, 603];
    for answer in [failed(), refused(), ongoing()] {
        check(&[100, 200, 300], vec![answer; 9], &all, Status::GivenUp);
    }
    check(&[100, 200, 300], vec![silent(5); 9], &[0, 105, 310, 615], Status::GivenUp);
    check(&[100, 200, 300], vec![ongoing(), failed(), ongoing(), refused()], &all, Status::GivenUp);
}

#[test]
fn given_up_it_waits_for_an_operator_and_then_ends() {
    let settings = Settings { given_up_keep_ms: 10_000, ..Settings::default() };
    let mut answers = vec![failed(); 4].into_iter();
    let mut rig = Rig::new(settings, move |_, _| answers.next().unwrap_or_else(done));
    rig.apply(&notification(&[100])).unwrap();
    rig.run(5_000);
    assert_eq!(rig.state.open(xid(1)).unwrap().status, Status::GivenUp);
    rig.apply(&Command::Resend { xid: xid(1) }).unwrap();
    rig.run(14_000);
    assert_eq!(rig.made.iter().map(|made| made.at).collect::<Vec<_>>(), [0, 101, 5_000, 5_101]);
    assert_eq!(rig.state.open(xid(1)).unwrap().status, Status::GivenUp);
    rig.run(16_000);
    assert_eq!(rig.end_of(xid(1)).unwrap().status, Status::Ended(End::Stopped));
}

#[test]
fn where_it_was_on_its_schedule_survives_a_take_over() {
    let mut rig = Rig::plain(|_, _| failed());
    rig.apply(&notification(&[100, 200, 300_000])).unwrap();
    rig.run(1_000);
    rig.take_over(Settings::default());
    rig.run(500_000);
    // The pause that was under way is not known any more; the attempts are.
    assert_eq!(rig.made.iter().map(|made| made.at).collect::<Vec<_>>(), [0, 101, 302, 1_000]);
    assert_eq!(rig.state.open(xid(1)).unwrap().status, Status::GivenUp);
}

#[test]
fn an_operator_can_hurry_it() {
    let mut answers = vec![failed()].into_iter();
    let mut rig = Rig::plain(move |_, _| answers.next().unwrap_or_else(done));
    rig.apply(&notification(&[1_000_000])).unwrap();
    rig.run(1_000);
    rig.tell(Event::RetryNow(xid(1)));
    rig.run(2_000);
    assert_eq!(rig.made.iter().map(|made| made.at).collect::<Vec<_>>(), [0, 1_000]);
    assert_eq!(rig.end_of(xid(1)).unwrap().status, ACKNOWLEDGED);
}

#[test]
fn a_pause_without_end_is_no_pause_of_no_length() {
    check(&[u64::MAX, 1], vec![failed(); 3], &[0], Status::Committing);
}

#[test]
fn not_before_its_delay_is_over() {
    let options = Options { delay_ms: 3_000, ..Options::default() };
    let branches = vec![step("01", "http://receiver", "")];
    let begin = Begin { branches, submit: true, options, ..begin(1, Mode::Notification) };
    let mut rig = Rig::plain(|_, _| done());
    rig.apply(&begin.made()).unwrap();
    rig.run(10_000);
    assert_eq!(rig.made.iter().map(|made| made.at).collect::<Vec<_>>(), [3_000]);
}
