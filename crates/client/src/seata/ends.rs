//! Ending branches, as servers ask for it: so many at once, a few more in line, and what is more is put off.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use synod_wire::seata::{BranchEnd, BranchEndAnswer, Failure, Header, Message};
use tokio::task::{Id, JoinSet};

use super::meaning::{self, Way};
use super::resources::Resources;
use super::session::Call;
use crate::Xid;
use crate::rm::{Branch, EndError, Resource};

/// Those in line, for each that may run.
const WAITING_PER_RUNNING: usize = 4;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Who waits for an answer: on which connection, and under which header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asker {
    /// Number of the connection. One that is gone gets no answers: whoever asked asks again.
    pub(super) connection: u64,
    pub(super) header: Header,
}

/// An answer to a call.
pub(super) type Answer = (Asker, Message);

/// A branch that is being ended, or waits for it.
struct Job {
    asker: Asker,
    way: Way,
    end: BranchEnd,
    resource: Arc<dyn Resource>,
    branch: Branch,
}

/// The branches of one server that are being ended. What runs goes on when the connection breaks.
pub(super) struct Ends {
    tasks: JoinSet<Result<(), EndError>>,
    /// What they do; those that tidy up are not among them.
    running: HashMap<Id, Job>,
    waiting: VecDeque<Job>,
    max: usize,
}

impl Ends {
    pub(super) fn new(max: usize) -> Self {
        Self { tasks: JoinSet::new(), running: HashMap::new(), waiting: VecDeque::new(), max }
    }

    /// Takes a call up. What cannot be done is answered at once.
    pub(super) fn take(&mut self, call: Call, connection: u64, resources: &Resources) -> Option<Answer> {
        match call {
            Call::End(header, way, end) => self.end(Asker { connection, header }, way, end, resources),
            Call::Tidy(delete) => {
                let days = u32::try_from(delete.save_days).unwrap_or(0);
                let resource = resources.find(&delete.resource_id);
                // A day on which none is thrown away is no loss, and all of them would be one.
                if let (Some(resource), 1.., true) = (resource, days, self.tasks.len() < self.max) {
                    self.tasks.spawn(async move {
                        resource.tidy(DAY.saturating_mul(days)).await;
                        Ok(())
                    });
                }
                None
            }
        }
    }

    fn end(&mut self, asker: Asker, way: Way, end: BranchEnd, resources: &Resources) -> Option<Answer> {
        let again = |why: &str| Some(answer(asker, way, &end, Err(EndError::Again(why.to_owned()))));
        let Some(resource) = resources.find(&end.resource_id) else {
            return again("this process has no such resource");
        };
        let Ok(xid) = Xid::parse(&end.xid) else { return again("no id of a transaction") };
        let is_same =
            |job: &&mut Job| job.way == way && job.end.xid == end.xid && job.end.branch_id == end.branch_id;
        if let Some(job) = self.running.values_mut().chain(&mut self.waiting).find(is_same) {
            // Whoever asked before has given up.
            job.asker = asker;
            return None;
        }
        let is_full = self.running.len() >= self.max;
        if is_full && self.waiting.len() >= self.max.saturating_mul(WAITING_PER_RUNNING) {
            return again("too many branches are being ended");
        }
        let branch = Branch {
            xid,
            id: end.branch_id.to_string().into(),
            resource: (*end.resource_id).into(),
            kind: meaning::kind(end.branch_type),
            // A copy: the text keeps all of the frame that it came in.
            data: Bytes::copy_from_slice(end.application_data.bytes()),
        };
        let job = Job { asker, way, end, resource, branch };
        if is_full {
            self.waiting.push_back(job)
        } else {
            self.start(job)
        }
        None
    }

    fn start(&mut self, job: Job) {
        let (resource, branch, way) = (Arc::clone(&job.resource), job.branch.clone(), job.way);
        let task = self.tasks.spawn(async move {
            match way {
                Way::Forward => resource.commit(&branch).await,
                Way::Backward => resource.rollback(&branch).await,
            }
        });
        self.running.insert(task.id(), job);
    }

    /// The next answer. Waits for ever when nothing is under way; nothing is lost when this is dropped.
    pub(super) async fn next(&mut self) -> Answer {
        loop {
            let Some(ended) = self.tasks.join_next_with_id().await else { std::future::pending().await };
            if let Some(answer) = self.ended(ended) {
                return answer;
            }
        }
    }

    /// The next answer, if there is one now.
    pub(super) fn try_next(&mut self) -> Option<Answer> {
        loop {
            let ended = self.tasks.try_join_next_with_id()?;
            if let Some(answer) = self.ended(ended) {
                return Some(answer);
            }
        }
    }

    fn ended(&mut self, ended: Result<(Id, Result<(), EndError>), tokio::task::JoinError>) -> Option<Answer> {
        let (id, result) = match ended {
            Ok(ended) => ended,
            Err(error) => (error.id(), Err(EndError::Again(format!("the resource has failed: {error}")))),
        };
        let job = self.running.remove(&id)?;
        if let Some(next) = self.waiting.pop_front() {
            self.start(next);
        }
        Some(answer(job.asker, job.way, &job.end, result))
    }
}

fn answer(asker: Asker, way: Way, end: &BranchEnd, result: Result<(), EndError>) -> Answer {
    if let Err(error) = &result {
        tracing::warn!(xid = %end.xid, branch = end.branch_id, resource = %end.resource_id, ?way, %error, "a branch is not ended");
    }
    let status = meaning::ended(way, &result);
    let outcome =
        result.map_err(|error| Failure { code: meaning::code(way, &error), text: error.to_string().into() });
    let answer = BranchEndAnswer { outcome, xid: end.xid.clone(), branch_id: end.branch_id, status };
    let message = match way {
        Way::Forward => Message::BranchCommitAnswer(answer),
        Way::Backward => Message::BranchRollbackAnswer(answer),
    };
    (asker, message)
}
