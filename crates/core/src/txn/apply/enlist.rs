//! Enlist: a branch joins an active transaction, once.

use super::super::command::{Enlist, Enrolment};
use super::super::mode::Mode;
use super::super::model::{Branch, Leg, Status, Step};
use super::super::state::State;
use super::begin::check_branch;
use super::{Done, News, Outcome, Refusal};

impl State {
    pub(super) fn enlist(&mut self, enlist: &Enlist, news: &mut News) -> Outcome {
        let Enlist { xid, branch } = enlist;
        let txn = self.opened(*xid)?;
        let known = txn.numbered().find(|(_, known)| known.id == branch.id && known.label == branch.label);
        if let Some((number, known)) = known {
            // A participant whose answer was lost asks again, also when the decision has come meanwhile.
            let same = is_same(known, branch);
            return if same {
                Ok(Done::Enlisted(number))
            } else {
                Err(Refusal::BranchConflict(branch.id.clone()))
            };
        }
        if txn.status != Status::Active {
            return Err(Refusal::Not(txn.status));
        }
        if txn.branches.len() >= usize::from(self.limits.branches_max) {
            return Err(Refusal::Busy("branches of a transaction"));
        }
        if branch.refused && txn.mode != Mode::Workflow {
            return Err(Refusal::Invalid("only a workflow's step has been refused already"));
        }
        if branch.rows.is_some() && txn.mode != Mode::Mixed {
            return Err(Refusal::Invalid("only branches of mixed transactions lock rows"));
        }
        check_branch(branch, &self.limits)?;
        txn.mode.rules().on_enlist(txn, branch)?;
        let (number, at_ms) = (txn.branches.len() as u16, self.stamp_ms);
        if let Some(rows) = &branch.rows {
            if let Some((holder, rolling_back)) = self.conflict(*xid, rows) {
                return Err(Refusal::Locked { holder, rolling_back });
            }
            self.locks.take(*xid, rows);
        }
        self.edit(*xid, news, |txn| txn.branches.push(enrolled(branch, at_ms)));
        Ok(Done::Enlisted(number))
    }
}

/// A branch at its beginning.
pub(super) fn enrolled(branch: &Enrolment, at_ms: u64) -> Branch {
    let mut forward = Leg::new(branch.forward.clone());
    if branch.refused {
        forward.step = Step::Refused;
    }
    if !forward.is_pending() {
        forward.at_ms = at_ms;
    }
    Branch {
        id: branch.id.clone(),
        label: branch.label.clone(),
        forward,
        backward: Leg::new(branch.backward.clone()),
        payload: branch.payload.clone(),
        after: branch.after.clone(),
        joined_ms: at_ms,
        rows: branch.rows.clone(),
    }
}

fn is_same(known: &Branch, branch: &Enrolment) -> bool {
    known.forward.target == branch.forward
        && known.backward.target == branch.backward
        && known.payload == branch.payload
        && known.after == branch.after
        && known.rows == branch.rows
        && (branch.forward.is_some() || (known.forward.step == Step::Refused) == branch.refused)
}
