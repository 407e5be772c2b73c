//! The server's side: a request is handled in the context of whoever sent it.

use std::future::{Future, ready};
use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderValue, Request, Response, StatusCode};
use tokio::time::timeout_at;
use tower::{Layer, Service};

use crate::context;

/// gRPC's number for it.
const DEADLINE_EXCEEDED: HeaderValue = HeaderValue::from_static("4");

/// Handles each request in the context that its headers carry, over HTTP and gRPC; for axum, hyper, and tonic's servers. At the deadline the
/// handler is dropped where it stands, and the answer is 504, or `DEADLINE_EXCEEDED` over gRPC. A body of an answer that is
/// still being made when its head is sent is made outside of the context.
///
/// ```
/// use axum::{Router, routing::get};
/// use synod_client::{call::ServeLayer, context};
///
/// async fn transaction() -> String {
///     context::current().xid.map_or("none".to_owned(), |xid| xid.to_string())
/// }
///
/// let app: Router = Router::new().route("/", get(transaction)).layer(ServeLayer);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ServeLayer;

impl<S> Layer<S> for ServeLayer {
    type Service = Serve<S>;

    fn layer(&self, inner: S) -> Serve<S> {
        Serve { inner }
    }
}

/// What [`ServeLayer`] makes of a server.
#[derive(Clone, Debug)]
pub struct Serve<S> {
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Serve<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    R: Default + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let is_grpc = context::is_grpc(request.headers());
        let context = context::extract(request.headers());
        if context.remaining().is_some_and(|left| left.is_zero()) {
            return Box::pin(ready(Ok(too_late(is_grpc))));
        }
        let deadline = context.deadline;
        // Some services do part of their work before they return the future.
        let answer = context::sync_scope(context.clone(), || self.inner.call(request));
        let answer = context::scope(context, answer);
        Box::pin(async move {
            match deadline {
                Some(deadline) => {
                    timeout_at(deadline, answer).await.unwrap_or_else(|_| Ok(too_late(is_grpc)))
                }
                None => answer.await,
            }
        })
    }
}

fn too_late<R: Default>(is_grpc: bool) -> Response<R> {
    let mut answer = Response::new(R::default());
    if is_grpc {
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        answer.headers_mut().insert("grpc-status", DEADLINE_EXCEEDED);
    } else {
        *answer.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    }
    answer
}
