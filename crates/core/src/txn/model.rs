//! A global transaction as the replicated state holds it.

use std::fmt;

use bytes::Bytes;
use smallvec::SmallVec;
use synod_base::xid::Xid;

use super::lock::Rows;
use super::mode::Mode;

/// How a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Begun, not decided: branches may join.
    Active,
    /// Decided to commit: branches are told. For a saga, a message and a notification: on its way forward.
    Committing,
    /// Decided to roll back: branches are told.
    RollingBack,
    /// A notification whose schedule is over without an acknowledgement. Waits for an operator, or to be forgotten.
    GivenUp,
    /// Nothing more will be done.
    Ended(End),
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// All branches went forward.
    Committed,
    /// All branches went back, or there was none.
    RolledBack,
    /// An operator stopped it, or it was given up: some branches may not have been told.
    Stopped,
}

impl Status {
    /// The way in which a transaction that stands like this was decided to go; none before the decision, and after the end.
    pub const fn way(self) -> Option<Way> {
        match self {
            Self::Committing => Some(Way::Forward),
            Self::RollingBack => Some(Way::Backward),
            Self::Active | Self::GivenUp | Self::Ended(_) => None,
        }
    }

    /// The name in the native API and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Committing => "committing",
            Self::RollingBack => "rolling_back",
            Self::GivenUp => "given_up",
            Self::Ended(end) => end.as_str(),
        }
    }
}

impl End {
    /// The name in the native API and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::RolledBack => "rolled_back",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which way a branch is told to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// Action, confirm, commit, delivery.
    Forward,
    /// Compensate, cancel, rollback.
    Backward,
}

impl Way {
    /// How a transaction stands that was decided to go that way.
    pub const fn status(self) -> Status {
        match self {
            Self::Forward => Status::Committing,
            Self::Backward => Status::RollingBack,
        }
    }

    /// The other way.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Forward => Self::Backward,
            Self::Backward => Self::Forward,
        }
    }
}

/// In which protocol a branch is spoken to. It is an attribute of the branch, not of the transaction: one transaction can
/// have branches that came in through different faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Our own over HTTP.
    Http,
    /// Our own over gRPC.
    Grpc,
    /// dtm's over HTTP.
    DtmHttp,
    /// dtm's over JSON-RPC.
    DtmJsonRpc,
    /// dtm's over gRPC.
    DtmGrpc,
    /// Seata's, over the connections that its resource managers keep.
    Seata,
}

/// Whom to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// In which protocol.
    pub protocol: Protocol,
    /// Where: a URL, or what the protocol has in its place.
    pub url: Box<str>,
}

/// One way of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Whom to call; with nobody to call, the leg is done from the beginning.
    pub target: Option<Target>,
    /// How far it is.
    pub step: Step,
    /// Failed attempts, where they count towards a limit or a schedule; 0 elsewhere.
    pub attempts: u32,
    /// When it reached its last step; 0 before.
    pub at_ms: u64,
}

/// How far a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Not acknowledged. It may have been called.
    Pending,
    /// Acknowledged.
    Done,
    /// Refused by the participant.
    Refused,
    /// Not wanted: the other way of its branch was never gone.
    Skipped,
}

impl Leg {
    /// A leg at its beginning.
    pub fn new(target: Option<Target>) -> Self {
        let step = if target.is_some() { Step::Pending } else { Step::Done };
        Self { target, step, attempts: 0, at_ms: 0 }
    }

    /// Whether somebody has still to be called.
    pub fn is_pending(&self) -> bool {
        self.step == Step::Pending
    }
}

/// A participant's part in a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The id by which the participant knows it.
    pub id: Box<str>,
    /// What it is called beside its id, where one id names several things (a workflow's operations); else empty.
    pub label: Box<str>,
    /// When it is to go forward.
    pub forward: Leg,
    /// When it is to go back.
    pub backward: Leg,
    /// What it is called with.
    pub payload: Bytes,
    /// The branches (by number) that have to be done before this one goes forward.
    pub after: SmallVec<[u16; 4]>,
    /// When it joined.
    pub joined_ms: u64,
    /// The rows it has changed and restores itself when it is rolled back (AT); to commit it is merely to clean up.
    pub rows: Option<Box<Rows>>,
}

impl Branch {
    /// Its leg that way.
    pub fn leg(&self, way: Way) -> &Leg {
        match way {
            Way::Forward => &self.forward,
            Way::Backward => &self.backward,
        }
    }

    /// Its leg that way.
    pub fn leg_mut(&mut self, way: Way) -> &mut Leg {
        match way {
            Way::Forward => &mut self.forward,
            Way::Backward => &mut self.backward,
        }
    }
}

