//! What the driver is told, what it wants done, and how it is set up.

use std::sync::Arc;

use synod_base::xid::Xid;

use super::super::command::Command;
use super::super::mode::{CallResult, Errand};
use super::super::model::Txn;
use super::gate::GateSettings;
use super::task::Attempt;

/// How the driver behaves. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The first pause after a failed call, where the transaction names none.
    pub retry_ms: u64,
    /// The longest pause, unless the transaction's own first one is longer.
    pub retry_max_ms: u64,
    /// So many failures of one call in a row call for a person.
    pub attention_after: u32,
    /// How long an outcome is remembered.
    pub outcome_keep_ms: u64,
    /// How long a notification that was given up waits for an operator.
    pub given_up_keep_ms: u64,
    /// Who may be called at once.
    pub gate: GateSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retry_ms: 1_000,
            retry_max_ms: 60_000,
            attention_after: 3,
            outcome_keep_ms: 3_600_000,
            given_up_keep_ms: 7 * 86_400_000,
            gate: GateSettings::default(),
        }
    }
}

/// Names one call that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// An open transaction came to be or changed.
    Changed(Xid),
    /// A transaction ended.
    Ended(Xid),
    /// A call has ended.
    Returned {
        /// Which.
        call: CallId,
        /// How.
        result: CallResult,
        /// Whether anybody answered at all.
        answered: bool,
    },
    /// What the driver proposed for a transaction with [`Urgency::Now`] has been applied, or refused.
    Settled(Xid),
    /// An operator wants every call of the transaction tried at once.
    RetryNow(Xid),
    /// Somebody answers again at this destination: what pauses there is tried at once.
    Reachable(Box<str>),
    /// Time has passed.
    Tick,
}

/// Whether somebody waits for a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// It may wait a moment for company.
    Lazy,
    /// At once; [`Event::Settled`] is expected.
    Now,
}

/// A call to make.
#[derive(Clone, Debug)]
pub struct Call {
    /// Names it in [`Event::Returned`].
    pub id: CallId,
    /// Whom.
    pub errand: Errand,
    /// The transaction, whose branch says where and with what.
    pub txn: Arc<Txn>,
}

/// Something to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Make this call.
    Call(Call),
    /// Whatever this call brings is of no interest any more.
    Cancel(CallId),
    /// Propose this.
    Propose(Command, Urgency),
    /// The transaction goes on later: a call has failed, or was answered "ongoing". Told each time, for those who wait.
    Stalled(Xid, CallResult),
    /// Everything that its initiator waits for has been done, in the way in which it was decided; what is left to
    /// do is to record it.
    Through(Xid),
    /// What was tried for a transaction that ended.
    History(Xid, Vec<Attempt>),
}

/// What the driver wants done.
pub type Effects = Vec<Effect>;
