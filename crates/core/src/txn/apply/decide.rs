//! Decide: once, and for good. A repeated decision is answered with how things stand; the opposite one is refused.

use synod_base::xid::Xid;

use super::super::command::Decision;
use super::super::mode::Overdue;
use super::super::model::{End, Status, Way};
use super::super::state::State;
use super::{Done, News, Outcome, Refusal, clipped};

impl State {
    pub(super) fn decide(&mut self, decision: &Decision, news: &mut News) -> Outcome {
        let Decision { xid, way, reason, result } = decision;
        if result.len() > self.limits.payload_bytes_max {
            return Err(Refusal::TooLarge("the result"));
        }
        let txn = match self.opened(*xid) {
            Ok(txn) => txn,
            Err(Refusal::Ended(end)) if end == end_of(*way) => return Ok(Done::Decided(Status::Ended(end))),
            Err(refusal) => return Err(refusal),
        };
        match (txn.status, *way) {
            (Status::Active, _) => {}
            (Status::Committing, Way::Forward) | (Status::RollingBack, Way::Backward) => {
                return Ok(Done::Decided(txn.status));
            }
            (status, _) => return Err(Refusal::Not(status)),
        }
        let at_ms = self.stamp_ms;
        let reason = clipped(reason, self.limits.text_bytes_max);
        let status = self.edit(*xid, news, |txn| {
            txn.status = if *way == Way::Forward { Status::Committing } else { Status::RollingBack };
            txn.decided_ms = at_ms;
            txn.reason = reason.into();
            txn.result = result.clone();
            if *way == Way::Backward {
                txn.mode.rules().on_early_rollback(txn);
            }
        });
        Ok(Done::Decided(status))
    }

    pub(super) fn time_out(&mut self, xid: Xid, unsure: bool, news: &mut News) -> Outcome {
        let txn = self.opened(xid)?;
        // dtm's clients know this sentence.
        let reason = format!("Timeout after {} seconds", txn.options.timeout_ms / 1_000).into_boxed_str();
        let at_ms = self.stamp_ms;
        match txn.mode.rules().overdue(txn) {
            Overdue::Nothing => Err(Refusal::Not(txn.status)),
            Overdue::Turn => Ok(self.turn_back(xid, None, &reason, unsure, news)),
            Overdue::RollBack => {
                let status = self.edit(xid, news, |txn| {
                    txn.status = Status::RollingBack;
                    txn.decided_ms = at_ms;
                    txn.reason = reason;
                    txn.mode.rules().on_early_rollback(txn);
                });
                Ok(Done::Decided(status))
            }
        }
    }

    pub(super) fn stop(&mut self, xid: Xid, reason: &str, news: &mut News) -> Outcome {
        match self.opened(xid) {
            Ok(_) => {}
            Err(Refusal::Ended(End::Stopped)) => return Ok(Done::Decided(Status::Ended(End::Stopped))),
            Err(refusal) => return Err(refusal),
        }
        let at_ms = self.stamp_ms;
        let reason = clipped(reason, self.limits.text_bytes_max);
        let status = self.edit(xid, news, |txn| {
            txn.status = Status::Ended(End::Stopped);
            txn.decided_ms = at_ms;
            txn.reason = reason.into();
        });
        Ok(Done::Decided(status))
    }
}

fn end_of(way: Way) -> End {
    match way {
        Way::Forward => End::Committed,
        Way::Backward => End::RolledBack,
    }
}
