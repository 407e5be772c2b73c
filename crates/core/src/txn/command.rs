//! What the log holds. Whoever proposes a command has stamped it: ids and times come from the leader, apply invents
//! nothing.

use bytes::Bytes;
use smallvec::SmallVec;
use synod_base::xid::Xid;

use super::lock::Rows;
use super::mode::Mode;
use super::model::{Limits, Options, Target, Way};

/// One entry of the log: commands that were gathered, and the moment that counts for all of them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Batch {
    /// Milliseconds since 1970, never less than that of the batch before.
    pub at_ms: u64,
    /// In this order.
    pub commands: Vec<Command>,
}

/// One change of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Ids below this sequence number may be given out from now on.
    Reserve {
        /// The first one that may not.
        below: u64,
    },
    /// Begins a transaction.
    Begin(Box<Begin>),
    /// Adds a branch.
    Enlist(Box<Enlist>),
    /// Decides a transaction.
    Decide(Box<Decision>),
    /// A participant acknowledged a call.
    Report(Report),
    /// A call failed, and that counts.
    Attempted(Report),
    /// A participant refused a call for good, where it has no right to: somebody has to look.
    Refuse(Report),
    /// A participant says more about its branch.
    Amend(Box<Amend>),
    /// A saga turns back.
    Turn(Box<Turn>),
    /// The transaction's time is over.
    TimeOut {
        /// Which.
        xid: Xid,
        /// As in [`Turn::unsure`].
        unsure: bool,
    },
    /// A notification's schedule is over.
    GiveUp {
        /// Which.
        xid: Xid,
    },
    /// An operator starts a notification's schedule over, or has refused calls made again.
    Resend {
        /// Which.
        xid: Xid,
    },
    /// An operator stops a transaction, whatever its branches know.
    Stop {
        /// Which.
        xid: Xid,
        /// Why.
        reason: Box<str>,
    },
    /// Outcomes of transactions that ended before this moment need not be remembered.
    Forget {
        /// Milliseconds since 1970.
        before_ms: u64,
    },
    /// Adds a subscriber to a topic, or replaces its remark.
    Subscribe {
        /// The topic's name.
        topic: Box<str>,
        /// Where its messages go.
        url: Box<str>,
        /// For people.
        remark: Box<str>,
    },
    /// Takes a subscriber off a topic.
    Unsubscribe {
        /// The topic's name.
        topic: Box<str>,
        /// The subscriber.
        url: Box<str>,
    },
    /// Takes a topic away with all its subscribers.
    DeleteTopic {
        /// The topic's name.
        topic: Box<str>,
    },
    /// What is refused from now on. In the log, because a node that starts with another configuration has to come to the same
    /// state: what was accepted once is not refused when the log is read again.
    Limit(Box<Limits>),
}

impl Command {
    /// The transaction that it is about; none for what concerns ids, outcomes, topics or limits.
    pub fn subject(&self) -> Option<Xid> {
        match self {
            Self::Begin(begin) => Some(begin.xid),
            Self::Enlist(enlist) => Some(enlist.xid),
            Self::Decide(decision) => Some(decision.xid),
            Self::Report(report) | Self::Attempted(report) | Self::Refuse(report) => Some(report.xid),
            Self::Amend(amend) => Some(amend.xid),
            Self::Turn(turn) => Some(turn.xid),
            Self::TimeOut { xid, .. }
            | Self::GiveUp { xid }
            | Self::Resend { xid }
            | Self::Stop { xid, .. } => Some(*xid),
            Self::Reserve { .. }
            | Self::Forget { .. }
            | Self::Subscribe { .. }
            | Self::Unsubscribe { .. }
            | Self::DeleteTopic { .. }
            | Self::Limit(_) => None,
        }
    }

