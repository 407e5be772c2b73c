//! Commit, roll back, wait, the decision, and what operators do.

#![expect(unused_qualifications, reason = "utoipa's macro writes `Self`-qualified paths for local types")]

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use synod_core::txn::Way;
use utoipa::{IntoParams, ToSchema};

use super::dto::TransactionDto;
use super::extract::Query;
use super::failed::{Failed, TransactionProblem};
use super::read::{self, MaybeBody};
use crate::config;
use crate::node::Node;
use crate::txn::ask::{Advice, Desk, WAIT_MAX};

type Told = Result<Json<TransactionDto>, Failed>;

/// A commit.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CommitDto {
    /// Any JSON: kept as the transaction's result.
    #[schema(value_type = Option<serde_json::Value>)]
    result: read::Json,
    /// The same as text.
    result_text: Option<String>,
    /// The same in Base64.
    result_base64: Option<String>,
    /// Answer when it has ended, or after so long, at most `60s`.
    wait: Option<String>,
}

/// A rollback.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RollbackDto {
    /// Why, for people.
    #[serde(default)]
    reason: String,
    /// Answer when it has ended, or after so long, at most `60s`.
    wait: Option<String>,
}

/// Decides to go forward: commits, confirms, submits.
#[utoipa::path(post, path = "/v1/transactions/{id}/commit", request_body = CommitDto, responses((status = 200, body = TransactionDto), (status = 400, body = TransactionProblem), (status = 404, body = TransactionProblem), (status = 409, body = TransactionProblem), (status = 410, body = TransactionProblem), (status = 413, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn commit(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    MaybeBody(commit): MaybeBody<CommitDto>,
) -> Told {
    go_forward(&node, &id, commit).await
}

pub(super) async fn go_forward(node: &Node, id: &str, commit: CommitDto) -> Told {
    let wait = read::duration("wait", commit.wait.as_deref())?;
    let result = read::bytes("result", commit.result, commit.result_text, commit.result_base64)?;
    let desk = Desk::of(node)?;
    let stand = desk.decide(id, (Way::Forward, "", result.unwrap_or_default()), wait).await?;
    Ok(Json(TransactionDto::new(&desk, stand)))
}

/// Decides to go back: rolls back, cancels, aborts.
#[utoipa::path(post, path = "/v1/transactions/{id}/rollback", request_body = RollbackDto, responses((status = 200, body = TransactionDto), (status = 400, body = TransactionProblem), (status = 404, body = TransactionProblem), (status = 409, body = TransactionProblem), (status = 410, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn rollback(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    MaybeBody(rollback): MaybeBody<RollbackDto>,
) -> Told {
    go_back(&node, &id, rollback).await
}

pub(super) async fn go_back(node: &Node, id: &str, rollback: RollbackDto) -> Told {
    let wait = read::duration("wait", rollback.wait.as_deref())?;
    let desk = Desk::of(node)?;
    let stand = desk.decide(id, (Way::Backward, &rollback.reason, Bytes::new()), wait).await?;
    Ok(Json(TransactionDto::new(&desk, stand)))
}

/// How long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitQuery {
    /// Such as `10s`; `60s` unless said, and at most.
    timeout: Option<String>,
}

/// Waits for the end, and answers how it stands then, or when the time is over.
#[utoipa::path(get, path = "/v1/transactions/{id}/wait", params(WaitQuery), responses((status = 200, body = TransactionDto), (status = 400, body = TransactionProblem), (status = 404, body = TransactionProblem), (status = 410, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn wait(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    Query(query): Query<WaitQuery>,
) -> Told {
    let length = match query.timeout.as_deref() {
        None => WAIT_MAX,
        Some(text) => config::parse_duration(text)
            .ok_or_else(|| Failed::parameter(format!("timeout: {text:?} is no duration such as \"30s\"")))?,
    };
    let desk = Desk::of(&node)?;
    let stand = desk.wait(&id, length).await?;
    Ok(Json(TransactionDto::new(&desk, stand)))
}

/// What a participant in doubt is to do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DecisionDto {
    /// The transaction's id, if it is known.
    xid: Option<String>,
    /// `undecided`: ask again. `commit`, `rollback`: do that. `forgotten`: it ended long ago, or the gid is not known; `stopped`:
    /// an operator has ended it. With the last two a person has to say what is right.
    decision: &'static str,
    /// How the transaction stands; `unknown` when it was never begun, which means `rollback`.
    status: &'static str,
}

/// What was decided: what a participant asks that is in doubt. That a transaction is unknown, so that it has not committed, is
/// only said when this node is sure to know everything.
#[utoipa::path(get, path = "/v1/transactions/{id}/decision", responses((status = 200, body = DecisionDto), (status = 404, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn decision(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
) -> Result<Json<DecisionDto>, Failed> {
    let desk = Desk::of(&node)?;
    let (advice, stand) = desk.advise(&id).await?;
    let status = match (&stand, advice) {
        (Some(stand), _) => stand.status.as_str(),
        (None, Advice::Forgotten) => "forgotten",
        (None, _) => "unknown",
    };
    let xid = stand.map(|stand| desk.text(stand.xid));
    Ok(Json(DecisionDto { xid, decision: advice.as_str(), status }))
}

/// Makes all calls of a transaction due now.
#[utoipa::path(post, path = "/v1/transactions/{id}/retry", responses((status = 202, body = TransactionDto), (status = 404, body = TransactionProblem), (status = 409, body = TransactionProblem), (status = 410, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn retry(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<TransactionDto>), Failed> {
    let desk = Desk::of(&node)?;
    let stand = desk.retry(&id).await?;
    Ok((StatusCode::ACCEPTED, Json(TransactionDto::new(&desk, stand))))
}

/// A stop.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StopDto {
    /// Why, for people.
    #[serde(default)]
    reason: String,
}

/// Ends a transaction whatever its branches know. Nobody is called any more: what they hold is for people to clear up.
#[utoipa::path(post, path = "/v1/transactions/{id}/stop", request_body = StopDto, responses((status = 200, body = TransactionDto), (status = 404, body = TransactionProblem), (status = 409, body = TransactionProblem), (status = 410, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn stop(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    MaybeBody(stop): MaybeBody<StopDto>,
) -> Told {
    let desk = Desk::of(&node)?;
    let stand = desk.stop(&id, &stop.reason).await?;
    Ok(Json(TransactionDto::new(&desk, stand)))
}

/// Starts the schedule of a notification over that was given up. Of a transaction whose participant has refused what was decided,
/// calls whoever refused again.
#[utoipa::path(post, path = "/v1/transactions/{id}/resend", responses((status = 200, body = TransactionDto), (status = 404, body = TransactionProblem), (status = 409, body = TransactionProblem), (status = 410, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn resend(State(node): State<Arc<Node>>, Path(id): Path<String>) -> Told {
    send_again(&node, &id).await
}

pub(super) async fn send_again(node: &Node, id: &str) -> Told {
    let desk = Desk::of(node)?;
    let stand = desk.resend(id).await?;
    Ok(Json(TransactionDto::new(&desk, stand)))
}
