//! The kinds of global transaction. Each is one file with one type that says what is next; everything else is shared.

mod message;
mod mixed;
mod notification;
mod saga;
mod tcc;
mod workflow;
mod xa;

use smallvec::SmallVec;

pub(super) use saga::come_to;

use super::apply::Refusal;
use super::command::{Begin, Enrolment};
use super::model::{End, Status, Txn, Way};

/// The kind of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Branches are prepared in their databases and committed or rolled back there.
    Xa,
    /// Branches are tried by the initiator and confirmed or cancelled here.
    Tcc,
    /// Actions one after the other, undone by compensations.
    Saga,
    /// A message that is delivered if and only if the initiator's local transaction committed.
    Message,
    /// A notification, repeated on a schedule and then given up.
    Notification,
    /// A program of the initiator that is started again until it has come to an end.
    Workflow,
    /// Branches of several kinds; the initiator decides.
    Mixed,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Xa, Self::Tcc, Self::Saga, Self::Message, Self::Notification, Self::Workflow, Self::Mixed];

    /// The name in the native API and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Xa => "xa",
            Self::Tcc => "tcc",
            Self::Saga => "saga",
            Self::Message => "message",
            Self::Notification => "notification",
            Self::Workflow => "workflow",
            Self::Mixed => "mixed",
        }
    }

    /// Reads the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }

    pub(super) fn rules(self) -> &'static dyn Rules {
        match self {
            Self::Xa => &xa::Xa,
            Self::Tcc => &tcc::Tcc,
            Self::Saga => &saga::Saga,
            Self::Message => &message::Message,
            Self::Notification => &notification::Notification,
            Self::Workflow => &workflow::Workflow,
            Self::Mixed => &mixed::Mixed,
        }
    }
}

/// Somebody to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Errand {
    /// A leg of a branch.
    Leg(u16, Way),
    /// The initiator, to ask what has become of it.
    BackCheck,
}

/// What is next for a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// These may be called, side by side.
    Call(SmallVec<[Errand; 4]>),
    /// Nothing before this moment (milliseconds since 1970); `None`: nothing before something happens.
    Wait(Option<u64>),
    /// It has ended.
    Finish(End),
}

impl Next {
    fn legs(way: Way, branches: impl Iterator<Item = u16>) -> Self {
        Self::Call(branches.map(|branch| Errand::Leg(branch, way)).collect())
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// It did what it was asked.
    Done,
    /// It says that it will not.
    Refused(Box<str>),
    /// It is at it: ask again.
    Ongoing,
    /// Nothing is known of it: no connection, no answer in time, an answer that means nothing.
    Failed(Box<str>),
}

/// What to make of how a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The leg is done.
    Done,
    /// Again after the transaction's interval.
    Again,
    /// Again after a pause that grows.
    BackOff,
    /// As [`Self::BackOff`], and the attempt counts.
    Counted,
    /// Again after so many milliseconds, and the attempt counts.
    CountedAfter(u64),
    /// The saga turns; whether the participant refused.
    Turn {
        /// The branch said no, as opposed to having failed too often.
        refused: bool,
        /// Why, for people.
        reason: Box<str>,
    },
    /// The initiator's word: forward, or back for this reason.
    Decide(Way, Box<str>),
    /// The schedule is over.
    GiveUp,
    /// It will not, and that is for a person to look at.
    Refuse,
}

/// What the end of a transaction's time means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// It is rolled back.
    RollBack,
    /// A saga turns.
    Turn,
    /// Nothing: the mode looks after itself in [`Rules::next`].
    Nothing,
}

/// What sets a kind of transaction apart. Pure functions of the transaction; `now_ms` is milliseconds since 1970.
pub trait Rules: Sync {
    /// Whether it can be begun like this.
    fn on_begin(&self, begin: &Begin) -> Result<(), Refusal>;

    /// Whether the branch can join. The shared rules (active, number, size) have been checked.
    fn on_enlist(&self, txn: &Txn, branch: &Enrolment) -> Result<(), Refusal>;

    /// What is next. Whether it is [`Next::Finish`] does not depend on the time.
    fn next(&self, txn: &Txn, now_ms: u64) -> Next;

    /// What to make of how an errand ended. `failures` counts the failed attempts, this one included.
    fn on_result(&self, txn: &Txn, errand: Errand, result: &CallResult, failures: u32) -> Verdict;

    /// What the end of its time means in its present status.
    fn overdue(&self, txn: &Txn) -> Overdue;

    /// Whether nobody waits for the last acknowledgement to be durable: the initiator has its answer when all have been told.
    fn ends_quietly(&self) -> bool {
        false
    }

    /// It was rolled back before it was decided to go forward: what that spares its branches.
    fn on_early_rollback(&self, _txn: &mut Txn) {}
}

/// Phase two of a mode whose initiator decides: every branch is told, however long it takes.
fn phase_two(txn: &Txn, way: Way, order: impl Iterator<Item = u16>) -> Next {
    let mut pending =
        order.filter(|number| txn.branches[usize::from(*number)].leg(way).is_pending()).peekable();
    if pending.peek().is_none() {
        let end = if way == Way::Forward { End::Committed } else { End::RolledBack };
        return Next::Finish(end);
    }
    let together = if txn.options.concurrent { usize::MAX } else { 1 };
    Next::legs(way, pending.take(together))
}

/// The verdict on an errand that has no right to refuse.
fn until_done(result: &CallResult) -> Verdict {
    match result {
        CallResult::Done => Verdict::Done,
        CallResult::Ongoing => Verdict::Again,
        CallResult::Refused(_) | CallResult::Failed(_) => Verdict::BackOff,
    }
}

fn waits_for_its_initiator(txn: &Txn) -> bool {
    txn.status == Status::Active
}
