//! A saga's turn: from here on it goes back, and no action is begun any more.

use synod_base::xid::Xid;

use super::super::command::Turn;
use super::super::mode::Mode;
use super::super::model::{Status, Step, Way};
use super::super::state::State;
use super::{Done, News, Outcome, Refusal, settle};
use crate::txn::mode::reached;

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
            let reached = reached(txn);
            if let Some(branch) = refused {
                settle(txn.branches[usize::from(branch)].leg_mut(Way::Forward), Step::Refused, at_ms);
            }
            if !unsure {
                for number in 0..txn.branches.len() as u16 {
                    let branch = &mut txn.branches[usize::from(number)];
                    let untouched = branch.forward.is_pending() && !reached.contains(&number);
                    if untouched && branch.backward.is_pending() {
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

/// At most so many bytes of a text, whole characters.
fn clipped(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}
