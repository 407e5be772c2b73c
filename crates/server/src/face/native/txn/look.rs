//! One transaction, whole: its branches with both of their legs, what was tried, what is tried next.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use synod_core::txn::drive::Attempt;
use synod_core::txn::mode::{CallResult, Errand};
use synod_core::txn::{Branch, Leg, Protocol, Step, Txn, Way};
use utoipa::ToSchema;

use super::dto::{ContentDto, TransactionDto};
use super::failed::{Failed, TransactionProblem};
use crate::node::Node;
use crate::txn::ask::{Desk, Driven, Found, shown_url};

/// Bytes of a payload that are shown with the whole transaction; one branch is shown with all of its.
const PAYLOAD_SHOWN_MAX: usize = 4 << 10;
/// Headers whose values are nobody's business.
const SECRET: [&str; 5] = ["authorization", "cookie", "token", "secret", "key"];

/// What else is known of a transaction.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DetailsDto {
    /// After so long without a decision it is rolled back, or the initiator is asked; 0 for never.
    timeout_ms: u64,
    /// How long one call may take; 0 for the server's default.
    call_timeout_ms: u64,
    /// The first pause before a call is repeated; 0 for the server's default.
    retry_interval_ms: u64,
    /// After so many failed attempts of an action a saga turns back; 0 for any number.
    retry_limit: u32,
    /// Not delivered before so long after the begin.
    delay_ms: u64,
    /// Branches are called side by side.
    concurrent: bool,
    /// A saga that never turns back.
    forward_only: bool,
    /// The pauses between the attempts of a notification.
    schedule_ms: Vec<u64>,
    /// Sent with every call; what may be a secret is not shown.
    headers: BTreeMap<String, String>,
    /// Whom to call when the initiator is silent.
    back_check: Option<LegDto>,
    /// A workflow's input.
    payload: Option<ContentDto>,
    /// Who takes part.
    branches: Vec<BranchViewDto>,
    /// What was tried, oldest first; not all of it when that was much.
    attempts: Vec<AttemptDto>,
}

/// A branch.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BranchViewDto {
    /// Its place, from 0 on.
    number: usize,
    /// The id by which the participant knows it.
    id: String,
    /// What of several things with one id it is.
    label: String,
    /// What it is called with; of more than 4 KiB only how many they are.
    payload: Option<ContentDto>,
    /// The branches, by id, that go first.
    after: Vec<String>,
    /// When it joined.
    joined_ms: u64,
    /// Action, confirm, commit, delivery.
    forward: LegDto,
    /// Compensate, cancel, rollback.
    backward: LegDto,
}

/// Somebody to call.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LegDto {
    /// Where; null for nobody.
    url: Option<String>,
    /// `http`, `grpc`, `dtm_http`, `dtm_json_rpc` or `dtm_grpc`.
    protocol: Option<&'static str>,
    /// `pending`, `done`, `refused`, or `skipped`: not wanted, as the other way was never gone.
    step: &'static str,
    /// Failed attempts, where they count towards a limit or a schedule.
    counted_failures: u32,
    /// Failed attempts in a row, since this node drives the transaction.
    failures: u32,
    /// What the last of them came to.
    last_error: Option<String>,
    /// When it is tried again.
    next_attempt_ms: Option<u64>,
    /// Since when it is being called; null when it is not.
    calling_since_ms: Option<u64>,
    /// When it reached its last step.
    at_ms: Option<u64>,
}

/// One attempt of a call.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AttemptDto {
    /// The branch, by its id; null for the initiator.
    branch: Option<String>,
    /// The branch's place, from 0 on; null for the initiator.
    number: Option<u16>,
    /// `forward` or `backward`; null for the initiator.
    way: Option<&'static str>,
    /// When it left.
    at_ms: u64,
    /// How long it took.
    took_ms: u64,
    /// `done`, `refused`, `ongoing` or `failed`.
    result: &'static str,
    /// What was said to it.
    error: Option<String>,
}

/// One transaction, whole. Of one that ended so long ago that its details are gone only how it ended.
#[utoipa::path(get, path = "/v1/transactions/{id}", responses((status = 200, body = TransactionDto), (status = 404, body = TransactionProblem), (status = 410, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn look(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
) -> Result<Json<TransactionDto>, Failed> {
    let desk = Desk::of(&node)?;
    Ok(Json(whole(&desk, &desk.find(&id)?).await))
}

/// A found transaction with its details.
pub(super) async fn whole(desk: &Desk<'_>, found: &Found) -> TransactionDto {
    let mut dto = TransactionDto::new(desk, found.stand());
    dto.details = match found {
        Found::Open(txn) => {
            let driven = desk.driven(txn.xid).await;
            Some(DetailsDto::new(txn, &driven.attempts, &driven))
        }
        Found::Ended(_, _, detail) => {
            detail.as_ref().map(|detail| DetailsDto::new(&detail.txn, &detail.attempts, &Driven::default()))
        }
    };
    dto
}

