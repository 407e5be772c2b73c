//! What participants ask (`seata.md` 2.5 to 2.8).

use bytes::Bytes;
use synod_base::xid::Xid;
use synod_core::txn::{Amend, Command, Enlist, Refusal};
use synod_wire::seata::{
    Answer, BranchRegister, BranchRegisterAnswer, BranchReport, BranchStatus, BranchType, ExceptionCode,
    GlobalLockQueryAnswer, Outcome,
};

use super::{Asker, Inner, No, map, saga};
use crate::txn::{Failure, Known};

impl Inner {
    /// Adds a branch, which is durable with its locks before the answer: the participant acts locally next.
    pub(super) async fn register(&self, asker: &Asker, branch: &BranchRegister) -> Result<Answer, No> {
        let registered = self.enlist(asker, branch).await?;
        let (outcome, branch_id) = match registered {
            Ok(id) => (Ok(()), id),
            Err(failure) => (Err(failure), 0),
        };
        Ok(Answer::BranchRegister(BranchRegisterAnswer { outcome, branch_id }))
    }

    async fn enlist(
        &self,
        asker: &Asker,
        branch: &BranchRegister,
    ) -> Result<Result<i64, synod_wire::seata::Failure>, No> {
        let text = &*branch.xid;
        let Some(xid) = Xid::parse(text) else { return Ok(Err(map::no_transaction(text))) };
        let id = match self.coordinator.next_id().await {
            Ok(id) => id.cast_signed(),
            Err(failure) => return map::no_branch(&failure, text, 0).map(Err).ok_or(No::Unanswered),
        };
        let enrolment = match branch.branch_type {
            BranchType::Saga => saga::step(map::enrolment(branch, asker, id)),
            BranchType::At | BranchType::Tcc | BranchType::Xa | BranchType::SagaAnnotation => {
                map::enrolment(branch, asker, id)
            }
        };
        // A client comes back up to thirty times for a row that it cannot have: that costs a look.
        let conflict =
            enrolment.rows.as_ref().and_then(|rows| self.coordinator.read(|state| state.conflict(xid, rows)));
        let refused = match conflict {
            Some((holder, rolling_back)) => Refusal::Locked { holder, rolling_back }.into(),
            None => {
                let enlist = Enlist { xid, branch: enrolment };
                match self.coordinator.propose(Command::Enlist(Box::new(enlist))).await {
                    Ok(_) => return Ok(Ok(id)),
                    // A machine that is started again goes on registering its steps.
                    Err(Failure::Refused(Refusal::Not(_))) if branch.branch_type == BranchType::Saga => {
                        return Ok(Ok(id));
                    }
                    Err(failure) => failure,
                }
            }
        };
        if let Failure::Refused(Refusal::Locked { holder, rolling_back }) = refused {
            self.coordinator.conflict(xid, holder, &map::rows(branch));
            if rolling_back && holds_up_the_undo(&branch.application_data) {
                return Ok(Err(map::locked(ExceptionCode::LockKeyConflictFailFast, text, id, holder)));
            }
        }
        map::no_branch(&refused, text, id).map(Err).ok_or(No::Unanswered)
    }

    /// How the local part of a branch went.
    pub(super) async fn report_branch(&self, report: &BranchReport) -> Result<Answer, No> {
        Ok(Answer::BranchReport(self.amend(report).await?))
    }

    async fn amend(&self, report: &BranchReport) -> Result<Outcome, No> {
        let text = &*report.xid;
        let Some(xid) = Xid::parse(text) else { return Ok(Err(map::no_transaction(text))) };
        let Known::Open(txn) = self.coordinator.find(xid) else { return Ok(Err(map::no_transaction(text))) };
        let branch_id = report.branch_id.to_string();
        if saga::is_one(&txn.name) {
            return Ok(Ok(()));
        }
        let Some((branch, _)) = txn.numbered().find(|(_, branch)| *branch.id == *branch_id) else {
            let why = format_args!("Could not found branch session branchId = {branch_id}");
            return Ok(Err(map::failure(ExceptionCode::BranchTransactionNotExist, why)));
        };
        // The type in a report is not to be relied on; only XA participants say that they have merely read.
        let withdraw = matches!(report.status, BranchStatus::PhaseOneFailed | BranchStatus::PhaseOneReadOnly);
        let data = &report.application_data;
        let payload = (!data.is_empty()).then(|| Bytes::copy_from_slice(data.bytes()));
        if !withdraw && payload.is_none() {
            return Ok(Ok(()));
        }
        let amend = Amend { xid, branch, payload, withdraw };
        match self.coordinator.propose(Command::Amend(Box::new(amend))).await {
            Ok(_) => Ok(Ok(())),
            Err(Failure::Lost) => Err(No::Unanswered),
            Err(Failure::Refused(Refusal::Ended(_) | Refusal::Unknown | Refusal::Forgotten)) => {
                Ok(Err(map::no_transaction(text)))
            }
            Err(failure) => Ok(Err(map::failure(ExceptionCode::BranchReportFailed, failure))),
        }
    }

    /// Whether rows are free, or the asking transaction's own. Nothing is locked.
    pub(super) fn query_lock(&self, asked: &BranchRegister) -> Result<Answer, No> {
        // Who asks outside of a transaction holds nothing.
        let xid = Xid::parse(&asked.xid).unwrap_or(map::NOBODY);
        let rows = (asked.branch_type == BranchType::At).then(|| map::rows(asked));
        let conflict = rows.and_then(|rows| self.coordinator.read(|state| state.conflict(xid, &rows)));
        Ok(Answer::GlobalLockQuery(GlobalLockQueryAnswer {
            outcome: Ok(()),
            is_lockable: conflict.is_none(),
        }))
    }
}

/// Whether the participant keeps its local transaction open while it waits for a row: then the row's holder could not be undone
/// either. It says so with `{"autoCommit": false}`.
fn holds_up_the_undo(application_data: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Flags {
        #[serde(rename = "autoCommit")]
        auto_commit: Option<bool>,
    }
    let flags = serde_json::from_str::<Flags>(application_data);
    flags.is_ok_and(|flags| flags.auto_commit == Some(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_open_local_transaction_holds_up_the_undo() {
        assert!(holds_up_the_undo(r#"{"autoCommit":false,"x":[1]}"#));
        for data in ["", "{}", r#"{"autoCommit":true}"#, r#"{"autoCommit":"false"}"#, "x"] {
            assert!(!holds_up_the_undo(data), "{data}");
        }
    }
}
