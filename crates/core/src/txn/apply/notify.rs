//! A notification's schedule ends, and starts over; what was refused is tried again.

use synod_base::xid::Xid;

use super::super::mode::Mode;
use super::super::model::{Status, Step, Txn};
use super::super::state::State;
use super::{Done, News, Outcome, Refusal, settle};

impl State {
    pub(super) fn give_up(&mut self, xid: Xid, news: &mut News) -> Outcome {
        self.notification(xid, Status::Committing)?;
        let at_ms = self.stamp_ms;
        let status = self.edit(xid, news, |txn| {
            txn.status = Status::GivenUp;
            txn.decided_ms = at_ms;
            txn.reason = "the schedule is over and nobody has acknowledged it".into();
        });
        Ok(Done::Decided(status))
    }

    pub(super) fn resend(&mut self, xid: Xid, news: &mut News) -> Outcome {
        if self.opened(xid)?.is_refused() {
            return Ok(self.try_refused_again(xid, news));
        }
        self.notification(xid, Status::GivenUp)?;
        let at_ms = self.stamp_ms;
        let status = self.edit(xid, news, |txn| {
            txn.status = Status::Committing;
            txn.decided_ms = at_ms;
            txn.reason = Box::default();
            txn.branches.iter_mut().for_each(|branch| branch.forward.attempts = 0);
        });
        Ok(Done::Decided(status))
    }

    fn try_refused_again(&mut self, xid: Xid, news: &mut News) -> Done {
        let status = self.edit(xid, news, |txn| {
            let legs = txn.branches.iter_mut().flat_map(|branch| [&mut branch.forward, &mut branch.backward]);
            legs.filter(|leg| leg.step == Step::Refused).for_each(|leg| settle(leg, Step::Pending, 0));
        });
        Done::Decided(status)
    }

    fn notification(&self, xid: Xid, status: Status) -> Result<&Txn, Refusal> {
        let txn = self.opened(xid)?;
        if txn.mode != Mode::Notification {
            return Err(Refusal::Invalid("only a notification is given up and sent again"));
        }
        if txn.status != status { Err(Refusal::Not(txn.status)) } else { Ok(txn) }
    }
}
