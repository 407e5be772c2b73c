//! A participant says more about its branch; and one that refuses what it has no right to refuse.

use super::super::command::{Amend, Report};
use super::super::mode::Mode;
use super::super::model::{Branch, Step, Way};
use super::super::state::State;
use super::{Done, News, Outcome, Refusal, settle};

impl State {
    /// Something about a branch is different from what it joined with.
    pub(super) fn amend(&mut self, amend: &Amend, news: &mut News) -> Outcome {
        let Amend { xid, branch, payload, withdraw } = amend;
        if payload.as_ref().is_some_and(|payload| payload.len() > self.limits.payload_bytes_max) {
            return Err(Refusal::TooLarge("a branch's payload"));
        }
        let txn = self.opened(*xid)?;
        let known = txn.branches.get(usize::from(*branch)).ok_or(Refusal::NoSuchBranch)?;
        if txn.mode != Mode::Mixed {
            return Err(Refusal::Invalid("only a branch of a mixed transaction changes"));
        }
        if is_so(known, amend) {
            return Ok(Done::Recorded);
        }
        let at_ms = self.stamp_ms;
        self.edit(*xid, news, |txn| {
            let branch = &mut txn.branches[usize::from(*branch)];
            if let Some(payload) = payload {
                branch.payload = payload.clone();
            }
            if *withdraw {
                let legs = [&mut branch.forward, &mut branch.backward];
                legs.into_iter()
                    .filter(|leg| leg.is_pending())
                    .for_each(|leg| settle(leg, Step::Skipped, at_ms));
            }
        });
        Ok(Done::Recorded)
    }

    /// A leg is refused for good. The transaction waits for an operator, with whatever it holds.
    pub(super) fn refuse(&mut self, report: &Report, news: &mut News) -> Outcome {
        let Report { xid, branch, way } = *report;
        let (status, step) = self.leg(report)?;
        if self.opened(xid)?.mode != Mode::Mixed {
            return Err(Refusal::Invalid("only branches of mixed transactions refuse"));
        }
        if step != Step::Pending {
            return Ok(Done::Recorded);
        }
        if status != way.status() {
            return Err(Refusal::Not(status));
        }
        let at_ms = self.stamp_ms;
        self.edit(xid, news, |txn| {
            settle(txn.branches[usize::from(branch)].leg_mut(way), Step::Refused, at_ms)
        });
        Ok(Done::Recorded)
    }
}

fn is_so(branch: &Branch, amend: &Amend) -> bool {
    let withdrawn = [Way::Forward, Way::Backward].into_iter().all(|way| !branch.leg(way).is_pending());
    amend.payload.as_ref().is_none_or(|payload| *payload == branch.payload) && (!amend.withdraw || withdrawn)
}
