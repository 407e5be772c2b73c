//! Reading: lists, applications, instances, virtual addresses. Sections 1.9 and 3.9 of `eureka.md`.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use hyper::body::Frame;
use synod_core::registry::listing::Chunks;
use synod_core::registry::{Record, Vip};
use synod_wire::eureka::{Form, Format, Place};

use super::{answer, negotiate};
use crate::lists::{List, Texts, View};
use crate::net::Body;
use crate::node::Node;
use crate::registry::convert::upper;

/// Above this many records an answer is encoded on a thread that may take its time.
const RECORDS_MAX_INLINE: usize = 2_000;

/// `apps` and `apps/delta`.
pub(super) async fn list(node: &Node, headers: &HeaderMap, list: List, format: Format) -> Response<Body> {
    let registry = &node.registry;
    if !node.rate_limit.admits(headers, list == List::Full, registry.now().mono_ms) {
        return answer::empty(StatusCode::SERVICE_UNAVAILABLE, None);
    }
    if !registry.is_open() || (list == List::Delta && node.config.registry.delta_disabled) {
        return answer::empty(StatusCode::FORBIDDEN, Some(format));
    }
    let view = View { format, form: negotiate::form(headers) };
    let lists = registry.lists();
    if negotiate::gzip(headers) {
        return answer::deflated(format, lists.gzip(registry.core(), list, view).await);
    }
    let mut response = answer::empty(StatusCode::OK, Some(format));
    let pieces = lists.plain(registry.core(), list, view);
    *response.body_mut() = Body::stream(Pieces(pieces));
    response
}

/// Pieces of a body that are made as they are asked for.
struct Pieces<I>(I);

impl<I: Iterator<Item = Bytes> + Unpin> hyper::body::Body for Pieces<I> {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(self.0.next().map(|piece| Ok(Frame::data(piece))))
    }
}

/// `apps/A`: 404 when nobody of it is there.
pub(super) async fn application(
    node: &Node,
    headers: &HeaderMap,
    app: &str,
    format: Format,
) -> Response<Body> {
    if !node.rate_limit.admits(headers, false, node.registry.now().mono_ms) {
        return answer::empty(StatusCode::SERVICE_UNAVAILABLE, None);
    }
    if !node.registry.is_open() {
        return answer::empty(StatusCode::FORBIDDEN, Some(format));
    }
    let name = upper(app).into_owned();
    let view = View { format, form: negotiate::form(headers) };
    let takes_gzip = negotiate::gzip(headers);
    if takes_gzip && let Some(chunks) = node.registry.core().own_chunks(&name) {
        return large(node, name, chunks, view).await;
    }
    let (_, records) = node.registry.core().application(&name);
    if records.is_empty() {
        return answer::empty(StatusCode::NOT_FOUND, Some(format));
    }
    let encoder = node.registry.lists().encoder(view);
    let count = records.len();
    encode(count, move || answer::document(format, takes_gzip, encoder.application(&name, &records))).await
}

/// An application with chunks of its own; most of its text is there already.
async fn large(node: &Node, name: String, chunks: Chunks<Texts>, view: View) -> Response<Body> {
    let records: usize = chunks.iter().map(|chunk| chunk.live.len()).sum();
    if records == 0 {
        return answer::empty(StatusCode::NOT_FOUND, Some(view.format));
    }
    let registry = Arc::clone(&node.registry);
    let join = move || answer::deflated(view.format, registry.lists().application(&name, &chunks, view));
    encode(records, join).await
}

/// `vips/V` and `svips/V`: 200 also when nobody has it.
pub(super) async fn vip(
    node: &Node,
    headers: &HeaderMap,
    which: Vip,
    vip: &str,
    format: Format,
) -> Response<Body> {
    if !node.registry.is_open() {
        return answer::empty(StatusCode::FORBIDDEN, Some(format));
    }
    let found = node.registry.core().vip(which, vip);
    let view = View { format, form: negotiate::form(headers) };
    let encoder = node.registry.lists().encoder(view);
    let takes_gzip = negotiate::gzip(headers);
    let count = found.iter().map(Vec::len).sum();
    encode(count, move || answer::document(format, takes_gzip, encoder.found(&found))).await
}

async fn encode(records: usize, make: impl FnOnce() -> Response<Body> + Send + 'static) -> Response<Body> {
    if records <= RECORDS_MAX_INLINE {
        return make();
    }
    tokio::task::spawn_blocking(make).await.expect("encoding an answer cannot fail")
}

/// `apps/A/ID` and `instances/ID`.
pub(super) fn instance(
    node: &Node,
    headers: &HeaderMap,
    app: Option<&str>,
    id: &str,
    format: Format,
) -> Response<Body> {
    let now = node.registry.now();
    let found = match app {
        Some(app) => node.registry.core().find(&upper(app), id, now),
        None => node.registry.core().find_anywhere(id, now),
    };
    match found {
        Some(found) => {
            let body = document(node, &found.record, found.renewed_ms, format);
            answer::document(format, negotiate::gzip(headers), body)
        }
        None => answer::empty(StatusCode::NOT_FOUND, Some(format)),
    }
}

/// A record as a document of its own, always in full form.
pub(super) fn document(node: &Node, record: &Record, renewed_ms: u64, format: Format) -> Vec<u8> {
    let mut body = Vec::with_capacity(1_500);
    let encoder = node.registry.lists().encoder(View { format, form: Form::Full });
    encoder.instance(&mut body, record, renewed_ms, Place::Alone);
    body
}
