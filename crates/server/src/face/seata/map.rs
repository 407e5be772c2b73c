//! Requests, branches and refusals, of the wire and of the core.

use bytes::Bytes;
use synod_base::xid::Xid;
use synod_core::txn::{Begin, Enrolment, Mode, Options, Protocol, Refusal, Rows, Target};
use synod_wire::seata::{
    Answer, BranchRegister, BranchType, ExceptionCode, Failure, GlobalBegin, GlobalEndAnswer, GlobalStatus,
    Request,
};

use super::Asker;
use crate::call::seata::{Address, Initiator};
use crate::txn;

/// No transaction: ids are given out from below.
pub(super) const NOBODY: Xid = Xid::LAST;

/// What holds for a transaction whose initiator sends none that could be kept.
const TIMEOUT_MS: u64 = 60_000;

/// A place for each kind of request, from 0 on without gaps.
pub(super) const fn number(request: &Request) -> usize {
    match request {
        Request::GlobalBegin(_) => 0,
        Request::GlobalCommit(_) => 1,
        Request::GlobalRollback(_) => 2,
        Request::GlobalStatus(_) => 3,
        Request::GlobalReport(_) => 4,
        Request::BranchRegister(_) => 5,
        Request::BranchReport(_) => 6,
        Request::GlobalLockQuery(_) => 7,
    }
}

/// Whether an answer says no.
pub(super) fn is_refusal(answer: &Answer) -> bool {
    let outcome = match answer {
        Answer::GlobalBegin(answer) => &answer.outcome,
        Answer::GlobalCommit(answer)
        | Answer::GlobalRollback(answer)
        | Answer::GlobalStatus(answer)
        | Answer::GlobalReport(answer) => &answer.outcome,
        Answer::BranchRegister(answer) => &answer.outcome,
        Answer::BranchReport(outcome) => outcome,
        Answer::GlobalLockQuery(answer) => &answer.outcome,
    };
    outcome.is_err()
}

/// What a transaction is begun with.
pub(super) fn begin(from: &GlobalBegin, asker: &Asker) -> Begin {
    let timeout_ms = u64::try_from(from.timeout_ms).ok().filter(|ms| *ms > 0).unwrap_or(TIMEOUT_MS);
    Begin {
        // The coordinator gives it its own.
        xid: NOBODY,
        gid: None,
        mode: Mode::Mixed,
        name: (*from.name).into(),
        options: Options { timeout_ms, ..Options::default() },
        headers: Vec::new(),
        back_check: None,
        note: Initiator { application: &asker.application, group: &asker.group }.note(),
        branches: Vec::new(),
        submit: false,
    }
}

/// A branch that joins, under the number `id`.
pub(super) fn enrolment(from: &BranchRegister, asker: &Asker, id: i64) -> Enrolment {
    let address = Address {
        resource: (*from.resource_id).into(),
        branch_type: from.branch_type,
        application: (*asker.application).into(),
        client: asker.peer,
        xid_address: xid_address(&from.xid).into(),
    };
    let target = Target { protocol: Protocol::Seata, url: address.to_string().into() };
    Enrolment {
        id: id.to_string().into(),
        label: Box::default(),
        // What is done is done: there is only a way back (`seata.md` 2.5).
        forward: (from.branch_type != BranchType::SagaAnnotation).then(|| target.clone()),
        backward: Some(target),
        // A copy: the text keeps all of the frame that it came in.
        payload: Bytes::copy_from_slice(from.application_data.bytes()),
        after: Default::default(),
        refused: false,
        rows: (from.branch_type == BranchType::At).then(|| Box::new(rows(from))),
    }
}

/// The rows that a request names.
pub(super) fn rows(from: &BranchRegister) -> Rows {
    Rows { resource: (*from.resource_id).into(), keys: (*from.lock_key).into() }
}

/// `host:port` of `host:port:number`.
fn xid_address(xid: &str) -> &str {
    xid.rsplit_once(':').map_or("", |(address, _)| address)
}

/// An answer that names a status.
pub(super) fn told(status: GlobalStatus) -> GlobalEndAnswer {
    GlobalEndAnswer { outcome: Ok(()), status }
}

/// A failure in the words of the original: clients show the text to people.
pub(super) fn failure(code: ExceptionCode, why: impl std::fmt::Display) -> Failure {
    Failure { code, text: format!("TransactionException[{why}]").into() }
}

/// Why a branch cannot join. `None` when nothing must be said.
pub(super) fn no_branch(why: &txn::Failure, xid: &str, id: i64) -> Option<Failure> {
    let refusal = match why {
        txn::Failure::Lost => return None,
        txn::Failure::Busy(_) => return Some(failure(ExceptionCode::FailedStore, why)),
        txn::Failure::Refused(refusal) => refusal,
    };
    Some(match refusal {
        Refusal::Locked { holder, .. } => locked(ExceptionCode::LockKeyConflict, xid, id, *holder),
        Refusal::Unknown | Refusal::Forgotten | Refusal::Ended(_) => no_transaction(xid),
        Refusal::Not(status) => failure(
            ExceptionCode::GlobalTransactionNotActive,
            format_args!(
                "Could not register branch into global session xid = {xid} status = {status}, \
                 cause by globalSession not active"
            ),
        ),
        _ => failure(ExceptionCode::FailedToAddBranch, refusal),
    })
}

/// A row is another transaction's.
pub(super) fn locked(code: ExceptionCode, xid: &str, id: i64, holder: Xid) -> Failure {
    let why =
        format_args!("Global lock acquire failed xid = {xid} branchId = {id}, held by transaction {holder}");
    failure(code, why)
}

/// There is no such transaction, at least not any more.
pub(super) fn no_transaction(xid: &str) -> Failure {
    let why = format_args!("Could not found global transaction xid = {xid}, may be has finished.");
    failure(ExceptionCode::GlobalTransactionNotExist, why)
}
