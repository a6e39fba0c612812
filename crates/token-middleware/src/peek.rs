//! A body whose beginning was read: to sign it, to send it again, or to look for a code in it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// A body whose beginning, or all of it, may have been read already. Whoever reads it sees what the body itself would have given.
pub struct Peeked<B: Body> {
    data: Option<Bytes>,
    trailers: Option<Box<HeaderMap>>,
    error: Option<B::Error>,
    /// `None` once it has ended.
    rest: Option<B>,
}

/// An error is never pinned.
impl<B: Body + Unpin> Unpin for Peeked<B> {}

impl<B: Body<Data = Bytes> + Unpin> Peeked<B> {
    /// Of which nothing was read yet.
    pub(crate) fn unread(body: B) -> Self {
        Self { data: None, trailers: None, error: None, rest: Some(body) }
    }

    /// A whole body again.
    pub(crate) fn whole(data: Bytes, trailers: Option<Box<HeaderMap>>) -> Self {
        Self { data: (!data.is_empty()).then_some(data), trailers, error: None, rest: None }
    }

    /// What was read so far.
    pub(crate) fn read(&self) -> &[u8] {
        self.data.as_deref().unwrap_or_default()
    }

    /// The whole body, if it has been read to its end and without an error.
    pub(crate) fn to_whole(&self) -> Option<(Bytes, Option<Box<HeaderMap>>)> {
        let is_whole = self.rest.is_none() && self.error.is_none();
        is_whole.then(|| (self.data.clone().unwrap_or_default(), self.trailers.clone()))
    }

    /// Why the body could not be read on.
    pub(crate) fn take_error(&mut self) -> Option<B::Error> {
        self.error.take()
    }

    /// Reads until there are more than `enough` bytes, or the end.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>, enough: usize) -> Poll<()> {
        while let Some(rest) = &mut self.rest {
            if self.data.as_ref().is_some_and(|data| data.len() > enough) {
                break;
            }
            if rest.is_end_stream() {
                self.rest = None;
                break;
            }
            match std::task::ready!(Pin::new(rest).poll_frame(context)) {
                None => self.rest = None,
                Some(Err(error)) => {
                    self.error = Some(error);
                    self.rest = None;
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(more) => self.append(more),
                    // The trailers are the last frame (RFC 9110 section 6.5).
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok().map(Box::new);
                        self.rest = None;
                    }
                },
            }
        }
        Poll::Ready(())
    }

    pub(crate) async fn fill(&mut self, enough: usize) {
        std::future::poll_fn(|context| self.poll_read(context, enough)).await;
    }

    fn append(&mut self, more: Bytes) {
        self.data = Some(match self.data.take() {
            None => more,
            Some(data) => {
                let mut joined = BytesMut::from(data);
                joined.extend_from_slice(&more);
                joined.freeze()
            }
        });
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Peeked<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        if let Some(data) = this.data.take().filter(|data| data.has_remaining()) {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(trailers) = this.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(*trailers))));
        }
        if let Some(error) = this.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match &mut this.rest {
            Some(rest) => Pin::new(rest).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read().is_empty()
            && self.trailers.is_none()
            && self.error.is_none()
            && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let read = u64::try_from(self.read().len()).unwrap_or(u64::MAX);
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(read));
        }
        hint
    }
}

/// An empty body, which a layer that follows redirects puts in place of one that it does not send again.
impl<B: Body> Default for Peeked<B> {
    fn default() -> Self {
        Self { data: None, trailers: None, error: None, rest: None }
    }
}

/// Shows how much was read, never what.
impl<B: Body> std::fmt::Debug for Peeked<B> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Peeked")
            .field("bytes_read", &self.data.as_ref().map_or(0, Bytes::len))
            .field("is_whole", &self.rest.is_none())
            .finish_non_exhaustive()
    }
}
