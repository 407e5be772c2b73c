//! Commands and state as bytes: what was written is read, what is not ours is an error, and one thing has one form.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use synod_core::txn::codec::{snapshot, v1};
use synod_core::txn::{Batch, Limits, News, State};

use super::arbitrary::{batches, commands, txns};
use super::model::{Op, ops};
use super::support::nth_at;

/// Reads records; `None` if they are not those of a state.
fn load(records: &[Bytes]) -> Option<State> {
    let mut loader = snapshot::Loader::new(Limits::default());
    records.iter().try_for_each(|record| loader.take(record)).ok()?;
    loader.finish().ok()
}

fn records(state: &State) -> Vec<Bytes> {
    snapshot::records(state).collect()
}

/// Every beginning of `whole` is an error, and so is anything behind its end.
fn cut<T: PartialEq + std::fmt::Debug, E: std::fmt::Debug>(
    whole: &Bytes,
    decode: impl Fn(&Bytes) -> Result<T, E>,
) -> Result<(), TestCaseError> {
    for end in 0..whole.len() {
        prop_assert!(decode(&whole.slice(..end)).is_err(), "cut at {end}");
    }
    for more in [0, 1, 0x80] {
        let longer: Bytes = [&whole[..], &[more]].concat().into();
        prop_assert!(decode(&longer).is_err(), "{more} behind the end");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_batch_is_read_as_it_was_written(batch in batches()) {
        let bytes = v1::encode(&batch);
        let read = v1::decode(&bytes);
        prop_assert_eq!(read.as_ref(), Ok(&batch));
        let sizes: usize = batch.commands.iter().map(v1::size).sum();
        prop_assert!((sizes + 3..=sizes + 12).contains(&bytes.len()));
        cut(&bytes, v1::decode)?;
    }

    #[test]
    fn a_transaction_is_read_as_it_was_written(txn in txns()) {
        let bytes = snapshot::encode_txn(&txn);
        let read = snapshot::decode_txn(&bytes);
        prop_assert_eq!(read.as_ref(), Ok(&txn));
        cut(&bytes, snapshot::decode_txn)?;
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        any_bytes(&bytes.into())?;
    }

    #[test]
    fn good_bytes_with_a_fault_are_read_or_refused(
        batch in batches(), txn in txns(), at in any::<prop::sample::Index>(), byte in any::<u8>(), record in 1..8u8,
    ) {
        for good in [v1::encode(&batch), snapshot::encode_txn(&txn)] {
            let mut bytes = good.to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            any_bytes(&bytes.clone().into())?;
            // As a record of a snapshot, too.
            bytes[0] = record;
            any_bytes(&bytes.into())?;
        }
    }

    #[test]
    fn a_state_is_read_as_it_was_written(ops in ops(60)) {
        let mut state = State::new(Limits::default());
        let mut news = News::default();
        for (number, op) in ops.into_iter().enumerate() {
            state.begin_batch(1_000 * number as u64);
            let Op(command) = op;
            drop(state.apply(&command, &mut news));
        }
        let written = records(&state);
        let mut read = load(&written).expect("our own records");
        prop_assert_eq!(&records(&read), &written);
        prop_assert_eq!(read.open_len(), state.open_len());
        prop_assert_eq!(read.locks_len(), state.locks_len());
        for row in super::model::all_rows() {
            let asker = super::support::xid(77);
            prop_assert_eq!(read.conflict(asker, &row), state.conflict(asker, &row));
        }
        // The two stay alike: nothing that matters is missing from the records.
        for command in [
            synod_core::txn::Command::Forget { before_ms: u64::MAX },
            super::support::Made::made(super::support::begin(3, synod_core::txn::Mode::Tcc)),
        ] {
            prop_assert_eq!(read.apply(&command, &mut news), state.apply(&command, &mut news));
        }
        prop_assert_eq!(records(&read), records(&state));
    }

    #[test]
    fn commands_of_any_kind_are_applied_or_refused(commands in vec(commands(), 0..40)) {
        let mut state = State::new(Limits::default());
        let mut news = News::default();
        for command in &commands {
            state.begin_batch(state.stamp_ms() + 1);
            drop(state.apply(command, &mut news));
        }
        prop_assert!(load(&records(&state)).is_some());
    }
}

fn any_bytes(bytes: &Bytes) -> Result<(), TestCaseError> {
    if let Ok(batch) = v1::decode(bytes) {
        prop_assert_eq!(&v1::encode(&batch), bytes);
    }
    if let Ok(txn) = snapshot::decode_txn(bytes) {
        prop_assert_eq!(&snapshot::encode_txn(&txn), bytes);
    }
    let head = records(&State::new(Limits::default())).remove(0);
    if let Some(state) = load(&[head.clone(), bytes.clone()]) {
        prop_assert_eq!(records(&state), &[head, bytes.clone()]);
    }
    Ok(())
}

fn number(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

#[track_caller]
fn check_refused(records: &[Vec<u8>], what: &str) {
    let records: Vec<Bytes> = records.iter().cloned().map(Bytes::from).collect();
    let mut loader = snapshot::Loader::new(Limits::default());
    let damage =
        records.iter().try_for_each(|record| loader.take(record)).and_then(|()| loader.finish().map(drop));
    assert_eq!(damage.unwrap_err().what, what);
}

#[test]
fn records_that_do_not_fit_together_are_refused() {
    let head = records(&State::new(Limits::default())).remove(0).to_vec();
    let gone = |first: u64, last: u64| [vec![4], number(first), number(last)].concat();
    check_refused(&[], "a snapshot without a head");
    check_refused(&[head.clone(), head.clone()], "a snapshot has one head, at its beginning");
    check_refused(&[gone(1, 2)], "a snapshot has one head, at its beginning");
    let ranges = "ranges of what is forgotten do not follow each other";
    for (before, then) in [(gone(1, 2), gone(3, 4)), (gone(1, 2), gone(2, 4)), (gone(5, 6), gone(1, 2))] {
        check_refused(&[head.clone(), before, then], ranges);
    }
    check_refused(&[head.clone(), gone(2, 1)], ranges);
    check_refused(&[head.clone(), gone(1, u64::MAX)], ranges);
    let page =
        |at: u64, bytes: usize| [vec![3], number(at), vec![0], number(bytes as u64), vec![0; bytes]].concat();
    check_refused(&[head.clone(), page(1, 1_023)], "a page of outcomes is of the wrong size");
    check_refused(&[head.clone(), page(u64::MAX / 2, 1_024)], "a page of outcomes of ids that cannot be");
    check_refused(&[head, vec![9]], "a record that is not known here");
}

#[test]
fn a_transaction_is_there_once() {
    let mut bench = super::support::Bench::new();
    let tcc = |number| super::support::begin(number, synod_core::txn::Mode::Tcc);
    bench.all([super::support::Made::made(super::support::with_gid(tcc(1), "a"))]);
    let records = records(&bench.state);
    let [head, open] = &*records else { panic!("{records:?}") };
    let mut other = open.to_vec();
    other[1] = 2;
    check_refused(&[head.to_vec(), open.to_vec(), other], "two transactions have one id of their own");
    bench.all([super::support::Made::made(tcc(3))]);
    let records: Vec<Bytes> = snapshot::records(&bench.state).collect();
    let second = records[2].to_vec();
    check_refused(&[head.to_vec(), second.clone(), second], "two transactions have one id");
}

/// The records of transaction 1 with rows `t:1` and `t:2`, and of transaction 2 with row `t:3`.
fn records_with_rows() -> [Vec<u8>; 6] {
    let mut bench = super::support::Bench::new();
    bench.all(super::support::mixed(1, [nth_at(0, "t:1"), nth_at(1, "t:2")]));
    bench.all(super::support::mixed(2, [nth_at(0, "t:3")]));
    let records: Vec<Vec<u8>> = records(&bench.state).iter().map(|record| record.to_vec()).collect();
    records.try_into().expect("a head, and for each transaction itself and its rows")
}

#[test]
fn rows_belong_to_a_branch_and_to_one_transaction() {
    let [head, first, row_1, row_2, second, row_3] = records_with_rows();
    // A record of rows: the tag, the transaction, the branch, the rows.
    let [_, _, _, rows @ ..] = &*row_1.clone() else { panic!("{row_1:?}") };
    let of = |xid: u64, branch: u64| [vec![7], number(xid), number(branch), rows.to_vec()].concat();
    assert_eq!(of(1, 0), row_1);
    let before = [head, first, row_1, row_2, second];
    let then = |record: Vec<u8>| [before.to_vec(), vec![record]].concat();
    let good: Vec<Bytes> = then(row_3).into_iter().map(Bytes::from).collect();
    assert_eq!(load(&good).expect("our own records").locks_len(), 3);
    check_refused(&then(of(3, 0)), "rows of a transaction that is not there");
    check_refused(&then(of(2, 1)), "rows of a branch that is not there");
    check_refused(&then(of(1, 0)), "a branch has rows twice");
    check_refused(&then(of(2, 0)), "two transactions hold a row");
}

/// What has let go of its rows is in nobody's way, also when it is read.
#[test]
fn rows_that_were_given_back_are_read_and_not_held() {
    use super::support::{decide, mixed, rows, withdraw, xid};
    for given_back in [decide(1, synod_core::txn::Way::Forward), withdraw(1, 0)] {
        let mut bench = super::support::Bench::new();
        bench.all(mixed(1, [nth_at(0, "t:1")]));
        bench.all([given_back]);
        bench.all(mixed(2, [nth_at(0, "t:1")]));
        let read = load(&records(&bench.state)).expect("our own records");
        assert_eq!(read.conflict(xid(3), &rows("t:1")), Some((xid(2), false)));
        assert_eq!(read.open(xid(1)), bench.state.open(xid(1)));
    }
}

#[test]
fn details_name_the_rows_of_each_branch_once_and_in_order() {
    let mut bench = super::support::Bench::new();
    bench.all(super::support::mixed(1, [nth_at(0, "t:1"), nth_at(1, "t:2")]));
    let good = snapshot::encode_txn(bench.state.open(super::support::xid(1)).unwrap()).to_vec();
    let rows = |branch: u8, key: &str| [&[branch, 2][..], b"db", &[3], key.as_bytes()].concat();
    let end = [vec![2], rows(0, "t:1"), rows(1, "t:2")].concat();
    let txn = good.strip_suffix(&*end).expect("the rows are at the end");
    let damaged = |end: &[Vec<u8>]| {
        let bytes = [txn.to_vec(), vec![end.len() as u8], end.concat()].concat();
        snapshot::decode_txn(&bytes.into()).unwrap_err().what
    };
    let order = "rows in another order than that of the branches";
    assert_eq!(damaged(&[]), order);
    assert_eq!(damaged(&[rows(1, "t:2"), rows(0, "t:1")]), order);
    assert_eq!(damaged(&[rows(0, "t:2"), rows(0, "t:1")]), order);
    assert_eq!(damaged(&[rows(0, "t:2"), rows(2, "t:1")]), "rows of a branch that is not there");
}

#[test]
fn a_number_has_one_form() {
    let batch = |stamp: &[u8]| Bytes::from([&[1][..], stamp, &[0]].concat());
    for (stamp, read) in [
        (&[0][..], Some(0)),
        (&[0x80, 1], Some(128)),
        (&[0x80, 0], None),
        (&[0xff, 0x80, 0], None),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Some(u64::MAX)),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], None),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0], None),
    ] {
        let expect = read.map(|at_ms| Batch { at_ms, commands: vec![] });
        assert_eq!(v1::decode(&batch(stamp)).ok(), expect, "{stamp:?}");
    }
}

/// One open transaction must not keep the batch in memory that it came in with thousands of others.
#[test]
fn a_small_payload_does_not_hold_a_large_batch() {
    use super::support::{enlist, step};
    let payload = Bytes::from(vec![7; 100]);
    let branch = |id: &str| synod_core::txn::Enrolment { payload: payload.clone(), ..step(id, "", "") };
    let commands = (0..50).map(|at| enlist(1, branch(&at.to_string()))).collect();
    let whole = v1::encode(&Batch { at_ms: 1, commands });
    let range = whole.as_ptr_range();
    let read = v1::decode(&whole).unwrap();
    for command in read.commands {
        let synod_core::txn::Command::Enlist(enlist) = command else { unreachable!() };
        assert_eq!(enlist.branch.payload, payload);
        assert!(!range.contains(&enlist.branch.payload.as_ptr()));
    }
}
