//! Routes and what the OpenAPI document says of them, from one list of handlers that carry `#[utoipa::path]`.
//!
//! The document is made when it is asked for. Making it at the start, as `OpenApiRouter` does, would leave an idle node with
//! more than a megabyte of memory, and as much code mapped, for something that few ever read.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use utoipa_axum::PathItemExt as _;

use crate::node::Node;

/// From `module::{handler, …}, …`: `routes()`, the router, and `describe(document)`, the document with them added.
macro_rules! declare {
    ($($module:ident::{$($handler:ident),* $(,)?}),* $(,)?) => {
        fn routes() -> axum::Router<std::sync::Arc<crate::node::Node>> {
            let router = axum::Router::new();
            $($(
                let router = utoipa_axum::paste! {
                    $crate::face::native::declare::route::<$module::[<__path_ $handler>], _, _>(router, $module::$handler)
                };
            )*)*
            router
        }

        pub(super) fn describe(document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
            utoipa_axum::router::OpenApiRouter::<std::sync::Arc<crate::node::Node>>::with_openapi(document)
                $($(.routes(utoipa_axum::routes!($module::$handler)))*)*
                .into_openapi()
        }
    };
}
pub(super) use declare;

/// The router with one more route, at the path and for the methods that its handler is annotated with.
pub(super) fn route<P, H, T>(router: Router<Arc<Node>>, handler: H) -> Router<Arc<Node>>
where
    P: utoipa::Path,
    H: Handler<T, Arc<Node>>,
    T: 'static,
{
    let methods = P::methods().into_iter().map(|method| method.to_method_filter());
    match methods.reduce(MethodFilter::or) {
        Some(methods) => router.route(&P::path(), on(methods, handler)),
        None => router,
    }
}
