//! The bytes of a connection, plain or under TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A stream that was accepted. With TLS, the handshake is made when something is first read or written.
pub(crate) enum Stream {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Handshake(Box<tokio_rustls::Accept<TcpStream>>),
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

impl Stream {
    /// Has the connection end in a reset when it is dropped.
    pub(crate) fn reset_on_drop(&self) {
        let tcp = match self {
            Self::Plain(tcp) => Some(tcp),
            #[cfg(feature = "tls")]
            Self::Handshake(accept) => accept.get_ref(),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Some(tls.get_ref().0),
        };
        if let Some(tcp) = tcp {
            // Where that cannot be set, it ends in an orderly way.
            let _ = tcp.set_zero_linger();
        }
    }

    #[cfg(feature = "tls")]
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Self::Handshake(accept) = self {
            let tls = std::task::ready!(Future::poll(Pin::new(accept.as_mut()), context))?;
            *self = Self::Tls(Box::new(tls));
        }
        Poll::Ready(Ok(()))
    }

    #[cfg(not(feature = "tls"))]
    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

macro_rules! each {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream {
            Stream::Plain($inner) => $call,
            // Never here: `poll_ready` comes before.
            #[cfg(feature = "tls")]
            Stream::Handshake(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            #[cfg(feature = "tls")]
            Stream::Tls($inner) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_ready(context))?;
        each!(&mut *self, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_ready(context))?;
        each!(&mut *self, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_ready(context))?;
        each!(&mut *self, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_ready(context))?;
        each!(&mut *self, stream => Pin::new(stream).poll_shutdown(context))
    }
}
