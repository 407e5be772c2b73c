//! Transactions and branches in Seata's words.

use serde::Serialize;
use synod_core::txn::mode::Errand;
use synod_core::txn::{Branch, Status, Step, Txn, Way};
use synod_wire::seata::BranchStatus;

use crate::call::seata::{Address, Initiator, Progress, status};
use crate::txn::ask::{Desk, Driven};

/// How phase two goes: `pauses` says whether a call failed and is to be repeated.
pub(super) fn progress(pauses: bool) -> Progress {
    if pauses { Progress::Pausing } else { Progress::Smooth }
}

/// How a branch stands; `pauses` says whether its call failed and is to be repeated.
fn branch_status(txn: &Txn, branch: &Branch, pauses: bool) -> BranchStatus {
    let way = match txn.status {
        Status::Active => return BranchStatus::Registered,
        Status::RollingBack => Way::Backward,
        Status::Committing | Status::GivenUp | Status::Ended(_) => Way::Forward,
    };
    match (branch.leg(way).step, way) {
        (Step::Pending, _) if !pauses => BranchStatus::Registered,
        (Step::Pending, Way::Forward) => BranchStatus::PhaseTwoCommitFailedRetryable,
        (Step::Pending, Way::Backward) => BranchStatus::PhaseTwoRollbackFailedRetryable,
        (Step::Done, Way::Forward) => BranchStatus::PhaseTwoCommitted,
        (Step::Done, Way::Backward) => BranchStatus::PhaseTwoRollbacked,
        (Step::Refused, Way::Forward) => BranchStatus::PhaseTwoCommitFailedUnretryable,
        (Step::Refused, Way::Backward) => BranchStatus::PhaseTwoRollbackFailedUnretryable,
        // It has said that it did nothing.
        (Step::Skipped, _) => BranchStatus::PhaseOneFailed,
    }
}

/// A global session (`console/entity/vo/GlobalSessionVO`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionDto {
    xid: String,
    transaction_id: String,
    status: u8,
    application_id: String,
    transaction_service_group: String,
    transaction_name: String,
    timeout: u64,
    begin_time: u64,
    application_data: Option<String>,
    gmt_create: u64,
    gmt_modified: u64,
    #[serde(rename = "branchSessionVOs")]
    branches: Option<Vec<BranchDto>>,
}

/// A branch session (`console/entity/vo/BranchSessionVO`). Those of other protocols have an address in place of a resource.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BranchDto {
    xid: String,
    transaction_id: String,
    branch_id: String,
    resource_group_id: Option<String>,
    resource_id: String,
    branch_type: String,
    status: u8,
    /// `application:ip:port`.
    client_id: String,
    application_data: Option<String>,
    gmt_create: u64,
    gmt_modified: u64,
}

impl SessionDto {
    pub(super) fn new(desk: &Desk<'_>, txn: &Txn, driven: &Driven, with_branch: bool) -> Self {
        let initiator = Initiator::of(txn);
        let branch = |(number, branch)| BranchDto::new(desk, txn, (number, branch), driven);
        Self {
            xid: desk.text(txn.xid),
            transaction_id: txn.xid.to_string(),
            status: status(txn, progress(!driven.troubles.is_empty())).code(),
            application_id: initiator.application.to_owned(),
            transaction_service_group: initiator.group.to_owned(),
            transaction_name: txn.name.to_string(),
            timeout: txn.options.timeout_ms,
            begin_time: txn.begun_ms,
            application_data: None,
            gmt_create: txn.begun_ms,
            gmt_modified: txn.touched_ms,
            branches: with_branch.then(|| txn.numbered().map(branch).collect()),
        }
    }
}

impl BranchDto {
    fn new(desk: &Desk<'_>, txn: &Txn, (number, branch): (u16, &Branch), driven: &Driven) -> Self {
        let pauses = driven
            .troubles
            .iter()
            .any(|trouble| matches!(trouble.errand, Errand::Leg(leg, _) if leg == number));
        let url = address(branch);
        let client = Address::parse(url);
        let client = client.as_ref();
        let resource = client.map_or(url, |client| &client.resource);
        let branch_type = client.map_or("", |client| client.branch_type.name());
        let id = client.map(|client| format!("{}:{}", client.application, client.client));
        Self {
            xid: desk.text(txn.xid),
            transaction_id: txn.xid.to_string(),
            branch_id: branch.id.to_string(),
            resource_group_id: None,
            resource_id: resource.to_owned(),
            branch_type: branch_type.to_owned(),
            status: branch_status(txn, branch, pauses).code(),
            client_id: id.unwrap_or_default(),
            application_data: std::str::from_utf8(&branch.payload).ok().map(str::to_owned),
            gmt_create: branch.joined_ms,
            gmt_modified: branch.joined_ms.max(branch.forward.at_ms).max(branch.backward.at_ms),
        }
    }
}

fn address(branch: &Branch) -> &str {
    let target = branch.backward.target.as_ref().or(branch.forward.target.as_ref());
    target.map_or("", |target| &target.url)
}
