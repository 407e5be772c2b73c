//! Topics: named lists of subscribers, to whom messages go.

#![expect(unused_qualifications, reason = "utoipa's macro writes `Self`-qualified paths for local types")]

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use synod_core::txn::topic::Subscriber;
use utoipa::{IntoParams, ToSchema};

use super::extract::{Body, Query};
use super::failed::{Failed, TransactionProblem};
use crate::node::Node;
use crate::txn::ask::{Desk, TopicView, page_rows};

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TopicsQuery {
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Topics at most: 50 unless said, at most 500.
    limit: Option<usize>,
}

/// A page of topics.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TopicsDto {
    /// By name.
    topics: Vec<TopicDto>,
    /// The cursor of the next page, null on the last.
    next: Option<String>,
}

/// A topic.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TopicDto {
    /// Its name.
    name: String,
    /// Who gets its messages.
    subscribers: Vec<SubscriberDto>,
    /// Rises with each change.
    version: u64,
    /// When it came to be.
    created_ms: u64,
    /// When it changed last.
    changed_ms: u64,
}

/// Somebody who gets a topic's messages.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubscriberDto {
    /// Where they go.
    url: String,
    /// For people.
    #[serde(default)]
    remark: String,
}

/// All subscribers of a topic.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubscribersDto {
    /// These and no others.
    subscribers: Vec<SubscriberDto>,
}

/// Which subscriber.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SubscriberQuery {
    /// Its URL.
    url: String,
}

impl From<TopicView> for TopicDto {
    fn from(view: TopicView) -> Self {
        let subscribers = view.topic.subscribers.into_iter();
        let subscriber =
            |Subscriber { url, remark }| SubscriberDto { url: url.into(), remark: remark.into() };
        Self {
            name: view.name.into(),
            subscribers: subscribers.map(subscriber).collect(),
            version: view.topic.version,
            created_ms: view.topic.created_ms,
            changed_ms: view.topic.changed_ms,
        }
    }
}

/// Topics by name.
#[utoipa::path(get, path = "/v1/topics", params(TopicsQuery), responses((status = 200, body = TopicsDto), (status = 400, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    Query(query): Query<TopicsQuery>,
) -> Result<Json<TopicsDto>, Failed> {
    let limit = page_rows(query.limit);
    let (topics, more) = Desk::of(&node)?.topics(query.cursor.as_deref(), limit);
    let next = topics.last().filter(|_| more).map(|last| last.name.to_string());
    Ok(Json(TopicsDto { topics: topics.into_iter().map(TopicDto::from).collect(), next }))
}

/// One topic.
#[utoipa::path(get, path = "/v1/topics/{name}", responses((status = 200, body = TopicDto), (status = 404, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn topic(
    State(node): State<Arc<Node>>,
    Path(name): Path<String>,
) -> Result<Json<TopicDto>, Failed> {
    Ok(Json(Desk::of(&node)?.topic(&name)?.into()))
}

/// Says who all the subscribers of a topic are. One after the other joins or leaves; repeating it is harmless.
#[utoipa::path(put, path = "/v1/topics/{name}", request_body = SubscribersDto, responses((status = 200, body = TopicDto), (status = 400, body = TransactionProblem), (status = 413, body = TransactionProblem), (status = 422, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn declare(
    State(node): State<Arc<Node>>,
    Path(name): Path<String>,
    Body(all): Body<SubscribersDto>,
) -> Result<Json<TopicDto>, Failed> {
    let subscriber = |dto: SubscriberDto| Subscriber { url: dto.url.into(), remark: dto.remark.into() };
    let all: Vec<_> = all.subscribers.into_iter().map(subscriber).collect();
    Ok(Json(Desk::of(&node)?.declare_topic(&name, &all).await?.into()))
}

/// Takes a topic away with all its subscribers. Messages that were begun go where they went.
#[utoipa::path(delete, path = "/v1/topics/{name}", responses((status = 204, description = "Gone"), (status = 404, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn delete(
    State(node): State<Arc<Node>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Failed> {
    Desk::of(&node)?.delete_topic(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds a subscriber, or replaces its remark; makes the topic when there is none.
#[utoipa::path(put, path = "/v1/topics/{name}/subscribers", request_body = SubscriberDto, responses((status = 200, body = TopicDto), (status = 400, body = TransactionProblem), (status = 413, body = TransactionProblem), (status = 422, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn subscribe(
    State(node): State<Arc<Node>>,
    Path(name): Path<String>,
    Body(subscriber): Body<SubscriberDto>,
) -> Result<Json<TopicDto>, Failed> {
    let desk = Desk::of(&node)?;
    Ok(Json(desk.subscribe(&name, &subscriber.url, &subscriber.remark).await?.into()))
}

/// Takes a subscriber off a topic.
#[utoipa::path(delete, path = "/v1/topics/{name}/subscribers", params(SubscriberQuery), responses((status = 204, description = "Gone"), (status = 400, body = TransactionProblem), (status = 404, body = TransactionProblem), (status = 503, body = TransactionProblem)))]
pub(super) async fn unsubscribe(
    State(node): State<Arc<Node>>,
    Path(name): Path<String>,
    Query(query): Query<SubscriberQuery>,
) -> Result<StatusCode, Failed> {
    Desk::of(&node)?.unsubscribe(&name, &query.url).await?;
    Ok(StatusCode::NO_CONTENT)
}
