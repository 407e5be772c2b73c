//! One transaction, whole: its branches with both of their legs, what was tried, what is tried next.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use synod_core::txn::mode::CallResult;
use synod_core::txn::{Protocol, Step, Way};
use utoipa::ToSchema;

use super::dto::{ContentDto, TransactionDto};
use super::failed::{Failed, TransactionProblem};
use crate::node::Node;
use crate::txn::ask::{AttemptView, BranchView, Desk, Details, Found, LegView, PAYLOAD_SHOWN_MAX};

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
    number: u16,
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
    /// `http`, `grpc`, `dtm_http`, `dtm_json_rpc`, `dtm_grpc` or `seata`.
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
    desk.arrived(&id).await;
    Ok(Json(whole(&desk, &desk.find(&id)?).await))
}

/// A found transaction with its details.
pub(super) async fn whole(desk: &Desk<'_>, found: &Found) -> TransactionDto {
    let mut dto = TransactionDto::new(desk, found.stand());
    dto.details = desk.details(found).await.map(DetailsDto::from);
    dto
}

/// One branch with the whole of its payload.
#[utoipa::path(get, path = "/v1/transactions/{id}/branches/{branch}", responses((status = 200, body = BranchViewDto), (status = 404, body = TransactionProblem), (status = 410, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn branch(
    State(node): State<Arc<Node>>,
    Path((id, branch)): Path<(String, String)>,
) -> Result<Json<BranchViewDto>, Failed> {
    let view = Desk::of(&node)?.branch(&id, &branch).await?;
    Ok(Json(BranchViewDto::new(view, usize::MAX)))
}

impl From<Details> for DetailsDto {
    fn from(details: Details) -> Self {
        let options = details.options;
        let branch = |view| BranchViewDto::new(view, PAYLOAD_SHOWN_MAX);
        Self {
            timeout_ms: options.timeout_ms,
            call_timeout_ms: options.call_timeout_ms,
            retry_interval_ms: options.retry_ms,
            retry_limit: options.retry_limit,
            delay_ms: options.delay_ms,
            concurrent: options.concurrent,
            forward_only: options.forward_only,
            schedule_ms: options.schedule_ms,
            headers: details.headers,
            back_check: details.back_check.map(LegDto::from),
            payload: ContentDto::new(&details.payload, PAYLOAD_SHOWN_MAX),
            branches: details.branches.into_iter().map(branch).collect(),
            attempts: details.attempts.into_iter().map(AttemptDto::from).collect(),
        }
    }
}

impl BranchViewDto {
    fn new(view: BranchView, bytes_max: usize) -> Self {
        Self {
            number: view.number,
            id: view.id,
            label: view.label,
            payload: ContentDto::new(&view.payload, bytes_max),
            after: view.after,
            joined_ms: view.joined_ms,
            forward: view.forward.into(),
            backward: view.backward.into(),
        }
    }
}

impl From<LegView> for LegDto {
    fn from(view: LegView) -> Self {
        let (url, protocol) = view.target.unzip();
        Self {
            url,
            protocol: protocol.map(|protocol| match protocol {
                Protocol::Http => "http",
                Protocol::Grpc => "grpc",
                Protocol::DtmHttp => "dtm_http",
                Protocol::DtmJsonRpc => "dtm_json_rpc",
                Protocol::DtmGrpc => "dtm_grpc",
                Protocol::Seata => "seata",
            }),
            step: match view.step {
                Step::Pending => "pending",
                Step::Done => "done",
                Step::Refused => "refused",
                Step::Skipped => "skipped",
            },
            counted_failures: view.counted_failures,
            failures: view.failures,
            last_error: view.last_error,
            next_attempt_ms: view.next_attempt_ms,
            calling_since_ms: view.calling_since_ms,
            at_ms: view.at_ms,
        }
    }
}

impl From<AttemptView> for AttemptDto {
    fn from(view: AttemptView) -> Self {
        let (result, error) = match view.result {
            CallResult::Done => ("done", None),
            CallResult::Ongoing => ("ongoing", None),
            CallResult::Refused(error) => ("refused", Some(error.into())),
            CallResult::Failed(error) => ("failed", Some(error.into())),
        };
        let AttemptView { branch, number, way, at_ms, took_ms, .. } = view;
        Self { branch, number, way: way.map(way_name), at_ms, took_ms, result, error }
    }
}

pub(super) fn way_name(way: Way) -> &'static str {
    match way {
        Way::Forward => "forward",
        Way::Backward => "backward",
    }
}
