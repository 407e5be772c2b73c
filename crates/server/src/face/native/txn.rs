//! Global transactions under `/v1`: begin, enlist, decide, look, and what operators do. What is asked and why it is refused is
//! in [`crate::txn::ask`]; here it is read from JSON and told as JSON.
//!
//! | file | routes |
//! |---|---|
//! | `begin` | begin, and a branch joins |
//! | `act` | commit, roll back, wait, the decision, retry, stop, resend |
//! | `look` | one transaction, whole; one of its branches |
//! | `lists` | all of them, those that need attention, counts |
//! | `watch` | changes as server-sent events |
//! | `messages` | messages and notifications |
//! | `topics` | named lists of subscribers |
//! | `dto`, `read`, `failed` | what all of them answer with, read, and refuse with |

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract;
use super::problem;
use crate::node::Node;

mod act;
mod begin;
mod dto;
mod failed;
mod lists;
mod look;
mod messages;
mod read;
mod topics;
mod watch;

/// The routes.
pub(super) fn router(node: &Node) -> OpenApiRouter<Arc<Node>> {
    OpenApiRouter::new()
        .routes(routes!(lists::list, begin::begin))
        .routes(routes!(lists::attention))
        .routes(routes!(lists::summary))
        .routes(routes!(watch::watch))
        .routes(routes!(look::look))
        .routes(routes!(look::branch))
        .routes(routes!(begin::enlist))
        .routes(routes!(act::commit))
        .routes(routes!(act::rollback))
        .routes(routes!(act::wait))
        .routes(routes!(act::decision))
        .routes(routes!(act::retry))
        .routes(routes!(act::stop))
        .routes(routes!(act::resend))
        .routes(routes!(messages::list_messages, messages::begin_message))
        .routes(routes!(messages::message))
        .routes(routes!(messages::submit))
        .routes(routes!(messages::abort))
        .routes(routes!(messages::list_notifications, messages::begin_notification))
        .routes(routes!(messages::notification))
        .routes(routes!(messages::resend))
        .routes(routes!(topics::list))
        .routes(routes!(topics::topic, topics::declare, topics::delete))
        .routes(routes!(topics::subscribe, topics::unsubscribe))
        .layer(DefaultBodyLimit::max(node.config.http.body_bytes_max))
}
