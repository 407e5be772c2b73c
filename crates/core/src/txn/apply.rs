//! Applying commands: a file each. Nothing here can fail half-way: a command is checked whole, then carried out.

mod amend;
mod begin;
mod decide;
mod enlist;
mod notify;
mod report;
mod turn;

use std::sync::Arc;

use synod_base::xid::Xid;
use thiserror::Error;

use super::command::Command;
use super::lock;
use super::mode::Next;
use super::model::{End, Leg, Status, Step, Txn};
use super::outcomes::EndedGid;
use super::state::{Found, State};
use super::topic;

/// Why a command changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No such transaction was ever begun, so it has not committed.
    #[error("no such transaction")]
    Unknown,
    /// The transaction ended so long ago that nobody knows how.
    #[error("the transaction ended long ago; its outcome is forgotten")]
    Forgotten,
    /// The transaction has ended.
    #[error("the transaction is {} already", .0.as_str())]
    Ended(End),
    /// The transaction is in a state in which that cannot be done.
    #[error("the transaction is {0}")]
    Not(Status),
    /// The id is taken by a transaction with other content.
    #[error("transaction {0} was begun under this id with other content")]
    Conflict(Xid),
    /// The branch id is taken by a branch with other content.
    #[error("branch {0:?} has joined with other content")]
    BranchConflict(Box<str>),
    /// Another transaction has changed one of the rows and has not ended.
    #[error("transaction {holder} holds a row")]
    Locked {
        /// Which.
        holder: Xid,
        /// It is being rolled back: whoever holds the row in a local transaction of his own is in its way.
        rolling_back: bool,
    },
    /// There is no such branch, or not in that way.
    #[error("no such branch")]
    NoSuchBranch,
    /// There is no such topic or subscriber.
    #[error("no such topic")]
    NoSuchTopic,
    /// As many as allowed are there.
    #[error("at the limit of {0}")]
    Busy(&'static str),
    /// Something is longer than allowed.
    #[error("{0} is too long")]
    TooLarge(&'static str),
    /// It makes no sense.
    #[error("{0}")]
    Invalid(&'static str),
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The transaction was begun, now or by an earlier command with the same content.
    Begun(Xid, Status),
    /// The branch has joined under this number, now or by an earlier command.
    Enlisted(u16),
    /// The transaction is decided and stands like this.
    Decided(Status),
    /// It is recorded, or was before.
    Recorded,
}

/// The outcome of a command.
pub type Outcome = Result<Done, Refusal>;

/// What else applying commands brought about.
#[derive(Debug, Default)]
pub struct News {
    /// Open transactions that changed, in the order of the changes.
    pub touched: Vec<Xid>,
    /// Transactions that ended. They are no longer in the state; their details are the caller's to keep or drop.
    pub ended: Vec<Arc<Txn>>,
}

impl State {
    /// Applies the batch that carries the stamp `at_ms`: call this before its commands.
    pub fn begin_batch(&mut self, at_ms: u64) {
        self.stamp_ms = self.stamp_ms.max(at_ms);
    }

    /// Applies one command.
    pub fn apply(&mut self, command: &Command, news: &mut News) -> Outcome {
        let at_ms = self.stamp_ms;
        match command {
            Command::Reserve { below } => {
                self.reserved = self.reserved.max(*below);
                Ok(Done::Recorded)
            }
            Command::Begin(begin) => self.begin(begin, news),
            Command::Enlist(enlist) => self.enlist(enlist, news),
            Command::Decide(decision) => self.decide(decision, news),
            Command::Report(report) => self.report(report, news),
            Command::Attempted(report) => self.attempted(report, news),
            Command::Refuse(report) => self.refuse(report, news),
            Command::Amend(amend) => self.amend(amend, news),
            Command::Turn(turn) => self.turn(turn, news),
            Command::TimeOut { xid, unsure } => self.time_out(*xid, *unsure, news),
            Command::GiveUp { xid } => self.give_up(*xid, news),
            Command::Resend { xid } => self.resend(*xid, news),
            Command::Stop { xid, reason } => self.stop(*xid, reason, news),
            Command::Forget { before_ms } => {
                let mut outcomes = std::mem::take(&mut self.outcomes);
                outcomes.forget(*before_ms, |page| self.is_busy(page));
                self.outcomes = outcomes;
                Ok(Done::Recorded)
            }
            Command::Subscribe { topic: name, url, remark } => {
                topic::subscribe(Arc::make_mut(&mut self.topics), &self.limits, (name, url, remark), at_ms)?;
                Ok(Done::Recorded)
            }
            Command::Unsubscribe { topic: name, url } => {
                topic::unsubscribe(Arc::make_mut(&mut self.topics), name, url, at_ms)?;
                Ok(Done::Recorded)
            }
            Command::DeleteTopic { topic: name } => {
                topic::delete(Arc::make_mut(&mut self.topics), name)?;
                Ok(Done::Recorded)
            }
            Command::Limit(limits) => {
                self.limits = **limits;
                Ok(Done::Recorded)
            }
        }
    }

    /// The open transaction, or why there is none.
    fn opened(&self, xid: Xid) -> Result<&Arc<Txn>, Refusal> {
        match self.open.get(&xid) {
            Some(txn) => Ok(txn),
            None => Err(refusal(self.find(xid))),
        }
    }

    /// Changes an open transaction and sees whether that ends it. Returns how it stands then.
    fn edit(&mut self, xid: Xid, news: &mut News, edit: impl FnOnce(&mut Txn)) -> Status {
        let at_ms = self.stamp_ms;
        let txn = self.open.get_mut(&xid).expect("the caller has looked it up");
        let held = Arc::make_mut(txn);
        let locking = lock::holding(held);
        held.touched_ms = at_ms;
        edit(held);
        if let Next::Finish(end) = held.mode.rules().next(held, at_ms) {
            held.status = Status::Ended(end);
        }
        let released = |number: &u16| !lock::holds(held, &held.branches[usize::from(*number)]);
        let released: Vec<u16> = locking.into_iter().filter(released).collect();
        if !released.is_empty() {
            self.locks.release(held, &released);
        }
        let status = held.status;
        match status {
            Status::Ended(end) => self.end(xid, end, news),
            _ => news.touched.push(xid),
        }
        status
    }

    fn end(&mut self, xid: Xid, end: End, news: &mut News) {
        let at_ms = self.stamp_ms;
        let txn = self.open.remove(&xid).expect("the caller has looked it up");
        self.outcomes.record(xid, end, at_ms);
        if let Some(gid) = &txn.gid {
            self.gids.remove(&**gid);
            self.outcomes.record_gid(gid, EndedGid { xid, end, at_ms, digest: txn.digest });
        }
        news.ended.push(txn);
    }
}

fn refusal(found: Found) -> Refusal {
    match found {
        Found::Open(txn) => Refusal::Not(txn.status),
        Found::Ended(_, end) => Refusal::Ended(end),
        Found::Forgotten => Refusal::Forgotten,
        Found::Unknown => Refusal::Unknown,
    }
}

/// At most so many bytes of a text, whole characters. Why something happened is for people; it is no reason for it not to happen.
fn clipped(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

fn settle(leg: &mut Leg, step: Step, at_ms: u64) {
    leg.step = step;
    leg.at_ms = at_ms;
}
