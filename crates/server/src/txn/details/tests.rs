//! Kept, found again after a restart, dropped when old or too much.

use tempfile::TempDir;

use super::*;
use synod_core::txn::mode::{CallResult, Errand};
use synod_core::txn::{Options, Way};

fn txn(number: u64) -> Txn {
    Txn {
        xid: Xid::from_number(number).unwrap(),
        gid: Some(format!("order-{number}").into()),
        mode: if number.is_multiple_of(2) { Mode::Saga } else { Mode::Tcc },
        name: "pay".into(),
        status: Status::Ended(End::Committed),
        options: Options::default(),
        headers: Vec::new(),
        back_check: None,
        note: Bytes::from(vec![7; 100]),
        begun_ms: 1_000 + number,
        decided_ms: 0,
        touched_ms: 0,
        reason: "none".into(),
        result: Bytes::new(),
        branches: Vec::new(),
        digest: number,
    }
}

fn attempts() -> Vec<Attempt> {
    let attempt = |errand, result| Attempt { errand, at_ms: 5, took_ms: 6, result };
    vec![
        attempt(Errand::Leg(3, Way::Backward), CallResult::Failed("no \"answer\"".into())),
        attempt(Errand::BackCheck, CallResult::Refused("no".into())),
        attempt(Errand::Leg(3, Way::Forward), CallResult::Done),
        attempt(Errand::Leg(0, Way::Forward), CallResult::Ongoing),
    ]
}

fn known(details: &Details) -> Vec<u64> {
    let (page, rest) = details.page(None, 1_000, 1_000, |_| true);
    assert_eq!(rest, None);
    page.iter().map(|brief| brief.xid.number()).collect()
}

#[test]
fn what_ended_is_found_again_also_after_a_restart() {
    let directory = TempDir::new().unwrap();
    let open = || Details::open(directory.path(), 1_000_000, 1 << 20).unwrap();
    let details = open();
    for number in 1..=9 {
        details.put([(&txn(number), &attempts()[..])], 10).unwrap();
        details.put([(&txn(number), &[][..])], 10).unwrap();
    }
    for details in [details, open()] {
        assert_eq!(known(&details), [9, 8, 7, 6, 5, 4, 3, 2, 1]);
        let found = details.get(details.find_gid("order-4").unwrap()).unwrap();
        assert_eq!(found.txn, txn(4));
        assert_eq!(format!("{:?}", found.attempts), format!("{:?}", attempts()));
        assert!(details.find_gid("order-").is_none());
        assert!(details.get(Xid::from_number(77).unwrap()).is_none());
    }
}

#[test]
fn lists_are_paged_and_chosen() {
    let directory = TempDir::new().unwrap();
    let details = Details::open(directory.path(), 1_000_000, 1 << 20).unwrap();
    (1..=20).for_each(|number| details.put([(&txn(number), &[][..])], 10).unwrap());
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let (page, rest) = details.page(before, 3, 5, |brief| brief.mode == Mode::Saga);
        assert!(page.len() <= 3);
        seen.extend(page.iter().map(|brief| brief.xid.number()));
        before = rest;
        if rest.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=10).rev().map(|n| n * 2).collect::<Vec<_>>());
}

#[test]
fn the_oldest_go_when_it_is_too_much_or_too_long_ago() {
    let directory = TempDir::new().unwrap();
    let details = Details::open(directory.path(), 1_000, 16_000).unwrap();
    (1..=200).for_each(|number| details.put([(&txn(number), &[][..])], number).unwrap());
    let left = known(&details);
    assert_eq!((left[0], left.len() < 100, left.len() > 30), (200, true, true), "{left:?}");
    assert!(details.find_gid("order-1").is_none());
    details.put([(&txn(201), &[][..])], 2_000).unwrap();
    assert_eq!(known(&details), [201]);
}

#[test]
fn a_torn_end_is_cut_off() {
    let directory = TempDir::new().unwrap();
    let open = || Details::open(directory.path(), 1_000_000, 1 << 20).unwrap();
    let details = open();
    (1..=3).for_each(|number| details.put([(&txn(number), &[][..])], 10).unwrap());
    drop(details);
    let file = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&file).unwrap();
    for length in (0..whole.len()).step_by(7) {
        std::fs::write(&file, &whole[..length]).unwrap();
        let details = open();
        let left = known(&details);
        assert_eq!(left, (1..=left.len() as u64).rev().collect::<Vec<_>>());
        details.put([(&txn(9), &[][..])], 11).unwrap();
        assert_eq!(known(&open())[0], 9, "goes on behind the cut");
    }
}
