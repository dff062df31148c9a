//! Bodies of answers and of requests to other servers.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Incoming;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout_at;

use crate::fault::{Fault, Kind, Result};

/// Pieces up to this size together are sent as one.
const JOINED_BYTES: usize = 16 << 10;
/// Of HTTP/2, on either side: large tensors go in few frames.
pub const FRAME_BYTES: u32 = 256 << 10;
/// What a gRPC message may have beyond its tensors.
pub const OVERHEAD_BYTES: usize = 1 << 20;

/// Room made for a body before it has come: what its beginning says is only a promise.
const MOST_RESERVED: usize = 4 << 20;

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body: pieces with perhaps trailers, another server's, or what a channel gives.
pub enum Body {
    Pieces { pieces: VecDeque<Bytes>, trailers: Option<HeaderMap> },
    Proxied(Incoming),
    Channel(Receiver<Frame<Bytes>>),
}

impl Body {
    pub fn empty() -> Self {
        Body::Pieces { pieces: VecDeque::new(), trailers: None }
    }

    pub fn pieces(pieces: Vec<Bytes>) -> Self {
        Body::Pieces { pieces: joined(pieces), trailers: None }
    }

    /// One gRPC message and its trailers.
    pub fn grpc(message: Vec<Bytes>, trailers: HeaderMap) -> Self {
        Body::Pieces { pieces: sent(message), trailers: Some(trailers) }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Body::Pieces { pieces: VecDeque::from([bytes]), trailers: None }
    }
}

/// A gRPC message in its frame, not compressed.
pub fn framed(message: Vec<Bytes>) -> Vec<Bytes> {
    let length: usize = message.iter().map(Bytes::len).sum();
    let mut head = BytesMut::with_capacity(5);
    head.put_u8(0);
    head.put_u32(length as u32);
    std::iter::once(head.freeze()).chain(message).collect()
}

/// The pieces in which a gRPC message is sent.
pub fn sent(message: Vec<Bytes>) -> VecDeque<Bytes> {
    joined(framed(message))
}

/// Bytes of the gRPC message that begins here, with its frame; 0 where its beginning is cut.
pub fn framed_length(data: &[u8]) -> usize {
    data.first_chunk::<5>().map_or(0, |&[_, a, b, c, d]| 5 + u32::from_be_bytes([a, b, c, d]) as usize)
}

/// A body whose beginning tells nothing of its length.
pub fn unknown_length(_: &[u8]) -> usize {
    0
}

fn joined(pieces: Vec<Bytes>) -> VecDeque<Bytes> {
    let size: usize = pieces.iter().map(Bytes::len).sum();
    if size > JOINED_BYTES || pieces.len() < 2 {
        return pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
    }
    let mut one = BytesMut::with_capacity(size);
    for piece in pieces {
        one.extend_from_slice(&piece);
    }
    VecDeque::from([one.freeze()])
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Body::Pieces { pieces, trailers } => Poll::Ready(match pieces.pop_front() {
                Some(piece) => Some(Ok(Frame::data(piece))),
                None => trailers.take().map(|trailers| Ok(Frame::trailers(trailers))),
            }),
            Body::Proxied(incoming) => Pin::new(incoming).poll_frame(context).map_err(Into::into),
            Body::Channel(receiver) => receiver.poll_recv(context).map(|frame| frame.map(Ok)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Pieces { pieces, trailers } => pieces.is_empty() && trailers.is_none(),
            Body::Proxied(incoming) => incoming.is_end_stream(),
            Body::Channel(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Pieces { pieces, .. } => SizeHint::with_exact(pieces.iter().map(|piece| piece.len() as u64).sum()),
            Body::Proxied(incoming) => incoming.size_hint(),
            Body::Channel(_) => SizeHint::default(),
        }
    }
}

/// All of a body; TooLarge as soon as it is known to have more than `max_bytes`. `expected` says from its beginning how
/// long it may be, 0 if that does not tell.
pub async fn collect(body: &mut Incoming, max_bytes: usize, expected: fn(&[u8]) -> usize) -> Result<Bytes> {
    let too_large = || Fault::new(Kind::TooLarge, format!("body of more than {max_bytes} bytes"));
    let declared = body.size_hint().lower();
    if declared > max_bytes as u64 {
        let cause = format!("body of {declared} bytes; at most {max_bytes} are taken");
        return Err(Fault::new(Kind::TooLarge, cause));
    }
    let mut whole = Whole::default();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() {
            whole.push(data, |first| (declared as usize).max(expected(first)));
        }
        if whole.len() > max_bytes {
            return Err(too_large());
        }
    }
    Ok(whole.into_bytes())
}

/// What has come of a body; the only piece of one is not copied.
#[derive(Default)]
pub struct Whole {
    first: Bytes,
    rest: BytesMut,
}

impl Whole {
    /// `expected` says from its beginning how long it may be, 0 if that does not tell.
    pub fn push(&mut self, data: Bytes, expected: impl Fn(&[u8]) -> usize) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        if self.rest.is_empty() {
            self.rest.reserve(expected(&self.first).min(MOST_RESERVED).max(self.first.len() + data.len()));
            self.rest.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.rest.extend_from_slice(&data);
    }

    pub fn len(&self) -> usize {
        self.first.len().max(self.rest.len())
    }

    pub fn into_bytes(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.freeze() }
    }
}

/// `collect`, as far as it comes until `deadline`; then DeadlineExceeded.
pub async fn collect_until(
    body: &mut Incoming,
    deadline: Instant,
    max_bytes: usize,
    expected: fn(&[u8]) -> usize,
) -> Result<Bytes> {
    let late = |_| Fault::new(Kind::DeadlineExceeded, "the body did not come in time");
    timeout_at(deadline.into(), collect(body, max_bytes, expected)).await.map_err(late)?
}

/// Reads the rest of a body and forgets it; TooLarge where it has more than `max_bytes`.
pub async fn discard(body: &mut Incoming, max_bytes: usize) -> Result<()> {
    let mut left = max_bytes as u64;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        let size = frame.data_ref().map_or(0, |data| data.len() as u64);
        let too_large = || Fault::new(Kind::TooLarge, "the rest of the body is not read");
        left = left.checked_sub(size).ok_or_else(too_large)?;
    }
    Ok(())
}

/// A body that ends early is its sender's going away; anything else is no body at all.
fn broken(error: &hyper::Error) -> Fault {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    let is_malformed = source.is_some_and(|source| {
        matches!(source.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput)
    });
    let kind = if is_malformed { Kind::InvalidInput } else { Kind::Cancelled };
    Fault::new(kind, "the body is malformed or ends early")
}
