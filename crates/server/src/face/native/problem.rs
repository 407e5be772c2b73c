//! Errors as RFC 9457 problems with a stable code each; `docs/errors` has a page for every code.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong, by its stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    BadBody,
    BadParameter,
    WrongMediaType,
    WrongMethod,
    UnknownService,
    UnknownInstance,
    Full,
    TooLarge,
    UnknownRoute,
}

impl Code {
    /// The HTTP status, the stable code and the title.
    pub(super) fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadBody => (StatusCode::BAD_REQUEST, "E1001", "The body cannot be used"),
            Self::BadParameter => {
                (StatusCode::BAD_REQUEST, "E1002", "A parameter has a value that is not known")
            }
            Self::WrongMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "E1003", "The media type is not known here")
            }
            Self::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, "E1003", "The method is not known here"),
            Self::UnknownService => (StatusCode::NOT_FOUND, "E1004", "No such service"),
            Self::UnknownInstance => (StatusCode::NOT_FOUND, "E1005", "No such instance"),
            Self::Full => (StatusCode::SERVICE_UNAVAILABLE, "E1006", "The registry is full"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "E1008", "The request is too large"),
            Self::UnknownRoute => (StatusCode::NOT_FOUND, "E1009", "No such path"),
        }
    }
}

/// An error answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Problem {
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
}

impl Problem {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        let (status, code, title) = code.parts();
        let kind = format!("https://synod.dev/errors/{code}");
        Self { kind, title, status: status.as_u16(), detail: detail.into(), code }
    }

    pub(super) fn unknown_instance(app: &str, id: &str) -> Self {
        Self::new(Code::UnknownInstance, format!("{app} has no instance {id:?}"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).expect("one of ours");
        let content_type = HeaderValue::from_static("application/problem+json");
        (status, [(header::CONTENT_TYPE, content_type)], Json(self)).into_response()
    }
}
