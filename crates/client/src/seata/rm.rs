//! Branches: resources that register, branches that join.

use std::sync::Arc;

use synod_wire::seata::{
    Answer, BranchRegister, BranchReport, BranchStatus, BranchType, ExceptionCode, Request, Text,
};
use tokio::time::{Instant, timeout_at};

use super::Client;
use super::ask::Repeat;
use super::meaning;
use super::pending::Lost;
use crate::Xid;
use crate::clock::now;
use crate::rm::{Backend, BoxFuture, Branch, EnlistError, Kind, NewBranch, Resource};

impl Backend for Client {
    /// Every server that can be reached knows it when this returns, and one at least. If this fails, it is registered as soon as
    /// a server comes. Ids with commas are refused: the
    /// protocol separates them by commas. It does not say of what kind a resource is; its branches do.
    fn register<'a>(
        &'a self,
        id: Arc<str>,
        _kind: Kind,
        resource: Arc<dyn Resource>,
    ) -> BoxFuture<'a, Result<(), EnlistError>> {
        Box::pin(async move {
            if id.is_empty() || id.contains(',') {
                return Err(EnlistError::Refused(format!("{id:?} cannot be a resource in Seata's protocol")));
            }
            let shared = &self.0.shared;
            let version = shared.resources.add(id, resource);
            let known = timeout_at(self.until_rm(), shared.known(version)).await;
            known.map_err(|_| EnlistError::Unreachable(self.why(Lost::TimedOut)))
        })
    }

    /// The data must be UTF-8. Other languages' clients read them too if they have the same resource: of TCC branches Java expects
    /// JSON, `{"actionContext":{…}}`.
    fn enlist(&self, branch: NewBranch) -> BoxFuture<'_, Result<Branch, EnlistError>> {
        Box::pin(async move {
            let NewBranch { xid, resource, kind, rows, data } = branch;
            let application_data = text(data.clone())?;
            let request = BranchRegister {
                xid: xid.as_str().into(),
                branch_type: meaning::branch_type(kind),
                resource_id: (*resource).into(),
                lock_key: rows.into(),
                application_data,
            };
            let answer = self.ask_rm(&xid, Request::BranchRegister(request), Repeat::No).await?;
            let Answer::BranchRegister(answer) = answer else { return Err(strange(&answer)) };
            answer.outcome.map_err(|failure| meaning::not_joined(&failure))?;
            Ok(Branch { xid, id: answer.branch_id.to_string().into(), resource, kind, data })
        })
    }

    fn failed<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EnlistError>> {
        Box::pin(async move {
            let branch_id = branch.id.parse().map_err(|_| {
                EnlistError::Refused(format!("{:?} is no branch of Seata's protocol", branch.id))
            })?;
            let request = BranchReport {
                xid: branch.xid.as_str().into(),
                branch_id,
                status: BranchStatus::PhaseOneFailed,
                resource_id: (*branch.resource).into(),
                // Seata's servers would take none for the new data.
                application_data: text(branch.data.clone())?,
                branch_type: meaning::branch_type(branch.kind),
            };
            match self.ask_rm(&branch.xid, Request::BranchReport(request), Repeat::Yes).await? {
                Answer::BranchReport(outcome) => outcome.map_err(|failure| meaning::not_joined(&failure)),
                other => Err(strange(&other)),
            }
        })
    }

    fn is_free<'a>(
        &'a self,
        xid: &'a Xid,
        resource: &'a str,
        rows: &'a str,
    ) -> BoxFuture<'a, Result<bool, EnlistError>> {
        Box::pin(async move {
            let request = BranchRegister {
                xid: xid.as_str().into(),
                branch_type: BranchType::At,
                resource_id: resource.into(),
                lock_key: rows.into(),
                application_data: Text::EMPTY,
            };
            let answer = self.ask_rm(xid, Request::GlobalLockQuery(request), Repeat::Yes).await?;
            let Answer::GlobalLockQuery(answer) = answer else { return Err(strange(&answer)) };
            match answer.outcome {
                Ok(()) => Ok(answer.is_lockable),
                Err(failure) if failure.code == ExceptionCode::LockKeyConflict => Ok(false),
                Err(failure) => Err(meaning::not_joined(&failure)),
            }
        })
    }
}

impl Client {
    fn until_rm(&self) -> Instant {
        now() + self.0.shared.config.rm_timeout
    }

    async fn ask_rm(&self, xid: &Xid, request: Request, repeat: Repeat) -> Result<Answer, EnlistError> {
        let asked = self.0.shared.ask(Some(xid), request, self.until_rm(), repeat).await;
        asked.map(|(_, answer)| answer).map_err(|lost| match lost {
            Lost::Unwritable(why) => EnlistError::Refused(why),
            other => EnlistError::Unreachable(self.why(other)),
        })
    }
}

fn text(data: bytes::Bytes) -> Result<Text, EnlistError> {
    let why = "a branch's data must be UTF-8 in Seata's protocol";
    Text::from_utf8(data).ok_or_else(|| EnlistError::Refused(why.into()))
}

/// An answer to another question.
fn strange(answer: &Answer) -> EnlistError {
    EnlistError::Unreachable(format!("the answer is none to this: {answer:?}"))
}
