//! gRPC below a service that tonic made: a request's message is read whole within the limits of all bodies before the
//! service sees it, and what must not be answered is not.

use std::convert::Infallible;
use std::error::Error as _;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use tonic::{Code, Status};
use tower::Service;

use super::body::{self, BodyError, BodyLimits};
use super::{Body, Unanswered, unanswered};

pub(crate) mod reflection;
#[cfg(test)]
mod tests;

/// The content type of all requests; what is sent may follow after a plus.
const CONTENT_TYPE: &[u8] = b"application/grpc";

/// Answers one request by the service that has its methods.
pub(crate) async fn answer<S>(
    mut service: S,
    request: Request<Incoming>,
    limits: BodyLimits,
) -> Response<Body>
where
    S: Service<Request<Full<Bytes>>, Response = Response<tonic::body::Body>, Error = Infallible>,
{
    let (head, body) = request.into_parts();
    if head.method != Method::POST || !head.headers.get(header::CONTENT_TYPE).is_some_and(is_grpc) {
        // Who asks so does not read a status of gRPC.
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return response;
    }
    let message = match body::read(body, limits).await {
        Ok(message) => message,
        Err(error) => return Status::new(code(&error), error.to_string()).into_http(),
    };
    let Ok(response) = service.call(Request::from_parts(head, Full::new(message))).await;
    let status = response.extensions().get::<Status>();
    if status.and_then(Status::source).is_some_and(<dyn std::error::Error>::is::<Unanswered>) {
        return unanswered();
    }
    response.map(Body::stream)
}

fn is_grpc(content_type: &HeaderValue) -> bool {
    let rest = content_type.as_bytes().strip_prefix(CONTENT_TYPE);
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

fn code(error: &BodyError) -> Code {
    match error {
        BodyError::TooLarge { .. } => Code::ResourceExhausted,
        BodyError::Timeout => Code::DeadlineExceeded,
        BodyError::Broken(_) | BodyError::UnknownEncoding | BodyError::Inflate(_) => Code::Internal,
    }
}

/// What a method returns that must not be answered: see [`Unanswered`].
pub(crate) fn no_answer() -> Status {
    let mut status = Status::unknown(Unanswered.to_string());
    status.set_source(Arc::new(Unanswered));
    status
}
