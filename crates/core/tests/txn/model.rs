//! Random commands, and after each of them everything that can be asked compared with [`Naive`]; and what must never happen,
//! whatever the rules are.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use synod_base::xid::Xid;
use synod_core::txn::{
    Amend, Begin, Command, Decision, End, Enlist, Enrolment, Found, Limits, Mode, News, Options, Report,
    Rows, State, Status, Turn, Txn, Way,
};

use super::naive::{Naive, names};
use super::support::{begin, show, step, xid};

/// Ids in three pages of outcomes.
const NUMBERS: [u64; 10] = [1, 2, 3, 4, 5, 4_096, 4_097, 8_195, 8_196, 8_197];
const GIDS: [&str; 4] = ["order-1", "order-10", "order-", "x"];

/// A command about few transactions, such that most are about one that is there.
#[derive(Clone, Debug)]
pub(crate) struct Op(pub(crate) Command);

pub(crate) fn ops(count: usize) -> impl Strategy<Value = Vec<Op>> {
    vec(op(), 1..count)
}

fn op() -> impl Strategy<Value = Op> {
    let xids = || select(&NUMBERS[..]).prop_map(xid);
    let ways = || any::<bool>().prop_map(|forward| if forward { Way::Forward } else { Way::Backward });
    let branches = || 0..4u16;
    prop_oneof![
        6 => begins(),
        9 => (xids(), enrolments()).prop_map(|(xid, branch)| Command::Enlist(Box::new(Enlist { xid, branch }))),
        5 => (xids(), ways()).prop_map(|(xid, way)| {
            let (reason, result) = ("because".into(), "r".into());
            Command::Decide(Box::new(Decision { xid, way, reason, result }))
        }),
        12 => (xids(), branches(), ways())
            .prop_map(|(xid, branch, way)| Command::Report(Report { xid, branch, way })),
        4 => (xids(), proptest::option::of(branches()), any::<bool>()).prop_map(|(xid, refused, unsure)| {
            Command::Turn(Box::new(Turn { xid, refused, reason: "no".into(), unsure }))
        }),
        2 => (xids(), any::<bool>()).prop_map(|(xid, unsure)| Command::TimeOut { xid, unsure }),
        3 => (xids(), branches(), ways())
            .prop_map(|(xid, branch, way)| Command::Refuse(Report { xid, branch, way })),
        3 => (xids(), branches(), proptest::option::of(Just("other".into())), any::<bool>()).prop_map(
            |(xid, branch, payload, withdraw)| {
                Command::Amend(Box::new(Amend { xid, branch, payload, withdraw }))
            }
        ),
        2 => xids().prop_map(|xid| Command::GiveUp { xid }),
        2 => xids().prop_map(|xid| Command::Resend { xid }),
        1 => xids().prop_map(|xid| Command::Stop { xid, reason: "stopped".into() }),
        1 => (0..400_000u64).prop_map(|before_ms| Command::Forget { before_ms }),
    ]
    .prop_map(Op)
}

/// A command about few mixed transactions whose branches want the same rows.
fn row_op() -> impl Strategy<Value = Op> {
    let xids = || (1..=3u64).prop_map(xid);
    let branches = || 0..3u16;
    let back = || Just(Way::Backward);
    prop_oneof![
        3 => (1..=3u64).prop_map(|number| super::support::Made::made(begin(number, Mode::Mixed))),
        9 => (xids(), at_enrolments()).prop_map(|(xid, branch)| Command::Enlist(Box::new(Enlist { xid, branch }))),
        2 => (xids(), any::<u8>()).prop_map(|(xid, one_in)| {
            let way = if one_in % 4 == 0 { Way::Forward } else { Way::Backward };
            Command::Decide(Box::new(Decision { xid, way, reason: "because".into(), result: "r".into() }))
        }),
        6 => (xids(), branches(), back()).prop_map(|(xid, branch, way)| Command::Report(Report { xid, branch, way })),
        2 => (xids(), branches(), back()).prop_map(|(xid, branch, way)| Command::Refuse(Report { xid, branch, way })),
        2 => (xids(), branches()).prop_map(|(xid, branch)| {
            Command::Amend(Box::new(Amend { xid, branch, payload: None, withdraw: true }))
        }),
        1 => xids().prop_map(|xid| Command::Resend { xid }),
        1 => xids().prop_map(|xid| Command::Stop { xid, reason: "stopped".into() }),
    ]
    .prop_map(Op)
}

