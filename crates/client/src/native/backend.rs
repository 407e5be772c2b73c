//! The client as a coordinator for [`tm`](crate::tm) and [`rm`](crate::rm).
//!
//! Transactions are begun in the mode `mixed`: TCC, XA and saga branches, also those of Seata's clients, can join.

use std::sync::Arc;
use std::time::Duration;

use super::ask::{Error, Problem};
use super::begin::{Begin, Mode, NewBranch};
use super::participants::Participants;
use super::transaction::{Standing, Transaction};
use super::{Client, id};
use crate::rm::{self, Branch, EnlistError, Kind, Resource};
use crate::tm::{self, Decision, Status};
use crate::{Xid, rm::BoxFuture};

const NO_SUCH_TRANSACTION: &str = "E2001";
const FORGOTTEN: &str = "E2002";
const STANDS_OTHERWISE: &str = "E2004";
/// Rows are locked for AT, which is Seata's.
const AT_IS_SEATAS: &str = "branches of AT, and the rows they hold, are spoken of over Seata's protocol only: use the feature `seata`";
const NOBODY: &str = "nobody would be called: give the client `Participants`";

impl From<Error> for tm::Error {
    fn from(error: Error) -> Self {
        match &error {
            Error::Refused(problem) => match &**problem {
                Problem { standing: Some(standing), code, .. } if code == STANDS_OTHERWISE => {
                    Self::Otherwise((*standing).into())
                }
                _ => Self::Refused(error.to_string()),
            },
            Error::NotSent(_) | Error::Unknown(_) => Self::Unreachable(error.to_string()),
            Error::Unwritable(_) => Self::Refused(error.to_string()),
        }
    }
}

impl From<Error> for EnlistError {
    fn from(error: Error) -> Self {
        let (text, code) = (error.to_string(), error.code());
        match &error {
            Error::NotSent(_) | Error::Unknown(_) => Self::Unreachable(text),
            _ if matches!(code, Some(NO_SUCH_TRANSACTION | FORGOTTEN | STANDS_OTHERWISE)) => {
                Self::NotActive(text)
            }
            Error::Refused(_) | Error::Unwritable(_) => Self::Refused(text),
        }
    }
}

fn status(transaction: &Transaction) -> Status {
    transaction.standing.into()
}

impl tm::Backend for Client {
    fn begin<'a>(&'a self, name: &'a str, timeout: Duration) -> BoxFuture<'a, Result<Xid, tm::Error>> {
        Box::pin(async move {
            let mut begin = Begin::new(Mode::Mixed, name).timeout(timeout);
            if let Some(interval) = self.retry_interval {
                begin = begin.retry_interval(interval);
            }
            Ok(self.begin(&begin).await?.xid)
        })
    }

    fn commit<'a>(&'a self, xid: &'a Xid) -> BoxFuture<'a, Result<Status, tm::Error>> {
        Box::pin(async { Ok(status(&self.commit(xid.as_str()).await?)) })
    }

    fn rollback<'a>(&'a self, xid: &'a Xid) -> BoxFuture<'a, Result<Status, tm::Error>> {
        Box::pin(async { Ok(status(&self.rollback(xid.as_str(), "").await?)) })
    }

    fn decision<'a>(&'a self, xid: &'a Xid) -> BoxFuture<'a, Result<Decision, tm::Error>> {
        Box::pin(async { Ok(self.decision(xid.as_str()).await?) })
    }

    fn status<'a>(&'a self, xid: &'a Xid) -> BoxFuture<'a, Result<Status, tm::Error>> {
        Box::pin(async {
            match self.look(xid.as_str()).await {
                Ok(transaction) => Ok(status(&transaction)),
                Err(error) if matches!(error.code(), Some(NO_SUCH_TRANSACTION | FORGOTTEN)) => {
                    Ok(Standing::Other.into())
                }
                Err(error) => Err(error.into()),
            }
        })
    }
}

impl Client {
    fn own(&self) -> Result<&Arc<Participants>, EnlistError> {
        self.participants.as_ref().ok_or_else(|| EnlistError::Refused(NOBODY.to_owned()))
    }
}

impl rm::Backend for Client {
    /// The coordinator is told with each branch whom to call for it.
    fn register<'a>(
        &'a self,
        id: Arc<str>,
        kind: Kind,
        resource: Arc<dyn Resource>,
    ) -> BoxFuture<'a, Result<(), EnlistError>> {
        Box::pin(async move {
            if kind == Kind::At {
                return Err(EnlistError::Refused(AT_IS_SEATAS.to_owned()));
            }
            self.own()?.resource(id, kind, resource);
            Ok(())
        })
    }

    fn enlist(&self, branch: rm::NewBranch) -> BoxFuture<'_, Result<Branch, EnlistError>> {
        Box::pin(async move {
            let rm::NewBranch { xid, resource, kind, rows: _, data } = branch;
            let url = self.own()?.url(&resource);
            let id = id::fresh();
            let new = NewBranch::new(id.as_str()).payload(data.clone());
            let new = match kind {
                Kind::At => return Err(EnlistError::Refused(AT_IS_SEATAS.to_owned())),
                Kind::Tcc | Kind::Xa => new.forward(url.as_str()).backward(url),
                // It is done at once: there is nothing to say of a commit.
                Kind::Saga => new.backward(url),
            };
            self.enlist(xid.as_str(), &new).await?;
            Ok(Branch { xid, id: id.into(), resource, kind, data })
        })
    }

    /// There is nothing to say: it is called to roll back what it has not done, and must bear that.
    fn failed<'a>(&'a self, _branch: &'a Branch) -> BoxFuture<'a, Result<(), EnlistError>> {
        Box::pin(async { Ok(()) })
    }

    fn is_free<'a>(
        &'a self,
        _xid: &'a Xid,
        _resource: &'a str,
        _rows: &'a str,
    ) -> BoxFuture<'a, Result<bool, EnlistError>> {
        Box::pin(async { Err(EnlistError::Refused(AT_IS_SEATAS.to_owned())) })
    }
}
