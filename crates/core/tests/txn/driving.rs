//! When calls are repeated, who hears of it, and what happens when the log does not take what is proposed.

use synod_core::txn::drive::{Event, Settings, Urgency};
use synod_core::txn::mode::CallResult;
use synod_core::txn::{Begin, Command, End, Mode, Options, Status, Way};

use super::rig::{Answer, Rig, done, done_after, failed, leg, ongoing, refused, silent};
use super::support::{
    Made, begin, decide, dtm_branches, ordered_steps, saga, show, step, steps, stop, with_options, xid,
};

/// How long pauses were between the calls of one saga of one step.
fn pauses(options: Options, settings: Settings, answers: Vec<Option<Answer>>) -> Vec<u64> {
    let mut answers = answers.into_iter();
    let mut rig = Rig::new(settings, move |_, _| answers.next().unwrap_or_else(done));
    rig.apply(&with_options(saga(1, steps(1)), options).made()).unwrap();
    rig.run(10_000_000);
    assert_eq!(rig.end_of(xid(1)).expect("it ends").status, Status::Ended(End::Committed));
    rig.made.windows(2).map(|pair| pair[1].at - pair[0].at - 1).collect()
}

#[track_caller]
fn check_pauses(options: Options, settings: Settings, answers: Vec<Option<Answer>>, full: &[u64]) {
    let pauses = pauses(options, settings, answers);
    assert_eq!(pauses.len(), full.len(), "{pauses:?}");
    for (pause, full) in pauses.iter().zip(full) {
        // Up to a tenth is left to chance.
        assert!((full - full / 10..=*full).contains(pause), "{pauses:?} for {full:?}");
    }
}

#[test]
fn a_failing_call_is_repeated_with_pauses_that_grow_to_a_limit() {
    let settings = || Settings { retry_ms: 1_000, retry_max_ms: 10_000, ..Settings::default() };
    let doubled = [1_000, 2_000, 4_000, 8_000, 10_000, 10_000];
    check_pauses(Options::default(), settings(), vec![failed(); 6], &doubled);
    check_pauses(Options::default(), settings(), vec![silent(1); 6], &doubled);
    let own = |retry_ms| Options { retry_ms, ..Options::default() };
    check_pauses(own(3_000), settings(), vec![failed(); 3], &[3_000, 6_000, 10_000]);
    check_pauses(own(20_000), settings(), vec![failed(); 2], &[20_000, 20_000]);
}

#[test]
fn chance_parts_those_who_fail_together() {
    let mut rig = Rig::plain(|_, now| if now < 500 { failed() } else { done() });
    for number in 1..=100 {
        rig.apply(&saga(number, steps(1)).made()).unwrap();
    }
    rig.run(60_000);
    let mut second: Vec<u64> = rig.made.iter().map(|made| made.at).filter(|at| *at > 500).collect();
    second.dedup();
    assert!(second.len() > 40, "{} different moments", second.len());
}

#[test]
fn whoever_is_at_it_is_asked_at_a_constant_interval_and_that_counts_for_nothing() {
    let options = Options { retry_ms: 2_000, retry_limit: 1, ..Options::default() };
    let mut answers = vec![ongoing(); 6].into_iter();
    let mut rig = Rig::plain(move |_, _| answers.next().unwrap_or_else(done));
    rig.apply(&with_options(saga(1, steps(1)), options).made()).unwrap();
    rig.run(11_000);
    assert_eq!(
        rig.made.iter().map(|made| made.at).collect::<Vec<_>>(),
        [0, 2_001, 4_002, 6_003, 8_004, 10_005]
    );
    assert_eq!((rig.driver.troubled().count(), rig.proposals.len()), (0, 0));
    rig.run(20_000);
    assert_eq!(rig.end_of(xid(1)).unwrap().status, Status::Ended(End::Committed));
}

#[test]
fn whoever_fails_for_long_calls_for_a_person() {
    let settings = Settings { attention_after: 3, ..Settings::default() };
    let mut rig = Rig::new(settings, |_, now| if now < 60_000 { failed() } else { done() });
    rig.apply(&Begin { branches: steps(1), ..begin(1, Mode::Tcc) }.made()).unwrap();
    rig.apply(&decide(1, Way::Forward)).unwrap();
    rig.run(2_500);
    assert_eq!(rig.driver.troubled().count(), 0, "{:?}", rig.made);
    rig.run(4_000);
    assert_eq!(rig.driver.troubled().collect::<Vec<_>>(), [xid(1)]);
    assert!(rig.driver.is_troubled(xid(1)) && !rig.driver.is_troubled(xid(2)));
    let (pauses, attempts) = rig.driver.view(xid(1)).unwrap();
    assert_eq!((pauses[0].failures, &*pauses[0].error, attempts.len()), (3, "500", 3));
    rig.run(200_000);
    assert_eq!((rig.driver.troubled().count(), rig.ended.len()), (0, 1));
}