/// Branches that one transaction may have; the same id with two contents.
fn enrolments() -> impl Strategy<Value = Enrolment> {
    let urls = || select(&["", "http://a", "http://b"][..]);
    let plain = (select(&["01", "02", "03"][..]), urls(), urls())
        .prop_map(|(id, forward, backward)| step(id, forward, backward));
    prop_oneof![plain, at_enrolments()]
}

fn at_enrolments() -> impl Strategy<Value = Enrolment> {
    let keys = select(&["t:1", "t:2", "t:1,2", "t:2;u:1", "u:1,2", "t:1;x;t:2", ""][..]);
    (select(&["01", "02", "03", "04"][..]), select(&["", "http://b"][..]), select(&["a", "b"][..]), keys)
        .prop_map(|(id, forward, resource, keys)| {
            let rows = Rows { resource: resource.into(), keys: keys.into() };
            Enrolment { rows: Some(Box::new(rows)), ..step(id, forward, "http://a") }
        })
}

/// All that [`enrolments`] lock, row by row.
pub(crate) fn all_rows() -> impl Iterator<Item = Rows> {
    let keys = ["t:1", "t:2", "u:1", "u:2"];
    let of =
        move |resource: &'static str| keys.map(|keys| Rows { resource: resource.into(), keys: keys.into() });
    ["a", "b"].into_iter().flat_map(of)
}

fn begins() -> impl Strategy<Value = Command> {
    let modes = prop_oneof![2 => select(&Mode::ALL[..]), 1 => Just(Mode::Mixed)];
    let names = (select(&NUMBERS[..]), proptest::option::weighted(0.6, select(&GIDS[..])), modes);
    let legs = vec((any::<bool>(), any::<bool>(), vec(0..4u16, 0..2)), 0..4);
    (names, legs, any::<(bool, bool, bool)>()).prop_map(|((number, gid, mode), legs, flags)| {
        let (submit, concurrent, forward_only) = flags;
        let url = |there: bool, at: usize| if there { format!("http://p{at}") } else { String::new() };
        let branches = legs.iter().enumerate().map(|(at, (forward, backward, after))| {
            let (forward, backward) = match mode {
                Mode::Workflow => (false, false),
                Mode::Message | Mode::Notification => (*forward, false),
                Mode::Xa => (*forward, *forward),
                Mode::Saga | Mode::Tcc | Mode::Mixed => (*forward, *backward),
            };
            let mut step = step(&format!("{:02}", at + 1), &url(forward, at), &url(backward, at));
            if mode == Mode::Saga {
                step.after = after.iter().copied().filter(|before| usize::from(*before) < at).collect();
            }
            step
        });
        let branches = branches.collect();
        let options = Options { concurrent, forward_only, ..Options::default() };
        let gid = gid.map(Into::into);
        super::support::Made::made(Begin { gid, branches, submit, options, ..begin(number, mode) })
    })
}

/// Whether the model has a word to say: what makes no sense for a mode is checked elsewhere.
fn makes_sense(state: &State, command: &Command) -> bool {
    let mode_of = |xid: Xid| state.open(xid).map(|txn| txn.mode);
    match command {
        Command::Begin(begin) => State::check_begin(begin, state.limits()).is_ok(),
        Command::Enlist(enlist) if enlist.branch.rows.is_some() => {
            mode_of(enlist.xid).is_none_or(|mode| mode == Mode::Mixed)
        }
        Command::Enlist(enlist) => match mode_of(enlist.xid) {
            Some(Mode::Xa) => enlist.branch.forward.is_some() == enlist.branch.backward.is_some(),
            Some(Mode::Workflow) => enlist.branch.forward.is_none() && enlist.branch.backward.is_none(),
            Some(Mode::Message | Mode::Notification) => false,
            Some(Mode::Tcc | Mode::Saga | Mode::Mixed) | None => true,
        },
        _ => true,
    }
}

/// What was seen of a transaction before.
struct Seen {
    txn: Arc<Txn>,
    turned: bool,
}

#[derive(Default)]
struct Watch {
    open: BTreeMap<u64, Seen>,
    ended: BTreeMap<u64, End>,
}

