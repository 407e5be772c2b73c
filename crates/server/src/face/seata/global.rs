//! What initiators ask (`seata.md` 2.1 to 2.4).
//!
//! A Java TM looks at nothing but the status of an answer, and takes nearly every one for a success: of a commit, whatever is not a
//! time-out or `Finished`; before 1.7.0 whatever there is. So the outcome of a commit that did not happen is told in words that
//! none of them can take for one, or not at all.

use std::pin::pin;

use bytes::Bytes;
use synod_base::xid::Xid;
use synod_core::txn::{Command, Decision, End, Status, Txn, Way};
use synod_wire::seata::{
    Answer, Client, ClientVersion, ExceptionCode, GlobalBegin, GlobalBeginAnswer, GlobalReport, GlobalStatus,
    Text,
};
use tokio::time::sleep;

use super::{Asker, Inner, No, map, saga};
use crate::call::seata::{Progress, done, status};
use crate::txn::details::Detail;
use crate::txn::{Failure, Known, Seen, Wait};

impl Inner {
    /// Begins a transaction.
    pub(super) async fn begin(&self, asker: &Asker, begin: &GlobalBegin) -> Result<Answer, No> {
        let new = map::begin(begin, asker);
        let begun = if saga::is_one(&new.name) {
            // The machine begins to work at once.
            let new = saga::with_machine(new, asker, &self.address);
            self.coordinator.begin(new).await.map(|(xid, _)| xid)
        } else {
            self.coordinator.begin_early(new).await
        };
        let (outcome, xid) = match begun {
            Ok(xid) => (Ok(()), xid.text(&self.address).into()),
            Err(Failure::Lost) => return Err(No::Unanswered),
            Err(failure) => (Err(map::failure(ExceptionCode::BeginFailed, failure)), Text::EMPTY),
        };
        Ok(Answer::GlobalBegin(GlobalBeginAnswer { outcome, xid, extra_data: Text::EMPTY }))
    }

    /// Decides to commit, and waits until everybody has been told for whom the initiator waits.
    pub(super) async fn commit(&self, asker: &Asker, xid: &str) -> Result<Answer, No> {
        let status = match Xid::parse(xid) {
            Some(xid) => self.decide(xid, Way::Forward).await?,
            None => GlobalStatus::Finished,
        };
        committed(status, asker.client)
    }

    /// Decides to roll back, and waits likewise.
    pub(super) async fn roll_back(&self, xid: &str) -> Result<Answer, No> {
        let status = match Xid::parse(xid) {
            Some(xid) => self.decide(xid, Way::Backward).await?,
            None => GlobalStatus::Finished,
        };
        Ok(Answer::GlobalRollback(map::told(status)))
    }

    /// How a transaction stands, or ended as far as that is remembered.
    pub(super) async fn status(&self, xid: &str) -> Result<Answer, No> {
        let status = match Xid::parse(xid) {
            Some(xid) => {
                self.coordinator.arrived(xid).await;
                self.current(xid).await?
            }
            None => GlobalStatus::Finished,
        };
        Ok(Answer::GlobalStatus(map::told(status)))
    }

    /// What a state machine says of its transaction; the status of others is not up to their initiators.
    pub(super) async fn report(&self, report: &GlobalReport) -> Result<Answer, No> {
        let status = match Xid::parse(&report.xid) {
            Some(xid) => self.after_report(xid, report).await?,
            None => report.status.unwrap_or(GlobalStatus::Finished),
        };
        Ok(Answer::GlobalReport(map::told(status)))
    }

    pub(super) async fn current(&self, xid: Xid) -> Result<GlobalStatus, No> {
        match self.coordinator.find(xid) {
            Known::Open(txn) if txn.status == Status::Active => Ok(GlobalStatus::Begin),
            Known::Open(txn) => {
                let view = self.coordinator.view(xid).await;
                let progress = if view.pauses.is_empty() { Progress::Smooth } else { Progress::Pausing };
                // What its initiator was told before the last acknowledgements are durable holds here too.
                Ok(status(view.txn.as_deref().unwrap_or(&txn), progress))
            }
            Known::Ended(_, end, detail) => Ok(past(end, detail.as_deref())),
            Known::Forgotten | Known::Unknown => self.finished().await,
        }
    }

    /// Nobody knows the transaction: what this node says of that must not be for want of news.
    async fn finished(&self) -> Result<GlobalStatus, No> {
        self.coordinator.read_barrier().await?;
        Ok(GlobalStatus::Finished)
    }

    async fn decide(&self, xid: Xid, way: Way) -> Result<GlobalStatus, No> {
        let wait = self.coordinator.wait(xid);
        let early = self.coordinator.is_early(xid);
        let undecided = match self.coordinator.find(xid) {
            Known::Open(txn) => txn.status == Status::Active,
            // The decision comes behind the begin.
            Known::Unknown => early,
            Known::Ended(..) | Known::Forgotten => false,
        };
        if undecided {
            self.propose_decision(xid, way).await?;
        }
        self.outcome(xid, way, wait).await
    }