#[test]
fn an_operator_has_it_tried_at_once() {
    let mut rig = Rig::plain(|_, now| if now < 100_000 { failed() } else { done() });
    let patient = Options { retry_ms: 150_000, ..Options::default() };
    rig.apply(&with_options(saga(1, steps(1)), patient).made()).unwrap();
    rig.run(130_000);
    assert_eq!(rig.made.len(), 1);
    rig.tell(Event::RetryNow(xid(1)));
    rig.run(130_100);
    assert_eq!((rig.made.last().unwrap().at, rig.ended.len()), (130_000, 1));
    rig.tell(Event::RetryNow(xid(1)));
    rig.tell(Event::RetryNow(xid(77)));
}

/// The operator sees that the participant was called, not whether its answer has been taken note of.
#[test]
fn what_is_under_way_meanwhile_is_tried_again_at_once() {
    let slow = Answer { after_ms: 5_000, result: CallResult::Failed("500".into()), answered: true };
    let mut rig = Rig::plain(move |_, now| if now < 1_000 { Some(slow.clone()) } else { done() });
    let patient = Options { retry_ms: 150_000, ..Options::default() };
    rig.apply(&with_options(saga(1, steps(1)), patient).made()).unwrap();
    rig.run(2_000);
    rig.tell(Event::RetryNow(xid(1)));
    rig.run(6_000);
    assert_eq!((rig.made.len(), rig.ended.len()), (2, 1), "{:?}", rig.made);
}

/// A participant that comes back is heard of before the end of the call to the one that went.
#[test]
fn what_is_under_way_to_somebody_who_comes_back_is_tried_again_at_once() {
    for (name, made) in [("x", 1), ("host", 2)] {
        let slow = Answer { after_ms: 5_000, result: CallResult::Failed("gone".into()), answered: false };
        let mut rig = Rig::plain(move |_, now| if now < 1_000 { Some(slow.clone()) } else { done() });
        let patient = Options { retry_ms: 150_000, ..Options::default() };
        let there = vec![step("01", "http://host/a", "")];
        rig.apply(&with_options(saga(1, there), patient).made()).unwrap();
        rig.run(2_000);
        rig.tell(Event::Reachable(name.into()));
        rig.run(6_000);
        assert_eq!((rig.made.len(), rig.ended.len()), (made, made - 1), "{name}: {:?}", rig.made);
    }
}

#[test]
fn a_stopped_transaction_is_left_alone_at_once() {
    let concurrent = Options { concurrent: true, ..Options::default() };
    let mut rig = Rig::plain(|_, _| done_after(5_000));
    rig.apply(&with_options(saga(1, steps(3)), concurrent).made()).unwrap();
    rig.run(1_000);
    assert_eq!(rig.driver.flying(), 3);
    rig.apply(&stop(1)).unwrap();
    assert_eq!(rig.cancelled.len(), 3);
    rig.run(60_000);
    assert_eq!((rig.made.len(), rig.driver.flying()), (3, 0));
    let reports = rig.proposals.iter().filter(|(_, command, _)| matches!(command, Command::Report(_)));
    assert_eq!(reports.count(), 0);
    assert_eq!(rig.end_of(xid(1)).unwrap().status, Status::Ended(End::Stopped));
}

#[test]
fn what_was_tried_is_told_when_it_is_over() {
    let mut answers = vec![failed(); 70].into_iter();
    let settings = Settings { retry_max_ms: 1_000, ..Settings::default() };
    let mut rig = Rig::new(settings, move |_, _| answers.next().unwrap_or_else(done));
    rig.apply(&saga(1, steps(1)).made()).unwrap();
    rig.run(1_000_000);
    let [(told, attempts)] = &*rig.history else { panic!("{:?}", rig.history) };
    // The beginning and the end of it.
    assert_eq!((*told, attempts.len(), rig.made.len()), (xid(1), 50, 71));
    assert_eq!(attempts.last().unwrap().result, CallResult::Done);
    assert!(attempts[0].at_ms < attempts[1].at_ms && attempts[0].took_ms == 1);
}

#[test]
fn acknowledgements_are_lazy_but_for_the_last() {
    let mut rig = Rig::plain(|_, _| done());
    rig.apply(&saga(1, steps(3)).made()).unwrap();
    rig.run(100);
    let urgencies: Vec<_> = rig.proposals.iter().map(|(_, _, urgency)| *urgency).collect();
    assert_eq!(urgencies, [Urgency::Lazy, Urgency::Lazy, Urgency::Now]);
}

