//! Begin: idempotent under a client's own id.

use std::sync::Arc;

use super::super::codec::v1;
use super::super::command::{Begin, Enrolment};
use super::super::mode::{Mode, Next};
use super::super::model::{Limits, Status, Target, Txn};
use super::super::state::{Found, State};
use super::enlist::enrolled;
use super::{Done, News, Outcome, Refusal};

impl State {
    /// What is wrong with a begin whatever the state is, so that it need not be proposed.
    pub fn check_begin(begin: &Begin, limits: &Limits) -> Result<(), Refusal> {
        check(begin, limits)?;
        begin.mode.rules().on_begin(begin)
    }

    pub(super) fn begin(&mut self, begin: &Begin, news: &mut News) -> Outcome {
        Self::check_begin(begin, &self.limits)?;
        let digest = if begin.gid.is_some() { v1::content_digest(begin) } else { 0 };
        if let Some(gid) = &begin.gid
            && let Some(outcome) = self.begun_before(gid, digest)
        {
            return outcome;
        }
        if !matches!(self.find(begin.xid), Found::Unknown) {
            return Err(Refusal::Conflict(begin.xid));
        }
        if self.open.len() >= self.limits.open_max {
            return Err(Refusal::Busy("open transactions"));
        }
        // Each gid that is open will want its outcome remembered.
        if begin.gid.is_some() && self.gids.len() + self.outcomes.gids() >= self.limits.gids_max {
            return Err(Refusal::Busy("remembered outcomes"));
        }
        if let Some(gid) = &begin.gid {
            self.gids.insert(gid.clone(), begin.xid);
        }
        let mut txn = self.new_txn(begin, digest);
        let at_ms = self.stamp_ms;
        if let Next::Finish(end) = txn.mode.rules().next(&txn, at_ms) {
            txn.status = Status::Ended(end);
        }
        let status = txn.status;
        self.begun = self.begun.max(begin.xid.number());
        self.open.insert(begin.xid, Arc::new(txn));
        match status {
            Status::Ended(end) => self.end(begin.xid, end, news),
            _ => news.touched.push(begin.xid),
        }
        Ok(Done::Begun(begin.xid, status))
    }

    fn begun_before(&self, gid: &str, digest: u64) -> Option<Outcome> {
        let (xid, known, status) = match self.find_gid(gid) {
            Found::Open(txn) => (txn.xid, txn.digest, txn.status),
            Found::Ended(xid, end) => (xid, self.outcomes.of_gid(gid)?.digest, Status::Ended(end)),
            Found::Forgotten | Found::Unknown => return None,
        };
        Some(if known == digest { Ok(Done::Begun(xid, status)) } else { Err(Refusal::Conflict(xid)) })
    }

    fn new_txn(&self, begin: &Begin, digest: u64) -> Txn {
        let at_ms = self.stamp_ms;
        let branches = begin.branches.iter().map(|branch| enrolled(branch, at_ms)).collect();
        Txn {
            xid: begin.xid,
            gid: begin.gid.clone(),
            mode: begin.mode,
            name: begin.name.clone(),
            status: if begin.submit { Status::Committing } else { Status::Active },
            options: begin.options.clone(),
            headers: begin.headers.clone(),
            back_check: begin.back_check.clone(),
            note: begin.note.clone(),
            begun_ms: at_ms,
            decided_ms: if begin.submit { at_ms } else { 0 },
            touched_ms: at_ms,
            reason: Box::default(),
            result: bytes::Bytes::new(),
            branches,
            digest,
        }
    }
}

fn check(begin: &Begin, limits: &Limits) -> Result<(), Refusal> {
    let text = |text: &str| text.len() <= limits.text_bytes_max;
    if begin.gid.as_ref().is_some_and(|gid| gid.is_empty()) {
        return Err(Refusal::Invalid("an id of one's own is not empty"));
    }
    if begin.gid.as_ref().is_some_and(|gid| gid.len() > limits.id_bytes_max) {
        return Err(Refusal::TooLarge("the transaction's id"));
    }
    if !text(&begin.name) || !begin.headers.iter().all(|(name, value)| text(name) && text(value)) {
        return Err(Refusal::TooLarge("the transaction's name or a header"));
    }
    if begin.headers.len() > limits.headers_max {
        return Err(Refusal::TooLarge("the list of headers"));
    }
    if begin.note.len() > limits.payload_bytes_max {
        return Err(Refusal::TooLarge("the transaction's note"));
    }
    if begin.options.schedule_ms.len() > 100 {
        return Err(Refusal::TooLarge("the schedule"));
    }
    if begin.branches.len() > usize::from(limits.branches_max) {
        return Err(Refusal::Busy("branches of a transaction"));
    }
    if begin.mode != Mode::Workflow && begin.branches.iter().any(|branch| branch.refused) {
        return Err(Refusal::Invalid("only a workflow's step has been refused already"));
    }
    if begin.branches.iter().any(|branch| branch.rows.is_some()) {
        return Err(Refusal::Invalid("a branch that locks rows joins a transaction that has begun"));
    }
    check_target(begin.back_check.as_ref(), limits)?;
    begin.branches.iter().try_for_each(|branch| check_branch(branch, limits))?;
    let mut names: Vec<_> = begin.branches.iter().map(|branch| (&branch.id, &branch.label)).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Refusal::Invalid("two branches have the same id"));
    }
    Ok(())
}

/// Whether a branch is within the limits.
pub(super) fn check_branch(branch: &Enrolment, limits: &Limits) -> Result<(), Refusal> {
    if branch.id.len() > limits.id_bytes_max || branch.label.len() > limits.id_bytes_max {
        return Err(Refusal::TooLarge("a branch's id"));
    }
    if branch.payload.len() > limits.payload_bytes_max {
        return Err(Refusal::TooLarge("a branch's payload"));
    }
    if let Some(rows) = &branch.rows {
        if branch.backward.is_none() {
            // Its rows are free when it has been rolled back; nobody could say when that is.
            return Err(Refusal::Invalid("a branch that locks rows can be rolled back"));
        }
        if rows.resource.len() > limits.text_bytes_max {
            return Err(Refusal::TooLarge("a branch's resource"));
        }
        if rows.keys.len() > limits.payload_bytes_max {
            return Err(Refusal::TooLarge("a branch's list of rows"));
        }
    }
    if branch.after.len() > usize::from(limits.branches_max) {
        return Err(Refusal::TooLarge("the list of branches that go first"));
    }
    check_target(branch.forward.as_ref(), limits)?;
    check_target(branch.backward.as_ref(), limits)
}

fn check_target(target: Option<&Target>, limits: &Limits) -> Result<(), Refusal> {
    match target {
        Some(target) if target.url.len() > limits.text_bytes_max => Err(Refusal::TooLarge("a URL")),
        Some(target) if target.url.is_empty() => Err(Refusal::Invalid("a URL is empty")),
        _ => Ok(()),
    }
}