    /// What it is called, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Reserve { .. } => "reserve",
            Self::Begin(_) => "begin",
            Self::Enlist(_) => "enlist",
            Self::Decide(_) => "decide",
            Self::Report(_) => "report",
            Self::Attempted(_) => "attempted",
            Self::Refuse(_) => "refuse",
            Self::Amend(_) => "amend",
            Self::Turn(_) => "turn",
            Self::TimeOut { .. } => "time-out",
            Self::GiveUp { .. } => "give-up",
            Self::Resend { .. } => "resend",
            Self::Stop { .. } => "stop",
            Self::Forget { .. } => "forget",
            Self::Subscribe { .. } => "subscribe",
            Self::Unsubscribe { .. } => "unsubscribe",
            Self::DeleteTopic { .. } => "delete-topic",
            Self::Limit(_) => "limit",
        }
    }

    /// Whether it asks for something new. The rest finishes what was accepted before, or is about to, and is let through
    /// where room or time is short.
    pub fn is_new_work(&self) -> bool {
        match self {
            Self::Begin(_) | Self::Enlist(_) | Self::Subscribe { .. } | Self::Resend { .. } => true,
            Self::Reserve { .. }
            | Self::Decide(_)
            | Self::Report(_)
            | Self::Attempted(_)
            | Self::Refuse(_)
            | Self::Amend(_)
            | Self::Turn(_)
            | Self::TimeOut { .. }
            | Self::GiveUp { .. }
            | Self::Stop { .. }
            | Self::Forget { .. }
            | Self::Unsubscribe { .. }
            | Self::DeleteTopic { .. }
            | Self::Limit(_) => false,
        }
    }
}

/// A new transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begin {
    /// Its id, given by the leader.
    pub xid: Xid,
    /// The id that its initiator chose.
    pub gid: Option<Box<str>>,
    /// What kind it is.
    pub mode: Mode,
    /// What people call it.
    pub name: Box<str>,
    /// What the initiator wishes.
    pub options: Options,
    /// Sent along with every call.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// Whom to ask when the initiator is silent.
    pub back_check: Option<Target>,
    /// Kept for the face.
    pub note: Bytes,
    /// Who takes part from the beginning.
    pub branches: Vec<Enrolment>,
    /// Whether it is decided to go forward in the same breath.
    pub submit: bool,
}

/// A new branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// The id by which the participant knows it.
    pub id: Box<str>,
    /// See [`super::Branch::label`].
    pub label: Box<str>,
    /// Whom to call forward.
    pub forward: Option<Target>,
    /// Whom to call back.
    pub backward: Option<Target>,
    /// With what.
    pub payload: Bytes,
    /// The branches, by number, that go first.
    pub after: SmallVec<[u16; 4]>,
    /// What the participant says it has done already: a workflow's step, which nobody calls.
    pub refused: bool,
    /// The rows that it has changed, to be locked; see [`super::Branch::rows`].
    pub rows: Option<Box<Rows>>,
}

/// A branch that joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enlist {
    /// Which transaction.
    pub xid: Xid,
    /// The branch.
    pub branch: Enrolment,
}

/// What a participant says of its branch after it joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amend {
    /// Which transaction.
    pub xid: Xid,
    /// Which branch.
    pub branch: u16,
    /// What it is to be called with from now on.
    pub payload: Option<Bytes>,
    /// It has done nothing: it need not be called at all.
    pub withdraw: bool,
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which transaction.
    pub xid: Xid,
    /// Forward is to commit.
    pub way: Way,
    /// Why, for people.
    pub reason: Box<str>,
    /// What the initiator leaves as the result.
    pub result: Bytes,
}

/// What came of calling a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which transaction.
    pub xid: Xid,
    /// Which branch.
    pub branch: u16,
    /// Which leg.
    pub way: Way,
}

/// A saga's turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Which transaction.
    pub xid: Xid,
    /// The branch that refused, if it was one that refused.
    pub refused: Option<u16>,
    /// Why, for people.
    pub reason: Box<str>,
    /// The proposer took over from an earlier one and cannot know which actions that had called: acknowledgements are
    /// lazy. So all branches are compensated, not only those that are known to have been reached.
    pub unsure: bool,
}
