//! Begin, and a branch joins.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::dto::TransactionDto;
use super::extract::Body;
use super::failed::{Failed, TransactionProblem};
use super::read;
use crate::node::Node;
use crate::txn::ask::{BranchWish, Desk, Wish};

/// A transaction to begin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BeginDto {
    /// An id of your own: a repeated request with the same one begins nothing new.
    gid: Option<String>,
    /// `xa`, `tcc`, `saga`, `message`, `notification` or `workflow`.
    mode: String,
    /// What people call it; of messages and notifications the topic.
    #[serde(default)]
    name: String,
    /// After so long without a decision it is rolled back, or the initiator is asked; a saga: without an end. Such as `30s`.
    timeout: Option<String>,
    /// How long one call may take; `call.timeout` unless said.
    call_timeout: Option<String>,
    /// The first pause before a call is repeated; `txn.retry` unless said.
    retry_interval: Option<String>,
    /// After so many failed attempts of an action a saga turns back; never unless said.
    retry_limit: Option<u32>,
    /// Not to be delivered before so long after the begin: messages and notifications.
    delay: Option<String>,
    /// Branches are called side by side.
    #[serde(default)]
    concurrent: bool,
    /// A saga that never turns back.
    #[serde(default)]
    forward_only: bool,
    /// The pauses between the attempts of a notification.
    schedule: Option<Vec<String>>,
    /// Sent with every call.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Whom to ask what became of a message, or at which to start a workflow again.
    #[serde(alias = "run")]
    back_check: Option<String>,
    /// Any JSON: a workflow's input; elsewhere what branches are called with that have no payload of their own.
    #[schema(value_type = Option<serde_json::Value>)]
    payload: read::Json,
    /// The same as text.
    payload_text: Option<String>,
    /// The same in Base64.
    payload_base64: Option<String>,
    /// Who takes part from the beginning.
    #[serde(default)]
    branches: Vec<BranchDto>,
    /// Whether it goes forward at once; a notification always does.
    submit: Option<bool>,
    /// Answer when it has ended, or after so long, at most `60s`.
    wait: Option<String>,
}

/// A branch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BranchDto {
    /// The id by which the participant knows it; numbered `01`, `02`, … unless said. One that joins later needs one.
    id: Option<String>,
    /// What of several things with one id it is: of a workflow's step.
    #[serde(default)]
    label: String,
    /// Whom to call forward; also named `action`, `confirm`, `commit` or `deliver`.
    #[serde(alias = "action", alias = "confirm", alias = "commit", alias = "deliver")]
    forward: Option<String>,
    /// Whom to call back; also named `compensate`, `cancel` or `rollback`.
    #[serde(alias = "compensate", alias = "cancel", alias = "rollback")]
    backward: Option<String>,
    /// Any JSON: what it is called with.
    #[schema(value_type = Option<serde_json::Value>)]
    payload: read::Json,
    /// The same as text.
    payload_text: Option<String>,
    /// The same in Base64.
    payload_base64: Option<String>,
    /// The branches, by id, that go first: of a concurrent saga.
    #[serde(default)]
    after: Vec<String>,
    /// A workflow's step that was refused.
    #[serde(default)]
    refused: bool,
}

impl BranchDto {
    fn wish(self) -> Result<BranchWish, Failed> {
        Ok(BranchWish {
            id: self.id,
            label: self.label,
            forward: self.forward,
            backward: self.backward,
            payload: read::bytes("payload", self.payload, self.payload_text, self.payload_base64)?,
            after: self.after,
            refused: self.refused,
        })
    }
}

impl BeginDto {
    fn wish(self) -> Result<Wish, Failed> {
        Ok(Wish {
            gid: self.gid,
            mode: read::mode(&self.mode).map_err(Failed::body)?,
            name: self.name,
            timeout_ms: read::ms("timeout", self.timeout.as_deref())?,
            call_timeout_ms: read::ms("call_timeout", self.call_timeout.as_deref())?,
            retry_ms: read::ms("retry_interval", self.retry_interval.as_deref())?,
            retry_limit: self.retry_limit,
            delay_ms: read::ms("delay", self.delay.as_deref())?,
            concurrent: self.concurrent,
            forward_only: self.forward_only,
            schedule_ms: read::schedule(self.schedule.as_deref())?,
            headers: self.headers.into_iter().collect(),
            back_check: self.back_check,
            payload: read::bytes("payload", self.payload, self.payload_text, self.payload_base64)?,
            branches: self.branches.into_iter().map(BranchDto::wish).collect::<Result<_, _>>()?,
            submit: self.submit,
        })
    }
}

/// Begins a wish, for all routes that begin something.
pub(super) async fn carry_out(
    node: &Node,
    headers: &HeaderMap,
    wish: Wish,
    wait: Option<&str>,
) -> Result<(StatusCode, Json<TransactionDto>), Failed> {
    let wait = read::duration("wait", wait)?;
    let desk = Desk::of(node)?;
    let begun = desk.begin(wish, headers, wait).await?;
    let status = if begun.new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(TransactionDto::new(&desk, begun.stand))))
}

/// Begins a transaction.
#[utoipa::path(post, path = "/v1/transactions", request_body = BeginDto, responses((status = 201, description = "It is new", body = TransactionDto), (status = 200, description = "It was begun before with the same content", body = TransactionDto), (status = 400, body = TransactionProblem), (status = 409, body = TransactionProblem), (status = 413, body = TransactionProblem), (status = 422, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn begin(
    State(node): State<Arc<Node>>,
    headers: HeaderMap,
    Body(begin): Body<BeginDto>,
) -> Result<(StatusCode, Json<TransactionDto>), Failed> {
    let wait = begin.wait.clone();
    carry_out(&node, &headers, begin.wish()?, wait.as_deref()).await
}

/// A branch that has joined.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EnlistedDto {
    /// The transaction's id.
    xid: String,
    /// The branch's id.
    branch: String,
    /// Its place among the transaction's branches, from 0 on.
    number: u16,
}

/// A branch joins; what it was promised is durable when this is answered. Joining again with the same content is harmless.
#[utoipa::path(post, path = "/v1/transactions/{id}/branches", request_body = BranchDto, responses((status = 200, body = EnlistedDto), (status = 400, body = TransactionProblem), (status = 404, body = TransactionProblem), (status = 409, body = TransactionProblem), (status = 410, body = TransactionProblem), (status = 413, body = TransactionProblem), (status = 422, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn enlist(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    Body(branch): Body<BranchDto>,
) -> Result<Json<EnlistedDto>, Failed> {
    let desk = Desk::of(&node)?;
    let (xid, branch, number) = desk.enlist(&id, branch.wish()?).await?;
    Ok(Json(EnlistedDto { xid: desk.text(xid), branch: branch.into(), number }))
}
