//! Begin, enlist, decide, wait, and what operators do.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use synod_base::xid::Xid;
use synod_core::txn::{self, Command, Decision, Done, Enlist, Mode, Status, Way};

use super::draft::joining;
use super::{BranchWish, Code, Desk, Found, No, Stand, Wish};
use crate::txn::{Failure, Wait};

/// The longest wait of one request.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

/// What came of a begin.
#[derive(Clone, Debug)]
pub struct Begun {
    /// How the transaction stands.
    pub stand: Stand,
    /// Whether this request began it; else an earlier one with the same content did.
    pub new: bool,
}

impl Desk<'_> {
    /// Begins a transaction; with `wait`, answers when it has ended or the time is over. The trace context in `headers`
    /// travels with its calls.
    ///
    /// # Errors
    /// It is refused, or nobody knows.
    pub async fn begin(&self, wish: Wish, headers: &HeaderMap, wait: Option<Duration>) -> Result<Begun, No> {
        let draft = self.draft(wish, self.coordinator.trace(headers))?;
        let before = draft.gid.as_deref().and_then(|gid| self.begun_before(gid));
        let mut stand = Stand::begun(&draft);
        let (xid, status) = match wait {
            None => self.coordinator.begin(draft).await.map_err(|failure| self.in_the_way(failure))?,
            Some(length) => {
                let begun = self.coordinator.begin_and_wait(draft).await;
                let (xid, status, wait) = begun.map_err(|failure| self.in_the_way(failure))?;
                if !matches!(status, Status::Ended(_))
                    && let Some(stand) = self.until(wait, xid, length).await
                {
                    return Ok(Begun { stand, new: before != Some(xid) });
                }
                (xid, status)
            }
        };
        (stand.xid, stand.status) = (xid, status);
        // What has just ended may not be among the details yet.
        let open = self.coordinator.read(|state| state.open(xid).map(|txn| Stand::of(txn)));
        Ok(Begun { stand: open.unwrap_or(stand), new: before != Some(xid) })
    }

    /// Names the transaction that has the gid.
    fn in_the_way(&self, failure: Failure) -> No {
        let Failure::Refused(txn::Refusal::Conflict(xid)) = failure else { return failure.into() };
        let xid = self.text(xid);
        let detail = format!("{xid} was begun under this gid with other content");
        No::Refused { code: Code::Conflict, detail, xid: Some(xid), standing: None }
    }

    fn begun_before(&self, gid: &str) -> Option<Xid> {
        match self.coordinator.read(|state| state.find_gid(gid)) {
            txn::Found::Open(txn) => Some(txn.xid),
            txn::Found::Ended(xid, _) => Some(xid),
            txn::Found::Forgotten | txn::Found::Unknown => None,
        }
    }

    /// Adds a branch and returns its transaction, id and number.
    ///
    /// # Errors
    /// It is refused, or nobody knows.
    pub async fn enlist(&self, id: &str, branch: BranchWish) -> Result<(Xid, Box<str>, u16), No> {
        self.arrived(id).await;
        let txn = match self.find(id)? {
            Found::Open(txn) => txn,
            Found::Ended(_, end, _) => return Err(txn::Refusal::Ended(end).into()),
        };
        let branch = joining(txn.mode, &txn.branches, branch)?;
        let (xid, branch_id) = (txn.xid, branch.id.clone());
        match self.coordinator.propose(Command::Enlist(Box::new(Enlist { xid, branch }))).await? {
            Done::Enlisted(number) => Ok((xid, branch_id, number)),
            Done::Begun(..) | Done::Decided(_) | Done::Recorded => Err(No::Unanswered),
        }
    }

    /// Decides; with `wait`, answers when it has ended or the time is over.
    ///
    /// # Errors
    /// It is refused, or nobody knows.
    pub async fn decide(
        &self,
        id: &str,
        (way, reason, result): (Way, &str, Bytes),
        wait: Option<Duration>,
    ) -> Result<Stand, No> {
        self.arrived(id).await;
        let found = self.find(id)?;
        let xid = found.xid();
        let listening = wait.map(|length| (self.coordinator.wait(xid), length));
        let decision = Decision { xid, way, reason: reason.into(), result };
        let status = self.decided(Command::Decide(Box::new(decision))).await?;
        let ended = match listening {
            Some((wait, length)) => self.until(wait, xid, length).await,
            None => None,
        };
        Ok(ended.or_else(|| self.stand(xid)).unwrap_or_else(|| Stand { status, ..found.stand() }))
    }

    async fn decided(&self, command: Command) -> Result<Status, No> {
        match self.coordinator.propose(command).await? {
            Done::Decided(status) => Ok(status),
            Done::Begun(..) | Done::Enlisted(_) | Done::Recorded => Err(No::Unanswered),
        }
    }

    /// Waits for the end of a transaction, but no longer than so long.
    ///
    /// # Errors
    /// There is no such transaction.
    pub async fn wait(&self, id: &str, length: Duration) -> Result<Stand, No> {
        let found = self.find(id)?;
        let wait = self.coordinator.wait(found.xid());
        let ended = self.until(wait, found.xid(), length).await;
        Ok(ended.or_else(|| self.stand(found.xid())).unwrap_or_else(|| found.stand()))
    }

    /// How it ended; none if it did not in time.
    async fn until(&self, mut wait: Wait, xid: Xid, length: Duration) -> Option<Stand> {
        // What was before the wait is not told.
        if let Some(stand) = self.stand(xid).filter(Stand::is_ended) {
            return Some(stand);
        }
        let mut stopping = self.node.stopping.clone();
        let ended = tokio::select! {
            ended = tokio::time::timeout(length.min(WAIT_MAX), wait.end()) => ended.unwrap_or_default(),
            () = stopping.given() => None,
        };
        ended.map(|txn| Stand::of(&txn)).or_else(|| self.stand(xid).filter(Stand::is_ended))
    }

    /// Makes all calls of a transaction due now.
    ///
    /// # Errors
    /// There is no such transaction, or it has ended.
    pub async fn retry(&self, id: &str) -> Result<Stand, No> {
        match self.find(id)? {
            Found::Open(txn) => {
                self.coordinator.retry_now(txn.xid).await;
                tracing::info!(xid = %txn.xid, "an operator wants a transaction tried at once");
                Ok(Stand::of(&txn))
            }
            Found::Ended(_, end, _) => Err(txn::Refusal::Ended(end).into()),
        }
    }

    /// Ends a transaction whatever its branches know.
    ///
    /// # Errors
    /// It is refused, or nobody knows.
    pub async fn stop(&self, id: &str, reason: &str) -> Result<Stand, No> {
        let found = self.find(id)?;
        let xid = found.xid();
        let status = self.decided(Command::Stop { xid, reason: reason.into() }).await?;
        tracing::warn!(%xid, reason, "an operator has stopped a transaction");
        Ok(self.stand(xid).unwrap_or_else(|| Stand { status, ..found.stand() }))
    }

    /// Starts the schedule of a notification over that was given up, or calls those again who have refused what the transaction
    /// was decided to do.
    ///
    /// # Errors
    /// It is refused, or nobody knows.
    pub async fn resend(&self, id: &str) -> Result<Stand, No> {
        let found = match self.find(id)? {
            found if found.txn().is_some_and(txn::Txn::is_refused) => found,
            _ => self.find_of(id, Mode::Notification)?,
        };
        let xid = found.xid();
        tracing::info!(%xid, "an operator wants a transaction tried again");
        let status = self.decided(Command::Resend { xid }).await?;
        Ok(self.stand(xid).unwrap_or_else(|| Stand { status, ..found.stand() }))
    }
}