    /// Decides. That may have been done before, or be done otherwise by somebody faster: how the transaction stands then says
    /// which.
    pub(super) async fn propose_decision(&self, xid: Xid, way: Way) -> Result<(), No> {
        let decision = Decision { xid, way, reason: Box::default(), result: Bytes::new() };
        match self.coordinator.propose(Command::Decide(Box::new(decision))).await {
            Ok(_) | Err(Failure::Refused(_)) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    /// What has become of the wish that a transaction go that way; waits for it, but not for ever.
    async fn outcome(&self, xid: Xid, way: Way, mut wait: Wait) -> Result<GlobalStatus, No> {
        let mut patience = pin!(sleep(self.answer_within));
        loop {
            let txn = match self.coordinator.find(xid) {
                Known::Open(txn) if txn.status == way.status() => txn,
                Known::Open(txn) => return Ok(otherwise(way, &txn)),
                Known::Ended(_, end, detail) => return Ok(ended(way, end, detail.as_deref())),
                Known::Forgotten | Known::Unknown => return self.finished().await,
            };
            if txn.is_refused() {
                return Ok(status(&txn, Progress::Refused));
            }
            if txn.is_told(way) {
                return Ok(done(way, txn.timed_out()));
            }
            let seen = tokio::select! {
                seen = wait.next() => seen,
                () = &mut patience => return Ok(status(&txn, Progress::Pausing)),
            };
            match seen {
                Some(Seen::Through) => return Ok(done(way, txn.timed_out())),
                // A refusal is told before the state shows it.
                Some(Seen::Stalled(result)) => return Ok(status(&txn, Progress::after(&result))),
                // How it ended, or why nothing more is told, is seen by looking.
                Some(Seen::Ended(_)) | None => {}
            }
        }
    }
}

/// An open transaction was not decided to go that way.
fn otherwise(way: Way, txn: &Txn) -> GlobalStatus {
    match way {
        Way::Forward if txn.timed_out() => GlobalStatus::TimeoutRollbacking,
        Way::Forward => GlobalStatus::Finished,
        Way::Backward => status(txn, Progress::Smooth),
    }
}

/// How a transaction ended, for one who merely asks. The original has forgotten it by then, and says `Finished`.
fn past(end: End, detail: Option<&Detail>) -> GlobalStatus {
    match end {
        End::Committed => GlobalStatus::Committed,
        End::RolledBack => done(Way::Backward, detail.is_some_and(|detail| detail.txn.timed_out())),
        End::Stopped => GlobalStatus::Finished,
    }
}

/// A transaction has ended, and somebody wants it to go that way.
fn ended(way: Way, end: End, detail: Option<&Detail>) -> GlobalStatus {
    let timed_out = || detail.is_some_and(|detail| detail.txn.timed_out());
    match (way, end) {
        (_, End::Committed) => GlobalStatus::Committed,
        (Way::Forward, End::RolledBack) if timed_out() => GlobalStatus::TimeoutRollbacked,
        (Way::Forward, End::RolledBack | End::Stopped) => GlobalStatus::Finished,
        (Way::Backward, End::RolledBack) => done(way, timed_out()),
        // Some branches may not have been told.
        (Way::Backward, End::Stopped) => GlobalStatus::RollbackFailed,
    }
}

/// The answer to a commit. Clients before 1.7.0 take every status for success; that there was none they are told by an answer
/// that is none to a commit: it throws where they take it for one, and after a few tries they say that the commit failed. (Go
/// would throw where nobody catches it, and is left without an answer, which has the same end.)
fn committed(status: GlobalStatus, client: Client) -> Result<Answer, No> {
    let is_commit = matches!(
        status,
        GlobalStatus::Committing
            | GlobalStatus::CommitRetrying
            | GlobalStatus::AsyncCommitting
            | GlobalStatus::Committed
            | GlobalStatus::CommitFailed
    );
    let told = map::told(status);
    match () {
        () if is_commit || client.version >= ClientVersion::V1_7_0 => Ok(Answer::GlobalCommit(told)),
        () if client.is_go => Err(No::Unanswered),
        () => Ok(Answer::GlobalRollback(told)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(version: &str, is_go: bool) -> Client {
        Client { version: ClientVersion::parse(version).unwrap(), is_go }
    }

    #[test]
    fn no_client_can_take_a_refused_commit_for_one() {
        use GlobalStatus as Status;
        for status in [Status::Finished, Status::TimeoutRollbacking, Status::TimeoutRollbacked] {
            let told = map::told(status);
            let new = committed(status, client("1.7.0", false));
            assert_eq!(new, Ok(Answer::GlobalCommit(told.clone())));
            assert_eq!(committed(status, client("1.6.1", false)), Ok(Answer::GlobalRollback(told)));
            assert_eq!(committed(status, client("1.1.0", true)), Err(No::Unanswered));
        }
        for version in ["1.4.2", "2.6.0"] {
            let told = map::told(Status::Committed);
            assert_eq!(committed(Status::Committed, client(version, false)), Ok(Answer::GlobalCommit(told)));
        }
    }

    #[test]
    fn a_commit_that_did_not_happen_is_told_as_such() {
        use GlobalStatus as Status;
        // What Java's TM from 1.7.0 on does not take for success.
        let honest = [Status::TimeoutRollbacking, Status::TimeoutRollbacked, Status::Finished];
        for end in [End::RolledBack, End::Stopped] {
            assert!(honest.contains(&ended(Way::Forward, end, None)), "{end:?}");
        }
        assert_eq!(ended(Way::Forward, End::Committed, None), Status::Committed);
        assert_eq!(ended(Way::Backward, End::Committed, None), Status::Committed);
        assert_eq!(ended(Way::Backward, End::RolledBack, None), Status::Rollbacked);
    }
}
