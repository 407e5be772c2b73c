//! Seata's envelopes (`common/result/{Result,SingleResult,PageResult}`). What fails is answered with status 200 and a code in the
//! body, as there.

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::net::Unanswered;
use crate::txn::ask::No;

const DONE: (&str, &str) = ("200", "ok");
const FAILED: &str = "500";

/// One thing.
#[derive(Debug, Serialize)]
pub(super) struct Single<T> {
    code: &'static str,
    message: String,
    success: bool,
    data: Option<T>,
}

/// A page of a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    code: &'static str,
    message: &'static str,
    success: bool,
    total: usize,
    pages: usize,
    page_num: usize,
    curr_page: usize,
    page_size: usize,
    data: Vec<T>,
}

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Failed {
    /// For people.
    Refused(String),
    /// Any answer might be wrong.
    Unanswered,
}

impl<T> Single<T> {
    pub(super) fn with(data: T) -> Json<Self> {
        Json(Self { code: DONE.0, message: DONE.1.into(), success: true, data: Some(data) })
    }

    /// Done, and there is something to say about it.
    pub(super) fn done(message: impl Into<String>) -> Json<Self> {
        Json(Self { code: DONE.0, message: message.into(), success: true, data: None })
    }
}

impl<T> Page<T> {
    /// Page `page_num`, from 1 on, of a list of `total`.
    pub(super) fn new(data: Vec<T>, total: usize, page_num: usize, page_size: usize) -> Json<Self> {
        let pages = total.div_ceil(page_size);
        let (code, message) = DONE;
        Json(Self {
            code,
            message,
            success: true,
            total,
            pages,
            page_num,
            curr_page: page_num,
            page_size,
            data,
        })
    }
}

impl Failed {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self::Refused(message.into())
    }
}

impl From<No> for Failed {
    fn from(no: No) -> Self {
        match no {
            No::Unanswered => Self::Unanswered,
            No::Refused { code, detail, .. } => Self::Refused(format!("{detail} ({})", code.parts().1)),
        }
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(message) => {
                Json(Single::<()> { code: FAILED, message, success: false, data: None }).into_response()
            }
            Self::Unanswered => {
                let mut response = Response::new(Body::empty());
                response.extensions_mut().insert(Unanswered);
                response
            }
        }
    }
}
