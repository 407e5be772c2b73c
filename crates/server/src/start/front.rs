//! The dispatcher of the HTTP port: looks at the first segment of the path and hands the request to its face.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tower::ServiceExt as _;

use crate::face::{console, eureka, native, peer, seata_console};
use crate::metrics::{self, Face};
use crate::net::{self, Body};
use crate::node::Node;

/// Where Spring's dashboard has its list of the last registrations and cancellations, and where ours is.
const LAST_N: &str = "/lastn";
const CHANGES_PAGE: &str = "/ui/changes";

/// The node as its HTTP listener sees it; one clone per connection.
#[derive(Clone, Debug)]
pub(super) struct Front {
    node: Arc<Node>,
    native: Router,
    /// None while no Seata clients are served.
    seata: Option<Router>,
}

impl Front {
    pub(super) fn new(node: Arc<Node>) -> Self {
        let serves_seata = node.config.listeners().any(|(key, _)| key == "face.seata.listen");
        let seata = serves_seata.then(|| seata_console::router(&node));
        Self { native: native::router(&node), seata, node }
    }

    /// What Seata's tools ask.
    async fn seata(&self, request: Request<Incoming>) -> Response<Body> {
        match &self.seata {
            Some(router) => routed(router, request).await,
            None => not_found(),
        }
    }

    /// Health and metrics; `None` when it is neither.
    fn ops(&self, method: &Method, path: &str) -> Option<Response<Body>> {
        let health = &self.node.health;
        let response = match path.trim_end_matches('/') {
            "/health" => health.word(),
            "/health/live" | "/actuator/health/liveness" => health.live(),
            "/health/ready" | "/actuator/health/readiness" => health.ready(),
            "/actuator/health" => health.actuator(),
            "/metrics" => {
                let mut response = Response::new(Body::from(metrics::render(&[
                    &self.node.metrics,
                    &self.node.seata_metrics,
                ])));
                let content_type = HeaderValue::from_static(metrics::CONTENT_TYPE);
                response.headers_mut().insert(header::CONTENT_TYPE, content_type);
                response
            }
            _ => return None,
        };
        Some(if method == Method::GET || method == Method::HEAD { response } else { read_only() })
    }
}

impl net::Handler for Front {
    async fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let path = request.uri().path();
        let (face, response) = match owner(path, &self.node.config.registry.context_path) {
            Face::Eureka => (Face::Eureka, eureka::handle(&self.node, request, peer).await),
            Face::Native if path.starts_with(peer::PREFIX) => {
                (Face::Native, peer::handle(&self.node, request).await)
            }
            Face::Native => (Face::Native, routed(&self.native, request).await),
            Face::Seata => (Face::Seata, self.seata(request).await),
            Face::Ops => (Face::Ops, self.ops(request.method(), path).unwrap_or_else(not_found)),
            Face::Console => (Face::Console, console(&request)),
        };
        self.node.http.count(face, response.status());
        response
    }
}

async fn routed(router: &Router, request: Request<Incoming>) -> Response<Body> {
    let request = request.map(axum::body::Body::new);
    let Ok(response) = router.clone().oneshot(request).await;
    response.map(Body::stream)
}

/// The console's files; whatever else nobody owns is not found.
fn console(request: &Request<Incoming>) -> Response<Body> {
    if request.uri().path() == LAST_N {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::FOUND;
        response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(CHANGES_PAGE));
        return response;
    }
    let Some(response) = console::respond(request.uri().path(), request.headers()) else {
        return not_found();
    };
    match *request.method() {
        Method::GET => response.map(Body::from),
        Method::HEAD => response.map(|_| Body::empty()),
        _ => read_only(),
    }
}

/// Whose path this is, told from its first segment; further slashes in front do not count, as some Eureka clients
/// concatenate carelessly.
fn owner(path: &str, context_path: &str) -> Face {
    let relative = path.trim_start_matches('/');
    match relative.split('/').next().unwrap_or_default() {
        "v1" => Face::Native,
        "health" | "actuator" | "metrics" => Face::Ops,
        segment if eureka::owns(segment) => Face::Eureka,
        _ if is_below(relative, context_path.trim_matches('/')) => Face::Eureka,
        segment if seata_console::owns(segment) => Face::Seata,
        _ => Face::Console,
    }
}

/// Whether `path` is `prefix` or goes on below it; an empty prefix has nothing below it.
fn is_below(path: &str, prefix: &str) -> bool {
    !prefix.is_empty()
        && path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn not_found() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

fn read_only() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_segment_decides() {
        let check = |path: &str, face| assert_eq!(owner(path, "/disco/very/"), face, "{path}");
        for path in [
            "/eureka/apps",
            "/eureka",
            "//eureka//apps",
            "/v2/apps/delta",
            "/apps",
            "/svips/x",
            "/disco/very/apps",
        ] {
            check(path, Face::Eureka);
        }
        for path in ["/api/v1/console/globalSession/query", "/metadata/v1/cluster", "//vgroup"] {
            check(path, Face::Seata);
        }
        assert_eq!(owner("/api/apps", "/api"), Face::Eureka, "a path that somebody has chosen comes first");
        for path in ["/v1", "/v1/registry", "//v1/x"] {
            check(path, Face::Native);
        }
        for path in ["/health/live", "/metrics", "/actuator/health"] {
            check(path, Face::Ops);
        }
        for path in ["/", "", "/index.html", "/eurekas", "/v11", "/disco", "/disco/veryapps", "*"] {
            check(path, Face::Console);
        }
        assert_eq!(owner("/x", ""), Face::Console);
    }
}
