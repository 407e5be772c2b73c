//! Messages and notifications: transactions of these two modes under paths and in words of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use synod_core::txn::Mode;
use utoipa::ToSchema;

use super::act::{self, CommitDto, RollbackDto};
use super::begin::carry_out;
use super::dto::TransactionDto;
use super::extract::{Body, Query};
use super::failed::{Failed, TransactionProblem};
use super::lists::{self, ListQuery, PageDto};
use super::look::whole;
use super::read::{self, MaybeBody};
use crate::node::Node;
use crate::txn::ask::{Desk, Filter, MessageWish, NotificationWish};

/// A message to begin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageDto {
    /// An id of your own: a repeated request with the same one begins nothing new.
    gid: Option<String>,
    /// To the subscribers of this topic, as they are now.
    topic: Option<String>,
    /// Or to these URLs.
    #[serde(default)]
    subscribers: Vec<String>,
    /// Any JSON: the message.
    #[schema(value_type = Option<serde_json::Value>)]
    payload: read::Json,
    /// The same as text.
    payload_text: Option<String>,
    /// The same in Base64.
    payload_base64: Option<String>,
    /// Whom to ask what became of it; needed unless it is submitted at once.
    back_check: Option<String>,
    /// After so long without a submit the initiator is asked.
    timeout: Option<String>,
    /// How long one call may take.
    call_timeout: Option<String>,
    /// The first pause before a delivery is repeated.
    retry_interval: Option<String>,
    /// Not to be delivered before so long after the begin.
    delay: Option<String>,
    /// Whether receivers need not wait for each other; they need not unless said.
    concurrent: Option<bool>,
    /// Sent with every call.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Whether it is submitted at once.
    #[serde(default)]
    submit: bool,
    /// Answer when it has been delivered, or after so long, at most `60s`.
    wait: Option<String>,
}

/// A notification to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotificationDto {
    /// An id of your own: a repeated request with the same one sends nothing new.
    gid: Option<String>,
    /// Its schedule is that of this topic; and its receiver, if no URL is given, that of the topic's only subscriber.
    topic: Option<String>,
    /// Where it goes.
    url: Option<String>,
    /// Any JSON: the notification.
    #[schema(value_type = Option<serde_json::Value>)]
    payload: read::Json,
    /// The same as text.
    payload_text: Option<String>,
    /// The same in Base64.
    payload_base64: Option<String>,
    /// The pauses between attempts; those of the topic (`notify.schedules`), or `notify.schedule`, unless said.
    schedule: Option<Vec<String>>,
    /// How long one call may take.
    call_timeout: Option<String>,
    /// Not to be sent before so long after the begin.
    delay: Option<String>,
    /// Sent with every call.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Answer when it was acknowledged, or after so long, at most `60s`.
    wait: Option<String>,
}

impl MessageDto {
    fn wish(self) -> Result<MessageWish, Failed> {
        Ok(MessageWish {
            gid: self.gid,
            topic: self.topic,
            subscribers: self.subscribers,
            payload: read::bytes("payload", self.payload, self.payload_text, self.payload_base64)?,
            back_check: self.back_check,
            timeout_ms: read::ms("timeout", self.timeout.as_deref())?,
            call_timeout_ms: read::ms("call_timeout", self.call_timeout.as_deref())?,
            retry_ms: read::ms("retry_interval", self.retry_interval.as_deref())?,
            delay_ms: read::ms("delay", self.delay.as_deref())?,
            concurrent: self.concurrent,
            headers: self.headers.into_iter().collect(),
            submit: self.submit,
        })
    }
}

impl NotificationDto {
    fn wish(self) -> Result<NotificationWish, Failed> {
        Ok(NotificationWish {
            gid: self.gid,
            topic: self.topic,
            url: self.url,
            payload: read::bytes("payload", self.payload, self.payload_text, self.payload_base64)?,
            schedule_ms: read::schedule(self.schedule.as_deref())?,
            call_timeout_ms: read::ms("call_timeout", self.call_timeout.as_deref())?,
            delay_ms: read::ms("delay", self.delay.as_deref())?,
            headers: self.headers.into_iter().collect(),
        })
    }
}