/// What the initiator wishes. Times are in milliseconds; 0 means that there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// After so long without a decision (a saga: without an end) it is rolled back; a half message is checked back.
    pub timeout_ms: u64,
    /// How long one call may take; 0 for the server's default.
    pub call_timeout_ms: u64,
    /// The first pause before a call is repeated; 0 for the server's default.
    pub retry_ms: u64,
    /// How many failed attempts of one call are tolerated before the transaction turns back; 0 for any number.
    pub retry_limit: u32,
    /// Not to be delivered before so long after the begin.
    pub delay_ms: u64,
    /// Branches need not wait for each other, apart from [`Branch::after`].
    pub concurrent: bool,
    /// A saga that never turns back: refusals are repeated like failures.
    pub forward_only: bool,
    /// The pauses between the attempts of a notification.
    pub schedule_ms: Vec<u64>,
}

/// A global transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txn {
    /// Its id.
    pub xid: Xid,
    /// The id that its initiator chose.
    pub gid: Option<Box<str>>,
    /// What kind it is.
    pub mode: Mode,
    /// What people call it; of a notification and a message its topic.
    pub name: Box<str>,
    /// How it stands.
    pub status: Status,
    /// What the initiator wishes.
    pub options: Options,
    /// Sent along with every call of it, trace context included.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// Whom to ask when the initiator is silent.
    pub back_check: Option<Target>,
    /// What the face that began it wants back when asked; not looked at here.
    pub note: Bytes,
    /// When it was begun.
    pub begun_ms: u64,
    /// When it was decided, or turned; 0 before.
    pub decided_ms: u64,
    /// When anything happened to it last.
    pub touched_ms: u64,
    /// Why it rolled back or stopped.
    pub reason: Box<str>,
    /// What its initiator left as its result.
    pub result: Bytes,
    /// Who takes part.
    pub branches: Vec<Branch>,
    /// A digest of what it was begun with, to tell a repeated begin from another one.
    pub digest: u64,
}

impl Txn {
    /// The branches with their numbers.
    pub fn numbered(&self) -> impl DoubleEndedIterator<Item = (u16, &Branch)> + Clone {
        // `Limits::branches_max` is a u16.
        self.branches.iter().enumerate().map(|(number, branch)| (number as u16, branch))
    }

    /// Whether everything that its initiator waits for has been done that way. Nobody waits for the cleaning up of AT branches.
    pub fn is_told(&self, way: Way) -> bool {
        let waited = |branch: &&Branch| way == Way::Backward || branch.rows.is_none();
        self.branches.iter().filter(waited).all(|branch| !branch.leg(way).is_pending())
    }

    /// Whether it was rolled back because its time was over. A rollback that its initiator wanted only then counts as well.
    pub fn timed_out(&self) -> bool {
        let due_ms = self.begun_ms.saturating_add(self.options.timeout_ms);
        let undone = matches!(self.status, Status::RollingBack | Status::Ended(End::RolledBack));
        undone && self.options.timeout_ms > 0 && self.decided_ms >= due_ms
    }

    /// Whether a participant has refused for good what this transaction was decided to do; it waits for an operator.
    pub fn is_refused(&self) -> bool {
        let Some(way) = self.status.way() else { return false };
        self.mode == Mode::Mixed && self.branches.iter().any(|branch| branch.leg(way).step == Step::Refused)
    }

    /// Whether all legs that way are settled.
    pub fn is_through(&self, way: Way) -> bool {
        self.branches.iter().all(|branch| !branch.leg(way).is_pending())
    }
}

/// What is refused. Lengths are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Transactions that have not ended.
    pub open_max: usize,
    /// Outcomes remembered under a client's own id.
    pub gids_max: usize,
    /// Branches of one transaction.
    pub branches_max: u16,
    /// The payload of a branch, a transaction's note, its result.
    pub payload_bytes_max: usize,
    /// A client's own id, a branch's id.
    pub id_bytes_max: usize,
    /// A URL, a name, a reason, a header.
    pub text_bytes_max: usize,
    /// Headers of one transaction.
    pub headers_max: usize,
    /// Subscribers of one topic.
    pub subscribers_max: usize,
    /// Topics.
    pub topics_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open_max: 1_000_000,
            gids_max: 10_000_000,
            branches_max: 1_000,
            payload_bytes_max: 256 << 10,
            id_bytes_max: 128,
            text_bytes_max: 4 << 10,
            headers_max: 64,
            subscribers_max: 100,
            topics_max: 10_000,
        }
    }
}
