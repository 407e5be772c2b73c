//! Whom an id names, how a transaction stands, and what was decided.

use std::sync::Arc;

use bytes::Bytes;
use synod_base::xid::Xid;
use synod_core::txn::{Begin, End, Mode, Status, Txn};

use super::{Code, Desk, No};
use crate::txn::Known;
use crate::txn::details::Detail;

/// The one transaction group there is.
const GROUP: u16 = 0;

/// A transaction that was found.
#[derive(Debug)]
pub enum Found {
    /// It has not ended.
    Open(Arc<Txn>),
    /// It has ended like this; its details may be gone.
    Ended(Xid, End, Option<Box<Detail>>),
}

/// How a transaction stands. What is not known any more is `None` or empty.
#[derive(Clone, Debug)]
pub struct Stand {
    /// Its id.
    pub xid: Xid,
    /// Its initiator's own id.
    pub gid: Option<Box<str>>,
    /// What kind it is.
    pub mode: Option<Mode>,
    /// What people call it.
    pub name: Box<str>,
    /// How it stands.
    pub status: Status,
    /// Why it was rolled back, stopped or given up.
    pub reason: Box<str>,
    /// What its initiator left as its result.
    pub result: Bytes,
    /// When it was begun.
    pub begun_ms: Option<u64>,
    /// When it was decided, or turned.
    pub decided_ms: Option<u64>,
    /// When anything happened to it last.
    pub touched_ms: Option<u64>,
}

/// What a participant in doubt is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Wait, and ask again.
    Undecided,
    /// Go forward.
    Commit,
    /// Go back.
    Rollback,
    /// Nobody knows any more: a person has to find out.
    Forgotten,
    /// An operator has ended it, whatever its branches know: a person has to say what this means.
    Stopped,
}

impl Advice {
    /// The word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::Commit => "commit",
            Self::Rollback => "rollback",
            Self::Forgotten => "forgotten",
            Self::Stopped => "stopped",
        }
    }

    fn of(mode: Option<Mode>, status: Status) -> Self {
        match status {
            Status::Active => Self::Undecided,
            // It may turn yet.
            Status::Committing if mode == Some(Mode::Saga) => Self::Undecided,
            Status::Committing | Status::GivenUp | Status::Ended(End::Committed) => Self::Commit,
            Status::RollingBack | Status::Ended(End::RolledBack) => Self::Rollback,
            Status::Ended(End::Stopped) => Self::Stopped,
        }
    }
}

impl Stand {
    /// How a transaction stands.
    pub fn of(txn: &Txn) -> Self {
        Self {
            xid: txn.xid,
            gid: txn.gid.clone(),
            mode: Some(txn.mode),
            name: txn.name.clone(),
            status: txn.status,
            reason: txn.reason.clone(),
            result: txn.result.clone(),
            begun_ms: Some(txn.begun_ms),
            decided_ms: Some(txn.decided_ms).filter(|ms| *ms > 0),
            touched_ms: Some(txn.touched_ms),
        }
    }

    /// One of which nothing is left but how it ended.
    fn bare(xid: Xid, status: Status) -> Self {
        Self {
            xid,
            gid: None,
            mode: None,
            name: Box::default(),
            status,
            reason: Box::default(),
            result: Bytes::new(),
            begun_ms: None,
            decided_ms: None,
            touched_ms: None,
        }
    }

    /// One that has just been begun like this.
    pub(super) fn begun(begin: &Begin) -> Self {
        Self {
            gid: begin.gid.clone(),
            mode: Some(begin.mode),
            name: begin.name.clone(),
            ..Self::bare(begin.xid, Status::Active)
        }
    }

    /// Whether nothing more will be done.
    pub fn is_ended(&self) -> bool {
        matches!(self.status, Status::Ended(_))
    }
}

impl Found {
    /// Its id.
    pub fn xid(&self) -> Xid {
        match self {
            Self::Open(txn) => txn.xid,
            Self::Ended(xid, ..) => *xid,
        }
    }

    /// The transaction, if it is still there.
    pub fn txn(&self) -> Option<&Txn> {
        match self {
            Self::Open(txn) => Some(txn),
            Self::Ended(_, _, detail) => detail.as_ref().map(|detail| &detail.txn),
        }
    }

    /// How it stands.
    pub fn stand(&self) -> Stand {
        match self {
            Self::Open(txn) => Stand::of(txn),
            Self::Ended(xid, end, None) => Stand::bare(*xid, Status::Ended(*end)),
            Self::Ended(_, _, Some(detail)) => Stand::of(&detail.txn),
        }
    }
}

