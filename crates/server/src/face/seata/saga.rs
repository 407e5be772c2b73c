//! Sagas of the client's state machine (`seata.md` 2.9). It does all steps by itself and says how it stands; what is left for a
//! coordinator is to start it again when it is silent for too long. So the machine is the transaction's one branch that is called,
//! under a number and a resource of its own.

use synod_base::xid::Xid;
use synod_core::txn::{Amend, Begin, Command, Enrolment, Txn, Way};
use synod_wire::seata::{BranchRegister, BranchType, GlobalReport, GlobalStatus};

use super::{Asker, Inner, No, map};
use crate::txn::{Failure, Known};

/// What the names of such transactions begin with.
const PREFIX: &str = "$Saga_";
/// The number of the branch that stands for the machine.
const MACHINE: i64 = -1;

/// Whether a state machine runs the transaction.
pub(super) fn is_one(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Adds the machine to what a transaction is begun with. `address` stands in the text of the XID.
pub(super) fn with_machine(begin: Begin, asker: &Asker, address: &str) -> Begin {
    let machine = BranchRegister {
        xid: format!("{address}:").into(),
        branch_type: BranchType::Saga,
        resource_id: format!("{}#{}", asker.application, asker.group).into(),
        lock_key: Default::default(),
        application_data: Default::default(),
    };
    Begin { branches: vec![map::enrolment(&machine, asker, MACHINE)], ..begin }
}

/// A step that the machine registers for its own records. Nobody is called for it.
pub(super) fn step(branch: Enrolment) -> Enrolment {
    Enrolment { forward: None, backward: None, ..branch }
}

impl Inner {
    /// What the machine says of its transaction.
    pub(super) async fn saga_stands(&self, txn: &Txn, report: &GlobalReport) -> Result<(), No> {
        use GlobalStatus as Status;
        let (way, ended) = match report.status {
            Some(Status::Committed) => (Way::Forward, true),
            Some(Status::Rollbacked | Status::Finished) => (Way::Backward, true),
            Some(Status::CommitRetrying) => (Way::Forward, false),
            Some(Status::RollbackRetrying | Status::TimeoutRollbackRetrying | Status::Unknown) => {
                (Way::Backward, false)
            }
            _ => return Ok(()),
        };
        let machine = txn.numbered().find(|(_, branch)| *branch.id == *MACHINE.to_string());
        if let (true, Some((branch, _))) = (ended, machine) {
            // It need not be told what it tells.
            let amend = Amend { xid: txn.xid, branch, payload: None, withdraw: true };
            match self.coordinator.propose(Command::Amend(Box::new(amend))).await {
                Ok(_) | Err(Failure::Refused(_)) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        self.propose_decision(txn.xid, way).await
    }

    /// How a transaction stands after a report. One that is not known is as its initiator says.
    pub(super) async fn after_report(&self, xid: Xid, report: &GlobalReport) -> Result<GlobalStatus, No> {
        self.coordinator.arrived(xid).await;
        let told = report.status.unwrap_or(GlobalStatus::Finished);
        match self.coordinator.find(xid) {
            Known::Open(txn) if is_one(&txn.name) => self.saga_stands(&txn, report).await.map(|()| told),
            Known::Open(_) => self.current(xid).await,
            Known::Ended(..) | Known::Forgotten | Known::Unknown => Ok(told),
        }
    }
}
