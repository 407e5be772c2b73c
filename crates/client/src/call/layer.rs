//! The client's side: what is sent goes along with the context of the task that sends it.

use std::future::{Future, ready};
use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use ::http::Request;
use tokio::time::timeout_at;
use tower::{BoxError, Layer, Service};

use super::Error;
use crate::context;

/// Puts the context into each request of an HTTP client of any kind, a channel of tonic included, and ends the wait for the answer at the
/// deadline, with [`Error::DeadlineExceeded`]. A request for which no time is left is not sent. The body of the answer is read at
/// the caller's own pace.
#[derive(Clone, Copy, Debug, Default)]
pub struct ContextLayer;

impl<S> Layer<S> for ContextLayer {
    type Service = WithContext<S>;

    fn layer(&self, inner: S) -> WithContext<S> {
        WithContext { inner }
    }
}

/// What [`ContextLayer`] makes of a client.
#[derive(Clone, Debug)]
pub struct WithContext<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for WithContext<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Poller<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let context = context::current();
        if context.remaining().is_some_and(|left| left.is_zero()) {
            return Box::pin(ready(Err(Error::DeadlineExceeded.into())));
        }
        context::inject(&context, request.headers_mut());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let Some(deadline) = context.deadline else { return answer.await.map_err(Into::into) };
            match timeout_at(deadline, answer).await {
                Ok(answer) => answer.map_err(Into::into),
                Err(_) => Err(Error::DeadlineExceeded.into()),
            }
        })
    }
}
