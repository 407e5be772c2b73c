//! What is not done, as a problem of RFC 9457, or as no answer at all where any would be a guess.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{Code, Problem};
use crate::net::Unanswered;
use crate::txn::ask::No;

/// After so many seconds it may be tried again.
const RETRY_AFTER_S: u32 = 1;

/// Why a request about a transaction has no other answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// It cannot be read.
    Unreadable(Problem),
    /// It is refused, or nobody knows.
    No(No),
}

/// A problem with a transaction.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TransactionProblem {
    /// Where the code is explained.
    #[serde(rename = "type")]
    kind: String,
    /// The same for all problems of a code.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What was wrong this time.
    detail: String,
    /// The stable code.
    code: &'static str,
    /// The transaction that is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    xid: Option<String>,
    /// How the transaction stands that it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<&'static str>,
}

impl Failed {
    pub(super) fn parameter(detail: impl Into<String>) -> Self {
        Self::Unreadable(Problem::new(Code::BadParameter, detail))
    }

    pub(super) fn body(detail: impl Into<String>) -> Self {
        Self::Unreadable(Problem::new(Code::BadBody, detail))
    }
}

impl From<No> for Failed {
    fn from(no: No) -> Self {
        Self::No(no)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let (code, detail, xid, standing) = match self {
            Self::Unreadable(problem) => return problem.into_response(),
            Self::No(No::Unanswered) => {
                let mut response = Response::new(Body::empty());
                response.extensions_mut().insert(Unanswered);
                return response;
            }
            Self::No(No::Refused { code, detail, xid, standing }) => (code, detail, xid, standing),
        };
        let (status, code, title) = code.parts();
        let problem = TransactionProblem {
            kind: format!("https://synod.dev/errors/{code}"),
            title,
            status,
            detail,
            code,
            xid,
            standing: standing.map(synod_core::txn::Status::as_str),
        };
        let status = StatusCode::from_u16(status).expect("one of ours");
        let content_type = HeaderValue::from_static("application/problem+json");
        let mut response = (status, [(header::CONTENT_TYPE, content_type)], Json(problem)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
        }
        response
    }
}