/// One branch with the whole of its payload.
#[utoipa::path(get, path = "/v1/transactions/{id}/branches/{branch}", responses((status = 200, body = BranchViewDto), (status = 404, body = TransactionProblem), (status = 410, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn branch(
    State(node): State<Arc<Node>>,
    Path((id, branch)): Path<(String, String)>,
) -> Result<Json<BranchViewDto>, Failed> {
    let desk = Desk::of(&node)?;
    let (found, at) = desk.branch(&id, &branch)?;
    let driven = match &found {
        Found::Open(txn) => desk.driven(txn.xid).await,
        Found::Ended(..) => Driven::default(),
    };
    let txn = found.txn().expect("it has the branch");
    Ok(Json(BranchViewDto::new(txn, at, &driven, usize::MAX)))
}

impl DetailsDto {
    fn new(txn: &Txn, attempts: &[Attempt], driven: &Driven) -> Self {
        let options = &txn.options;
        let back_check = txn.back_check.as_ref().map(|target| {
            let leg = Leg { step: Step::Pending, ..Leg::new(Some(target.clone())) };
            LegDto::new(&leg, Errand::BackCheck, driven)
        });
        let branch = |number| BranchViewDto::new(txn, number, driven, PAYLOAD_SHOWN_MAX);
        Self {
            timeout_ms: options.timeout_ms,
            call_timeout_ms: options.call_timeout_ms,
            retry_interval_ms: options.retry_ms,
            retry_limit: options.retry_limit,
            delay_ms: options.delay_ms,
            concurrent: options.concurrent,
            forward_only: options.forward_only,
            schedule_ms: options.schedule_ms.clone(),
            headers: headers(txn),
            back_check,
            payload: ContentDto::new(&txn.note, PAYLOAD_SHOWN_MAX),
            branches: (0..txn.branches.len()).map(branch).collect(),
            attempts: attempts.iter().map(|attempt| AttemptDto::new(txn, attempt)).collect(),
        }
    }
}

fn headers(txn: &Txn) -> BTreeMap<String, String> {
    let shown = |name: &str, value: &str| {
        let name = name.to_lowercase();
        if SECRET.iter().any(|secret| name.contains(secret)) { "…".into() } else { value.to_owned() }
    };
    txn.headers.iter().map(|(name, value)| (name.to_string(), shown(name, value))).collect()
}

impl BranchViewDto {
    fn new(txn: &Txn, number: usize, driven: &Driven, bytes_max: usize) -> Self {
        let branch = &txn.branches[number];
        // There are no more branches than a u16 counts.
        let leg = |way: Way| LegDto::new(branch.leg(way), Errand::Leg(number as u16, way), driven);
        let before = |at: &u16| branch_id(txn, *at);
        Self {
            number,
            id: branch.id.to_string(),
            label: branch.label.to_string(),
            payload: ContentDto::new(&branch.payload, bytes_max),
            after: branch.after.iter().filter_map(before).collect(),
            joined_ms: branch.joined_ms,
            forward: leg(Way::Forward),
            backward: leg(Way::Backward),
        }
    }
}

fn branch_id(txn: &Txn, at: u16) -> Option<String> {
    txn.branches.get(usize::from(at)).map(|branch: &Branch| branch.id.to_string())
}

impl LegDto {
    fn new(leg: &Leg, errand: Errand, driven: &Driven) -> Self {
        let trouble = driven.troubles.iter().find(|trouble| trouble.errand == errand);
        let calling = driven.under_way.iter().find(|(under_way, _)| *under_way == errand);
        let error = trouble.map(|trouble| trouble.error.to_string());
        Self {
            url: leg.target.as_ref().map(shown_url),
            protocol: leg.target.as_ref().map(|target| match target.protocol {
                Protocol::Http => "http",
                Protocol::Grpc => "grpc",
                Protocol::DtmHttp => "dtm_http",
                Protocol::DtmJsonRpc => "dtm_json_rpc",
                Protocol::DtmGrpc => "dtm_grpc",
            }),
            step: match leg.step {
                Step::Pending => "pending",
                Step::Done => "done",
                Step::Refused => "refused",
                Step::Skipped => "skipped",
            },
            counted_failures: leg.attempts,
            failures: trouble.map_or(0, |trouble| trouble.failures),
            last_error: error.filter(|error| !error.is_empty()),
            next_attempt_ms: trouble.map(|trouble| trouble.next_ms),
            calling_since_ms: calling.map(|(_, since_ms)| *since_ms),
            at_ms: Some(leg.at_ms).filter(|ms| *ms > 0),
        }
    }
}

impl AttemptDto {
    fn new(txn: &Txn, attempt: &Attempt) -> Self {
        let (number, way) = match attempt.errand {
            Errand::BackCheck => (None, None),
            Errand::Leg(at, way) => (Some(at), Some(way_name(way))),
        };
        let branch = number.and_then(|at| branch_id(txn, at));
        let (result, error) = match &attempt.result {
            CallResult::Done => ("done", None),
            CallResult::Ongoing => ("ongoing", None),
            CallResult::Refused(error) => ("refused", Some(error.to_string())),
            CallResult::Failed(error) => ("failed", Some(error.to_string())),
        };
        Self { branch, number, way, at_ms: attempt.at_ms, took_ms: attempt.took_ms, result, error }
    }
}

pub(super) fn way_name(way: Way) -> &'static str {
    match way {
        Way::Forward => "forward",
        Way::Backward => "backward",
    }
}