#[test]
fn no_time_is_too_long_to_reckon_with() {
    let long = u64::MAX;
    let options = Options {
        timeout_ms: long,
        call_timeout_ms: long,
        retry_ms: long,
        delay_ms: 0,
        ..Options::default()
    };
    let mut rig = Rig::plain(|_, _| failed());
    for (number, mode) in (1..).zip([Mode::Xa, Mode::Tcc, Mode::Workflow]) {
        rig.apply(&with_options(begin(number, mode), options.clone()).made()).unwrap();
    }
    rig.apply(&with_options(saga(9, steps(1)), options.clone()).made()).unwrap();
    let delayed = Options { delay_ms: long, ..options };
    let message =
        Begin { branches: vec![step("01", "http://a", "")], submit: true, ..begin(10, Mode::Message) };
    rig.apply(&with_options(message, delayed).made()).unwrap();
    rig.run(1_000_000);
    assert_eq!((rig.made.len(), rig.state.open_len()), (1, 5));
}

#[test]
fn what_the_log_did_not_take_is_proposed_again_and_not_in_a_hurry() {
    // The disk is full for a minute, after everything is done and before that is in the log.
    let mut rig = Rig::plain(|_, _| done());
    rig.apply(&saga(1, steps(2)).made()).unwrap();
    rig.full = true;
    rig.run(60_000);
    assert_eq!(rig.order(xid(1)), ["+0", "+1"]);
    assert!(rig.proposals.len() < 20, "{} proposals", rig.proposals.len());
    rig.full = false;
    rig.run(75_000);
    assert_eq!(rig.end_of(xid(1)).expect("it ends").status, Status::Ended(End::Committed));
    assert_eq!(rig.order(xid(1)), ["+0", "+1"], "nobody is called again for that");
}

#[test]
fn a_time_out_that_the_log_did_not_take_is_proposed_again() {
    let options = Options { timeout_ms: 1_000, ..Options::default() };
    let mut rig = Rig::plain(|_, _| done());
    rig.apply(&with_options(Begin { branches: steps(1), ..begin(1, Mode::Tcc) }, options).made()).unwrap();
    rig.full = true;
    rig.run(31_000);
    assert!((20..=35).contains(&rig.proposals.len()), "about one a second: {}", rig.proposals.len());
    rig.full = false;
    rig.run(40_000);
    assert_eq!(rig.end_of(xid(1)).expect("it ends").status, Status::Ended(End::RolledBack));
}

#[test]
fn an_action_whose_acknowledgement_got_lost_is_undone() {
    // The first is done and that is lost, the second is under way for long and refuses.
    for refused_after in [3, 30_000] {
        let mut rig = Rig::plain(move |call, _| match leg(call) {
            Some((1, Way::Forward)) => Some(Answer { after_ms: refused_after, ..refused().unwrap() }),
            _ => done(),
        });
        rig.apply(&saga(1, steps(3)).made()).unwrap();
        rig.full = true;
        rig.run(3);
        rig.full = false;
        rig.run(120_000);
        let order = rig.order(xid(1)).join(" ");
        assert!(order.starts_with("+0 +1 ") && order.ends_with("-1 -0"), "{order}");
        assert_eq!(rig.end_of(xid(1)).unwrap().status, Status::Ended(End::RolledBack));
    }
}

#[test]
fn a_turn_in_the_shadow_of_a_late_log_knows_what_was_done() {
    let mut rig = Rig::plain(|call, _| match leg(call) {
        Some((2, Way::Forward)) => refused(),
        _ => done(),
    });
    rig.lag_ms = 3_000;
    rig.apply(&saga(1, steps(4)).made()).unwrap();
    rig.run(60_000);
    assert_eq!(rig.order(xid(1)).join(" "), "+0 +1 +2 -2 -1 -0");
    let txn = rig.end_of(xid(1)).unwrap();
    assert_eq!(show(txn), "rolled_back dd dd rd -s");
    assert_eq!(dtm_branches(txn).len(), 8);
}

#[test]
fn a_result_that_nobody_waits_for_any_more_is_recorded_and_changes_nothing() {
    let concurrent = Options { concurrent: true, ..Options::default() };
    let mut rig = Rig::plain(|call, _| match leg(call) {
        Some((0, Way::Forward)) => refused(),
        Some((1, Way::Forward)) => done_after(5_000),
        Some((2, Way::Forward)) => Some(Answer { after_ms: 5_000, ..refused().unwrap() }),
        _ => done(),
    });
    rig.apply(&with_options(saga(1, ordered_steps(&[&[], &[], &[]])), concurrent).made()).unwrap();
    rig.run(60_000);
    let txn = rig.end_of(xid(1)).unwrap();
    assert_eq!(show(txn), "rolled_back rd dd -d");
    let turns = rig.proposals.iter().filter(|(_, command, _)| matches!(command, Command::Turn(_))).count();
    assert_eq!(turns, 1);
}
