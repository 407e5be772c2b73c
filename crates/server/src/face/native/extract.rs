//! axum's extractors with our errors: what is wrong with a request is answered as a problem.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{self, FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::{Code, Problem};

/// The query string.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = extract::Query::from_request_parts(parts, state).await;
        let wrong = |rejection: QueryRejection| Problem::new(Code::BadParameter, rejection.body_text());
        query.map(|extract::Query(query)| Self(query)).map_err(wrong)
    }
}

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let wrong = |rejection: JsonRejection| {
            let code = match rejection.status() {
                StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::WrongMediaType,
                StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
                _ => Code::BadBody,
            };
            Problem::new(code, rejection.body_text())
        };
        Json::from_request(request, state).await.map(|Json(body)| Self(body)).map_err(wrong)
    }
}
