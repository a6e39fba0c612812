//! A connection that fails when a fault or the sandbox's end wants it to.
//!
//! Under the HTTP library, so that it can send what no library writes: a torn body, a wrong length, a reset, a byte a second.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use crate::damage::{Script, Step};
use crate::fault::Ending;
use crate::listener::StoppableListener;
use crate::state::{Shared, lock};
use crate::stream::Stream;

/// What is to happen on a connection: the front tells, the connection does it.
#[derive(Clone, Default)]
pub(crate) struct Line(Arc<Mutex<Orders>>);

#[derive(Default)]
struct Orders {
    script: Option<Script>,
    closes_on_request: bool,
}

impl Line {
    /// Sends `script` in the place of the next thing that the HTTP library writes.
    pub(crate) fn play(&self, script: Script) {
        lock(&self.0).script = Some(script);
    }

    /// Closes the connection when the next request comes on it.
    pub(crate) fn close_on_request(&self) {
        lock(&self.0).closes_on_request = true;
    }
}

impl Connected<IncomingStream<'_, StoppableListener>> for Line {
    fn connect_info(stream: IncomingStream<'_, StoppableListener>) -> Self {
        stream.io().line.clone()
    }
}

type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection of one of the listeners.
pub(crate) struct Connection {
    stream: Stream,
    shared: Arc<Shared>,
    stopped: Waiting,
    is_stopped: bool,
    line: Line,
    playing: Option<Playing>,
}

struct Playing {
    steps: VecDeque<Step>,
    /// How far the block that is repeated has been sent.
    sent: usize,
    pause: Option<Waiting>,
    ending: Option<Ending>,
}

impl Connection {
    pub(crate) fn new(stream: Stream, shared: Arc<Shared>, mut stop: watch::Receiver<()>) -> Self {
        let stopped = Box::pin(async move {
            // A dropped sender means the same as a message.
            let _ = stop.changed().await;
        });
        Self { stream, shared, stopped, is_stopped: false, line: Line::default(), playing: None }
    }

    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.is_stopped || self.stopped.as_mut().poll(context).is_ready() {
            self.is_stopped = true;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// Sends the script to its end.
    fn poll_play(&mut self, playing: &mut Playing, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some(pause) = &mut playing.pause {
                if pause.as_mut().poll(context).is_pending() {
                    return self.poll_hang_up(context);
                }
                playing.pause = None;
            }
            let is_done = match playing.steps.front_mut() {
                Some(Step::Bytes(bytes)) => {
                    if !bytes.is_empty() {
                        let sent = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
                        bytes.advance(sent);
                    }
                    bytes.is_empty()
                }
                Some(Step::Repeat { block, times }) => {
                    match block.get(playing.sent..) {
                        Some(rest) if *times > 0 && !rest.is_empty() => {
                            playing.sent += ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
                        }
                        _ => {
                            *times = times.saturating_sub(1);
                            playing.sent = 0;
                        }
                    }
                    *times == 0
                }
                Some(Step::Pause(pause)) => {
                    let (shared, pause) = (self.shared.clone(), *pause);
                    ready!(Pin::new(&mut self.stream).poll_flush(context))?;
                    playing.pause = Some(Box::pin(async move { shared.clock.sleep(pause).await }));
                    true
                }
                None => {
                    ready!(Pin::new(&mut self.stream).poll_flush(context))?;
                    return match playing.ending {
                        None => Poll::Ready(Ok(())),
                        Some(Ending::Close) => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
                        Some(Ending::Reset) => {
                            self.stream.reset_on_drop();
                            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
                        }
                        Some(Ending::Silence) => self.poll_hang_up(context),
                    };
                }
            };
            if is_done {
                playing.steps.pop_front();
            }
        }
    }

    /// Waits for the other side to go away, so that a pause does not outlive it. What it sends meanwhile is dropped.
    fn poll_hang_up(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut bytes = [0; 256];
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before && lock(&self.line.0).closes_on_request {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.check(context)?;
        if self.playing.is_none() {
            let script = lock(&self.line.0).script.take();
            self.playing = script.map(|script| Playing { steps: script.steps, sent: 0, pause: None, ending: script.ending });
        }
        let Some(mut playing) = self.playing.take() else {
            return Pin::new(&mut self.stream).poll_write(context, buffer);
        };
        match self.poll_play(&mut playing, context) {
            Poll::Pending => {
                self.playing = Some(playing);
                Poll::Pending
            }
            // The library has given one whole answer, as the front gave it none with a body.
            Poll::Ready(played) => Poll::Ready(played.map(|()| buffer.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
