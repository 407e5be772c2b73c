//! Bodies: the one type that answers carry, and reading what clients send within limits.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::gzip::{InflateError, inflate};

/// What any step of a streamed body may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer. Except for a stream its length is known, so that it goes out with `content-length` and the
/// connection can be used again.
pub struct Body(Inner);

enum Inner {
    /// Empty once it was taken, and from the start when there is nothing to say.
    Full(Bytes),
    /// Shared pieces, written one after the other without being copied together.
    Chunks {
        chunks: Arc<[Bytes]>,
        next: usize,
        left: u64,
    },
    Stream(Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>),
}

impl Body {
    /// No body at all: `content-length: 0`.
    pub const fn empty() -> Self {
        Self(Inner::Full(Bytes::new()))
    }

    /// Pieces that make up one body; its length is their sum.
    pub fn chunks(chunks: Arc<[Bytes]>) -> Self {
        let left = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self(Inner::Chunks { chunks, next: 0, left })
    }

    /// A body that is made while it is sent. One that ends by itself only when the client leaves must watch
    /// [`crate::task::Stopping`], or it holds up the stop.
    pub fn stream<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        Self(Inner::Stream(Box::pin(body.map_err(Into::into))))
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self(Inner::Full(bytes.into()))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({:?})", self.size_hint())
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match &mut self.get_mut().0 {
            Inner::Full(bytes) if bytes.is_empty() => None,
            Inner::Full(bytes) => Some(std::mem::take(bytes)),
            Inner::Chunks { chunks, next, left } => {
                let chunk = chunks.get(*next).cloned();
                *next += 1;
                *left -= chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
                chunk
            }
            Inner::Stream(stream) => return stream.as_mut().poll_frame(cx),
        };
        Poll::Ready(frame.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Full(bytes) => bytes.is_empty(),
            Inner::Chunks { left, .. } => *left == 0,
            Inner::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Chunks { left, .. } => SizeHint::with_exact(*left),
            Inner::Stream(stream) => stream.size_hint(),
        }
    }
}

/// Bounds on a request's body.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Largest size, as received and again as inflated.
    pub bytes_max: usize,
    /// How long it may take to arrive.
    pub timeout: Duration,
}

/// Why a request's body is refused.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is larger than allowed.
    #[error("the body is larger than {max} bytes")]
    TooLarge {
        /// The limit in bytes.
        max: usize,
    },
    /// It did not arrive in time.
    #[error("the body did not arrive in time")]
    Timeout,
    /// The connection broke, or the framing is wrong.
    #[error("the body could not be read")]
    Broken(#[source] BoxError),
    /// It is compressed in a way we do not know.
    #[error("the body's content-encoding is not known; gzip is")]
    UnknownEncoding,
    /// It is compressed, and damaged or too large.
    #[error(transparent)]
    Inflate(#[from] InflateError),
}

impl BodyError {
    /// The status that says so.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } | Self::Inflate(InflateError::TooLarge { .. }) => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::UnknownEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Broken(_) | Self::Inflate(InflateError::Invalid) => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads a whole body, as sent. One that arrived with its head in one piece is not copied.
///
/// # Errors
/// When it is too large, too slow, or broken.
pub async fn read<B>(body: B, limits: BodyLimits) -> Result<Bytes, BodyError>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    // What the head announces is refused before a byte of it is read.
    if body.size_hint().lower() > limits.bytes_max as u64 {
        return Err(BodyError::TooLarge { max: limits.bytes_max });
    }
    match tokio::time::timeout(limits.timeout, collect(body, limits.bytes_max)).await {
        Ok(collected) => collected,
        Err(_) => Err(BodyError::Timeout),
    }
}

/// Reads a whole body and inflates it if `headers` say that it is compressed.
///
/// # Errors
/// As [`read`], and when it is compressed in another way than gzip, damaged, or too large once inflated.
pub async fn read_inflated<B>(headers: &HeaderMap, body: B, limits: BodyLimits) -> Result<Bytes, BodyError>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let encoding = headers.get(header::CONTENT_ENCODING).map(http::HeaderValue::as_bytes);
    let is = |name: &[u8]| encoding.is_some_and(|encoding| encoding.eq_ignore_ascii_case(name));
    let compressed = is(b"gzip") || is(b"x-gzip");
    if encoding.is_some() && !compressed && !is(b"identity") && !is(b"") {
        return Err(BodyError::UnknownEncoding);
    }
    let bytes = read(body, limits).await?;
    if compressed && !bytes.is_empty() { Ok(inflate(&bytes, limits.bytes_max)?) } else { Ok(bytes) }
}

async fn collect<B>(mut body: B, max: usize) -> Result<Bytes, BodyError>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::Broken(error.into()))?;
        // Trailers are no concern of anybody here.
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + whole.len() + data.len() > max {
            return Err(BodyError::TooLarge { max });
        }
        if first.is_empty() && whole.is_empty() {
            first = data;
            continue;
        }
        if !first.is_empty() {
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}
