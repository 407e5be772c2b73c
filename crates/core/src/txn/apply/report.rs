//! What came of a call: repeated reports, and reports of what is no longer wanted, change nothing.

use super::super::command::Report;
use super::super::model::{Status, Step, Way};
use super::super::state::State;
use super::{Done, News, Outcome, Refusal, settle};

impl State {
    /// A leg is acknowledged.
    pub(super) fn report(&mut self, report: &Report, news: &mut News) -> Outcome {
        let Report { xid, branch, way } = *report;
        let leg = self.leg(report)?;
        match leg {
            (Status::Committing, Step::Pending) if way == Way::Forward => {}
            // An action that was under way when its saga turned: worth recording, and it changes nothing else.
            (Status::RollingBack, Step::Pending) => {}
            (_, Step::Done | Step::Refused | Step::Skipped) => return Ok(Done::Recorded),
            (status, Step::Pending) => return Err(Refusal::Not(status)),
        }
        let at_ms = self.stamp_ms;
        self.edit(xid, news, |txn| settle(txn.branches[usize::from(branch)].leg_mut(way), Step::Done, at_ms));
        Ok(Done::Recorded)
    }

    /// A call failed, and its mode counts that.
    pub(super) fn attempted(&mut self, report: &Report, news: &mut News) -> Outcome {
        let Report { xid, branch, way } = *report;
        let (_, step) = self.leg(report)?;
        if step != Step::Pending {
            return Ok(Done::Recorded);
        }
        self.edit(xid, news, |txn| {
            let leg = txn.branches[usize::from(branch)].leg_mut(way);
            leg.attempts = leg.attempts.saturating_add(1);
        });
        Ok(Done::Recorded)
    }

    /// How its transaction stands, and the leg.
    pub(super) fn leg(&self, report: &Report) -> Result<(Status, Step), Refusal> {
        let txn = self.opened(report.xid)?;
        let branch = txn.branches.get(usize::from(report.branch)).ok_or(Refusal::NoSuchBranch)?;
        Ok((txn.status, branch.leg(report.way).step))
    }
}
