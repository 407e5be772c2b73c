//! The Eureka face: what Eureka's clients and peers ask for, answered as the original does (`docs/protocol/eureka.md` lists
//! where we deliberately differ).
//!
//! | file | requests |
//! |---|---|
//! | `fetch` | lists, applications, instances, virtual addresses |
//! | `lease` | register, renew, cancel, override, metadata |
//! | `replication` | batches of a peer |
//! | `server` | the server about itself |

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use synod_core::registry::Vip;

use crate::lists::List;
use crate::net::Body;
use crate::node::Node;
use route::Route;

mod answer;
mod fetch;
mod lease;
mod negotiate;
mod replication;
mod route;
mod server;

/// Whether a path whose first segment is `segment` belongs to this face: `/eureka/…` and `/v2/…` as the original's
/// deployments have them, and the bare resources that some clients ask for (`eureka.md` 1.1).
pub fn owns(segment: &str) -> bool {
    matches!(
        segment,
        "eureka" | "v2" | "apps" | "vips" | "svips" | "instances" | "peerreplication" | "asg" | "status"
    )
}

/// Answers one request.
pub async fn handle(node: &Arc<Node>, request: Request<Incoming>, _peer: SocketAddr) -> Response<Body> {
    let (head, body) = request.into_parts();
    let (path, query) = (head.uri.path(), head.uri.query());
    let Some(route) = route::route(path, &node.config.registry.context_path) else {
        return answer::empty(StatusCode::NOT_FOUND, None);
    };
    if head.method == Method::OPTIONS {
        let mut response = answer::not_allowed(route.allowed());
        *response.status_mut() = StatusCode::OK;
        return response;
    }
    if !allows(route, &head.method) {
        return answer::not_allowed(route.allowed());
    }
    let Some(format) = negotiate::format(&head.headers) else {
        return answer::empty(StatusCode::NOT_ACCEPTABLE, None);
    };
    let Some(names) = Names::of(route) else {
        return answer::empty(StatusCode::BAD_REQUEST, None);
    };
    let (node, headers, app, id) = (&**node, &head.headers, &*names.first, &*names.second);
    match (route, &head.method) {
        (Route::Instance(..), &Method::PUT) => lease::renew(node, headers, query, app, id, format),
        (Route::Instance(..), &Method::DELETE) => lease::cancel(node, headers, app, id, format),
        (Route::App(_), &Method::POST) => lease::register(node, headers, body, app, format).await,
        (Route::Status(..), &Method::PUT) => lease::set_status(node, headers, query, (app, id), format),
        (Route::Status(..), _) => lease::clear_status(node, headers, query, (app, id), format),
        (Route::Metadata(..), _) => lease::set_metadata(node, query, app, id, format),
        (Route::Batch, _) => replication::batch(node, headers, body).await,
        // Without AWS there are no auto scaling groups to switch.
        (Route::Asg(_), _) => answer::empty(StatusCode::BAD_REQUEST, Some(format)),
        (_, &Method::HEAD) => answer::empty(StatusCode::OK, Some(format)),
        (Route::Apps, _) => fetch::list(node, headers, List::Full, format).await,
        (Route::Delta, _) => fetch::list(node, headers, List::Delta, format).await,
        (Route::App(_), _) => fetch::application(node, headers, app, format).await,
        (Route::Instance(..), _) => fetch::instance(node, headers, Some(app), id, format),
        (Route::InstanceById(_), _) => fetch::instance(node, headers, None, app, format),
        (Route::Vip(_), _) => fetch::vip(node, headers, Vip::Plain, app, format).await,
        (Route::SecureVip(_), _) => fetch::vip(node, headers, Vip::Secure, app, format).await,
        (Route::Server, _) => server::status(node, headers, format),
        (Route::Overrides, _) if negotiate::takes_json(headers) => server::overrides(node, headers),
        (Route::Overrides, _) => answer::empty(StatusCode::NOT_ACCEPTABLE, None),
    }
}

fn allows(route: Route<'_>, method: &Method) -> bool {
    route.allowed().split(',').any(|allowed| allowed == method.as_str())
}

/// The names in a path, with their escapes resolved.
struct Names<'p> {
    first: std::borrow::Cow<'p, str>,
    second: std::borrow::Cow<'p, str>,
}

impl<'p> Names<'p> {
    fn of(route: Route<'p>) -> Option<Self> {
        let (first, second) = match route {
            Route::App(name) | Route::InstanceById(name) | Route::Vip(name) => (name, ""),
            Route::SecureVip(name) | Route::Asg(name) => (name, ""),
            Route::Instance(app, id) | Route::Status(app, id) | Route::Metadata(app, id) => (app, id),
            Route::Apps | Route::Delta | Route::Batch | Route::Server | Route::Overrides => ("", ""),
        };
        Some(Self { first: route::decode(first)?, second: route::decode(second)? })
    }
}