/// Begins a message: half, until it is submitted, unless it is at once.
#[utoipa::path(post, path = "/v1/messages", request_body = MessageDto, responses((status = 201, description = "It is new", body = TransactionDto), (status = 200, description = "It was begun before with the same content", body = TransactionDto), (status = 400, body = TransactionProblem), (status = 404, body = TransactionProblem), (status = 409, body = TransactionProblem), (status = 413, body = TransactionProblem), (status = 422, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn begin_message(
    State(node): State<Arc<Node>>,
    headers: HeaderMap,
    Body(message): Body<MessageDto>,
) -> Result<(StatusCode, Json<TransactionDto>), Failed> {
    let wait = message.wait.clone();
    let wish = Desk::of(&node)?.message(message.wish()?)?;
    carry_out(&node, &headers, wish, wait.as_deref()).await
}

/// Messages, those begun last first.
#[utoipa::path(get, path = "/v1/messages", params(ListQuery), responses((status = 200, body = PageDto), (status = 400, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn list_messages(
    State(node): State<Arc<Node>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<PageDto>, Failed> {
    lists::page(&node, &Filter { mode: Some(Mode::Message), ..query.filter()? }).await
}

/// One message, whole.
#[utoipa::path(get, path = "/v1/messages/{id}", responses((status = 200, body = TransactionDto), (status = 404, body = TransactionProblem), (status = 410, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn message(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
) -> Result<Json<TransactionDto>, Failed> {
    let desk = Desk::of(&node)?;
    Ok(Json(whole(&desk, &desk.find_of(&id, Mode::Message)?).await))
}

/// The initiator's local transaction has committed: the message is delivered.
#[utoipa::path(post, path = "/v1/messages/{id}/submit", request_body = CommitDto, responses((status = 200, body = TransactionDto), (status = 400, body = TransactionProblem), (status = 404, body = TransactionProblem), (status = 409, body = TransactionProblem), (status = 410, body = TransactionProblem), (status = 413, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn submit(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    MaybeBody(commit): MaybeBody<CommitDto>,
) -> Result<Json<TransactionDto>, Failed> {
    Desk::of(&node)?.find_of(&id, Mode::Message)?;
    act::go_forward(&node, &id, commit).await
}

/// The initiator's local transaction has rolled back: the message is dropped.
#[utoipa::path(post, path = "/v1/messages/{id}/abort", request_body = RollbackDto, responses((status = 200, body = TransactionDto), (status = 400, body = TransactionProblem), (status = 404, body = TransactionProblem), (status = 409, body = TransactionProblem), (status = 410, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn abort(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    MaybeBody(rollback): MaybeBody<RollbackDto>,
) -> Result<Json<TransactionDto>, Failed> {
    Desk::of(&node)?.find_of(&id, Mode::Message)?;
    act::go_back(&node, &id, rollback).await
}

/// Sends a notification, on a schedule until it is acknowledged or the schedule is over.
#[utoipa::path(post, path = "/v1/notifications", request_body = NotificationDto, responses((status = 201, description = "It is new", body = TransactionDto), (status = 200, description = "It was begun before with the same content", body = TransactionDto), (status = 400, body = TransactionProblem), (status = 404, body = TransactionProblem), (status = 409, body = TransactionProblem), (status = 413, body = TransactionProblem), (status = 422, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn begin_notification(
    State(node): State<Arc<Node>>,
    headers: HeaderMap,
    Body(notification): Body<NotificationDto>,
) -> Result<(StatusCode, Json<TransactionDto>), Failed> {
    let wait = notification.wait.clone();
    let wish = Desk::of(&node)?.notification(notification.wish()?)?;
    carry_out(&node, &headers, wish, wait.as_deref()).await
}

/// Notifications, those begun last first.
#[utoipa::path(get, path = "/v1/notifications", params(ListQuery), responses((status = 200, body = PageDto), (status = 400, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn list_notifications(
    State(node): State<Arc<Node>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<PageDto>, Failed> {
    lists::page(&node, &Filter { mode: Some(Mode::Notification), ..query.filter()? }).await
}

/// One notification, whole: what a receiver asks that may have missed it.
#[utoipa::path(get, path = "/v1/notifications/{id}", responses((status = 200, body = TransactionDto), (status = 404, body = TransactionProblem), (status = 410, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn notification(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
) -> Result<Json<TransactionDto>, Failed> {
    let desk = Desk::of(&node)?;
    Ok(Json(whole(&desk, &desk.find_of(&id, Mode::Notification)?).await))
}

/// Starts the schedule of a notification over that was given up.
#[utoipa::path(post, path = "/v1/notifications/{id}/resend", responses((status = 200, body = TransactionDto), (status = 404, body = TransactionProblem), (status = 409, body = TransactionProblem), (status = 410, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn resend(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
) -> Result<Json<TransactionDto>, Failed> {
    Desk::of(&node)?.find_of(&id, Mode::Notification)?;
    act::send_again(&node, &id).await
}
