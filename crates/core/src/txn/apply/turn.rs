//! A saga's turn: from here on it goes back, and no action is begun any more.

use synod_base::xid::Xid;

use super::super::command::Turn;
use super::super::mode::Mode;
use super::super::model::{Status, Step, Way};
use super::super::state::State;
use super::{Done, News, Outcome, Refusal, clipped, settle};
use crate::txn::mode::come_to;

impl State {
    pub(super) fn turn(&mut self, turn: &Turn, news: &mut News) -> Outcome {
        let Turn { xid, refused, reason, unsure } = turn;
        let txn = self.opened(*xid)?;
        if txn.mode != Mode::Saga {
            return Err(Refusal::Invalid("only a saga turns"));
        }
        if refused.is_some_and(|branch| usize::from(branch) >= txn.branches.len()) {
            return Err(Refusal::NoSuchBranch);
        }
        match txn.status {
            Status::Committing => {}
            Status::RollingBack => return Ok(Done::Decided(txn.status)),
            status => return Err(Refusal::Not(status)),
        }
        let reason = clipped(reason, self.limits.text_bytes_max);
        Ok(self.turn_back(*xid, *refused, reason, *unsure, news))
    }

    pub(super) fn turn_back(
        &mut self,
        xid: Xid,
        refused: Option<u16>,
        reason: &str,
        unsure: bool,
        news: &mut News,
    ) -> Done {
        let at_ms = self.stamp_ms;
        let status = self.edit(xid, news, |txn| {
            let come_to = come_to(txn);
            if let Some(branch) = refused {
                settle(txn.branches[usize::from(branch)].leg_mut(Way::Forward), Step::Refused, at_ms);
            }
            if !unsure {
                for (branch, come_to) in txn.branches.iter_mut().zip(come_to) {
                    if !come_to && branch.backward.is_pending() {
                        branch.backward.step = Step::Skipped;
                    }
                }
            }
            txn.status = Status::RollingBack;
            txn.decided_ms = at_ms;
            txn.reason = reason.into();
        });
        Done::Decided(status)
    }
}
