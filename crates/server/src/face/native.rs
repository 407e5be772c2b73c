//! The native API under `/v1`: the same registry and the same transactions for our own SDK, the console, the CLI and
//! whoever likes plain JSON.
//!
//! Each route is declared together with its description (see [`declare`]), so the OpenAPI document at `/v1/openapi.json` is that
//! of the routes. Transactions are served over gRPC too, on a port of their own.
//!
//! | file | routes |
//! |---|---|
//! | `services` | applications, and the search over all instances |
//! | `instances` | one instance: look, register, renew, remove, override, metadata |
//! | `changes` | long poll and server-sent events |
//! | `overview` | the node, self-preservation, recent registrations and removals, peers |
//! | `txn` | global transactions, messages, notifications, topics |
//! | `grpc` | the same as those of `txn` |

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::OpenApi;

use crate::node::Node;

mod changes;
mod declare;
mod dto;
mod extract;
mod grpc;
mod instances;
mod overview;
mod problem;
mod services;
mod txn;

pub use grpc::GrpcFront;

use declare::declare;
use problem::{Code, Problem};

#[derive(OpenApi)]
#[openapi(info(
    title = "Synod",
    description = "The native API of the service registry and of global transactions.",
    license(name = "Apache-2.0")
))]
struct Document;

declare! {
    overview::{registry, preserve, recent, peers},
    services::{services, service, of_service, search},
    instances::{look, register, remove, renew, set_override, clear_override, metadata},
    changes::{changes, watch},
}

/// The routes, for one node.
pub fn router(node: &Arc<Node>) -> Router {
    routes()
        .merge(txn::router(node))
        .route("/v1/openapi.json", get(async || json_text(document())))
        .fallback(async || Problem::new(Code::UnknownRoute, "the native API has no such path"))
        .method_not_allowed_fallback(async || {
            Problem::new(Code::WrongMethod, "this path does not know the method")
        })
        .layer(DefaultBodyLimit::max(node.config.registry.instance_bytes_max))
        .with_state(Arc::clone(node))
}

/// What all routes say of themselves.
fn document() -> String {
    txn::describe(describe(Document::openapi())).to_pretty_json().expect("a document of plain types")
}

fn json_text(text: String) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}