impl Desk<'_> {
    /// What an id names: what was begun under it, else what the text form of an XID says. Never a bare number.
    fn known(&self, id: &str) -> Known {
        match self.coordinator.find_gid(id) {
            Known::Unknown => match Xid::parse(id) {
                Some(xid) if xid.group() == GROUP => self.coordinator.find(xid),
                _ => Known::Unknown,
            },
            known => known,
        }
    }

    /// Returns once the state shows a transaction whose begin was answered before it was durable. Whoever was told of an id must
    /// not be told that there is no such transaction.
    pub async fn arrived(&self, id: &str) {
        if let Some(xid) = Xid::parse(id) {
            self.coordinator.arrived(xid).await;
        }
    }

    /// The transaction that an id names.
    ///
    /// # Errors
    /// There is none, or it is forgotten.
    pub fn find(&self, id: &str) -> Result<Found, No> {
        match self.known(id) {
            Known::Open(txn) => Ok(Found::Open(txn)),
            Known::Ended(xid, end, detail) => Ok(Found::Ended(xid, end, detail)),
            Known::Forgotten => Err(No::new(Code::Forgotten, "it ended long ago; how is forgotten")),
            Known::Unknown => Err(No::not_found(id)),
        }
    }

    /// As [`Self::find`], of one mode only.
    ///
    /// # Errors
    /// There is none, it is forgotten, or it is something else.
    pub fn find_of(&self, id: &str, mode: Mode) -> Result<Found, No> {
        let found = self.find(id)?;
        match found.txn() {
            Some(txn) if txn.mode != mode => {
                let (is, wanted) = (txn.mode.as_str(), mode.as_str());
                Err(No::new(Code::NotFound, format!("{id:?} is of mode {is}, not {wanted}")))
            }
            _ => Ok(found),
        }
    }

    /// How a transaction stands that was found before.
    pub(super) fn stand(&self, xid: Xid) -> Option<Stand> {
        match self.coordinator.find(xid) {
            Known::Open(txn) => Some(Stand::of(&txn)),
            Known::Ended(xid, end, detail) => Some(Found::Ended(xid, end, detail).stand()),
            Known::Forgotten | Known::Unknown => None,
        }
    }

    /// What a participant in doubt is to do, and how the transaction stands, if it is known.
    ///
    /// # Errors
    /// Not now: that nobody has ever begun it can only be said when this node is sure to know everything.
    pub async fn advise(&self, id: &str) -> Result<(Advice, Option<Stand>), No> {
        let told = |known: Known| match known {
            Known::Open(txn) => Ok((Advice::of(Some(txn.mode), txn.status), Some(Stand::of(&txn)))),
            Known::Ended(xid, end, detail) => {
                let stand = Found::Ended(xid, end, detail).stand();
                Ok((Advice::of(stand.mode, stand.status), Some(stand)))
            }
            Known::Forgotten => Ok((Advice::Forgotten, None)),
            Known::Unknown => Err(()),
        };
        self.arrived(id).await;
        if let Ok(told) = told(self.known(id)) {
            return Ok(told);
        }
        self.coordinator.read_barrier().await?;
        if let Ok(told) = told(self.known(id)) {
            return Ok(told);
        }
        match Xid::parse(id) {
            Some(xid) if xid.group() == GROUP => Ok((Advice::Rollback, None)),
            Some(_) => Err(No::new(Code::NotFound, format!("{id:?} was given out by another cluster"))),
            // Of an initiator's own id it cannot be told whether it was never there or is forgotten.
            None => Ok((Advice::Forgotten, None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_given_only_when_it_is_final() {
        use Status::{Active, Committing, Ended, GivenUp, RollingBack};
        for (mode, status, advice) in [
            (Mode::Xa, Active, Advice::Undecided),
            (Mode::Xa, Committing, Advice::Commit),
            (Mode::Tcc, RollingBack, Advice::Rollback),
            (Mode::Saga, Committing, Advice::Undecided),
            (Mode::Saga, RollingBack, Advice::Rollback),
            (Mode::Saga, Ended(End::Committed), Advice::Commit),
            (Mode::Message, Ended(End::RolledBack), Advice::Rollback),
            (Mode::Notification, GivenUp, Advice::Commit),
            (Mode::Xa, Ended(End::Stopped), Advice::Stopped),
        ] {
            assert_eq!(Advice::of(Some(mode), status), advice, "{mode:?} {status}");
        }
        assert_eq!(Advice::of(None, Ended(End::RolledBack)), Advice::Rollback);
    }
}
