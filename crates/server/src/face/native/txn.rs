//! Global transactions under `/v1`: begin, enlist, decide, look, and what operators do. What is asked and why it is refused is
//! in [`crate::txn::ask`]; here it is read from JSON and told as JSON.
//!
//! | file | routes |
//! |---|---|
//! | `begin` | begin, and a branch joins |
//! | `act` | commit, roll back, wait, the decision, retry, stop, resend |
//! | `look` | one transaction, whole; one of its branches |
//! | `lists` | all of them, those that need attention, counts |
//! | `locks` | rows that are held, who waits for whom |
//! | `watch` | changes as server-sent events |
//! | `messages` | messages and notifications |
//! | `topics` | named lists of subscribers |
//! | `dto`, `read`, `failed` | what all of them answer with, read, and refuse with |

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;

use super::declare::declare;
use super::extract;
use super::problem;
use crate::node::Node;

mod act;
mod begin;
mod dto;
mod failed;
mod lists;
mod locks;
mod look;
mod messages;
mod read;
mod topics;
mod watch;

declare! {
    lists::{list, attention, summary},
    locks::{locks, waits},
    begin::{begin, enlist},
    watch::{watch},
    look::{look, branch},
    act::{commit, rollback, wait, decision, retry, stop, resend},
    messages::{
        list_messages, begin_message, message, submit, abort,
        list_notifications, begin_notification, notification, resend,
    },
    topics::{list, topic, declare, delete, subscribe, unsubscribe},
}

/// The routes.
pub(super) fn router(node: &Node) -> Router<Arc<Node>> {
    routes().layer(DefaultBodyLimit::max(node.config.http.body_bytes_max))
}
