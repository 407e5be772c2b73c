//! Transactions: begun, decided, asked about.

use std::time::Duration;

use synod_wire::seata::{Answer, Failure, GlobalBegin, GlobalEnd, GlobalStatus, Request};
use tokio::time::Instant;

use super::Client;
use super::ask::Repeat;
use super::meaning::{self, Way};
use super::pending::Lost;
use crate::Xid;
use crate::clock::now;
use crate::rm::BoxFuture;
use crate::tm::{Backend, Decision, Error, Status};

impl Backend for Client {
    /// Timeouts beyond 24 days are cut to that, and those below 1 ms are 1 ms. A lost answer is not asked for again: what may have
    /// been begun is rolled back by its timeout.
    fn begin<'a>(&'a self, name: &'a str, timeout: Duration) -> BoxFuture<'a, Result<Xid, Error>> {
        Box::pin(async move {
            let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX).max(1);
            let request = Request::GlobalBegin(GlobalBegin { timeout_ms, name: name.into() });
            let shared = &self.0.shared;
            let asked = shared.ask(None, request, self.until(), Repeat::No).await;
            let (at, answer) = asked.map_err(|lost| self.lost(lost))?;
            let Answer::GlobalBegin(begun) = answer else { return Err(strange(&answer)) };
            begun.outcome.map_err(|failure| Error::Refused(meaning::text(&failure)))?;
            let xid = Xid::parse(&begun.xid).map_err(|bad| Error::Refused(bad.to_string()))?;
            shared.learn(at, xid.address());
            Ok(xid)
        })
    }

    fn commit<'a>(&'a self, xid: &'a Xid) -> BoxFuture<'a, Result<Status, Error>> {
        Box::pin(self.decide(xid, Way::Forward))
    }

    fn rollback<'a>(&'a self, xid: &'a Xid) -> BoxFuture<'a, Result<Status, Error>> {
        Box::pin(self.decide(xid, Way::Backward))
    }

    fn decision<'a>(&'a self, xid: &'a Xid) -> BoxFuture<'a, Result<Decision, Error>> {
        Box::pin(async move { Ok(meaning::decision(self.current(xid, self.until()).await?)) })
    }

    fn status<'a>(&'a self, xid: &'a Xid) -> BoxFuture<'a, Result<Status, Error>> {
        Box::pin(async move { Ok(meaning::stand(self.current(xid, self.until()).await?).1) })
    }
}

impl Client {
    fn until(&self) -> Instant {
        now() + self.0.shared.config.tm_timeout
    }

    async fn decide(&self, xid: &Xid, way: Way) -> Result<Status, Error> {
        let until = self.until();
        let request = match way {
            Way::Forward => Request::GlobalCommit(end(xid)),
            Way::Backward => Request::GlobalRollback(end(xid)),
        };
        let answer = match (way, self.repeat(xid, request, until).await?) {
            (Way::Forward, Answer::GlobalCommit(answer)) => answer,
            (Way::Backward, Answer::GlobalRollback(answer)) => answer,
            (_, other) => return Err(strange(&other)),
        };
        if meaning::is_believed(&answer, way) {
            return meaning::decided(answer.status, way, None);
        }
        let status = self.current(xid, until).await?;
        let why: Option<&Failure> = answer.outcome.as_ref().err();
        match status {
            // Its time is over, and the server is about to roll it back.
            GlobalStatus::Begin if why.is_none() => Err(Error::Otherwise(Status::RollingBack)),
            status => meaning::decided(status, way, why),
        }
    }

    async fn current(&self, xid: &Xid, until: Instant) -> Result<GlobalStatus, Error> {
        match self.repeat(xid, Request::GlobalStatus(end(xid)), until).await? {
            Answer::GlobalStatus(answer) => meaning::status(&answer),
            other => Err(strange(&other)),
        }
    }

    async fn repeat(&self, xid: &Xid, request: Request, until: Instant) -> Result<Answer, Error> {
        let asked = self.0.shared.ask(Some(xid), request, until, Repeat::Yes).await;
        asked.map(|(_, answer)| answer).map_err(|lost| self.lost(lost))
    }

    fn lost(&self, lost: Lost) -> Error {
        match lost {
            Lost::Unwritable(why) => Error::Refused(why),
            other => Error::Unreachable(self.why(other)),
        }
    }

    /// Why there is no answer, in words.
    pub(super) fn why(&self, lost: Lost) -> String {
        match lost {
            Lost::Unsent | Lost::TimedOut if !self.is_up() => self.0.shared.troubles(),
            Lost::Unsent | Lost::TimedOut => "no answer in time".into(),
            Lost::Broken => "the connection broke before the answer".into(),
            Lost::Unwritable(why) | Lost::Unreadable(why) => why,
        }
    }
}

fn end(xid: &Xid) -> GlobalEnd {
    GlobalEnd { xid: xid.as_str().into(), extra_data: Default::default() }
}

/// An answer to another question. Servers say so what must not be taken for an answer to this one.
fn strange(answer: &Answer) -> Error {
    Error::Unreachable(format!("the answer is none to this: {answer:?}"))
}
