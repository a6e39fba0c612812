//! A body whose beginning was read: to sign it, to send it again, or to look for a code in it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// How much is read of an answer that refuses a token before the request is sent again: a connection whose answer is read serves the second try, and most refusals are no longer.
pub(crate) const KEPT_BYTES: usize = 64 * 1024;

/// How many frames are read before others have their turn.
const FRAMES_AT_ONCE: usize = 256;

/// Ends when a look has lasted long enough.
type Patience<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A body whose beginning, or all of it, may have been read already. Whoever reads it sees what the body itself would have given.
#[cfg_attr(not(feature = "tower"), expect(unreachable_pub, reason = "only the types of `TokenLayer` show it"))]
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

    /// What was read so far.
    pub(crate) fn read(&self) -> &[u8] {
        self.data.as_deref().unwrap_or_default()
    }

    /// Reads until there are more than `enough` bytes, or the end.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>, enough: usize) -> Poll<()> {
        for _ in 0..FRAMES_AT_ONCE {
            let Some(rest) = &mut self.rest else { return Poll::Ready(()) };
            if self.data.as_ref().is_some_and(|data| data.len() > enough) {
                return Poll::Ready(());
            }
            if rest.is_end_stream() {
                self.rest = None;
                return Poll::Ready(());
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
        // Others have their turn: a body may be ready for ever and bring nothing.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// As [`poll_read`](Self::poll_read), for no longer than `patience` lasts. `false`: it ended before there was enough, by that or by an error.
    pub(crate) async fn look<'a>(&mut self, enough: usize, patience: impl FnOnce() -> Patience<'a>) -> bool {
        // Most often all is here, and nobody waits.
        let mut patience = Some(patience);
        let mut running = None;
        poll_fn(move |context| {
            if self.poll_read(context, enough).is_ready() {
                return Poll::Ready(self.error.is_none());
            }
            if let Some(begin) = patience.take() {
                running = Some(begin());
            }
            match &mut running {
                Some(running) => running.as_mut().poll(context).map(|()| false),
                None => Poll::Pending,
            }
        })
        .await
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

/// For a request, which may be sent again.
#[cfg(any(feature = "tower", test))]
impl<B: Body> Peeked<B> {
    /// A whole body again.
    pub(crate) fn whole(data: Bytes, trailers: Option<Box<HeaderMap>>) -> Self {
        Self { data: (!data.is_empty()).then_some(data), trailers, error: None, rest: None }
    }

    /// Whether something of it was read.
    #[cfg(feature = "tower")]
    pub(crate) fn has_begun(&self) -> bool {
        self.data.is_some() || self.rest.is_none()
    }

    /// Whether it has been read to its end, and without an error.
    pub(crate) fn is_whole(&self) -> bool {
        self.rest.is_none() && self.error.is_none()
    }

    /// The whole body, if it has been read so far.
    pub(crate) fn to_whole(&self) -> Option<(Bytes, Option<Box<HeaderMap>>)> {
        self.is_whole().then(|| (self.data.clone().unwrap_or_default(), self.trailers.clone()))
    }

    /// Why the body could not be read on.
    pub(crate) fn take_error(&mut self) -> Option<B::Error> {
        self.error.take()
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::collections::VecDeque;
    use std::task::Waker;

    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    /// What a body does when it is polled.
    #[derive(Clone, Debug)]
    enum Step {
        Data(Vec<u8>),
        Trailers(u8),
        Error(u8),
        Pending,
    }

    /// Does what it is told, in turn. It may know its length, and whether it has ended.
    #[derive(Clone, Debug)]
    struct Script {
        steps: VecDeque<Step>,
        knows: bool,
        polls: usize,
    }

    impl Script {
        fn new(steps: impl IntoIterator<Item = Step>, knows: bool) -> Self {
            Self { steps: steps.into_iter().collect(), knows, polls: 0 }
        }

        fn left(&self) -> usize {
            self.steps.iter().map(|step| if let Step::Data(data) = step { data.len() } else { 0 }).sum()
        }
    }

    impl Body for Script {
        type Data = Bytes;
        type Error = u8;

        fn poll_frame(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, u8>>> {
            self.polls += 1;
            match self.steps.pop_front() {
                None => Poll::Ready(None),
                Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data.into())))),
                Some(Step::Trailers(value)) => Poll::Ready(Some(Ok(Frame::trailers(trailers(value))))),
                Some(Step::Error(error)) => Poll::Ready(Some(Err(error))),
                Some(Step::Pending) => Poll::Pending,
            }
        }

        fn is_end_stream(&self) -> bool {
            self.knows && self.steps.is_empty()
        }

        fn size_hint(&self) -> SizeHint {
            let left = u64::try_from(self.left()).unwrap();
            if self.knows { SizeHint::with_exact(left) } else { SizeHint::new() }
        }
    }

    fn trailers(value: u8) -> HeaderMap {
        HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from(u16::from(value)))])
    }

    fn now() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    /// Reads as `fill` does, however often it has to wait.
    fn fill(body: &mut Peeked<Script>, enough: usize) {
        while body.poll_read(&mut now(), enough).is_pending() {}
    }

    /// All that a body gives: its bytes, its trailers, and its error.
    fn replay<B: Body<Data = Bytes, Error = u8> + Unpin>(mut body: B) -> (Vec<u8>, Option<HeaderMap>, Option<u8>) {
        let (mut data, mut trailers, mut error) = (Vec::new(), None, None);
        loop {
            let may_end_here = body.is_end_stream();
            let hint = body.size_hint();
            match Pin::new(&mut body).poll_frame(&mut now()) {
                Poll::Pending => assert!(!may_end_here, "it said that it had ended"),
                Poll::Ready(None) => return (data, trailers, error),
                Poll::Ready(Some(frame)) => {
                    assert!(!may_end_here, "it said that it had ended");
                    match frame.map(Frame::into_data) {
                        Ok(Ok(more)) => {
                            let length = u64::try_from(more.len()).unwrap();
                            assert!(hint.upper().is_none_or(|upper| upper >= length), "{hint:?}, and {length} came");
                            data.extend_from_slice(&more);
                        }
                        Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
                        Err(fault) => error = Some(fault),
                    }
                }
            }
        }
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Step::Data),
            2 => Just(Step::Pending),
        ];
        let end = prop_oneof![
            2 => Just(Vec::new()),
            1 => any::<u8>().prop_map(|value| vec![Step::Trailers(value)]),
            1 => any::<u8>().prop_map(|error| vec![Step::Error(error)]),
            1 => any::<u8>().prop_map(|value| vec![Step::Pending, Step::Trailers(value)]),
            1 => any::<u8>().prop_map(|error| vec![Step::Pending, Step::Error(error)]),
        ];
        (prop::collection::vec(step, 0..8), end).prop_map(|(mut steps, end)| {
            steps.extend(end);
            steps
        })
    }

    proptest! {
        /// However much of a body was looked at, and however often, whoever reads it has all of it, once.
        #[test]
        fn a_body_gives_the_same_after_a_look(steps in steps(), knows in any::<bool>(), looks in prop::collection::vec(0_usize..60, 0..3)) {
            let script = Script::new(steps, knows);
            let mut body = Peeked::unread(script.clone());
            for enough in looks {
                let hint = body.size_hint();
                fill(&mut body, enough);
                prop_assert_eq!(body.size_hint().exact().is_some(), hint.exact().is_some() || body.rest.is_none());
                if knows {
                    prop_assert_eq!(body.size_hint().exact(), Some(script.left() as u64));
                }
                // Enough, or all.
                prop_assert!(body.read().len() > enough || body.rest.is_none());
            }
            prop_assert_eq!(replay(body), replay(script));
        }

        /// What is kept of a whole body is that body.
        #[test]
        fn a_whole_body_is_the_same_twice(steps in steps(), knows in any::<bool>()) {
            let script = Script::new(steps, knows);
            let mut body = Peeked::unread(script.clone());
            fill(&mut body, usize::MAX);
            let expected = replay(script);
            prop_assert_eq!(body.to_whole().is_none(), expected.2.is_some());
            if let Some((data, trailers)) = body.to_whole() {
                let copy = Peeked::<Script>::whole(data, trailers);
                prop_assert_eq!(copy.size_hint().exact(), Some(expected.0.len() as u64));
                prop_assert_eq!(replay(copy), expected.clone());
            }
            prop_assert_eq!(replay(body), expected);
        }
    }

    #[test]
    fn a_body_that_brings_nothing_lets_others_have_their_turn() {
        let mut body = Peeked::unread(Script::new(vec![Step::Data(Vec::new()); 10 * FRAMES_AT_ONCE], false));
        let mut turns = 0;
        while body.poll_read(&mut now(), 1).is_pending() {
            turns += 1;
        }
        assert_eq!(turns, 10);
        assert!(body.to_whole().is_some_and(|(data, _)| data.is_empty()));
    }

    #[test]
    fn no_more_is_read_than_enough() {
        let data = |length: usize| Step::Data(vec![b'x'; length]);
        // The steps, how much is enough, and after how many polls that is.
        let cases = [
            (vec![], 0, 1),
            (vec![data(1), data(1)], 0, 1),
            (vec![data(5), data(5)], 4, 1),
            // As much as is enough, to the byte, may be all or not: one more look tells.
            (vec![data(5), data(5)], 5, 2),
            (vec![data(5)], 5, 2),
            (vec![data(5), data(0), data(5), data(5)], 5, 3),
            (vec![data(5), Step::Trailers(1)], 99, 2),
            (vec![data(5), Step::Error(1), data(5)], 99, 2),
        ];
        for (steps, enough, polls) in cases {
            let mut script = Script::new(steps.clone(), false);
            let mut body = Peeked::unread(&mut script);
            assert!(body.poll_read(&mut now(), enough).is_ready());
            drop(body);
            assert_eq!(script.polls, polls, "{steps:?}, {enough}");
        }
        // A body that knows its end is not asked for it.
        let mut script = Script::new([data(5)], true);
        assert!(Peeked::unread(&mut script).poll_read(&mut now(), 99).is_ready());
        assert_eq!(script.polls, 1);
    }

    #[test]
    fn what_it_says_of_itself_is_so() {
        let empty = Peeked::<Script>::default();
        assert!(empty.is_end_stream() && empty.size_hint().exact() == Some(0));
        assert!(Peeked::<Script>::whole(Bytes::new(), None).is_end_stream());
        assert!(!Peeked::<Script>::whole(Bytes::new(), Some(Box::new(trailers(1)))).is_end_stream());
        assert!(!Peeked::<Script>::whole(Bytes::from_static(b"x"), None).is_end_stream());

        let mut failed = Peeked::unread(Script::new([Step::Error(7)], true));
        fill(&mut failed, 0);
        assert!(!failed.is_end_stream() && failed.to_whole().is_none());
        assert_eq!((failed.take_error(), failed.is_end_stream()), (Some(7), true));

        let mut secret = Peeked::unread(Script::new([Step::Data(b"secret-test-only".to_vec())], true));
        fill(&mut secret, 99);
        assert_eq!(format!("{secret:?}"), "Peeked { bytes_read: 16, is_whole: true, .. }");
    }
}