impl Watch {
    /// What must never happen.
    fn look(&mut self, state: &State, news: &News) {
        for txn in &news.ended {
            let Status::Ended(end) = txn.status else { panic!("{txn:?} ended without an end") };
            let before = self.open.remove(&txn.xid.number());
            if let Some(Seen { txn: before, .. }) = before {
                assert!(may_follow(&before, txn), "{} after {}", txn.status, before.status);
            }
            assert!(self.ended.insert(txn.xid.number(), end).is_none(), "it ended twice");
        }
        assert_eq!(state.open_len(), state.iter().count());
        for txn in state.iter() {
            let number = txn.xid.number();
            assert!(!self.ended.contains_key(&number), "it ended and is open");
            let before = self.open.insert(number, Seen { txn: Arc::clone(txn), turned: false });
            let Some(before) = before else { continue };
            assert!(may_follow(&before.txn, txn), "{} after {}", txn.status, before.txn.status);
            let turns = (before.txn.status, txn.status) == (Status::Committing, Status::RollingBack);
            assert!(!(turns && before.turned), "it turned twice");
            self.open.get_mut(&number).expect("just put").turned = before.turned || turns;
            if before.txn.status != Status::Active {
                assert_eq!(
                    before.txn.branches.len(),
                    txn.branches.len(),
                    "a branch joined after the decision"
                );
            }
            if let Some(gid) = &txn.gid {
                assert!(matches!(state.find_gid(gid), Found::Open(found) if found.xid == txn.xid));
            }
        }
        for gid in GIDS {
            if let Found::Open(txn) = state.find_gid(gid) {
                assert_eq!(txn.gid.as_deref(), Some(gid));
            }
        }
    }
}

fn may_follow(before: &Txn, after: &Txn) -> bool {
    use Status::*;
    let saga = after.mode == Mode::Saga;
    match (before.status, after.status) {
        (a, b) if a == b => true,
        (Active, Committing | RollingBack) => true,
        (Committing, RollingBack) => saga,
        (Committing, GivenUp) | (GivenUp, Committing) => after.mode == Mode::Notification,
        // Within one command it may be decided and over.
        (Active, Ended(_)) | (_, Ended(End::Stopped)) => true,
        (Committing, Ended(End::Committed)) => true,
        (Committing, Ended(End::RolledBack)) => saga,
        (RollingBack, Ended(End::RolledBack)) => true,
        _ => false,
    }
}

/// Applies commands to both, and compares them after each.
fn compare(ops: Vec<Op>) -> Result<(), TestCaseError> {
    let mut state = State::new(Limits::default());
    let mut naive = Naive::default();
    let mut watch = Watch::default();
    for (number, Op(command)) in ops.into_iter().enumerate() {
        let at_ms = 5_000 * (number as u64 + 1);
        let mut news = News::default();
        state.begin_batch(at_ms);
        let sensible = makes_sense(&state, &command);
        let outcome = state.apply(&command, &mut news);
        if sensible {
            prop_assert_eq!(outcome, naive.apply(&command, at_ms), "{:?}", command);
        } else {
            prop_assert!(outcome.is_err() || outcome.is_ok_and(|_| news.touched.is_empty()));
        }
        watch.look(&state, &news);
        let shown: BTreeMap<u64, String> = state.iter().map(|txn| (txn.xid.number(), show(txn))).collect();
        prop_assert_eq!(&shown, &naive.shown(), "after {:?}", command);
        prop_assert_eq!(state.locks_len(), naive.locks().len(), "after {:?}", command);
        for row in all_rows() {
            let name = &names(&row)[0];
            let holder = state.conflict(xid(77), &row);
            let known = naive.holder(name).map(|(holder, rolling_back)| (xid(holder), rolling_back));
            prop_assert_eq!(holder, known, "{} after {:?}", name, command);
            let itself = holder.and_then(|(holder, _)| state.conflict(holder, &row));
            prop_assert_eq!(itself, None, "in its own way");
        }
        for number in NUMBERS {
            let told = match state.find(xid(number)) {
                Found::Open(_) => continue,
                Found::Ended(_, end) => end.as_str(),
                Found::Forgotten => "forgotten",
                Found::Unknown => "unknown",
            };
            prop_assert_eq!(told, naive.past(number), "{} after {:?}", number, command);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_state_is_what_the_naive_one_is(ops in ops(120)) {
        compare(ops)?;
    }

    #[test]
    fn rows_are_held_by_whom_the_naive_one_says(ops in vec(row_op(), 1..60)) {
        compare(ops)?;
    }
}
