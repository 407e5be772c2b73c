//! The native API under `/v1`: the same registry and the same transactions for our own SDK, the console, the CLI and
//! whoever likes plain JSON.
//!
//! Each route is declared together with its description, so the OpenAPI document at `/v1/openapi.json` is that of the routes.
//!
//! | file | routes |
//! |---|---|
//! | `services` | applications, and the search over all instances |
//! | `instances` | one instance: look, register, renew, remove, override, metadata |
//! | `changes` | long poll and server-sent events |
//! | `overview` | the node, self-preservation, recent registrations and removals, peers |
//! | `txn` | global transactions, messages, notifications, topics |

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::node::Node;

mod changes;
mod dto;
mod extract;
mod instances;
mod overview;
mod problem;
mod services;
mod txn;

use problem::{Code, Problem};

#[derive(OpenApi)]
#[openapi(info(
    title = "Synod",
    description = "The native API of the service registry and of global transactions.",
    license(name = "Apache-2.0")
))]
struct Document;

/// The routes, for one node.
pub fn router(node: &Arc<Node>) -> Router {
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(overview::registry))
        .routes(routes!(overview::preserve))
        .routes(routes!(overview::recent))
        .routes(routes!(overview::peers))
        .routes(routes!(services::services))
        .routes(routes!(services::service))
        .routes(routes!(services::of_service))
        .routes(routes!(services::search))
        .routes(routes!(instances::look, instances::register, instances::remove))
        .routes(routes!(instances::renew))
        .routes(routes!(instances::set_override, instances::clear_override))
        .routes(routes!(instances::metadata))
        .routes(routes!(changes::changes))
        .routes(routes!(changes::watch))
        .merge(txn::router(node))
        .split_for_parts();
    let document: Arc<str> = document.to_pretty_json().expect("a document of plain types").into();
    router
        .route("/v1/openapi.json", get(async move || json_text(&document)))
        .fallback(async || Problem::new(Code::UnknownRoute, "the native API has no such path"))
        .method_not_allowed_fallback(async || {
            Problem::new(Code::WrongMethod, "this path does not know the method")
        })
        .layer(DefaultBodyLimit::max(node.config.registry.instance_bytes_max))
        .with_state(Arc::clone(node))
}

fn json_text(text: &str) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], text.to_owned()).into_response()
}
